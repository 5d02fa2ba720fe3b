"""The daily digest, in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

from monitor.core.digest import Span, Told, Warned
from monitor.core.incidents import Incident
from monitor.core.results import latest
from monitor.doubles.memory import DEAD, MemoryBase, add_messages, result_key
from monitor.ports import PICTURE, Message


class MemoryDigests(MemoryBase):
    """What digests need of the store."""

    def digested(self, receiver: str) -> Told | None:
        """What a receiver's last digest told."""
        return self._data.digests.get(receiver)

    def warned(self, span: Span, *, verdicts: Sequence[str], newest: int) -> Warned:
        """The results of a span that have such a verdict in their last revision."""
        mine = [result for result in self._data.results.values() if span.holds(result)]
        last = latest(self._data.results.values()).values()
        found = sorted((result for result in last if result.verdict in verdicts and span.holds(result)), key=result_key)
        return Warned(windows=len({result.window_start for result in mine}), results=tuple(found[max(len(found) - newest, 0) :]))

    def muted_incidents(self, *, newest: int) -> Sequence[Incident]:
        """Incidents that nobody was told of so far."""
        found = [incident for incident in self._data.incidents.values() if incident.muted is not None]
        return sorted(found, key=lambda incident: (incident.since, incident.id))[max(len(found) - newest, 0) :]

    def given_up(self, since: datetime, until: datetime) -> Mapping[str, int]:
        """By receiver, how many deliveries were given up within ``[since, until)``."""
        dead = [entry for entry in self._data.outbox.values() if entry.state == DEAD and entry.message.kind != PICTURE]
        return Counter(entry.message.receiver for entry in dead if entry.ended_at is not None and since <= entry.ended_at < until)

    def write_digest(self, told: Told, previous: datetime | None, messages: Sequence[Message] = ()) -> bool:
        """By compare-and-set on ``told_until``."""
        with self._write() as data:
            stored = data.digests.get(told.receiver)
            if (None if stored is None else stored.told_until) != previous:
                return False
            data.digests[told.receiver] = told
            add_messages(data, messages, told.told_until)
        return True
