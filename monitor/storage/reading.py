"""What the commands, the API and the page read. Lists are oldest first; ``newest`` takes that many from their end."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, Text, func, or_, select, type_coerce

from monitor.core.incidents import Incident, IncidentEvent
from monitor.core.results import ALL_ROWS, BAD, Result
from monitor.core.retraining import Retraining
from monitor.ports import DeliveryRow, Quarantined, QuarantineRow, StoredWindow, StreamCount, TopicPartition, VerdictCount
from monitor.storage.engine import Database
from monitor.storage.outbox import SENT
from monitor.storage.rows import account_of, columns_of, key_of, made
from monitor.storage.tables import deliveries, incident_events, incidents, quarantine, results, retrainings, streams, windows
from monitor.storage.windows import INCOMPLETE

RESULT_ORDER = tuple(
    results.c[name] for name in ("window_start", "model", "version", "segment", "check", "column", "metric", "revision")
)
CHECK_TEXT, VERDICT_TEXT = type_coerce(results.c.check, Text), type_coerce(results.c.verdict, Text)
"""To compare with what people wrote: a word that is no check finds nothing."""
WINDOW_ORDER = (windows.c.start, windows.c.model, windows.c.version, windows.c.segment)


def last_judged(model: str, windows: int) -> Select[Any]:
    """The starts of a model's last windows that have results."""
    starts = select(results.c.window_start).where(results.c.model == model).distinct()
    newest = starts.order_by(results.c.window_start.desc()).limit(windows).subquery()
    return select(newest.c.window_start)


class ReadVerbs:
    """What people look at."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def results(
        self,
        *,
        model: str | None = None,
        check: str | None = None,
        since: datetime | None = None,
        verdicts: Sequence[str] | None = None,
        segment: str | None = None,
        newest: int | None = None,
    ) -> Sequence[Result]:
        """Every revision, of windows that start at or after ``since``. ``verdicts``: only these, None for all."""
        query = columns_of(results, Result)
        query = query if model is None else query.where(results.c.model == model)
        query = query if check is None else query.where(CHECK_TEXT.in_([check]))
        query = query if since is None else query.where(results.c.window_start >= since)
        query = query if verdicts is None else query.where(VERDICT_TEXT.in_(verdicts))
        query = query if segment is None else query.where(results.c.segment == segment)
        return [made(Result, row) for row in self._rows(query, RESULT_ORDER, newest)]

    def verdict_counts(self, model: str, *, windows: int) -> Sequence[VerdictCount]:
        """The last judged windows of a model, oldest first; only the latest revision of each result counts."""
        latest = func.row_number().over(partition_by=RESULT_ORDER[:-1], order_by=results.c.revision.desc()).label("age")
        told_of = or_(results.c.segment == ALL_ROWS, VERDICT_TEXT.in_(BAD))
        judged = (results.c.model == model, results.c.window_start.in_(last_judged(model, windows)))
        told = (results.c.window_start, results.c.window_end, results.c.check, results.c.verdict)
        newest = select(*told, latest, told_of.label("told_of")).where(*judged).subquery().c
        group = (newest.window_start, newest.window_end, newest.check, newest.verdict)
        query = select(*group, func.count().label("results")).where(newest.age == 1, newest.told_of).group_by(*group)
        return [
            VerdictCount(window_start=row.window_start, window_end=row.window_end, check=row.check, verdict=row.verdict, count=row.results)
            for row in self._rows(query, group)
        ]

    def window_accounts(
        self, *, model: str | None = None, since: datetime | None = None, segment: str | None = None, newest: int | None = None
    ) -> Sequence[StoredWindow]:
        """Windows that start at or after ``since``, without their profiles."""
        query = select(*(column for column in windows.c if column is not windows.c.profile), INCOMPLETE)
        query = query if model is None else query.where(windows.c.model == model)
        query = query if since is None else query.where(windows.c.start >= since)
        query = query if segment is None else query.where(windows.c.segment == segment)
        found = self._rows(query, WINDOW_ORDER, newest)
        return [StoredWindow(key=key_of(row), account=account_of(row), profile=None, incomplete=row.incomplete) for row in found]

    def incidents(self, *, model: str | None = None, newest: int | None = None) -> Sequence[Incident]:
        """Incidents by the start of their first bad window."""
        query = columns_of(incidents, Incident)
        query = query if model is None else query.where(incidents.c.model == model)
        return [made(Incident, row) for row in self._rows(query, (incidents.c.since, incidents.c.id), newest)]

    def incident(self, id: str) -> Incident | None:
        """One incident."""
        rows = self._rows(columns_of(incidents, Incident).where(incidents.c.id == id), (incidents.c.id,))
        return made(Incident, rows[0]) if rows else None

    def incident_events(self, id: str) -> Sequence[IncidentEvent]:
        """The history of one incident, in the order in which it was written."""
        query = columns_of(incident_events, IncidentEvent).where(incident_events.c.incident == id)
        return [made(IncidentEvent, row) for row in self._rows(query, (incident_events.c.number,))]

    def retrainings(self, *, model: str | None = None) -> Sequence[Retraining]:
        """Requests to retrain, by the end of the judged window that asked."""
        query = columns_of(retrainings, Retraining)
        query = query if model is None else query.where(retrainings.c.model == model)
        return [made(Retraining, row) for row in self._rows(query, (retrainings.c.requested_at, retrainings.c.id))]

    def quarantine(self, *, model: str | None = None, limit: int | None = None) -> Sequence[QuarantineRow]:
        """Quarantined messages in the order of their ids; ``limit`` takes the newest."""
        query = select(quarantine)
        query = query if model is None else query.where(quarantine.c.model == model)
        return [_quarantined(row) for row in self._rows(query, (quarantine.c.id,), limit)]

    def stream_counts(self) -> Sequence[StreamCount]:
        """What every stream received since the store began, by model, stream and topic."""
        query = columns_of(streams, StreamCount)
        return [made(StreamCount, row) for row in self._rows(query, (streams.c.model, streams.c.stream, streams.c.topic))]

    def deliveries(self, *, state: str | None = None, newest: int | None = None) -> Sequence[DeliveryRow]:
        """Deliveries in the order of sending."""
        query = select(*(column for column in deliveries.c if column is not deliveries.c.body))
        query = query if state is None else query.where(deliveries.c.state == state)
        return [_delivery(row) for row in self._rows(query, (deliveries.c.number,), newest)]

    def _rows(self, query: Select[Any], order: Sequence[ColumnElement[Any]], newest: int | None = None) -> Sequence[Row[Any]]:
        """Rows in order; with ``newest`` only that many from the end."""
        with self._db.read() as connection:
            if newest is None:
                return connection.execute(query.order_by(*order)).all()
            last = query.order_by(*(column.desc() for column in order)).limit(newest)
            return connection.execute(last).all()[::-1]


def _quarantined(row: Row[Any]) -> QuarantineRow:
    entry = Quarantined(
        model=row.model,
        stream=row.stream,
        partition=TopicPartition(row.topic, row.partition),
        offset=row.offset,
        reason=row.reason,
        detail=row.detail,
        sample=bytes(row.sample),
        at=row.at,
    )
    return QuarantineRow(id=row.id, entry=entry)


def _delivery(row: Row[Any]) -> DeliveryRow:
    return DeliveryRow(
        id=row.id,
        receiver=row.receiver,
        kind=row.kind,
        incident=row.incident,
        state=row.state,
        attempts=row.attempts,
        error=row.error,
        created_at=row.created_at,
        sent_at=row.ended_at if row.state == SENT else None,
    )
