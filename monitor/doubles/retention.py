"""Letting go of history, in memory."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from monitor.core.incidents import Incident, IncidentState
from monitor.doubles.kept import NOTHING
from monitor.doubles.memory import PENDING, Data, MemoryBase, OutboxEntry


class MemoryRetention(MemoryBase):
    """What is older than anybody wants to look at."""

    def prune_windows(self, model: str, before: datetime, most: int) -> int:
        """Judged windows that ended at or before then and wait for no labels, with all that was found of them; distinct starts."""
        with self._write() as data:
            mine = data.labels.get(model, NOTHING)
            waiting = {key.start for key in (*mine.chunks, *mine.settled)}
            old = {key.start for key in data.windows if key.model == model and key.end <= before} - waiting
            starts = set(sorted(old)[:most])
            data.windows = {key: window for key, window in data.windows.items() if key.model != model or key.start not in starts}
            data.results = {
                key: result for key, result in data.results.items() if result.model != model or result.window_start not in starts
            }
            data.labels[model] = replace(
                mine,
                curves={key: curve for key, curve in mine.curves.items() if key.start not in starts},
                tallies={key: tally for key, tally in mine.tallies.items() if key.start not in starts},
            )
        return len(starts)

    def prune_incidents(self, model: str | None, before: datetime, most: int) -> int:
        """Incidents of a model's windows (None: of driftd's own way) that were over before then, with their history."""
        with self._write() as data:
            mine = [i for i in data.incidents.values() if (i.condition is not None if model is None else _is_of(i, model))]
            over = [(i.resolved_at, i.id) for i in mine if i.state is IncidentState.RESOLVED and i.resolved_at]
            ids = {id for at, id in sorted(over)[:most] if at < before}
            data.incidents = {id: incident for id, incident in data.incidents.items() if id not in ids}
            data.events = [event for event in data.events if event.incident not in ids]
        return len(ids)

    def prune_messages(self, before: datetime, most: int) -> int:
        """Deliveries that ended before then, but for those of incidents that are not over."""
        with self._write() as data:
            old = [entry.id for entry in data.outbox.values() if _has_ended(entry, before) and not _stands(data, entry)][:most]
            data.outbox = {id: entry for id, entry in data.outbox.items() if id not in old}
        return len(old)


def _is_of(incident: Incident, model: str) -> bool:
    return incident.model == model and incident.condition is None


def _has_ended(entry: OutboxEntry, before: datetime) -> bool:
    return entry.state != PENDING and entry.ended_at is not None and entry.ended_at < before


def _stands(data: Data, entry: OutboxEntry) -> bool:
    incident = data.incidents.get(entry.message.incident or "")
    return incident is not None and incident.state is not IncidentState.RESOLVED
