"""The daemon's watch over its own way: conditions that stand become incidents, are told, and are resolved when they have passed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Protocol

from monitor.core.conditions import Condition, Trouble, moves
from monitor.core.freshness import Reading, newest_of, stale
from monitor.core.incidents import Incident, IncidentEvent, Step
from monitor.core.rules import Model, StreamKind
from monitor.core.volume import ALERT_QUARANTINED
from monitor.log import Action, logger
from monitor.metrics import Metrics
from monitor.pipeline.muting import Muting, SilenceStore
from monitor.pipeline.telling import Telling
from monitor.ports import Clock, JudgementStore, Mark, Message, StreamCount, TopicPartition

log = logger(__name__)

Probe = Callable[[], Iterable[Trouble]]
"""Looks at one thing, and says what of it stands in the way now. May raise Retryable: then the sweep is tried again later."""

StreamKey = tuple[str, str, str]
"""Model, kind of stream, topic."""

KAFKA_PATIENCE = timedelta(seconds=60)
"""A broker that restarts is away for less."""
SPAN = timedelta(minutes=5)
"""Over so long the share of messages without a time is taken."""


class WatchStore(JudgementStore, SilenceStore, Protocol):
    """What the watch reads and writes."""


class SelfWatch:
    """Runs in every replica; the store lets one of them open a condition, and all of them confirm it."""

    def __init__(self, *, store: WatchStore, clock: Clock, telling: Telling, probes: Sequence[Probe], muting: Muting | None = None) -> None:
        self._store = store
        self._clock = clock
        self._telling = telling
        self._probes = probes
        self._muting = muting or Muting(store, clock)

    def sweep(self) -> None:
        """Look at everything once. Raises Retryable when the store is away."""
        seen = [trouble for probe in self._probes for trouble in probe()]
        due = moves(self._store.open_conditions(), seen, self._clock.now())
        for step in due.opened:
            self._write(self._muting.condition(step), self._store.open_condition)
        for held in due.held:
            if (late := self._muting.late(held)) is not None:
                self._write(late, self._store.save_incident)
        for id in due.confirmed:
            self._store.touch_condition(id, self._clock.now())
        for step in due.passed:
            self._write(step, self._store.save_incident)

    def _write(self, step: Step, write: Callable[[Incident, IncidentEvent, Sequence[Message]], bool]) -> None:
        incident = step.incident
        if incident is not None and write(incident, step.events[0], self._telling.condition(step)):
            log.warning("a condition changed", action=Action.CONDITION_CHANGED, condition=incident.condition, model=incident.model,
                        incident=incident.id, state=incident.state, detail=incident.cause)


def kafka_away(unreachable: Callable[[], tuple[str, float] | None]) -> Probe:
    """``unreachable``: why the broker does not answer, and for how many seconds; None where it does."""
    def probe() -> Iterable[Trouble]:
        away = unreachable()
        if away is not None and away[1] >= KAFKA_PATIENCE.total_seconds():
            yield Trouble(condition=Condition.KAFKA_UNREACHABLE, said=f"Kafka cannot be read, or not all of it: {away[0]}")

    return probe


def judging_fails(failing: Callable[[], Mapping[str, str]]) -> Probe:
    """``failing``: by model, why it cannot be judged."""
    def probe() -> Iterable[Trouble]:
        for model, why in failing().items():
            yield Trouble(condition=Condition.JUDGING_FAILED, model=model, said=f"{model} cannot be judged: {why}")

    return probe


def receivers_fail(failing: Callable[[], Mapping[str, str]]) -> Probe:
    """``failing``: by receiver, why its last delivery was given up."""
    def probe() -> Iterable[Trouble]:
        for receiver, why in failing().items():
            said = f"messages to {receiver} are given up: {why}"
            yield Trouble(condition=Condition.RECEIVER_FAILING, subject=receiver, said=said)

    return probe


def rows_are_stale(*, models: Sequence[Model], marks: Callable[[str], Sequence[Mark]],
                   partitions: Callable[[], frozenset[TopicPartition]], metrics: Metrics) -> Probe:
    """The models whose newest row is older than their ``freshness``. ``partitions``: all there are, none while that is not known."""
    def probe() -> Iterable[Trouble]:
        for model in models:
            found = _readings(model, marks(model.name), partitions())
            metrics.newest(model.name, max((r.max_time for r in found if r.max_time is not None), default=None))
            said = None if model.freshness is None else stale(newest_of(found), model.freshness, model.name)
            if said is not None:
                yield Trouble(condition=Condition.STALE_DATA, model=model.name, said=said)

    return probe


def _readings(model: Model, marks: Sequence[Mark], partitions: frozenset[TopicPartition]) -> list[Reading]:
    """One for each partition of the model's predictions; as far as stored, while nobody has told which there are, or the topic is gone."""
    topics = {stream.topic for stream in model.streams if stream.kind is StreamKind.PREDICTIONS}
    by_partition = {mark.partition: Reading(max_time=mark.max_time, read_until=mark.read_until) for mark in marks}
    nothing = Reading(max_time=None, read_until=None)
    told = [p for p in sorted(partitions) if p.topic in topics] or [p for p in sorted(by_partition) if p.topic in topics]
    return [by_partition.get(p, nothing) for p in told]


class NoEventTime:
    """Messages without a readable time are in no window, so no window can tell of them: a wrong mapping must not look like silence.

    ``min_rows``: by model, how many messages the share must rest on.
    """

    def __init__(self, *, counts: Callable[[], Sequence[StreamCount]], clock: Clock, min_rows: Mapping[str, int]) -> None:
        self._counts = counts
        self._clock = clock
        self._min_rows = min_rows
        self._past: deque[tuple[float, Mapping[StreamKey, StreamCount]]] = deque([(clock.monotonic(), self._by_stream())])
        self._standing: set[StreamKey] = set()

    def __call__(self) -> Iterable[Trouble]:
        """The streams of which too large a share has no time. Silence is no evidence that a stream is well again."""
        at, now = self._clock.monotonic(), self._by_stream()
        self._past.append((at, now))
        while len(self._past) > 2 and self._past[1][0] <= at - SPAN.total_seconds():
            self._past.popleft()
        for key, count in now.items():
            earlier = self._past[0][1].get(key)
            received = count.received - (earlier.received if earlier else 0)
            untimed = count.untimed - (earlier.untimed if earlier else 0)
            if received >= self._min_rows.get(count.model, 1):
                (self._standing.add if untimed > ALERT_QUARANTINED * received else self._standing.discard)(key)
            if key in self._standing:
                said = _untimed(count, received, untimed)
                yield Trouble(condition=Condition.NO_EVENT_TIME, model=count.model, subject=count.topic, said=said)

    def _by_stream(self) -> Mapping[StreamKey, StreamCount]:
        return {(count.model, count.stream, count.topic): count for count in self._counts()}


def _untimed(count: StreamCount, received: int, untimed: int) -> str:
    return (f"{untimed:,} of the last {received:,} messages of {count.topic} have no readable time, so no window counts them: "
            "is the mapping right? `driftd quarantine list` shows them")
