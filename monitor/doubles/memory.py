"""What the memory store keeps, and the verbs that only look at it or at references."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import TypeVar

from monitor.core.audit import AuditEntry
from monitor.core.digest import Told
from monitor.core.gaps import Gap
from monitor.core.incidents import Incident, IncidentEvent, IncidentState
from monitor.core.reference import Reference
from monitor.core.results import ALL_ROWS, BAD, Result, WindowKey, identity
from monitor.core.retrain_policy import is_spent
from monitor.core.retraining import UNFINISHED, Retraining, RetrainingEvent, begun
from monitor.core.schema import Hashes
from monitor.core.silences import Silence
from monitor.doubles.kept import ModelLabels
from monitor.errors import UsageError
from monitor.ports import (
    RETRAINING,
    Advance,
    DeliveryRow,
    Judgement,
    Mark,
    Message,
    Progress,
    QuarantineRow,
    Revision,
    StoredReference,
    StoredWindow,
    StreamCount,
    TopicPartition,
    VerdictCount,
)

T = TypeVar("T")
ResultKey = tuple[datetime, str, str, str, str, str, str, int]
PENDING, SENT, DEAD = "pending", "sent", "dead"


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxEntry:
    """A message and what became of it."""

    id: str
    message: Message
    created_at: datetime
    state: str = PENDING
    attempts: int = 0
    error: str | None = None
    thread: str | None = None
    together: str | None = None
    not_before: datetime | None = None
    leased_until: datetime | None = None
    ended_at: datetime | None = None


@dataclass(slots=True, kw_only=True)
class Data:
    """Everything stored. The values are immutable, so that a copy of the containers is a snapshot."""

    partitions: dict[TopicPartition, Advance] = field(default_factory=dict)
    marks: dict[tuple[str, TopicPartition], Mark] = field(default_factory=dict)
    windows: dict[WindowKey, StoredWindow] = field(default_factory=dict)
    ids: dict[tuple[str, TopicPartition, datetime], Hashes] = field(default_factory=dict)
    quarantine: dict[tuple[str, str, TopicPartition, int], QuarantineRow] = field(default_factory=dict)
    streams: dict[tuple[str, str, str], StreamCount] = field(default_factory=dict)
    gaps: list[Gap] = field(default_factory=list)
    progress: dict[str, Progress] = field(default_factory=dict)
    results: dict[ResultKey, Result] = field(default_factory=dict)
    incidents: dict[str, Incident] = field(default_factory=dict)
    events: list[IncidentEvent] = field(default_factory=list)
    retrainings: dict[str, Retraining] = field(default_factory=dict)
    outbox: dict[str, OutboxEntry] = field(default_factory=dict)
    references: dict[tuple[str, int], tuple[Reference, datetime]] = field(default_factory=dict)
    active: dict[tuple[str, str], int] = field(default_factory=dict)
    labels: dict[str, ModelLabels] = field(default_factory=dict)
    digests: dict[str, Told] = field(default_factory=dict)
    silences: dict[str, Silence] = field(default_factory=dict)
    audit: list[AuditEntry] = field(default_factory=list)
    retraining_events: list[RetrainingEvent] = field(default_factory=list)

    def copy(self) -> Data:
        """A snapshot."""
        return Data(**{part.name: getattr(self, part.name).copy() for part in fields(self)})


def result_key(result: Result) -> ResultKey:
    """What names a stored result; also the order of results."""
    return (*identity(result), result.revision)


def last_judged(data: Data, model: str, windows: int) -> set[datetime]:
    """The starts of a model's last windows that have results."""
    starts = sorted({result.window_start for result in data.results.values() if result.model == model})
    return set(starts[max(len(starts) - windows, 0) :])


def add_messages(data: Data, messages: Sequence[Message], at: datetime) -> None:
    """One entry each, in order; a message that is there already stays as it is."""
    for message in messages:
        data.outbox.setdefault(message.id, OutboxEntry(id=message.id, message=message, created_at=at))


def withdraw(data: Data, retraining: Retraining) -> None:
    """A request that nobody waits for any longer goes out no more, where it has not yet."""
    if retraining.state not in UNFINISHED:
        kept = {id: e for id, e in data.outbox.items() if e.state != "pending" or e.message.kind != RETRAINING
                or not e.message.dedupe.endswith(f":{retraining.id}")}
        data.outbox = kept


