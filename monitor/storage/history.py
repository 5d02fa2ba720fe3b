"""The past as learning sees it: which windows there are to merge references from, and what disturbed them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, exists, select

from monitor.core.incidents import TransitionReason
from monitor.core.recipes import Candidate, Disturbance
from monitor.ports import StoredWindow
from monitor.storage.engine import Database
from monitor.storage.rows import key_of
from monitor.storage.tables import incident_events, incidents, windows
from monitor.storage.windows import INCOMPLETE, GridShelf, stored

STARTS_AT_ONCE = 500
"""Starts named in one statement: databases take some thousands of parameters, and each statement is to be short."""

_EXPECTED = (
    exists()
    .where(incident_events.c.incident == incidents.c.id, incident_events.c.reason == TransitionReason.RESOLVED_AS_EXPECTED)
    .label("expected")
)
_WITHOUT_PROFILE = [column for column in windows.c if column is not windows.c.profile]


class HistoryVerbs:
    """What merging references needs of the store."""

    def __init__(self, database: Database, shelf: GridShelf) -> None:
        self._db = database
        self._shelf = shelf

    def candidates(self, model: str, starts: Sequence[datetime], *, segment: str | None) -> Sequence[Candidate]:
        """Every version of the windows of one segment (None: of all) that start then, without profiles, ordered by start and key."""
        asked = [windows.c.model == model, *([] if segment is None else [windows.c.segment == segment])]
        found = []
        with self._db.read() as connection:
            for some in _parts(starts):
                query: Select[Any] = select(*_WITHOUT_PROFILE, INCOMPLETE).where(*asked, windows.c.start.in_(some))
                found += [_candidate(row) for row in connection.execute(query).all()]
        return sorted(found, key=lambda candidate: (candidate.key.start, candidate.key))

    def windows_at(self, model: str, starts: Sequence[datetime], *, segment: str, version: str | None) -> Sequence[StoredWindow]:
        """The windows of one segment that start then, of one version (None: of all), ordered by start and key."""
        asked = [windows.c.model == model, windows.c.segment == segment]
        asked += [] if version is None else [windows.c.version == version]
        found = []
        with self._db.read() as connection:
            for some in _parts(starts):
                rows = connection.execute(select(windows, INCOMPLETE).where(*asked, windows.c.start.in_(some))).all()
                found += [stored(connection, self._shelf, row) for row in rows]
        return sorted(found, key=lambda window: (window.key.start, window.key))

    def disturbances(self, model: str, before: datetime) -> Sequence[Disturbance]:
        """Incidents of a model's windows that began before then, oldest first; none of driftd's own way."""
        ours = (incidents.c.model == model, incidents.c.condition.is_(None), incidents.c.since < before)
        query = select(incidents.c.since, incidents.c.resolved_at, incidents.c.fired_at, _EXPECTED).where(*ours)
        with self._db.read() as connection:
            rows = connection.execute(query.order_by(incidents.c.since, incidents.c.id)).all()
        return [
            Disturbance(since=row.since, until=row.resolved_at, fired=row.fired_at is not None, expected=bool(row.expected)) for row in rows
        ]


def _candidate(row: Row[Any]) -> Candidate:
    return Candidate(key=key_of(row), rows=row.counted, grid=row.grid, incomplete=row.incomplete)


def _parts(starts: Sequence[datetime]) -> Iterator[Sequence[datetime]]:
    for at in range(0, len(starts), STARTS_AT_ONCE):
        yield starts[at : at + STARTS_AT_ONCE]
