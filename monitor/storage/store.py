"""The store on SQL: the verbs of every consumer of the port, over one database."""

from __future__ import annotations

from sqlalchemy import false, update

from monitor.storage.asking import AskingVerbs
from monitor.storage.checkpoint import CheckpointVerbs
from monitor.storage.conditions import ConditionVerbs
from monitor.storage.digests import DigestVerbs
from monitor.storage.engine import Database
from monitor.storage.gaps import GapVerbs
from monitor.storage.history import HistoryVerbs
from monitor.storage.judging import JudgingVerbs
from monitor.storage.labels import LabelVerbs
from monitor.storage.outbox import OutboxVerbs
from monitor.storage.people import PeopleVerbs
from monitor.storage.reading import ReadVerbs
from monitor.storage.references import ReferenceVerbs
from monitor.storage.retention import RetentionVerbs
from monitor.storage.tables import progress
from monitor.storage.windows import GridShelf


class SqlStore(
    CheckpointVerbs,
    GapVerbs,
    JudgingVerbs,
    AskingVerbs,
    LabelVerbs,
    HistoryVerbs,
    ConditionVerbs,
    DigestVerbs,
    OutboxVerbs,
    PeopleVerbs,
    ReferenceVerbs,
    RetentionVerbs,
    ReadVerbs,
):
    """SQLite or PostgreSQL; safe to use from several threads. Every verb is one transaction."""

    def __init__(self, database: Database) -> None:
        self._db = database
        self._shelf = GridShelf()

    @property
    def place(self) -> str:
        """Where the database is, without secrets."""
        return self._db.place

    def ping(self) -> None:
        """Raises Retryable when the database is away, busy or read-only. Writes nothing."""
        with self._db.write() as connection:
            connection.execute(update(progress).where(false()).values(model=progress.c.model))

    def close(self) -> None:
        """Close every connection."""
        self._db.close()