def is_as_known(data: Data, outcome: Judgement | Revision) -> bool:
    """Whether the incident is still in the state that it was judged from, and is the only one of its model that is open."""
    incident, events = outcome.incident, outcome.events
    if incident is None:
        return True
    stored = data.incidents.get(incident.id)
    state = None if stored is None else stored.state
    if outcome.opened is not None and outcome.opened.id == incident.id and stored != outcome.opened:
        return False
    if state is None and any(_is_open(other, incident.model) for other in data.incidents.values()):
        return False
    return state == events[0].before if events else state in (None, incident.state)


def _is_open(incident: Incident, model: str) -> bool:
    return incident.model == model and incident.condition is None and incident.state is not IncidentState.RESOLVED


def write_outcome(data: Data, outcome: Judgement | Revision, at: datetime) -> None:
    """Results, the incident with its history, the wish to retrain and what goes out about them."""
    for result in outcome.results:
        if result_key(result) in data.results:
            raise ValueError(f"a result is there already: {result_key(result)}")
        data.results[result_key(result)] = result
    if outcome.incident is not None:
        data.incidents[outcome.incident.id] = outcome.incident
    data.events += outcome.events
    _write_asking(data, outcome, at)
    add_messages(data, outcome.messages, at)


def may_ask(data: Data, outcome: Judgement | Revision) -> bool:
    """Whether all that a request was decided after is still so."""
    after = outcome.asked_after
    if after is None:
        return True
    last = next(iter(recent_retrainings(data, outcome.model)), None)
    if (None if last is None else last.id, None if last is None else last.state) != (after.last, after.state):
        return False
    if outcome.retraining is None or after.allowance is None:
        return True
    at, per = outcome.retraining.requested_at, after.allowance.per
    return not is_spent(after.allowance, asked_between(data, at - per, at + per), at)


def recent_retrainings(data: Data, model: str) -> list[Retraining]:
    """All requests of a model, the newest first."""
    mine = [retraining for retraining in data.retrainings.values() if retraining.model == model]
    return sorted(mine, key=lambda retraining: (retraining.requested_at, retraining.id), reverse=True)


def asked_between(data: Data, after: datetime, before: datetime) -> list[datetime]:
    """When any model was asked for, both ends left out."""
    return sorted(r.requested_at for r in data.retrainings.values() if after < r.requested_at < before)


def _write_asking(data: Data, outcome: Judgement | Revision, at: datetime) -> None:
    if outcome.given_up is not None:
        withdraw(data, outcome.given_up.retraining)
        data.retrainings[outcome.given_up.retraining.id] = outcome.given_up.retraining
        data.retraining_events.append(outcome.given_up.event)
    if outcome.retraining is not None and outcome.retraining.id not in data.retrainings:
        data.retrainings[outcome.retraining.id] = outcome.retraining
        data.retraining_events.append(begun(outcome.retraining, at=at))


def with_gaps(data: Data, window: StoredWindow) -> StoredWindow:
    """The window, marked where some of its rows may have been lost."""
    key = window.key
    return replace(window, incomplete=any(gap.model == key.model and gap.touches(key.start, key.end) for gap in data.gaps))


def _newest(items: Sequence[T], newest: int | None) -> Sequence[T]:
    return items if newest is None else items[max(len(items) - newest, 0) :]


