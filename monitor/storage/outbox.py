"""The outbox: claiming messages under a lease, and writing down what became of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, delete, func, or_, select, update

from monitor.core.retraining import UNFINISHED, Retraining
from monitor.ports import AHEAD, PICTURE, RETRAINING, TELLING, Delivery, Grouping, Receipt, group_id
from monitor.storage.again import again
from monitor.storage.engine import Database
from monitor.storage.tables import deliveries

PENDING, SENT, DEAD = "pending", "sent", "dead"
STATES = (PENDING, SENT, DEAD)

GROUPS = 0x64726966
"""The first half of the key under which replicas on PostgreSQL make groups of a receiver one after the other: "drif" in ASCII."""


class OutboxVerbs:
    """What the dispatcher needs of the store."""

    def __init__(self, database: Database) -> None:
        self._db = database

    @again
    def claim(self, receiver: str, *, owner: str, lease: float, limit: int, now: datetime,
              grouping: Grouping | None = None) -> Sequence[Delivery]:
        """Take due deliveries of a receiver for ``lease`` seconds, oldest first. An incident's messages keep their order; none waits for
        a picture.

        ``attempts`` is the number of earlier attempts. An attempt counts when it is claimed, so that one in which the
        process died counts too. ``grouping``: those that still wait for others, and those that go out together, are left.
        """
        alone = _due(receiver, limit, now) if grouping is None else _due(receiver, limit, now).where(*_alone(grouping, now))
        with self._db.write() as connection:
            found = _deliveries(connection, receiver, connection.execute(alone).all())
            _lease(connection, found, owner=owner, leased_until=now + timedelta(seconds=lease))
            return found

    @again
    def claim_group(self, receiver: str, *, owner: str, lease: float, now: datetime, grouping: Grouping) -> Sequence[Delivery]:
        """Take the deliveries that are the next message of many; none where there is no such message.

        One that was tried before comes first, with the members that it had. Replicas take turns: what waits is not split among them.
        """
        with self._db.write() as connection:
            if not self._db.is_sqlite:
                connection.execute(select(func.pg_advisory_xact_lock(GROUPS, func.hashtext(receiver))))
            known = connection.execute(_tried_group(receiver, now)).scalar_one_or_none()
            found = _new_group(connection, receiver, now, grouping) if known is None else _members(connection, receiver, known)
            together = None if not found else found[0].together
            _lease(connection, found, owner=owner, leased_until=now + timedelta(seconds=lease), together=together)
            return found

    def delivered(self, delivery: Delivery, receipt: Receipt, now: datetime) -> None:
        """It was sent: true whoever else holds it meanwhile."""
        self.delivered_together((delivery,), receipt, now)

    @again
    def delivered_together(self, deliveries_: Sequence[Delivery], receipt: Receipt, now: datetime) -> None:
        """All of them were sent, in one message."""
        sent = {"state": SENT, "thread": receipt.thread, "error": None, "ended_at": now, "owner": None, "leased_until": None}
        with self._db.write() as connection:
            connection.execute(update(deliveries).where(deliveries.c.id.in_([each.id for each in deliveries_])).values(sent))

    def postponed(self, delivery: Delivery, error: str, until: datetime) -> None:
        """It goes out again, not before ``until``; nothing where another has claimed it since."""
        self._settle(delivery, {"error": error, "not_before": until})

    def dead(self, delivery: Delivery, error: str, now: datetime) -> None:
        """It never goes out, and holds back no later message; nothing where another has claimed it since."""
        self._settle(delivery, {"state": DEAD, "error": error, "ended_at": now})

    def told(self, incident: str) -> Sequence[str]:
        """The receivers that have or had a message about an incident, in the order of their first one."""
        mine = select(deliveries.c.receiver).where(deliveries.c.incident == incident)
        with self._db.read() as connection:
            return list(connection.execute(mine.group_by(deliveries.c.receiver).order_by(func.min(deliveries.c.number))).scalars())

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
    def _settle(self, delivery: Delivery, values: dict[str, Any]) -> None:
        """Only while the claim that ``delivery`` came from is the last one: the count of attempts tells."""
        ours = (deliveries.c.id == delivery.id, deliveries.c.state == PENDING, deliveries.c.attempts == delivery.attempts + 1)
        with self._db.write() as connection:
            connection.execute(update(deliveries).where(*ours).values({**values, "owner": None, "leased_until": None}))


def withdraw(connection: Connection, retraining: Retraining) -> None:
    """A request that nobody waits for any longer goes out no more, where it has not yet; who is sending it at this moment does so."""
    if retraining.state in UNFINISHED:
        return
    mine = deliveries.c
    waiting = (mine.state == PENDING, mine.kind == RETRAINING, mine.dedupe.endswith(f":{retraining.id}", autoescape=True))
    connection.execute(delete(deliveries).where(*waiting))


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


def _alone(grouping: Grouping, now: datetime) -> tuple[ColumnElement[bool], ...]:
    """Of a delivery that goes out by itself now: it is in no group, and waits for no others (see ``Grouping.ripe``)."""
    mine = deliveries.c
    fits = and_(mine.kind.in_(grouping.kinds), mine.incident.is_not(None), mine.attempts == 0)
    ripe = or_(mine.created_at <= now - grouping.wait, mine.created_at > now + AHEAD)
    return mine.together.is_(None), or_(~fits, ripe)


def _tried_group(receiver: str, now: datetime) -> Select[Any]:
    """The id of the oldest group that was tried and is due again as a whole: nobody holds a member of it."""
    mine = deliveries.c
    later = [func.max(line, type_=line.type) for line in (mine.leased_until, mine.not_before)]
    return (
        select(mine.together)
        .where(mine.receiver == receiver, mine.state == PENDING, mine.together.is_not(None))
        .group_by(mine.together)
        .having(*(or_(line.is_(None), line <= now) for line in later))
        .order_by(func.min(mine.number))
        .limit(1)
    )


def _members(connection: Connection, receiver: str, together: str) -> Sequence[Delivery]:
    """What is left of a group: all of it, unless it was marked one by one."""
    mine = deliveries.c
    query = select(deliveries).where(mine.receiver == receiver, mine.state == PENDING, mine.together == together)
    return _deliveries(connection, receiver, connection.execute(query.order_by(mine.number).with_for_update()).all())


def _new_group(connection: Connection, receiver: str, now: datetime, grouping: Grouping) -> Sequence[Delivery]:
    mine = deliveries.c
    fits = (mine.kind.in_(grouping.kinds), mine.incident.is_not(None), mine.attempts == 0, mine.together.is_(None))
    rows = connection.execute(_due(receiver, grouping.most, now).where(*fits)).all()
    picked = grouping.pick(_deliveries(connection, receiver, rows), now) if len(rows) >= grouping.at else ()
    together = group_id(picked)
    return [replace(delivery, together=together) for delivery in picked]


def _lease(connection: Connection, claimed: Sequence[Delivery], **values: object) -> None:
    if claimed:
        ours = update(deliveries).where(deliveries.c.id.in_([delivery.id for delivery in claimed]))
        connection.execute(ours.values({**values, "attempts": deliveries.c.attempts + 1}))


def _deliveries(connection: Connection, receiver: str, rows: Sequence[Row[Any]]) -> list[Delivery]:
    threads = _threads(connection, receiver, {row.incident for row in rows if row.incident is not None})
    return [_delivery(row, threads.get(row.incident), _earlier(connection, row)) for row in rows]


def _threads(connection: Connection, receiver: str, incidents: Iterable[str]) -> Mapping[str, str]:
    """By incident, what the receiver returned for its first message."""
    if not (asked := sorted(incidents)):
        return {}
    mine = deliveries.c
    sent = (mine.receiver == receiver, mine.incident.in_(asked), mine.state == SENT, mine.thread.is_not(None))
    found: dict[str, str] = {}
    for row in connection.execute(select(mine.incident, mine.thread).where(*sent).order_by(mine.number)):
        found.setdefault(row.incident, row.thread)
    return found


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
        together=row.together,
    )
