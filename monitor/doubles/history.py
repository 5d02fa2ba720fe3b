"""The memory store's verbs about the past as learning sees it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from monitor.core.incidents import TransitionReason
from monitor.core.recipes import Candidate, Disturbance
from monitor.doubles.memory import MemoryBase, with_gaps
from monitor.ports import StoredWindow


class MemoryHistory(MemoryBase):
    """What merging references needs of the store."""

    def candidates(self, model: str, starts: Sequence[datetime], *, segment: str | None) -> Sequence[Candidate]:
        """Every version of the windows of one segment (None: of all) that start then, without profiles, ordered by start and key."""
        return [
            Candidate(
                key=window.key,
                rows=window.account.counted,
                grid=None if window.profile is None else window.profile.grid.hash,
                incomplete=window.incomplete,
            )
            for window in self._starting(model, starts)
            if segment in (None, window.key.segment)
        ]

    def windows_at(self, model: str, starts: Sequence[datetime], *, segment: str, version: str | None) -> Sequence[StoredWindow]:
        """The windows of one segment that start then, of one version (None: of all), ordered by start and key."""
        found = [window for window in self._starting(model, starts) if window.key.segment == segment]
        return [window for window in found if version is None or window.key.version == version]

    def disturbances(self, model: str, before: datetime) -> Sequence[Disturbance]:
        """Incidents of a model's windows that began before then, oldest first; none of driftd's own way."""
        expected = {event.incident for event in self._data.events if event.reason is TransitionReason.RESOLVED_AS_EXPECTED}
        ours = [i for i in self._data.incidents.values() if i.model == model and i.condition is None and i.since < before]
        return [
            Disturbance(since=i.since, until=i.resolved_at, fired=i.fired_at is not None, expected=i.id in expected)
            for i in sorted(ours, key=lambda incident: (incident.since, incident.id))
        ]

    def _starting(self, model: str, starts: Sequence[datetime]) -> list[StoredWindow]:
        wanted = set(starts)
        found = [window for window in self._data.windows.values() if window.key.model == model and window.key.start in wanted]
        return sorted((with_gaps(self._data, window) for window in found), key=lambda window: (window.key.start, window.key))