class MemoryBase:
    """Data behind a lock; a write replaces it as a whole when nothing raised."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._data = Data()

    @contextmanager
    def _write(self) -> Iterator[Data]:
        with self._lock:
            draft = self._data.copy()
            yield draft
            self._data = draft


class MemoryReading(MemoryBase):
    """The reading verbs of the store."""

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
        """Every revision, of windows that start at or after ``since``."""
        found = [
            result
            for _, result in sorted(self._data.results.items(), key=lambda item: item[0])
            if (model is None or result.model == model)
            and (check is None or result.check == check)
            and (since is None or result.window_start >= since)
            and (verdicts is None or result.verdict in verdicts)
            and (segment is None or result.segment == segment)
        ]
        return _newest(found, newest)

    def verdict_counts(self, model: str, *, windows: int) -> Sequence[VerdictCount]:
        """The last judged windows of a model, oldest first; only the latest revision of each result counts."""
        data = self._data
        starts = last_judged(data, model, windows)
        latest = {key[:-1]: result for key, result in sorted(data.results.items(), key=lambda item: item[0])}
        counts = Counter(
            (result.window_start, result.window_end, result.check, result.verdict)
            for result in latest.values()
            if result.model == model and result.window_start in starts and (result.segment == ALL_ROWS or result.verdict in BAD)
        )
        return [VerdictCount(window_start=s, window_end=e, check=c, verdict=v, count=n) for (s, e, c, v), n in sorted(counts.items())]

    def window_accounts(
        self, *, model: str | None = None, since: datetime | None = None, segment: str | None = None, newest: int | None = None
    ) -> Sequence[StoredWindow]:
        """Windows that start at or after ``since``, without their profiles."""
        found = [
            replace(with_gaps(self._data, window), profile=None)
            for window in sorted(self._data.windows.values(), key=lambda window: (window.key.start, window.key))
            if (model is None or window.key.model == model)
            and (since is None or window.key.start >= since)
            and (segment is None or window.key.segment == segment)
        ]
        return _newest(found, newest)

    def incidents(self, *, model: str | None = None, newest: int | None = None) -> Sequence[Incident]:
        """Incidents by the start of their first bad window."""
        found = [incident for incident in self._data.incidents.values() if model is None or incident.model == model]
        return _newest(sorted(found, key=lambda incident: (incident.since, incident.id)), newest)

    def incident(self, id: str) -> Incident | None:
        """One incident."""
        return self._data.incidents.get(id)

    def incident_events(self, id: str) -> Sequence[IncidentEvent]:
        """The history of one incident, in the order in which it was written."""
        return [event for event in self._data.events if event.incident == id]

    def retrainings(self, *, model: str | None = None) -> Sequence[Retraining]:
        """Requests to retrain, by the end of the judged window that asked."""
        found = [retraining for retraining in self._data.retrainings.values() if model is None or retraining.model == model]
        return sorted(found, key=lambda retraining: (retraining.requested_at, retraining.id))

    def quarantine(self, *, model: str | None = None, limit: int | None = None) -> Sequence[QuarantineRow]:
        """Quarantined messages in the order of their ids; ``limit`` takes the newest."""
        found = [row for row in self._data.quarantine.values() if model is None or row.entry.model == model]
        return _newest(sorted(found, key=lambda row: row.id), limit)

    def stream_counts(self) -> Sequence[StreamCount]:
        """What every stream received since the store began."""
        return [count for _, count in sorted(self._data.streams.items())]

    def deliveries(self, *, state: str | None = None, newest: int | None = None) -> Sequence[DeliveryRow]:
        """Deliveries in the order of sending."""
        return _newest([_row(entry) for entry in self._data.outbox.values() if state is None or entry.state == state], newest)


class MemoryReferences(MemoryBase):
    """The verbs about references."""

    def add_reference(self, reference: Reference, *, activate: bool, at: datetime) -> Reference:
        """Number and keep it. The same hash again is the same reference: returned, not doubled."""
        with self._write() as data:
            numbers = {stored.hash: number for (model, number), (stored, _) in data.references.items() if model == reference.model}
            number = numbers.get(reference.hash) or len(numbers) + 1
            numbered = replace(reference, number=number)
            data.references.setdefault((reference.model, number), (numbered, at))
            if activate:
                data.active[reference.model, reference.version] = number
        return numbered

    def references(self, model: str | None = None) -> Sequence[StoredReference]:
        """The list, by model and number."""
        return [
            StoredReference(
                model=name,
                version=reference.version,
                number=number,
                hash=reference.hash,
                active=self._data.active.get((name, reference.version)) == number,
                rows=reference.profile.rows,
                columns=len(reference.profile.columns),
                created_at=at,
                provenance=reference.provenance,
            )
            for (name, number), (reference, at) in sorted(self._data.references.items(), key=lambda item: item[0])
            if model is None or name == model
        ]

    def reference(self, model: str, number: int) -> Reference | None:
        """One of a model's references."""
        found = self._data.references.get((model, number))
        return None if found is None else found[0]

    def active_reference(self, model: str, version: str) -> Reference | None:
        """The active one of exactly this version."""
        number = self._data.active.get((model, version))
        return None if number is None else self.reference(model, number)

    def activate(self, model: str, number: int, at: datetime) -> None:  # noqa: ARG002 - the SQL store keeps when, nothing reads it
        """Raises UsageError when there is no such reference."""
        with self._write() as data:
            if (model, number) not in data.references:
                known = sorted(known for name, known in data.references if name == model)
                raise UsageError(f"model {model!r} has no reference number {number}; known are {known}")
            data.active[model, data.references[model, number][0].version] = number


def _row(entry: OutboxEntry) -> DeliveryRow:
    return DeliveryRow(
        id=entry.id,
        receiver=entry.message.receiver,
        kind=entry.message.kind,
        incident=entry.message.incident,
        state=entry.state,
        attempts=entry.attempts,
        error=entry.error,
        created_at=entry.created_at,
        sent_at=entry.ended_at if entry.state == SENT else None,
    )
