"""The memory store's verbs about gaps and about driftd's own conditions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from monitor.core.gaps import Gap
from monitor.core.incidents import Incident, IncidentEvent, IncidentState
from monitor.doubles.memory import DEAD, PENDING, Data, MemoryBase, OutboxEntry, add_messages
from monitor.ports import PICTURE, Checkpoint, Message


class MemoryWatching(MemoryBase):
    """What was lost, and what stands in the way."""

    def open_gaps(self, model: str) -> Sequence[Gap]:
        """Gaps of a model after which no row has come yet."""
        return [gap for gap in self._data.gaps if gap.model == model and gap.until is None]

    def gaps(self, model: str, start: datetime, end: datetime) -> Sequence[Gap]:
        """What was lost of a model and may belong to ``[start, end)``, oldest first."""
        return [gap for gap in self._data.gaps if gap.model == model and gap.touches(start, end)]

    def open_conditions(self) -> Sequence[Incident]:
        """Incidents of driftd's own way that are not resolved, oldest first."""
        return sorted(_open(self._data), key=lambda incident: (incident.since, incident.id))

    def open_condition(self, incident: Incident, event: IncidentEvent, messages: Sequence[Message] = ()) -> bool:
        """Write a new one. False: one of that condition and model is open already."""
        with self._write() as data:
            if any((known.condition, known.model) == (incident.condition, incident.model) for known in _open(data)):
                return False
            data.incidents[incident.id] = incident
            data.events.append(event)
            add_messages(data, messages, event.at)
        return True

    def touch_condition(self, id: str, at: datetime) -> None:
        """It still stands: move ``updated_at``, unless it is resolved meanwhile."""
        with self._write() as data:
            if data.incidents[id].state is not IncidentState.RESOLVED:
                data.incidents[id] = replace(data.incidents[id], updated_at=at)

    def failing_receivers(self, receivers: Sequence[str]) -> Mapping[str, str]:
        """Those of ``receivers`` whose last ended delivery was given up, with its error. A picture is no such delivery."""
        last: dict[str, OutboxEntry] = {}
        ended = [entry for entry in self._data.outbox.values() if entry.state != PENDING and entry.message.kind != PICTURE]
        for entry in sorted(ended, key=lambda entry: (entry.ended_at is not None, entry.ended_at)):
            last[entry.message.receiver] = entry
        return {receiver: entry.error or "" for receiver, entry in last.items() if receiver in receivers and entry.state == DEAD}


def _open(data: Data) -> list[Incident]:
    return [i for i in data.incidents.values() if i.condition is not None and i.state is not IncidentState.RESOLVED]


def add_gaps(data: Data, checkpoint: Checkpoint) -> None:
    """Write what was lost, and close what was open."""
    ends = {(end.model, end.partition.topic, end.partition.partition): end.until for end in checkpoint.gap_ends}
    for at, gap in enumerate(data.gaps):
        until = ends.get((gap.model, gap.topic, gap.partition))
        if gap.until is None and until is not None:
            data.gaps[at] = replace(gap, until=until)
    data.gaps += checkpoint.gaps
