"""A store in memory that keeps every promise of the port but to last. For tests: it passes the SQL stores' contract suite."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np

from monitor.core.audit import AuditEntry
from monitor.core.incidents import Incident, IncidentEvent, IncidentState
from monitor.core.profile import Profile
from monitor.core.reference import Reference
from monitor.core.results import ALL_ROWS, Account, Result, WindowKey
from monitor.core.schema import Hashes
from monitor.doubles.asking import MemoryAsking
from monitor.doubles.digests import MemoryDigests
from monitor.doubles.history import MemoryHistory
from monitor.doubles.labels import MemoryLabels, add_kept
from monitor.doubles.memory import (
    Data,
    MemoryReading,
    MemoryReferences,
    add_messages,
    is_as_known,
    last_judged,
    may_ask,
    with_gaps,
    write_outcome,
)
from monitor.doubles.outbox import MemoryOutbox
from monitor.doubles.people import MemoryPeople
from monitor.doubles.retention import MemoryRetention
from monitor.doubles.watching import MemoryWatching, add_gaps
from monitor.errors import Fenced
from monitor.ports import (
    Advance,
    Checkpoint,
    Judgement,
    Mark,
    Message,
    Progress,
    Quarantined,
    QuarantineRow,
    StoredWindow,
    StreamCount,
    TopicPartition,
    WindowDelta,
)

NOT_BEGUN = Progress(sealed_until=None, judged_until=None)
QUARANTINE_ROWS = 10_000
"""Quarantined messages kept per model, the newest."""


class MemoryStore(MemoryReading, MemoryReferences, MemoryHistory, MemoryWatching, MemoryLabels, MemoryPeople, MemoryAsking, MemoryRetention,
                  MemoryOutbox, MemoryDigests):
    """Safe to use from several threads; every verb is one transaction."""

    def ping(self) -> None:
        """Memory is always there."""

    def close(self) -> None:
        """Nothing to close."""

    # --- the checkpoint --------------------------------------------------------------------------------------

    def positions(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, Advance]:
        """The stored offset of each partition that has one."""
        return {partition: stored for partition in partitions if (stored := self._data.partitions.get(partition)) is not None}

    def marks(self, model: str) -> Sequence[Mark]:
        """Every partition's mark of a model."""
        return [mark for (name, _), mark in sorted(self._data.marks.items(), key=lambda item: item[0]) if name == model]

    def seen_ids(self, model: str, partition: TopicPartition) -> Mapping[datetime, Hashes]:
        """By window start, the id hashes of windows not yet sealed."""
        return {start: hashes for (name, where, start), hashes in self._data.ids.items() if (name, where) == (model, partition)}

    def open_versions(self, model: str) -> Mapping[datetime, Collection[str]]:
        """By start, the versions that windows not yet sealed have."""
        sealed = self._data.progress.get(model, NOT_BEGUN).sealed_until
        found: defaultdict[datetime, set[str]] = defaultdict(set)
        for key in self._data.windows:
            if key.model == model and (sealed is None or key.end > sealed):
                found[key.start].add(key.version)
        return found

    def checkpoint(self, checkpoint: Checkpoint) -> None:
        """All or nothing. Raises Fenced when a stored offset is not the expected one."""
        with self._write() as data:
            for advance in checkpoint.advances:
                _advance(data, advance, checkpoint.at)
            for mark in checkpoint.marks:
                _put_mark(data, mark)
            booked = checkpoint.booked({model: progress.sealed_until for model, progress in data.progress.items()})
            for delta in booked.windows:
                _add_window(data, delta)
            for ids in checkpoint.ids:
                sealed = data.progress.get(ids.model, NOT_BEGUN).sealed_until
                if len(ids.hashes) and (sealed is None or ids.window_start >= sealed):
                    key = (ids.model, ids.partition, ids.window_start)
                    data.ids[key] = np.concatenate([data.ids.get(key, ids.hashes[:0]), ids.hashes])
            _add_quarantined(data, checkpoint.quarantined)
            add_gaps(data, checkpoint)
            add_kept(data, booked)
            for count in booked.streams:
                _add_stream(data, count)

    # --- judging ---------------------------------------------------------------------------------------------

    def progress(self, model: str) -> Progress:
        """How far the model is sealed and judged."""
        return self._data.progress.get(model, NOT_BEGUN)

    def next_start(self, model: str, after: datetime | None) -> datetime | None:
        """The start of the earliest window with an account whose start is at or after ``after``."""
        starts = [key.start for key in self._data.windows if key.model == model]
        return min((start for start in starts if after is None or start >= after), default=None)

    def seal(self, model: str, until: datetime, previous: datetime | None) -> bool:
        """Compare-and-set ``sealed_until``; drops the id hashes of sealed windows."""
        with self._write() as data:
            progress = data.progress.get(model, NOT_BEGUN)
            if progress.sealed_until != previous:
                return False
            data.progress[model] = replace(progress, sealed_until=until)
            data.ids = {key: hashes for key, hashes in data.ids.items() if key[0] != model or key[2] >= until}
        return True

    def windows(self, model: str, start: datetime) -> Sequence[StoredWindow]:
        """Every version and segment of the window that starts then, ordered by key."""
        data = self._data
        found = [with_gaps(data, window) for key, window in data.windows.items() if (key.model, key.start) == (model, start)]
        return sorted(found, key=lambda window: window.key)

    def add_empty_window(self, key: WindowKey) -> None:
        """Make an account of zeros; nothing where the window exists."""
        with self._write() as data:
            data.windows.setdefault(key, StoredWindow(key=key, account=Account(), profile=None))

    def last_busy(self, model: str, before: datetime) -> WindowKey | None:
        """The latest window with counted rows that starts before then; of several versions, the one with the most rows."""
        busy = [
            (window.key.start, window.account.counted, window.key.version, window.key)
            for window in self._data.windows.values()
            if window.key.model == model and window.key.segment == ALL_ROWS and window.key.start < before and window.account.counted
        ]
        return max(busy)[-1] if busy else None

    def latest_window(self, model: str) -> WindowKey | None:
        """The window with an account that starts last; of several versions and segments, the last by name."""
        mine = (key for key in self._data.windows if key.model == model)
        return max(mine, key=lambda key: (key.start, key.version, key.segment), default=None)

    def open_incident(self, model: str) -> Incident | None:
        """The incident of a model that is not resolved."""
        mine = [incident for incident in self.incidents(model=model) if incident.condition is None]
        found = [incident for incident in mine if incident.state is not IncidentState.RESOLVED]
        return found[-1] if found else None

    def recent_results(self, model: str, checks: Sequence[str], windows: int) -> Sequence[Result]:
        """The results of these checks in the last ``windows`` judged windows, oldest first."""
        starts = last_judged(self._data, model, windows)
        return [result for result in self.results(model=model) if result.check in checks and result.window_start in starts]

    def record(self, judgement: Judgement) -> bool:
        """By compare-and-set on ``judged_until`` and on the state of the incident."""
        with self._write() as data:
            progress = data.progress.get(judgement.model, NOT_BEGUN)
            if progress.judged_until != judgement.previous or not is_as_known(data, judgement) or not may_ask(data, judgement):
                return False
            data.progress[judgement.model] = replace(progress, judged_until=judgement.judged_until)
            write_outcome(data, judgement, judgement.at or judgement.judged_until)
        return True

    def save_incident(
        self, incident: Incident, event: IncidentEvent, messages: Sequence[Message] = (), audit: AuditEntry | None = None, *,
        seen: Incident | None = None, in_force: Sequence[Reference] = (),
    ) -> bool:
        """A person's change, by compare-and-set on the stored state, or on all that was ``seen``."""
        with self._write() as data:
            stored = data.incidents.get(incident.id)
            if stored is None or stored.state is not event.before or (seen is not None and stored != seen):
                return False
            data.incidents[incident.id] = incident
            data.events.append(event)
            add_messages(data, messages, event.at)
            data.audit += [] if audit is None else [audit]
            for reference in in_force:
                if not reference.number:
                    raise ValueError(f"a reference of {reference.model!r} that is not kept cannot be in force")
                data.active[reference.model, reference.version] = reference.number
        return True


