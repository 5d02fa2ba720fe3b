"""What people and trainers say, in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from monitor.core.audit import AuditEntry
from monitor.core.retraining import UNFINISHED, Retraining, RetrainingEvent
from monitor.core.silences import Silence
from monitor.doubles.memory import Data, MemoryBase, add_messages, withdraw
from monitor.ports import Message


class MemoryPeople(MemoryBase):
    """Silences, the audit, and the life of requests to retrain."""

    def silences(self, *, at: datetime | None = None) -> Sequence[Silence]:
        """Those in force at a moment (None: all, also the past), by their start."""
        found = [silence for silence in self._data.silences.values() if at is None or silence.in_force(at)]
        return sorted(found, key=lambda silence: (silence.starts_at, silence.id))

    def add_silence(self, silence: Silence, audit: AuditEntry) -> bool:
        """False: it is there already."""
        with self._write() as data:
            if silence.id in data.silences:
                return False
            data.silences[silence.id] = silence
            data.audit.append(audit)
        return True

    def end_silence(self, id: str, *, by: str, at: datetime, audit: AuditEntry) -> bool:
        """It ends now. False: there is none, or it has ended."""
        with self._write() as data:
            stored = data.silences.get(id)
            if stored is None or stored.ends_at <= at:
                return False
            data.silences[id] = replace(stored, ends_at=at, ended_by=by)
            data.audit.append(audit)
        return True

    def audit(self, *, subject: str | None = None, newest: int | None = None) -> Sequence[AuditEntry]:
        """What people did, oldest first; the last ``newest``."""
        found = [entry for entry in self._data.audit if subject is None or entry.subject == subject]
        return found if newest is None else found[max(len(found) - newest, 0) :]

    def add_audit(self, entry: AuditEntry) -> None:
        """One line, of what is written elsewhere."""
        with self._write() as data:
            data.audit.append(entry)

    def retraining(self, id: str) -> Retraining | None:
        """One request."""
        return self._data.retrainings.get(id)

    def retraining_events(self, id: str) -> Sequence[RetrainingEvent]:
        """The history of one request, in the order in which it was written."""
        return [event for event in self._data.retraining_events if event.retraining == id]

    def add_retraining(
        self, retraining: Retraining, event: RetrainingEvent, messages: Sequence[Message] = (), audit: AuditEntry | None = None
    ) -> bool:
        """A request that no window made. False: one of that id is there already, or one of its model has not ended."""
        with self._write() as data:
            open_ones = [each for each in data.retrainings.values() if each.model == retraining.model and each.state in UNFINISHED]
            if retraining.id in data.retrainings or (retraining.state in UNFINISHED and open_ones):
                return False
            _put(data, retraining, event, messages, audit)
        return True

    def save_retraining(
        self, retraining: Retraining, event: RetrainingEvent, messages: Sequence[Message] = (), audit: AuditEntry | None = None
    ) -> bool:
        """A change of a request, by compare-and-set on the stored state."""
        with self._write() as data:
            stored = data.retrainings.get(retraining.id)
            if stored is None or stored.verdict or stored.state is not event.before:
                return False
            withdraw(data, retraining)
            _put(data, retraining, event, messages, audit)
        return True


def _put(
    data: Data, retraining: Retraining, event: RetrainingEvent, messages: Sequence[Message], audit: AuditEntry | None
) -> None:
    data.retrainings[retraining.id] = retraining
    data.retraining_events.append(event)
    add_messages(data, messages, event.at)
    if audit is not None:
        data.audit.append(audit)
