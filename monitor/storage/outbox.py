"""The outbox: claiming messages under a lease, and writing down what became of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, Select, func, or_, select, update

from monitor.ports import PICTURE, TELLING, Delivery, Receipt
from monitor.storage.again import again
from monitor.storage.engine import Database
from monitor.storage.tables import deliveries

PENDING, SENT, DEAD = "pending", "sent", "dead"
STATES = (PENDING, SENT, DEAD)


class OutboxVerbs:
    """What the dispatcher needs of the store."""

    def __init__(self, database: Database) -> None:
        self._db = database

    @again
    def claim(self, receiver: str, *, owner: str, lease: float, limit: int, now: datetime) -> Sequence[Delivery]:
        """Take due deliveries of a receiver for ``lease`` seconds, oldest first. An incident's messages keep their order; none waits for
        a picture.

        ``attempts`` is the number of earlier attempts. An attempt counts when it is claimed, so that one in which the
        process died counts too.
        """
        with self._db.write() as connection:
            rows = connection.execute(_due(receiver, limit, now)).all()
            if not rows:
                return []
            claimed = update(deliveries).where(deliveries.c.number.in_([row.number for row in rows]))
            leased = {"owner": owner, "leased_until": now + timedelta(seconds=lease), "attempts": deliveries.c.attempts + 1}
            connection.execute(claimed.values(leased))
            return [_delivery(row, _thread(connection, row), _earlier(connection, row)) for row in rows]

    def delivered(self, delivery: Delivery, receipt: Receipt, now: datetime) -> None:
        """It was sent: true whoever else holds it meanwhile."""
        self._end(delivery, {"state": SENT, "thread": receipt.thread, "error": None, "ended_at": now})

    def postponed(self, delivery: Delivery, error: str, until: datetime) -> None:
        """It goes out again, not before ``until``; nothing where another has claimed it since."""
        self._settle(delivery, {"error": error, "not_before": until})

    def dead(self, delivery: Delivery, error: str, now: datetime) -> None:
        """It never goes out, and holds back no later message; nothing where another has claimed it since."""
        self._settle(delivery, {"state": DEAD, "error": error, "ended_at": now})

    def outbox_depth(self) -> Mapping[str, int]:
        """Deliveries by state: pending, sent, dead."""
        query = select(deliveries.c.state, func.count().label("deliveries")).group_by(deliveries.c.state)
        with self._db.read() as connection:
            counts = {row.state: row.deliveries for row in connection.execute(query)}
        return {state: counts.get(state, 0) for state in STATES}

    def outbox_oldest(self) -> Mapping[str, datetime]:
        """By receiver, when the oldest delivery that still waits was made; no entry where none waits."""
        made = func.min(deliveries.c.created_at, type_=deliveries.c.created_at.type).label("made")
        query = select(deliveries.c.receiver, made).where(deliveries.c.state == PENDING).group_by(deliveries.c.receiver)
        with self._db.read() as connection:
            return {row.receiver: row.made for row in connection.execute(query)}

    @again
    def clock_went_back(self, now: datetime, lease: float) -> None:
        """What was to wait until a time of the clock before it was set back is due now, and leases are as long as they may be from now."""
        mine, latest = deliveries.c, now + timedelta(seconds=lease)
        with self._db.write() as connection:
            pending = update(deliveries).where(mine.state == PENDING)
            connection.execute(pending.where(mine.not_before > now).values(not_before=now))
            connection.execute(pending.where(mine.leased_until > latest).values(leased_until=latest))

    @again
    def _end(self, delivery: Delivery, values: dict[str, Any]) -> None:
        with self._db.write() as connection:
            free = {**values, "owner": None, "leased_until": None}
            connection.execute(update(deliveries).where(deliveries.c.id == delivery.id).values(free))

    @again
    def _settle(self, delivery: Delivery, values: dict[str, Any]) -> None:
        """Only while the claim that ``delivery`` came from is the last one: the count of attempts tells."""
        ours = (deliveries.c.id == delivery.id, deliveries.c.state == PENDING, deliveries.c.attempts == delivery.attempts + 1)
        with self._db.write() as connection:
            connection.execute(update(deliveries).where(*ours).values({**values, "owner": None, "leased_until": None}))


def _due(receiver: str, limit: int, now: datetime) -> Select[Any]:
    """Pending, not leased, its time come, and nothing earlier of its incident still on its way to this receiver."""
    mine, earlier = deliveries.c, deliveries.alias("earlier").c
    waiting = (
        select(earlier.number)
        .where(earlier.receiver == mine.receiver, earlier.incident == mine.incident)
        .where(earlier.number < mine.number, earlier.state == PENDING, earlier.kind != PICTURE)
    )
    return (
        select(deliveries)
        .where(mine.receiver == receiver, mine.state == PENDING)
        .where(or_(mine.not_before.is_(None), mine.not_before <= now))
        .where(or_(mine.leased_until.is_(None), mine.leased_until <= now))
        .where(or_(mine.incident.is_(None), ~waiting.exists()))
        .order_by(mine.number)
        .limit(limit)
        .with_for_update(skip_locked=True, of=deliveries)
    )


def _thread(connection: Connection, row: Row[Any]) -> str | None:
    """What the receiver returned for the incident's first message."""
    if row.incident is None:
        return None
    query = (
        select(deliveries.c.thread)
        .where(deliveries.c.receiver == row.receiver, deliveries.c.incident == row.incident)
        .where(deliveries.c.state == SENT, deliveries.c.thread.is_not(None))
        .order_by(deliveries.c.number)
        .limit(1)
    )
    return connection.execute(query).scalar_one_or_none()


def _earlier(connection: Connection, row: Row[Any]) -> dict[str, object] | None:
    """The body of the last message that told of the incident's columns and cause; None for the message that does so itself."""
    if row.incident is None or row.kind in (*TELLING, PICTURE):
        return None
    query = (
        select(deliveries.c.body)
        .where(deliveries.c.receiver == row.receiver, deliveries.c.incident == row.incident, deliveries.c.kind.in_(TELLING))
        .where(deliveries.c.state == SENT, deliveries.c.number < row.number)
        .order_by(deliveries.c.number.desc())
        .limit(1)
    )
    return connection.execute(query).scalar_one_or_none()


def _delivery(row: Row[Any], thread: str | None, earlier: dict[str, object] | None) -> Delivery:
    return Delivery(
        id=row.id,
        receiver=row.receiver,
        kind=row.kind,
        incident=row.incident,
        body=row.body,
        attempts=row.attempts,
        created_at=row.created_at,
        thread=thread,
        earlier=earlier,
    )
