"""What people and trainers say: silences, the audit, the life of requests to retrain; and what incidents hold back."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
TIME = sa.DateTime(timezone=True)
BIG_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
RETRAININGS = ("approved_by", "run_url", "new_version", "helped")
"""Texts of a request to retrain that may be missing."""


def column(name: str, kind: sa.types.TypeEngine[Any], *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=nullable)


def number() -> sa.Column[Any]:
    return sa.Column("number", BIG_KEY, autoincrement=True, nullable=False)


def upgrade() -> None:
    op.create_table(
        "silences",
        *(column(name, TEXT) for name in ("id", "model", "check", "column", "incident")),
        column("starts_at", TIME),
        column("ends_at", TIME),
        column("by", TEXT),
        column("reason", TEXT),
        column("ended_by", TEXT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_silences")),
    )
    op.create_index(op.f("ix_silences_ends_at"), "silences", ["ends_at"])
    op.create_table(
        "audit",
        number(),
        column("at", TIME),
        *(column(name, TEXT) for name in ("by", "via", "action", "model", "subject", "detail")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_audit")),
    )
    op.create_index(op.f("ix_audit_subject"), "audit", ["subject"])
    op.create_table(
        "retraining_events",
        number(),
        column("retraining", TEXT),
        column("at", TIME),
        column("before", TEXT, nullable=True),
        *(column(name, TEXT) for name in ("after", "by", "detail")),
        sa.ForeignKeyConstraint(["retraining"], ["retrainings.id"], name=op.f("fk_retraining_events_retraining_retrainings")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_retraining_events")),
    )
    op.create_index(op.f("ix_retraining_events_retraining"), "retraining_events", ["retraining"])
    op.create_table(
        "digests",
        column("receiver", TEXT),
        column("told_until", TIME),
        column("judged", JSON),
        sa.PrimaryKeyConstraint("receiver", name=op.f("pk_digests")),
    )
    op.add_column("deliveries", sa.Column("together", sa.Text(), nullable=True))
    op.add_column("incidents", column("muted", TEXT, nullable=True))
    op.add_column("retrainings", column("updated_at", TIME, nullable=True))
    for name in RETRAININGS:
        op.add_column("retrainings", column(name, TEXT, nullable=True))
    for name in ("detail", "verdict"):
        op.add_column("retrainings", sa.Column(name, TEXT, nullable=False, server_default=""))


def downgrade() -> None:
    for name in ("verdict", "detail", *reversed(RETRAININGS), "updated_at"):
        op.drop_column("retrainings", name)
    op.drop_column("incidents", "muted")
    op.drop_column("deliveries", "together")
    for table in ("digests", "retraining_events", "audit", "silences"):
        op.drop_table(table)
