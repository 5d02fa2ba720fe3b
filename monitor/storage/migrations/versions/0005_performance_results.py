"""What results of performance tell besides."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("results", sa.Column("ci_low", sa.Double(), nullable=True))
    op.add_column("results", sa.Column("ci_high", sa.Double(), nullable=True))
    op.add_column("results", sa.Column("labelled", sa.BigInteger(), nullable=True))
    op.add_column("results", sa.Column("estimated", sa.Boolean(), nullable=True))
    op.add_column("results", sa.Column("reference_value", sa.Double(), nullable=True))


def downgrade() -> None:
    for name in ("ci_low", "ci_high", "labelled", "estimated", "reference_value"):
        op.drop_column("results", name)
