"""The tables. Where a table keeps a type of ours, its columns bear the names of that type's fields.

``windows`` and ``results`` hold no wall-clock times and no surrogate keys: they are identical whatever the kills,
restarts and batches on the way. Their times are event time.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from monitor.core.gaps import GapReason
from monitor.core.incidents import IncidentState, TransitionReason
from monitor.core.results import Check, Verdict
from monitor.core.retraining import Helped, RetrainingState
from monitor.core.schema import Reason
from monitor.storage.types import BIG_KEY, CleanText, Document, Enumerated, KeyText, Names, OptionalKeyText, Real, UtcDateTime

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# --- the checkpoint ------------------------------------------------------------------------------------------

partitions = Table(
    "partitions",
    metadata,
    Column("topic", KeyText, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("next_offset", BigInteger, nullable=False),
    Column("topic_id", CleanText),
    Column("updated_at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("topic", "partition"),
)

marks = Table(
    "marks",
    metadata,
    Column("model", KeyText, nullable=False),
    Column("topic", KeyText, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("max_time", UtcDateTime),
    Column("seen_at", UtcDateTime),
    Column("caught_up", Boolean, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("read_until", UtcDateTime),
    PrimaryKeyConstraint("model", "topic", "partition"),
)

grids = Table(
    "grids",
    metadata,
    Column("hash", Text, nullable=False),
    Column("document", LargeBinary, nullable=False),
    PrimaryKeyConstraint("hash"),
)

windows = Table(
    "windows",
    metadata,
    Column("model", KeyText, nullable=False),
    Column("version", KeyText, nullable=False),
    Column("segment", KeyText, nullable=False),
    Column("start", UtcDateTime, nullable=False),
    Column("end", UtcDateTime, nullable=False),
    Column("counted", BigInteger, nullable=False),
    Column("late", BigInteger, nullable=False),
    Column("duplicate", BigInteger, nullable=False),
    Column("quarantined", BigInteger, nullable=False),
    Column("sampled_out", BigInteger, nullable=False),
    Column("other_grid_rows", BigInteger, nullable=False),  # counted, but not in the profile: they came on another grid
    Column("grid", Text, ForeignKey(grids.c.hash)),
    Column("profile", LargeBinary),
    PrimaryKeyConstraint("model", "version", "segment", "start"),
)
Index(None, windows.c.model, windows.c.start)

id_chunks = Table(
    "id_chunks",
    metadata,
    Column("number", BIG_KEY, autoincrement=True, nullable=False),
    Column("model", KeyText, nullable=False),
    Column("topic", KeyText, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("window_start", UtcDateTime, nullable=False),
    Column("hashes", LargeBinary, nullable=False),  # little-endian uint64
    PrimaryKeyConstraint("number"),
)
Index(None, id_chunks.c.model, id_chunks.c.topic, id_chunks.c.partition)
Index(None, id_chunks.c.model, id_chunks.c.window_start)

quarantine = Table(
    "quarantine",
    metadata,
    Column("id", BIG_KEY, autoincrement=True, nullable=False),
    Column("model", KeyText, nullable=False),
    Column("stream", KeyText, nullable=False),
    Column("topic", KeyText, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("offset", BigInteger, nullable=False),
    Column("reason", Enumerated(Reason), nullable=False),
    Column("detail", CleanText, nullable=False),
    Column("sample", LargeBinary, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("id"),
    UniqueConstraint("model", "stream", "topic", "partition", "offset", name="uq_quarantine_message"),
    sqlite_autoincrement=True,
)
Index(None, quarantine.c.model, quarantine.c.id)

gaps = Table(
    "gaps",
    metadata,
    Column("number", BIG_KEY, autoincrement=True, nullable=False),
    Column("model", KeyText, nullable=False),
    Column("topic", KeyText, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("reason", Enumerated(GapReason), nullable=False),
    Column("first", BigInteger, nullable=False),
    Column("beyond", BigInteger),
    Column("since", UtcDateTime),
    Column("until", UtcDateTime),
    Column("at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("number"),
)
Index(None, gaps.c.model, gaps.c.until)

streams = Table(
    "streams",
    metadata,
    Column("model", KeyText, nullable=False),
    Column("stream", KeyText, nullable=False),
    Column("topic", KeyText, nullable=False),
    Column("received", BigInteger, nullable=False),
    Column("counted", BigInteger, nullable=False),
    Column("late", BigInteger, nullable=False),
    Column("duplicate", BigInteger, nullable=False),
    Column("quarantined", BigInteger, nullable=False),
    Column("untimed", BigInteger, nullable=False),
    Column("sampled_out", BigInteger, nullable=False),
    PrimaryKeyConstraint("model", "stream", "topic"),
)

# --- judging -------------------------------------------------------------------------------------------------

progress = Table(
    "progress",
    metadata,
    Column("model", KeyText, nullable=False),
    Column("sealed_until", UtcDateTime),
    Column("judged_until", UtcDateTime),
    PrimaryKeyConstraint("model"),
)

results = Table(
    "results",
    metadata,
    Column("model", KeyText, nullable=False),
    Column("version", KeyText, nullable=False),
    Column("segment", KeyText, nullable=False),
    Column("window_start", UtcDateTime, nullable=False),
    Column("window_end", UtcDateTime, nullable=False),
    Column("check", Enumerated(Check), nullable=False),
    Column("column", OptionalKeyText, nullable=False),
    Column("metric", KeyText, nullable=False),
    Column("value", Real),
    Column("threshold", Real),
    Column("p_value", Real),
    Column("verdict", Enumerated(Verdict), nullable=False),
    Column("reason", CleanText, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("reference", Text),
    Column("ci_low", Real),
    Column("ci_high", Real),
    Column("labelled", BigInteger),
    Column("estimated", Boolean),
    Column("reference_value", Real),
    PrimaryKeyConstraint("model", "version", "segment", "window_start", "check", "column", "metric", "revision"),
)
Index(None, results.c.model, results.c.window_start)
Index(None, results.c.window_start)

incidents = Table(
    "incidents",
    metadata,
    Column("id", KeyText, nullable=False),
    Column("model", KeyText, nullable=False),
    Column("state", Enumerated(IncidentState), nullable=False),
    Column("severity", Enumerated(Verdict), nullable=False),
    Column("since", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("fired_at", UtcDateTime),
    Column("resolved_at", UtcDateTime),
    Column("notified_at", UtcDateTime),
    Column("bad_windows", Integer, nullable=False),
    Column("good_windows", Integer, nullable=False),
    Column("checks", Names, nullable=False),
    Column("columns", Names, nullable=False),
    Column("cause", CleanText, nullable=False),
    Column("summary", CleanText, nullable=False),
    Column("acknowledged_by", CleanText),
    Column("condition", KeyText),  # set: of driftd's own way, not of windows
    Column("muted", KeyText),  # set: why nobody was told so far of what it has come to
    PrimaryKeyConstraint("id"),
)
Index(None, incidents.c.model, incidents.c.since)

incident_events = Table(
    "incident_events",
    metadata,
    Column("number", BIG_KEY, autoincrement=True, nullable=False),
    Column("incident", KeyText, ForeignKey(incidents.c.id), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("before", Enumerated(IncidentState)),
    Column("after", Enumerated(IncidentState), nullable=False),
    Column("reason", Enumerated(TransitionReason), nullable=False),
    Column("detail", CleanText, nullable=False),
    PrimaryKeyConstraint("number"),
)
Index(None, incident_events.c.incident)

retrainings = Table(
    "retrainings",
    metadata,
    Column("id", KeyText, nullable=False),
    Column("model", KeyText, nullable=False),
    Column("version", KeyText, nullable=False),
    Column("state", Enumerated(RetrainingState), nullable=False),
    Column("reason", CleanText, nullable=False),
    Column("incident", KeyText),
    Column("columns", Names, nullable=False),
    Column("requested_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime),
    Column("approved_by", CleanText),
    Column("detail", CleanText, nullable=False),
    Column("run_url", CleanText),
    Column("new_version", KeyText),
    Column("helped", Enumerated(Helped)),
    Column("verdict", CleanText, nullable=False),
    PrimaryKeyConstraint("id"),
)
Index(None, retrainings.c.model, retrainings.c.requested_at)

# --- the outbox ----------------------------------------------------------------------------------------------

deliveries = Table(
    "deliveries",
    metadata,
    Column("number", BIG_KEY, autoincrement=True, nullable=False),  # the order of sending
    Column("id", Text, nullable=False),  # stable: derived from ``dedupe``
    Column("dedupe", CleanText, nullable=False),
    Column("receiver", KeyText, nullable=False),
    Column("kind", KeyText, nullable=False),
    Column("incident", KeyText),
    Column("body", Document, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),  # counted when claimed, so that a crash while sending counts too
    Column("error", CleanText),
    Column("thread", CleanText),
    Column("together", Text),  # the id of the one message that it goes out in with others
    Column("owner", CleanText),
    Column("created_at", UtcDateTime, nullable=False),
    Column("not_before", UtcDateTime),
    Column("leased_until", UtcDateTime),
    Column("ended_at", UtcDateTime),  # sent or given up
    PrimaryKeyConstraint("number"),
    UniqueConstraint("id"),
    sqlite_autoincrement=True,
)
Index(None, deliveries.c.receiver, deliveries.c.number, sqlite_where=text("state = 'pending'"), postgresql_where=text("state = 'pending'"))
Index(None, deliveries.c.incident)
Index(None, deliveries.c.receiver, deliveries.c.ended_at)

# --- references ----------------------------------------------------------------------------------------------

reference_profiles = Table(
    "reference_profiles",
    metadata,
    Column("model", KeyText, nullable=False),
    Column("number", Integer, nullable=False),
    Column("version", KeyText, nullable=False),
    Column("hash", Text, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("columns", Integer, nullable=False),
    Column("provenance", Document, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("document", Text, nullable=False),
    PrimaryKeyConstraint("model", "number"),
    UniqueConstraint("model", "hash"),
)

active_references = Table(
    "active_references",
    metadata,
    Column("model", KeyText, nullable=False),
    Column("version", KeyText, nullable=False),
    Column("number", Integer, nullable=False),
    Column("activated_at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("model", "version"),
)
