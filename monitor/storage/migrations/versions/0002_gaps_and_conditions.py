"""Gaps in the log, and incidents of driftd's own way."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
TIME = sa.DateTime(timezone=True)
BIG_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "gaps",
        sa.Column("number", BIG_KEY, autoincrement=True, nullable=False),
        sa.Column("model", TEXT, nullable=False),
        sa.Column("topic", TEXT, nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("first", sa.BigInteger(), nullable=False),
        sa.Column("beyond", sa.BigInteger(), nullable=True),
        sa.Column("since", TIME, nullable=True),
        sa.Column("until", TIME, nullable=True),
        sa.Column("at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_gaps")),
    )
    op.create_index(op.f("ix_gaps_model_until"), "gaps", ["model", "until"])
    op.add_column("incidents", sa.Column("condition", TEXT, nullable=True))


def downgrade() -> None:
    op.drop_column("incidents", "condition")
    op.drop_index(op.f("ix_gaps_model_until"), table_name="gaps")
    op.drop_table("gaps")
