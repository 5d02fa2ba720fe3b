"""The tables of labels: predictions that wait for them, labels that wait for predictions, and what joining them came to.

Blobs are apart from what is counted and changed, and stand last in their rows: SQLite writes a row anew as a whole, and reads one up to the
column that is asked for.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, LargeBinary, PrimaryKeyConstraint, Table

from monitor.storage.tables import metadata
from monitor.storage.types import BIG_KEY, Document, KeyText, UtcDateTime

kept_chunks = Table(  # predictions as checkpoints wrote them; gone once their window is settled
    "kept_chunks",
    metadata,
    Column("number", BIG_KEY, autoincrement=True, nullable=False),
    Column("model", KeyText, nullable=False),
    Column("version", KeyText, nullable=False),
    Column("start", UtcDateTime, nullable=False),
    Column("end", UtcDateTime, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("ids", LargeBinary, nullable=False),
    Column("data", LargeBinary, nullable=False),
    PrimaryKeyConstraint("number"),
    sqlite_autoincrement=True,
)
Index(None, kept_chunks.c.model, kept_chunks.c.start, kept_chunks.c.version, kept_chunks.c.number)

kept_windows = Table(
    "kept_windows",
    metadata,
    Column("model", KeyText, nullable=False),
    Column("version", KeyText, nullable=False),
    Column("start", UtcDateTime, nullable=False),
    Column("end", UtcDateTime, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("labelled", BigInteger, nullable=False),
    Column("changes", BigInteger, nullable=False),
    Column("judged_changes", BigInteger),
    Column("have", LargeBinary, nullable=False),  # a bit for each row: whether it has a label
    PrimaryKeyConstraint("model", "start", "version"),
)

kept_rows = Table(
    "kept_rows",
    metadata,
    Column("model", KeyText, nullable=False),
    Column("version", KeyText, nullable=False),
    Column("start", UtcDateTime, nullable=False),
    Column("ids", LargeBinary, nullable=False),  # before ``data``, for they are read alone
    Column("data", LargeBinary, nullable=False),
    PrimaryKeyConstraint("model", "start", "version"),
)

label_matches = Table(  # labels found for rows of a settled window, a round each
    "label_matches",
    metadata,
    Column("number", BIG_KEY, autoincrement=True, nullable=False),
    Column("model", KeyText, nullable=False),
    Column("version", KeyText, nullable=False),
    Column("start", UtcDateTime, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("data", LargeBinary, nullable=False),
    PrimaryKeyConstraint("number"),
)
Index(None, label_matches.c.model, label_matches.c.start, label_matches.c.version, label_matches.c.number)

label_chunks = Table(  # labels that were joined with no window yet (fresh), or wait for theirs
    "label_chunks",
    metadata,
    Column("number", BIG_KEY, autoincrement=True, nullable=False),
    Column("model", KeyText, nullable=False),
    Column("fresh", Boolean, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("data", LargeBinary, nullable=False),
    PrimaryKeyConstraint("number"),
    sqlite_autoincrement=True,
)
Index(None, label_chunks.c.model, label_chunks.c.fresh, label_chunks.c.number)

join_progress = Table(
    "join_progress",
    metadata,
    Column("model", KeyText, nullable=False),
    Column("number", BigInteger, nullable=False),  # of rounds that were written
    Column("matched", BigInteger, nullable=False),
    Column("revised", BigInteger, nullable=False),
    Column("repeated", BigInteger, nullable=False),
    Column("expired", BigInteger, nullable=False),
    Column("unlabelled", BigInteger, nullable=False),
    PrimaryKeyConstraint("model"),
)

label_curves = Table(
    "label_curves",
    metadata,
    Column("model", KeyText, nullable=False),
    Column("version", KeyText, nullable=False),
    Column("start", UtcDateTime, nullable=False),
    Column("end", UtcDateTime, nullable=False),
    Column("document", Document, nullable=False),
    PrimaryKeyConstraint("model", "start", "version"),
)

tallies = Table(
    "tallies",
    metadata,
    Column("model", KeyText, nullable=False),
    Column("version", KeyText, nullable=False),
    Column("segment", KeyText, nullable=False),
    Column("start", UtcDateTime, nullable=False),
    Column("end", UtcDateTime, nullable=False),
    Column("data", LargeBinary, nullable=False),
    PrimaryKeyConstraint("model", "start", "version", "segment"),
)
