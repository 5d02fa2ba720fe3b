"""Labels: predictions that wait for them, labels that wait for their predictions, and what joining them came to."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
TIME = sa.DateTime(timezone=True)
BIG_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
DOCUMENT = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
INCOMPRESSIBLE = {
    "kept_chunks": ("ids", "data"),
    "kept_rows": ("ids", "data"),
    "label_matches": ("data",),
    "label_chunks": ("data",),
}
"""Hashes, and what is packed already: PostgreSQL would try to compress them again, in vain."""


def column(name: str, kind: sa.types.TypeEngine[Any], *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=nullable)


def number() -> sa.Column[Any]:
    return sa.Column("number", BIG_KEY, autoincrement=True, nullable=False)


def window(*, end: bool = True) -> list[sa.Column[Any]]:
    key = [column("model", TEXT), column("version", TEXT), column("start", TIME)]
    return [*key, column("end", TIME)] if end else key


def upgrade() -> None:
    op.create_table(
        "kept_chunks",
        number(),
        *window(),
        column("rows", sa.BigInteger()),
        column("ids", sa.LargeBinary()),
        column("data", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_kept_chunks")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_kept_chunks_model_start_version_number"), "kept_chunks", ["model", "start", "version", "number"])
    op.create_table(
        "kept_windows",
        *window(),
        *(column(name, sa.BigInteger()) for name in ("rows", "labelled", "changes")),
        column("judged_changes", sa.BigInteger(), nullable=True),
        column("have", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("model", "start", "version", name=op.f("pk_kept_windows")),
    )
    op.create_table(
        "kept_rows",
        *window(end=False),
        column("ids", sa.LargeBinary()),
        column("data", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("model", "start", "version", name=op.f("pk_kept_rows")),
    )
    op.create_table(
        "label_matches",
        number(),
        *window(end=False),
        column("rows", sa.BigInteger()),
        column("data", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_label_matches")),
    )
    op.create_index(op.f("ix_label_matches_model_start_version_number"), "label_matches", ["model", "start", "version", "number"])
    op.create_table(
        "label_chunks",
        number(),
        column("model", TEXT),
        column("fresh", sa.Boolean()),
        column("rows", sa.BigInteger()),
        column("data", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_label_chunks")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_label_chunks_model_fresh_number"), "label_chunks", ["model", "fresh", "number"])
    op.create_table(
        "join_progress",
        column("model", TEXT),
        *(column(name, sa.BigInteger()) for name in ("number", "matched", "revised", "repeated", "expired", "unlabelled")),
        sa.PrimaryKeyConstraint("model", name=op.f("pk_join_progress")),
    )
    op.create_table(
        "label_curves",
        *window(),
        column("document", DOCUMENT),
        sa.PrimaryKeyConstraint("model", "start", "version", name=op.f("pk_label_curves")),
    )
    op.create_table(
        "tallies",
        *window(),
        column("segment", TEXT),
        column("data", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("model", "start", "version", "segment", name=op.f("pk_tallies")),
    )
    if op.get_context().dialect.name == "postgresql":
        for table, names in INCOMPRESSIBLE.items():
            for name in names:
                op.execute(f"ALTER TABLE {table} ALTER COLUMN {name} SET STORAGE EXTERNAL")


def downgrade() -> None:
    op.drop_table("tallies")
    op.drop_table("label_curves")
    op.drop_table("join_progress")
    op.drop_index(op.f("ix_label_chunks_model_fresh_number"), table_name="label_chunks")
    op.drop_table("label_chunks")
    op.drop_index(op.f("ix_label_matches_model_start_version_number"), table_name="label_matches")
    op.drop_table("label_matches")
    op.drop_table("kept_rows")
    op.drop_table("kept_windows")
    op.drop_index(op.f("ix_kept_chunks_model_start_version_number"), table_name="kept_chunks")
    op.drop_table("kept_chunks")