def _advance(data: Data, advance: Advance, at: datetime) -> None:
    stored = data.partitions.get(advance.partition)
    found = None if stored is None else stored.next_offset
    if found != advance.expected:
        where = f"{advance.partition.topic}[{advance.partition.partition}]"
        raise Fenced(f"{where}: the stored offset is {found}, expected {advance.expected}; another replica has it now")
    data.partitions[advance.partition] = replace(advance, expected=advance.next_offset, at=at)


def _put_mark(data: Data, mark: Mark) -> None:
    stored = data.marks.get((mark.model, mark.partition))
    if stored is not None:
        times = [time for time in (stored.max_time, mark.max_time) if time is not None]
        mark = replace(mark, max_time=max(times, default=None), seen_at=mark.seen_at or stored.seen_at,
                       read_until=mark.read_until or stored.read_until)
    data.marks[mark.model, mark.partition] = mark


def _add_window(data: Data, delta: WindowDelta) -> None:
    """Raises UsageError where the stored window that starts then has another end."""
    key, account, profile = delta.key, delta.account, delta.profile
    for other in data.windows:
        if (other.model, other.version, other.segment, other.start) == (key.model, key.version, key.segment, key.start):
            delta.check_end(other.end)
    stored = data.windows.get(key, StoredWindow(key=key, account=Account(), profile=None))
    data.windows[key] = StoredWindow(key=key, account=stored.account + account, profile=_merged(stored.profile, profile))


def _merged(stored: Profile | None, new: Profile | None) -> Profile | None:
    """A profile of our own, since the giver may go on folding. One on another grid is only counted."""
    if new is None or (stored is not None and stored.grid != new.grid):
        return stored
    return Profile.from_bytes(new.to_bytes(), new.grid) if stored is None else stored.merge(new)


def _add_quarantined(data: Data, entries: Sequence[Quarantined]) -> None:
    last = max((row.id for row in data.quarantine.values()), default=0)
    in_order = sorted(entries, key=lambda entry: (entry.model, entry.stream, entry.partition, entry.offset))
    for number, entry in enumerate(in_order, start=last + 1):
        data.quarantine.setdefault((entry.model, entry.stream, entry.partition, entry.offset), QuarantineRow(id=number, entry=entry))
    for model in {entry.model for entry in entries}:
        keys = [key for key in data.quarantine if key[0] == model]
        for key in keys[: max(len(keys) - QUARANTINE_ROWS, 0)]:
            del data.quarantine[key]


def _add_stream(data: Data, count: StreamCount) -> None:
    key = (count.model, count.stream, count.topic)
    stored = data.streams.get(key)
    if stored is not None:
        names = ("received", "counted", "late", "duplicate", "quarantined", "untimed", "sampled_out")
        count = replace(count, **{name: getattr(stored, name) + getattr(count, name) for name in names})
    data.streams[key] = count
