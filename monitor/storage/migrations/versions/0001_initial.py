"""The first schema: checkpoint, judging, outbox and references."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
TIME = sa.DateTime(timezone=True)
JSON = sa.JSON().with_variant(JSONB(), "postgresql")
BIG_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "active_references",
        sa.Column("model", TEXT, nullable=False),
        sa.Column("version", TEXT, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("activated_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("model", "version", name=op.f("pk_active_references")),
    )
    op.create_table(
        "deliveries",
        sa.Column("number", BIG_KEY, autoincrement=True, nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("dedupe", TEXT, nullable=False),
        sa.Column("receiver", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("incident", TEXT),
        sa.Column("body", JSON, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("error", TEXT),
        sa.Column("thread", TEXT),
        sa.Column("owner", TEXT),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("not_before", TIME),
        sa.Column("leased_until", TIME),
        sa.Column("ended_at", TIME),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_deliveries")),
        sa.UniqueConstraint("id", name=op.f("uq_deliveries_id")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_deliveries_incident"), "deliveries", ["incident"])
    op.create_index(
        op.f("ix_deliveries_receiver_number"),
        "deliveries",
        ["receiver", "number"],
        sqlite_where=sa.text("state = 'pending'"),
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_table(
        "grids",
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_grids")),
    )
    op.create_table(
        "id_chunks",
        sa.Column("number", BIG_KEY, autoincrement=True, nullable=False),
        sa.Column("model", TEXT, nullable=False),
        sa.Column("topic", TEXT, nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("window_start", TIME, nullable=False),
        sa.Column("hashes", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_id_chunks")),
    )
    op.create_index(op.f("ix_id_chunks_model_topic_partition"), "id_chunks", ["model", "topic", "partition"])
    op.create_index(op.f("ix_id_chunks_model_window_start"), "id_chunks", ["model", "window_start"])
    op.create_table(
        "incidents",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("model", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("severity", TEXT, nullable=False),
        sa.Column("since", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.Column("fired_at", TIME),
        sa.Column("resolved_at", TIME),
        sa.Column("notified_at", TIME),
        sa.Column("bad_windows", sa.Integer(), nullable=False),
        sa.Column("good_windows", sa.Integer(), nullable=False),
        sa.Column("checks", JSON, nullable=False),
        sa.Column("columns", JSON, nullable=False),
        sa.Column("cause", TEXT, nullable=False),
        sa.Column("summary", TEXT, nullable=False),
        sa.Column("acknowledged_by", TEXT),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incidents")),
    )
    op.create_index(op.f("ix_incidents_model_since"), "incidents", ["model", "since"])
    op.create_table(
        "marks",
        sa.Column("model", TEXT, nullable=False),
        sa.Column("topic", TEXT, nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("max_time", TIME),
        sa.Column("seen_at", TIME),
        sa.Column("caught_up", sa.Boolean(), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("model", "topic", "partition", name=op.f("pk_marks")),
    )
    op.create_table(
        "partitions",
        sa.Column("topic", TEXT, nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("next_offset", sa.BigInteger(), nullable=False),
        sa.Column("topic_id", TEXT),
        sa.Column("updated_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("topic", "partition", name=op.f("pk_partitions")),
    )
    op.create_table(
        "progress",
        sa.Column("model", TEXT, nullable=False),
        sa.Column("sealed_until", TIME),
        sa.Column("judged_until", TIME),
        sa.PrimaryKeyConstraint("model", name=op.f("pk_progress")),
    )
    op.create_table(
        "quarantine",
        sa.Column("id", BIG_KEY, autoincrement=True, nullable=False),
        sa.Column("model", TEXT, nullable=False),
        sa.Column("stream", TEXT, nullable=False),
        sa.Column("topic", TEXT, nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("detail", TEXT, nullable=False),
        sa.Column("sample", sa.LargeBinary(), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_quarantine")),
        sa.UniqueConstraint("model", "stream", "topic", "partition", "offset", name="uq_quarantine_message"),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_quarantine_model_id"), "quarantine", ["model", "id"])
    op.create_table(
        "reference_profiles",
        sa.Column("model", TEXT, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("version", TEXT, nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("columns", sa.Integer(), nullable=False),
        sa.Column("provenance", JSON, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("model", "number", name=op.f("pk_reference_profiles")),
        sa.UniqueConstraint("model", "hash", name=op.f("uq_reference_profiles_model_hash")),
    )
    op.create_table(
        "results",
        sa.Column("model", TEXT, nullable=False),
        sa.Column("version", TEXT, nullable=False),
        sa.Column("segment", TEXT, nullable=False),
        sa.Column("window_start", TIME, nullable=False),
        sa.Column("window_end", TIME, nullable=False),
        sa.Column("check", TEXT, nullable=False),
        sa.Column("column", TEXT, nullable=False),
        sa.Column("metric", TEXT, nullable=False),
        sa.Column("value", sa.Double()),
        sa.Column("threshold", sa.Double()),
        sa.Column("p_value", sa.Double()),
        sa.Column("verdict", TEXT, nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("reference", sa.Text()),
        sa.PrimaryKeyConstraint(
            "model", "version", "segment", "window_start", "check", "column", "metric", "revision", name=op.f("pk_results")
        ),
    )
    op.create_index(op.f("ix_results_model_window_start"), "results", ["model", "window_start"])
    op.create_index(op.f("ix_results_window_start"), "results", ["window_start"])
    op.create_table(
        "retrainings",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("model", TEXT, nullable=False),
        sa.Column("version", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("incident", TEXT),
        sa.Column("columns", JSON, nullable=False),
        sa.Column("requested_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_retrainings")),
    )
    op.create_index(op.f("ix_retrainings_model_requested_at"), "retrainings", ["model", "requested_at"])
    op.create_table(
        "streams",
        sa.Column("model", TEXT, nullable=False),
        sa.Column("stream", TEXT, nullable=False),
        sa.Column("topic", TEXT, nullable=False),
        sa.Column("received", sa.BigInteger(), nullable=False),
        sa.Column("counted", sa.BigInteger(), nullable=False),
        sa.Column("late", sa.BigInteger(), nullable=False),
        sa.Column("duplicate", sa.BigInteger(), nullable=False),
        sa.Column("quarantined", sa.BigInteger(), nullable=False),
        sa.Column("untimed", sa.BigInteger(), nullable=False),
        sa.Column("sampled_out", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("model", "stream", "topic", name=op.f("pk_streams")),
    )
    op.create_table(
        "incident_events",
        sa.Column("number", BIG_KEY, autoincrement=True, nullable=False),
        sa.Column("incident", TEXT, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("before", TEXT),
        sa.Column("after", TEXT, nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("detail", TEXT, nullable=False),
        sa.ForeignKeyConstraint(["incident"], ["incidents.id"], name=op.f("fk_incident_events_incident")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_incident_events")),
    )
    op.create_index(op.f("ix_incident_events_incident"), "incident_events", ["incident"])
    op.create_table(
        "windows",
        sa.Column("model", TEXT, nullable=False),
        sa.Column("version", TEXT, nullable=False),
        sa.Column("segment", TEXT, nullable=False),
        sa.Column("start", TIME, nullable=False),
        sa.Column("end", TIME, nullable=False),
        sa.Column("counted", sa.BigInteger(), nullable=False),
        sa.Column("late", sa.BigInteger(), nullable=False),
        sa.Column("duplicate", sa.BigInteger(), nullable=False),
        sa.Column("quarantined", sa.BigInteger(), nullable=False),
        sa.Column("sampled_out", sa.BigInteger(), nullable=False),
        sa.Column("other_grid_rows", sa.BigInteger(), nullable=False),
        sa.Column("grid", sa.Text()),
        sa.Column("profile", sa.LargeBinary()),
        sa.ForeignKeyConstraint(["grid"], ["grids.hash"], name=op.f("fk_windows_grid")),
        sa.PrimaryKeyConstraint("model", "version", "segment", "start", name=op.f("pk_windows")),
    )
    op.create_index(op.f("ix_windows_model_start"), "windows", ["model", "start"])


def downgrade() -> None:
    for table in (
        "windows",
        "incident_events",
        "streams",
        "retrainings",
        "results",
        "reference_profiles",
        "quarantine",
        "progress",
        "partitions",
        "marks",
        "incidents",
        "id_chunks",
        "grids",
        "deliveries",
        "active_references",
    ):
        op.drop_table(table)
