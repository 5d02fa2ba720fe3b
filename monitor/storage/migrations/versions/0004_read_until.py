"""Until when a partition is read, which the age of its newest row is taken by."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("marks", sa.Column("read_until", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("marks", "read_until")
