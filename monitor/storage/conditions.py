"""Incidents of driftd's own way, and what they are told from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import func, select, update

from monitor.core.incidents import Incident, IncidentEvent, IncidentState
from monitor.ports import PICTURE, Message
from monitor.storage.again import again
from monitor.storage.engine import Database
from monitor.storage.judging import add_events, add_messages, put_incident
from monitor.storage.outbox import DEAD
from monitor.storage.rows import columns_of, made
from monitor.storage.tables import deliveries, incidents

ONE_AT_A_TIME = 0x6472696674640002
"""The key under which replicas on PostgreSQL open conditions one after the other: "driftd" in ASCII and a number."""


class ConditionVerbs:
    """What the daemon's watch over itself needs of the store."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def open_conditions(self) -> Sequence[Incident]:
        """Incidents of driftd's own way that are not resolved, oldest first."""
        open_ones = (incidents.c.condition.is_not(None), incidents.c.state != IncidentState.RESOLVED)
        with self._db.read() as connection:
            rows = connection.execute(columns_of(incidents, Incident).where(*open_ones).order_by(incidents.c.since, incidents.c.id))
            return [made(Incident, row) for row in rows]

    @again
    def open_condition(self, incident: Incident, event: IncidentEvent, messages: Sequence[Message] = ()) -> bool:
        """Write a new one and what goes out about it. False: one of that condition and model is open already."""
        same = (incidents.c.condition == incident.condition, incidents.c.model == incident.model)
        standing = select(incidents.c.id).where(*same, incidents.c.state != IncidentState.RESOLVED).limit(1)
        with self._db.write() as connection:
            if not self._db.is_sqlite:
                connection.execute(select(func.pg_advisory_xact_lock(ONE_AT_A_TIME)))
            if connection.execute(standing).one_or_none() is not None:
                return False
            put_incident(connection, incident)
            add_events(connection, (event,))
            add_messages(connection, messages, event.at)
            return True

    @again
    def touch_condition(self, id: str, at: datetime) -> None:
        """It still stands: move ``updated_at``, unless it is resolved meanwhile."""
        here = (incidents.c.id == id, incidents.c.state != IncidentState.RESOLVED)
        with self._db.write() as connection:
            connection.execute(update(incidents).where(*here).values(updated_at=at))

    def failing_receivers(self, receivers: Sequence[str]) -> Mapping[str, str]:
        """Those of ``receivers`` whose last ended delivery was given up, with its error. A picture is no such delivery."""
        ended = select(deliveries.c.state, deliveries.c.error).where(deliveries.c.ended_at.is_not(None), deliveries.c.kind != PICTURE)
        newest = ended.order_by(deliveries.c.ended_at.desc(), deliveries.c.number.desc()).limit(1)
        failing: dict[str, str] = {}
        with self._db.read() as connection:
            for receiver in receivers:
                last = connection.execute(newest.where(deliveries.c.receiver == receiver)).one_or_none()
                if last is not None and last.state == DEAD:
                    failing[receiver] = last.error or ""
        return failing
