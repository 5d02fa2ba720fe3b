"""Letting go of history, in transactions so short that nobody waits for them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import and_, delete, exists, select

from monitor.core.incidents import IncidentState
from monitor.storage.again import again
from monitor.storage.engine import Database
from monitor.storage.label_tables import kept_chunks, kept_windows, label_curves, tallies
from monitor.storage.outbox import PENDING
from monitor.storage.tables import deliveries, incident_events, incidents, results, windows


class RetentionVerbs:
    """What is older than anybody wants to look at."""

    def __init__(self, database: Database) -> None:
        self._db = database

    @again
    def prune_windows(self, model: str, before: datetime, most: int) -> int:
        """Judged windows that ended at or before then and wait for no labels, with all that was found of them; distinct starts."""
        waiting = [
            exists().where(kept.c.model == model, kept.c.start == windows.c.start) for kept in (kept_chunks, kept_windows)
        ]
        old = select(windows.c.start).where(windows.c.model == model, windows.c.end <= before, *(~each for each in waiting))
        with self._db.write() as connection:
            starts = connection.execute(old.distinct().order_by(windows.c.start).limit(most)).scalars().all()
            for table, start in ((results, results.c.window_start), (tallies, tallies.c.start),
                                 (label_curves, label_curves.c.start), (windows, windows.c.start)):
                connection.execute(delete(table).where(table.c.model == model, start.in_(starts)))
            return len(starts)

    @again
    def prune_incidents(self, model: str | None, before: datetime, most: int) -> int:
        """Incidents of a model's windows (None: of driftd's own way) that were over before then, with their history."""
        whose = incidents.c.condition.is_not(None) if model is None else and_(incidents.c.model == model, incidents.c.condition.is_(None))
        over = (whose, incidents.c.state == IncidentState.RESOLVED, incidents.c.resolved_at < before)
        old = select(incidents.c.id).where(*over).order_by(incidents.c.resolved_at, incidents.c.id).limit(most)
        with self._db.write() as connection:
            ids = connection.execute(old).scalars().all()
            connection.execute(delete(incident_events).where(incident_events.c.incident.in_(ids)))
            connection.execute(delete(incidents).where(incidents.c.id.in_(ids)))
            return len(ids)

    @again
    def prune_messages(self, before: datetime, most: int) -> int:
        """Deliveries that ended before then, but for those of incidents that are not over: later messages refer to their threads."""
        standing = exists().where(incidents.c.id == deliveries.c.incident, incidents.c.state != IncidentState.RESOLVED)
        ended = (deliveries.c.state != PENDING, deliveries.c.ended_at < before, ~standing)
        old = select(deliveries.c.number).where(*ended).order_by(deliveries.c.number).limit(most)
        with self._db.write() as connection:
            numbers = connection.execute(old).scalars().all()
            connection.execute(delete(deliveries).where(deliveries.c.number.in_(numbers)))
            return len(numbers)
