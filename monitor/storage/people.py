"""What people and trainers say: silences, the audit, and the life of requests to retrain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, Table, insert, select, update

from monitor.core.audit import AuditEntry
from monitor.core.retraining import UNFINISHED, Retraining, RetrainingEvent
from monitor.core.silences import Silence
from monitor.ports import Message
from monitor.storage.again import again
from monitor.storage.audit import put_audit
from monitor.storage.engine import Database, insert_into
from monitor.storage.judging import add_messages
from monitor.storage.outbox import withdraw
from monitor.storage.people_tables import audit as audits
from monitor.storage.people_tables import retraining_events, silences
from monitor.storage.progress import held_progress
from monitor.storage.rows import columns_of, fields_of, made
from monitor.storage.tables import retrainings


class PeopleVerbs:
    """What the commands, the API and Slack change."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def silences(self, *, at: datetime | None = None) -> Sequence[Silence]:
        """Those in force at a moment (None: all, also the past), by their start."""
        query = columns_of(silences, Silence).order_by(silences.c.starts_at, silences.c.id)
        in_force = query if at is None else query.where(silences.c.starts_at <= at, silences.c.ends_at > at)
        with self._db.read() as connection:
            return [made(Silence, row) for row in connection.execute(in_force)]

    @again
    def add_silence(self, silence: Silence, audit: AuditEntry) -> bool:
        """False: it is there already; nothing written."""
        with self._db.write() as connection:
            if not _is_new(connection, silences, fields_of(silence)):
                return False
            put_audit(connection, audit)
            return True

    @again
    def end_silence(self, id: str, *, by: str, at: datetime, audit: AuditEntry) -> bool:
        """It ends now. False: there is none, or it has ended; nothing written."""
        lasting = update(silences).where(silences.c.id == id, silences.c.ends_at > at)
        with self._db.write() as connection:
            if connection.execute(lasting.values(ends_at=at, ended_by=by)).rowcount != 1:
                return False
            put_audit(connection, audit)
            return True

    def audit(self, *, subject: str | None = None, newest: int | None = None) -> Sequence[AuditEntry]:
        """What people did, oldest first; the last ``newest``."""
        query = columns_of(audits, AuditEntry).order_by(audits.c.number.desc()).limit(newest)
        query = query if subject is None else query.where(audits.c.subject == subject)
        with self._db.read() as connection:
            return [made(AuditEntry, row) for row in connection.execute(query)][::-1]

    @again
    def add_audit(self, entry: AuditEntry) -> None:
        """One line, of what is written elsewhere."""
        with self._db.write() as connection:
            put_audit(connection, entry)

    def retraining(self, id: str) -> Retraining | None:
        """One request."""
        with self._db.read() as connection:
            row = connection.execute(columns_of(retrainings, Retraining).where(retrainings.c.id == id)).one_or_none()
        return None if row is None else made(Retraining, row)

    def retraining_events(self, id: str) -> Sequence[RetrainingEvent]:
        """The history of one request, in the order in which it was written."""
        mine = retraining_events.c.retraining == id
        query = columns_of(retraining_events, RetrainingEvent).where(mine).order_by(retraining_events.c.number)
        with self._db.read() as connection:
            return [made(RetrainingEvent, row) for row in connection.execute(query)]

    @again
    def add_retraining(
        self, retraining: Retraining, event: RetrainingEvent, messages: Sequence[Message] = (), audit: AuditEntry | None = None
    ) -> bool:
        """A request that no window made. False: one of that id is there already, or one of its model has not ended; nothing written."""
        unfinished = select(retrainings.c.id).where(retrainings.c.model == retraining.model, retrainings.c.state.in_(sorted(UNFINISHED)))
        with self._db.write() as connection:
            held_progress(connection, retraining.model)  # or two people, or one and a window, could ask at the same time
            if retraining.state in UNFINISHED and connection.execute(unfinished.limit(1)).one_or_none() is not None:
                return False
            if not _is_new(connection, retrainings, fields_of(retraining)):
                return False
            _put_change(connection, event, messages, audit)
            return True

    @again
    def save_retraining(
        self, retraining: Retraining, event: RetrainingEvent, messages: Sequence[Message] = (), audit: AuditEntry | None = None
    ) -> bool:
        """A change of a request with what goes out about it, by compare-and-set on the stored state.

        False: the stored request is no longer in ``event.before`` (or is gone), or has its verdict; nothing written.
        """
        open_ = (retrainings.c.id == retraining.id, retrainings.c.verdict == "")
        known = select(retrainings.c.state).where(*open_).with_for_update()
        with self._db.write() as connection:
            if event.before is None or connection.execute(known).scalar_one_or_none() != event.before:
                return False
            connection.execute(update(retrainings).where(retrainings.c.id == retraining.id).values(fields_of(retraining)))
            withdraw(connection, retraining)
            _put_change(connection, event, messages, audit)
            return True


def _is_new(connection: Connection, table: Table, values: Mapping[str, object]) -> bool:
    """Write a row; False where one of that id is there already."""
    new = insert_into(connection, table).values(values).on_conflict_do_nothing(index_elements=["id"]).returning(table.c.id)
    return connection.execute(new).one_or_none() is not None


def _put_change(connection: Connection, event: RetrainingEvent, messages: Sequence[Message], audit: AuditEntry | None) -> None:
    connection.execute(insert(retraining_events).values(fields_of(event)))
    add_messages(connection, messages, event.at)
    if audit is not None:
        put_audit(connection, audit)
