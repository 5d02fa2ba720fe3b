"""Asking for retraining, in memory."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from monitor.core.incidents import Incident
from monitor.core.retraining import Retraining
from monitor.doubles.memory import MemoryBase, asked_between, recent_retrainings


class MemoryAsking(MemoryBase):
    """What the policy of retraining looks back on."""

    def recent_retrainings(self, model: str, newest: int) -> Sequence[Retraining]:
        """The last requests to retrain a model, the newest first."""
        return recent_retrainings(self._data, model)[:newest]

    def asked_between(self, after: datetime, before: datetime) -> Sequence[datetime]:
        """When any model was asked to be retrained, in event time, both ends left out; oldest first."""
        return asked_between(self._data, after, before)

    def first_start(self, model: str, version: str) -> datetime | None:
        """The start of a version's first window that is kept."""
        return min((key.start for key in self._data.windows if (key.model, key.version) == (model, version)), default=None)

    def recent_incidents(self, model: str, newest: int) -> Sequence[Incident]:
        """The last incidents of a model's windows, oldest first."""
        mine = [incident for incident in self._data.incidents.values() if incident.model == model and incident.condition is None]
        found = sorted(mine, key=lambda incident: (incident.since, incident.id))
        return found[max(len(found) - newest, 0) :]
