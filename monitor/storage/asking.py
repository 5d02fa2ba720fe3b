"""Asking for retraining: what a decision looks back on, and writing it with the window or revision that it came of."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, func, insert, select, update

from monitor.core.incidents import Incident
from monitor.core.retrain_policy import is_spent
from monitor.core.retraining import Retraining, RetrainingChange, begun
from monitor.ports import AskedAfter, Judgement, Revision
from monitor.storage.engine import Database, insert_into
from monitor.storage.outbox import withdraw
from monitor.storage.people_tables import retraining_events
from monitor.storage.rows import columns_of, fields_of, made
from monitor.storage.tables import incidents, retrainings, windows

ONE_AT_A_TIME = 0x6472696674640003
"""The key under which replicas on PostgreSQL ask one after the other, where all models share a budget: "driftd" in ASCII and a number."""


class AskingVerbs:
    """What the policy of retraining looks back on."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def recent_retrainings(self, model: str, newest: int) -> Sequence[Retraining]:
        """The last requests to retrain a model, the newest first."""
        with self._db.read() as connection:
            return _recent(connection, model, newest)

    def asked_between(self, after: datetime, before: datetime) -> Sequence[datetime]:
        """When any model was asked to be retrained, in event time, both ends left out; oldest first."""
        with self._db.read() as connection:
            return _asked_between(connection, after, before)

    def first_start(self, model: str, version: str) -> datetime | None:
        """The start of a version's first window that is kept."""
        query = select(func.min(windows.c.start)).where(windows.c.model == model, windows.c.version == version)
        with self._db.read() as connection:
            start: datetime | None = connection.execute(query).scalar_one()
        return start

    def recent_incidents(self, model: str, newest: int) -> Sequence[Incident]:
        """The last incidents of a model's windows, oldest first."""
        mine = (incidents.c.model == model, incidents.c.condition.is_(None))
        query = columns_of(incidents, Incident).where(*mine).order_by(incidents.c.since.desc(), incidents.c.id.desc()).limit(newest)
        with self._db.read() as connection:
            return [made(Incident, row) for row in connection.execute(query)][::-1]


def may_ask(connection: Connection, outcome: Judgement | Revision) -> bool:
    """Whether all that a request was decided after is still so. The model's progress is held, or two could ask at the same time."""
    after = outcome.asked_after
    if after is None:
        return True
    last = next(iter(_recent(connection, outcome.model, 1)), None)
    if (None if last is None else last.id, None if last is None else last.state) != (after.last, after.state):
        return False
    return outcome.retraining is None or _is_within(connection, outcome.retraining, after)


def _is_within(connection: Connection, request: Retraining, after: AskedAfter) -> bool:
    """Whether the budget of all models has room for it; waits for another replica that asks at this moment."""
    allowed = after.allowance
    if allowed is None:
        return True
    if connection.dialect.name != "sqlite":
        connection.execute(select(func.pg_advisory_xact_lock(ONE_AT_A_TIME)))
    asked = _asked_between(connection, request.requested_at - allowed.per, request.requested_at + allowed.per)
    return not is_spent(allowed, asked, request.requested_at)


def write_asking(connection: Connection, outcome: Judgement | Revision, at: datetime) -> None:
    """The new request with its first line of history, and the end of one that nobody ended in time."""
    if outcome.given_up is not None:
        put_change(connection, outcome.given_up)
    if outcome.retraining is None:
        return
    new = insert_into(connection, retrainings).values(fields_of(outcome.retraining)).on_conflict_do_nothing(index_elements=["id"])
    if connection.execute(new.returning(retrainings.c.id)).one_or_none() is not None:
        connection.execute(insert(retraining_events).values(fields_of(begun(outcome.retraining, at=at))))


def put_change(connection: Connection, change: RetrainingChange) -> None:
    """A request as it now stands, and its line of history; one that is over goes out no more."""
    withdraw(connection, change.retraining)
    connection.execute(update(retrainings).where(retrainings.c.id == change.retraining.id).values(fields_of(change.retraining)))
    connection.execute(insert(retraining_events).values(fields_of(change.event)))


def _recent(connection: Connection, model: str, newest: int) -> list[Retraining]:
    order = (retrainings.c.requested_at.desc(), retrainings.c.id.desc())
    query = columns_of(retrainings, Retraining).where(retrainings.c.model == model).order_by(*order).limit(newest)
    return [made(Retraining, row) for row in connection.execute(query)]


def _asked_between(connection: Connection, after: datetime, before: datetime) -> list[datetime]:
    asked = retrainings.c.requested_at
    return list(connection.execute(select(asked).where(asked > after, asked < before).order_by(asked)).scalars())
