"""The past as learning sees it: windows to merge references from, and the incidents that they are kept apart by."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from monitor.core.recipes import Candidate, Disturbance
from monitor.ports.judging import StoredWindow


class HistoryStore(Protocol):
    """What merging references needs of the store. Windows that are sealed never change, so nothing here is stale once read."""

    def candidates(self, model: str, starts: Sequence[datetime], *, segment: str | None) -> Sequence[Candidate]:
        """Every version of the windows of one segment (None: of all) that start then, without profiles, ordered by start and key."""

    def windows_at(self, model: str, starts: Sequence[datetime], *, segment: str, version: str | None) -> Sequence[StoredWindow]:
        """The windows of one segment that start then, of one version (None: of all), ordered by start and key."""

    def disturbances(self, model: str, before: datetime) -> Sequence[Disturbance]:
        """Incidents of a model's windows that began before then, oldest first; none of driftd's own way."""
