"""The last ended delivery of each receiver is asked for every second: an index, since deliveries only grow."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(op.f("ix_deliveries_receiver_ended_at"), "deliveries", ["receiver", "ended_at"])


def downgrade() -> None:
    op.drop_index(op.f("ix_deliveries_receiver_ended_at"), table_name="deliveries")
