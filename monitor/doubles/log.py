"""A log in memory: one LogSource over lists, for tests and for trying things out without a broker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from monitor.errors import Retryable
from monitor.ports import Damaged, OutOfRange, Polled, TopicPartition
from monitor.ports.log import absent


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryRecord:
    """A message of the log; ``timestamp`` is epoch milliseconds, as a broker would give it."""

    offset: int
    timestamp: int
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()


@dataclass(slots=True)
class _Partition:
    first: int = 0
    records: list[MemoryRecord] = field(default_factory=list)

    @property
    def end(self) -> int:
        return self.first + len(self.records)


class MemoryLog:
    """Topics and a reader of them. ``poll`` never waits. Unlike Kafka's, its offsets have no holes.

    ``away`` set to a sentence makes every question to the broker fail with it; ``poll`` then brings nothing, and fails only where
    nothing was ever assigned, as Kafka's does. ``told`` is what ``committed`` was given.
    ``from_end``: an unknown partition begins at its end.
    """

    def __init__(self, topics: Mapping[str, int], *, from_end: bool = False, max_records: int = 5000) -> None:
        self._log = {TopicPartition(topic, number): _Partition() for topic, count in topics.items() for number in range(count)}
        self._subscribed = tuple(topics)
        self.from_end = from_end
        self._max_records = max_records
        self._ids = {topic: f"{topic}#1" for topic in topics}
        self._assigned: frozenset[TopicPartition] = frozenset(self._log)
        self._news = True
        self._begun = False
        self._positions: dict[TopicPartition, int] = {}
        self._sought: set[TopicPartition] = set()
        self.told: dict[TopicPartition, int] = {}
        self.away: str | None = None
        self._damaged: list[tuple[TopicPartition, int, int]] = []
        self._divergent: dict[TopicPartition, int] = {}

    # --- the broker's side ---------------------------------------------------------------------------------

    def append(
        self, partition: TopicPartition, value: bytes | None, *, timestamp: int = 0, headers: Sequence[tuple[str, bytes]] = ()
    ) -> int:
        """Publish a message; its offset."""
        log = self._partition(partition)
        log.records.append(MemoryRecord(offset=log.end, timestamp=timestamp, value=value, headers=headers))
        return log.end - 1

    def trim(self, partition: TopicPartition, before: int) -> None:
        """Let retention take every message before this offset."""
        log = self._partition(partition)
        first = min(max(before, log.first), log.end)
        log.records, log.first = log.records[first - log.first :], first

    def damage(self, partition: TopicPartition, first: int, beyond: int) -> None:
        """Make these offsets unreadable, as a broken disk does: this reader comes upon them once, and has to join anew."""
        self._damaged.append((partition, first, beyond))

    def cut(self, partition: TopicPartition, at: int, *, told: bool = False) -> None:
        """Lose every message from this offset on, as an unclean election does. ``told``: the broker says to a reader beyond it where."""
        log = self._partition(partition)
        if told and self._positions.get(partition, 0) > at:
            self._divergent[partition] = at
        log.records = log.records[: max(at - log.first, 0)]

    def recreate(self, topic: str) -> None:
        """Delete a topic and make it again, empty: it gets another id."""
        for partition in [p for p in self._log if p.topic == topic]:
            self._log[partition] = _Partition()
        self._ids[topic] += "'"

    def delete(self, topic: str) -> None:
        """Delete a topic; the next poll tells the reader what it has left."""
        for partition in [p for p in self._log if p.topic == topic]:
            del self._log[partition]
        self.rebalance(self._assigned & frozenset(self._log))

    def rebalance(self, assigned: frozenset[TopicPartition]) -> None:
        """Give the reader these partitions alone; its next poll tells it so. Raises KeyError on an unknown one."""
        for partition in assigned:
            self._partition(partition)
        self._assigned, self._news = assigned, True
        self._sought.clear()

    def reader(self) -> MemoryLog:
        """Another reader of the same topics, which knows no positions; it is given every partition."""
        other = type(self)({}, from_end=self.from_end, max_records=self._max_records)
        other._log, other._ids, other._subscribed, other._assigned = self._log, self._ids, self._subscribed, frozenset(self._log)
        return other

    # --- the port ------------------------------------------------------------------------------------------

    def poll(self, timeout: float) -> Polled:  # noqa: ARG002  there is nothing to wait for
        """The assignment when it is new; else what follows the positions, partition after partition."""
        if self.away is not None and self._begun:
            return Polled(records={})
        self._answer()
        self._begun = True
        if self._news:
            self._news = False
            return Polled(records={}, assigned=self._assigned)
        if self._divergent:
            divergent, self._divergent = self._divergent, {}
            raise OutOfRange({p: self._positions[p] for p in divergent}, divergent)
        gone = {p: self._positions[p] for p in self._sought if not self._log[p].first <= self._positions[p] <= self._log[p].end}
        if gone:
            raise OutOfRange(gone)
        records, room = {}, self._max_records
        for partition in sorted(self._sought):
            log, at = self._log[partition], self._positions[partition]
            self._come_upon_damage(partition, at)
            most = min([room, *(first - at for p, first, _ in self._damaged if p == partition and first > at)])
            batch = log.records[at - log.first : at - log.first + most]
            if batch:
                records[partition] = batch
                self._positions[partition] = batch[-1].offset + 1
                room -= len(batch)
        return Polled(records=records)

    def seek(self, positions: Mapping[TopicPartition, int | None]) -> None:
        """Read on from these offsets; None means the start, or the end where the log was made so."""
        self._answer()
        for partition, offset in positions.items():
            log = self._partition(partition)
            start = log.end if self.from_end else log.first
            self._positions[partition] = start if offset is None else offset
            if partition in self._assigned:
                self._sought.add(partition)

    def position(self, partition: TopicPartition) -> int:
        """The next offset to read. Raises KeyError for a partition that was never sought."""
        if partition not in self._positions:
            raise KeyError(f"{partition.topic}/{partition.partition} was never sought, only {sorted(self._positions)}")
        return self._positions[partition]

    def begins(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        """The first offsets that are still there."""
        self._answer()
        return {partition: self._partition(partition).first for partition in partitions}

    def ends(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        """The end offsets; none of a topic that was deleted."""
        self._answer()
        return {partition: self._partition(partition).end for partition in partitions if partition in self._log}

    def partitions(self) -> frozenset[TopicPartition]:
        """Every partition of the topics. Raises Retryable where none of them has any."""
        self._answer()
        if not self._log:
            raise Retryable(self.missing() or "no topics")
        return frozenset(self._log)

    def missing(self) -> str | None:
        """The topics without any partition."""
        there = {partition.topic for partition in self._log}
        return absent([topic for topic in self._subscribed if topic not in there], "in memory")

    def topic_ids(self) -> Mapping[str, str]:
        """The id of each topic."""
        return dict(self._ids)

    def committed(self, positions: Mapping[TopicPartition, int]) -> None:
        """Kept in ``told``."""
        self.told |= positions

    def lag(self) -> Mapping[TopicPartition, int]:
        """Messages between positions and ends."""
        return {partition: max(self._log[partition].end - self._positions[partition], 0) for partition in self._sought}

    def close(self) -> None:
        """Leave: nothing is given any more until the next assignment."""
        self._sought.clear()

    def _come_upon_damage(self, partition: TopicPartition, at: int) -> None:
        for known in self._damaged:
            where, first, beyond = known
            if where == partition and first <= at < beyond:
                self._damaged.remove(known)
                self.rebalance(self._assigned)  # it joins again, and is told its partitions
                raise Damaged(partition, first=at, beyond=beyond, detail="a wrong checksum")

    def _answer(self) -> None:
        if self.away is not None:
            raise Retryable(self.away)

    def _partition(self, partition: TopicPartition) -> _Partition:
        if partition not in self._log:
            raise KeyError(f"no partition {partition.topic}/{partition.partition}, only {sorted(self._log)}")
        return self._log[partition]
