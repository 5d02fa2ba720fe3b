"""The tables of what people and trainers say: silences, the audit, and the life of requests to retrain."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, PrimaryKeyConstraint, Table

from monitor.core.audit import Via
from monitor.core.retraining import RetrainingState
from monitor.storage.tables import metadata, retrainings
from monitor.storage.types import BIG_KEY, CleanText, Document, Enumerated, KeyText, OptionalKeyText, UtcDateTime

silences = Table(
    "silences",
    metadata,
    Column("id", KeyText, nullable=False),
    Column("model", KeyText, nullable=False),
    Column("check", OptionalKeyText, nullable=False),
    Column("column", OptionalKeyText, nullable=False),
    Column("incident", OptionalKeyText, nullable=False),
    Column("starts_at", UtcDateTime, nullable=False),
    Column("ends_at", UtcDateTime, nullable=False),
    Column("by", CleanText, nullable=False),
    Column("reason", CleanText, nullable=False),
    Column("ended_by", CleanText),
    PrimaryKeyConstraint("id"),
)
Index(None, silences.c.ends_at)

audit = Table(
    "audit",
    metadata,
    Column("number", BIG_KEY, autoincrement=True, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("by", CleanText, nullable=False),
    Column("via", Enumerated(Via), nullable=False),
    Column("action", KeyText, nullable=False),
    Column("model", KeyText, nullable=False),
    Column("subject", KeyText, nullable=False),
    Column("detail", CleanText, nullable=False),
    PrimaryKeyConstraint("number"),
)
Index(None, audit.c.subject)

retraining_events = Table(
    "retraining_events",
    metadata,
    Column("number", BIG_KEY, autoincrement=True, nullable=False),
    Column("retraining", KeyText, ForeignKey(retrainings.c.id), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("before", Enumerated(RetrainingState)),
    Column("after", Enumerated(RetrainingState), nullable=False),
    Column("by", CleanText, nullable=False),
    Column("detail", CleanText, nullable=False),
    PrimaryKeyConstraint("number"),
)
Index(None, retraining_events.c.retraining)

digests = Table(
    "digests",
    metadata,
    Column("receiver", KeyText, nullable=False),
    Column("told_until", UtcDateTime, nullable=False),  # wall clock
    Column("judged", Document, nullable=False),  # by model, the end of the last window that was told of
    PrimaryKeyConstraint("receiver"),
)
