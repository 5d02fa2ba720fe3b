"""From the log to the store: poll, decode, fold, and every few seconds one checkpoint that holds all or nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from monitor import failpoints
from monitor.core.gaps import Gap, GapReason, OnLoss, hole_of
from monitor.core.rules import Model, StreamKind
from monitor.core.schema import Record, from_micros, to_micros
from monitor.errors import Fenced, MemoryShort, Retryable, UsageError
from monitor.failpoints import Point
from monitor.log import Action, logger
from monitor.memory import Advice, MemoryGuard, give_back
from monitor.metrics import Metrics
from monitor.pipeline.channel import Channel, Gained
from monitor.pipeline.labelchannel import LabelChannel
from monitor.pipeline.readto import ReadTo
from monitor.pipeline.references import References
from monitor.ports import Advance, Checkpoint, CheckpointStore, Clock, Damaged, LogSource, Mark, OutOfRange, Polled, TopicPartition

log = logger(__name__)

AnyChannel = Channel | LabelChannel


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often to write: after ``every``, or ``max_rows`` messages, whichever is first; and where to go on after a loss."""

    every: timedelta = timedelta(seconds=5)
    max_rows: int = 50_000
    poll_timeout: float = 0.5
    out_of_range: OnLoss = OnLoss.EARLIEST


class Reader:
    """Owns the log source. Between checkpoints it keeps only what the next one will add.

    ``step`` raises Retryable when the store is away; nothing is lost, call it again later. ``unreachable`` says why the log
    does not answer, when it does not. ``written_at``: monotonic seconds of the last checkpoint, at first of our beginning.
    """

    def __init__(self, *, source: LogSource, store: CheckpointStore, models: Sequence[Model], references: References, clock: Clock,
                 metrics: Metrics, pace: Pace, guard: MemoryGuard | None = None) -> None:
        self._source = source
        self._store = store
        self._clock = clock
        self._metrics = metrics
        self._pace = pace
        self._guard = guard
        self._channels = _channels(models, references)
        self._stored: dict[TopicPartition, Advance] = {}
        self._next: dict[TopicPartition, int] = {}
        self._topic_ids: dict[str, str] = {}
        self._seen_at: dict[TopicPartition, float] = {}  # monotonic: a wall clock that jumps makes no partition idle
        self._read_to = ReadTo()
        self._messages = 0
        self.written_at = clock.monotonic()
        self._pending: Checkpoint | None = None
        self._taking: frozenset[TopicPartition] | None = None
        self.partitions: frozenset[TopicPartition] = frozenset()
        self.unreachable: str | None = None
        self._leaving = False

    @property
    def assigned(self) -> frozenset[TopicPartition]:
        """The partitions that this reader has taken over."""
        return frozenset(self._next)

    def step(self) -> int:
        """One poll and what follows from it; how many messages it brought."""
        self._settle()
        self._mind_memory()
        try:
            polled = self._source.poll(self._pace.poll_timeout)
        except OutOfRange as error:
            self._skip_gap(error)
            return 0
        except Damaged as error:
            self._skip_damage(error)
            return 0
        failpoints.at(Point.AFTER_POLL)
        if polled.assigned is not None:
            self._hand_over(polled.assigned)
        messages = self._take_all(polled)
        self._messages += messages
        if self._is_time():
            self.checkpoint()
        return messages

    def _is_time(self) -> bool:
        """Whether to write: so much time has passed, so many messages have come, or what they came to takes much memory."""
        late = self._clock.monotonic() - self.written_at >= self._pace.every.total_seconds()
        return late or self._messages >= self._pace.max_rows or any(channel.full for channel in self._all_channels())

    def _mind_memory(self) -> None:
        """Write early and give memory back where little is left. Raises MemoryShort, before more is read, where that is not enough."""
        if self._guard is None or self._guard.advice() is Advice.GO_ON:
            return
        self.checkpoint()
        give_back()
        if self._guard.look() is Advice.PAUSE:
            raise MemoryShort(f"{self._guard}: reading pauses")

    def at_end(self, ends: Mapping[TopicPartition, int]) -> bool:
        """Whether every one of these partitions was read to its given end, and is not about to be read again."""
        if self._taking is not None:
            return False
        return all(partition in self._next and self._source.position(partition) >= end for partition, end in ends.items())

    @property
    def settled(self) -> bool:
        """Whether all that was read is in the store."""
        return self._pending is None and self._taking is None and not any(map(self._moved, self._next))

    def checkpoint(self) -> None:
        """Write what was gained; nothing while partitions are being taken over. Raises Retryable, and then keeps it for the next call."""
        if self._pending is not None:
            self._finish(self._pending)
        elif self._taking is None:
            if self._recreated():
                self._taking = self.assigned  # what came since the last checkpoint may be of either topic
                return
            self._pending = self._build()
            self._write(self._pending)

    def leave(self) -> None:
        """The last checkpoint. Asks the log nothing, which may be away and takes longer to say so than there is time to stop."""
        self._leaving = True
        self.checkpoint()

    def _write(self, checkpoint: Checkpoint) -> None:
        """A lost partition (Fenced) drops it all, and reading starts again from the store."""
        try:
            self._store.checkpoint(checkpoint)
        except Fenced as error:
            log.warning("another replica wrote first: reading again from the store", action=Action.CHECKPOINT_FENCED, detail=str(error))
            self._metrics.fenced.inc()
            self._pending = None
            self._taking = self.assigned if self._taking is None else self._taking
        else:
            self._written(checkpoint)

    def _written(self, checkpoint: Checkpoint) -> None:
        self._stored |= {a.partition: a for a in checkpoint.advances}
        self._pending = None
        self.written_at = self._clock.monotonic()
        self._metrics.checkpoint_written(checkpoint, self._source.lag())
        if checkpoint.quarantined:
            log.warning("messages could not be read", action=Action.MESSAGES_QUARANTINED, messages=len(checkpoint.quarantined),
                        reasons=sorted({row.reason for row in checkpoint.quarantined}))
        if checkpoint.advances:
            self._source.committed({a.partition: a.next_offset for a in checkpoint.advances})

    def _settle(self) -> None:
        """Finish what an absent store left open, before anything new is read."""
        if self._pending is not None:
            self._finish(self._pending)
        if self._taking is not None:
            self._take_over(self._taking)

    def _finish(self, checkpoint: Checkpoint) -> None:
        """A checkpoint whose commit failed may have been written all the same: the store tells."""
        if self._is_stored(checkpoint):
            self._written(checkpoint)
        else:
            self._write(checkpoint)

    def _is_stored(self, checkpoint: Checkpoint) -> bool:
        """By the offsets, where one moved; else by the time of a mark, for a log that was cut back to the stored offset moves none."""
        found = self._store.positions([a.partition for a in checkpoint.advances])
        stored = [(a, found.get(a.partition)) for a in checkpoint.advances]
        if not stored or not all(f is not None and (f.next_offset, f.topic_id) == (a.next_offset, a.topic_id) for a, f in stored):
            return False
        if any(a.expected != a.next_offset for a in checkpoint.advances):
            return True
        mark = checkpoint.marks[0]
        return any(stored.partition == mark.partition and stored.at == mark.at for stored in self._store.marks(mark.model))

    def _hand_over(self, assigned: frozenset[TopicPartition]) -> None:
        """The group gave us other partitions: write what we have (refused where a new owner was quicker), then begin anew."""
        log.info("partitions assigned", action=Action.INTAKE_ASSIGNED, partitions=[f"{p.topic}/{p.partition}" for p in sorted(assigned)])
        self._taking = assigned  # first of all: the log tells it once, whatever fails from here on
        if self._next and not self._recreated():
            self._pending = self._build()
            self._write(self._pending)
        self._take_over(assigned)

    def _take_over(self, assigned: frozenset[TopicPartition]) -> None:
        """Forget what is in memory, and read on from where the store says."""
        self._messages = 0
        partitions = sorted(assigned)
        all_of_them = self._source.partitions()
        known = self._store.positions(sorted(all_of_them | assigned))
        self._stored = {p: known[p] for p in partitions if p in known}
        self._note_left_out(partitions)
        self._restore(partitions)
        self._topic_ids = dict(self._source.topic_ids())
        self._source.seek({**{p: self._resume(p, self._topic_ids.get(p.topic)) for p in partitions}, **self._added(partitions, known)})
        self._next = {p: self._source.position(p) for p in partitions}
        self._store.checkpoint(Checkpoint(at=self._clock.now(), marks=self._marks(caught_up=frozenset())))
        self.partitions = all_of_them  # only now: before, the judge would believe what a dead owner claimed to have read
        self._taking = None
        failpoints.at(Point.AFTER_TAKE_OVER)

    def _note_left_out(self, partitions: Sequence[TopicPartition]) -> None:
        """A checkpoint renews the marks of all models of its partitions: where a mark is older, others read on without its model."""
        now, behind = self._clock.now(), []
        for channel in self._all_channels():
            if channel.kind is not StreamKind.PREDICTIONS:  # labels that were passed over make no window incomplete, but less labelled
                continue
            model = channel.model.name
            marks = {mark.partition: mark for mark in self._store.marks(model)}
            for partition in (p for p in partitions if p in self._stored and channel in self._channels[p.topic]):
                stored, mark = self._stored[partition], marks.get(partition)
                if mark is None:
                    log.info("others have read this topic before: the model begins where they are", action=Action.INTAKE_ASSIGNED,
                             model=model, topic=partition.topic, partition=partition.partition, offset=stored.next_offset)
                elif stored.at is not None and mark.at < stored.at:
                    behind.append((replace(mark, at=now, caught_up=False), stored.next_offset))
        if behind:
            gaps = tuple(self._left_out(mark, offset) for mark, offset in behind)
            self._store.checkpoint(Checkpoint(at=now, marks=tuple(mark for mark, _ in behind), gaps=gaps))

    def _left_out(self, mark: Mark, offset: int) -> Gap:
        topic, partition = mark.partition.topic, mark.partition.partition
        log.warning("others read on while the model was not configured: its windows of that time are incomplete", action=Action.INTAKE_GAP,
                    model=mark.model, topic=topic, partition=partition, reason=GapReason.NOT_CONFIGURED, going_on_at=offset)
        self._metrics.gap(GapReason.NOT_CONFIGURED, None)
        return Gap(model=mark.model, topic=topic, partition=partition, reason=GapReason.NOT_CONFIGURED, first=offset, beyond=None,
                   since=mark.max_time, at=mark.at)

    def _added(self, partitions: Sequence[TopicPartition], known: Mapping[TopicPartition, Advance]) -> Mapping[TopicPartition, int]:
        """Partitions that came to a topic that is read already: from their first message, whatever ``kafka.start`` says of the topic."""
        read = {partition.topic for partition in known}
        return self._source.begins([p for p in partitions if p not in known and p.topic in read])

    def _resume(self, partition: TopicPartition, topic_id: str | None) -> int | None:
        stored = self._stored.get(partition)
        if stored is None:
            return None
        if topic_id and stored.topic_id and topic_id != stored.topic_id:
            log.warning("topic was deleted and made again: reading it from its start", action=Action.TOPIC_RECREATED,
                        topic=partition.topic, partition=partition.partition, stored_offset=stored.next_offset)
            self._lose(partition, GapReason.RECREATED, stored.next_offset, None, 0)
            return 0
        return stored.next_offset

    def _recreated(self) -> bool:
        """Whether a topic was deleted and made again since it was taken over."""
        topic_ids = self._source.topic_ids()
        return any(topic_ids.get(topic, known) != known for topic, known in self._topic_ids.items())

    def _restore(self, partitions: Sequence[TopicPartition]) -> None:
        self._seen_at = {}
        self._read_to.clear()
        for channel in self._all_channels():
            marks = {m.partition: m for m in self._store.marks(channel.model.name)}
            channel.begin(self._store)
            for partition in (p for p in partitions if channel in self._channels[p.topic]):
                mark = marks.get(partition)
                if mark is not None and mark.seen_at is not None:
                    self._seen_at[partition] = self._moment(mark.seen_at)
                self._seen_at.setdefault(partition, self._clock.monotonic())
                channel.assign(partition, to_micros(mark.max_time) if mark and mark.max_time else None, self._store)

    def _skip_gap(self, error: OutOfRange) -> None:
        """The log no longer holds the stored offsets: note what was lost, and go on as the policy says.

        Raises UsageError where the policy is to stop, and Retryable when the log does not answer.
        """
        if self._recreated():  # nothing of the new topic was read yet
            self._pending = self._build()
            self._taking = self.assigned
            self._write(self._pending)
            return
        partitions = sorted(error.offsets)
        begins, ends = self._source.begins(partitions), self._source.ends(partitions)
        for p in partitions:
            hole = hole_of(error.offsets[p], begins[p], ends[p], self._pace.out_of_range, error.divergent.get(p))
            if hole is None:
                continue
            if hole.on is None:
                raise UsageError(f"{p.topic}/{p.partition}: the log holds offsets {begins[p]} to {ends[p]}, {error.offsets[p]} was to be "
                                 f"read next ({hole.reason}), and kafka.out_of_range is fail; set it to earliest or latest to go on")
            self._lose(p, hole.reason, error.offsets[p], hole.beyond, hole.on)
        self._source.seek({p: self._next[p] for p in partitions})

    def _skip_damage(self, error: Damaged) -> None:
        """A stretch that cannot be unpacked: written as lost together with the offset beyond it, before the source joins again."""
        if error.partition in self._next:
            first = max(error.first, self._next[error.partition])
            self._lose(error.partition, GapReason.DAMAGED, first, error.beyond, error.beyond, str(error))
            self.checkpoint()

    def _lose(self, partition: TopicPartition, reason: GapReason, first: int, beyond: int | None, on: int, detail: str = "") -> None:
        log.error("messages were lost before they could be read", action=Action.INTAKE_GAP, topic=partition.topic,
                  partition=partition.partition, reason=reason, first=first, beyond=beyond, going_on_at=on, detail=detail or None)
        self._metrics.gap(reason, None if beyond is None else beyond - first)
        now = self._clock.now()
        for channel in self._channels[partition.topic]:
            channel.lose(partition, reason, first, beyond, now)
        self._next[partition] = on

    def _take_all(self, polled: Polled) -> int:
        """Fold what a poll brought. Where the store is away in the middle (a grid is looked up there), it is read again."""
        try:
            return sum(self._take(partition, records) for partition, records in polled.records.items())
        except Retryable:
            self._taking = self.assigned
            raise

    def _take(self, partition: TopicPartition, records: Sequence[Record]) -> int:
        if records and records[0].offset < self._next[partition]:
            records = [r for r in records if r.offset >= self._next[partition]]
        if not records:
            return 0
        now = self._clock.now()
        for channel in self._channels[partition.topic]:
            channel.take(partition, records, now)
        self._next[partition] = records[-1].offset + 1
        self._seen_at[partition] = self._clock.monotonic()
        return len(records)

    def _build(self) -> Checkpoint:
        """Every partition is in it, moved or not: who lost one must not write its mark either, for others close windows by that."""
        caught_up = frozenset() if self._leaving else self._caught_up()
        gained = Gained()
        for channel in self._all_channels():
            gained.add(channel.drain())
        self._messages = 0
        self._metrics.beyond_bounds(gained.crowded, gained.unremembered)
        return Checkpoint(
            at=self._clock.now(),
            advances=tuple(Advance(partition=p, expected=self._stored[p].next_offset if p in self._stored else None,
                                   next_offset=self._next[p], topic_id=self._topic_ids.get(p.topic)) for p in sorted(self._next)),
            marks=self._marks(caught_up),
            windows=tuple(gained.windows),
            ids=tuple(gained.ids),
            quarantined=tuple(gained.quarantined),
            streams=tuple(gained.streams),
            gaps=tuple(gained.gaps),
            gap_ends=tuple(gained.gap_ends),
            labels=tuple(gained.labels),
        )

    def _moved(self, partition: TopicPartition) -> bool:
        """Whether there is something to store: another offset, or the same one in a topic that was made again."""
        stored, topic_id = self._stored.get(partition), self._topic_ids.get(partition.topic)
        if stored is None:
            return True
        return stored.next_offset != self._next[partition] or (topic_id is not None and stored.topic_id != topic_id)

    def _caught_up(self) -> frozenset[TopicPartition]:
        """Partitions read to their end, as the broker itself says now: an absent broker must not look like a quiet one."""
        try:
            ends = self._source.ends(sorted(self._next)) if self._next else {}
        except Retryable as error:
            self.unreachable = str(error)
            return frozenset()
        self.unreachable = self._source.missing()
        positions = {p: self._source.position(p) for p in ends}
        self._read_to.look(positions, ends, self._clock.now())
        return frozenset(p for p, end in ends.items() if positions[p] >= end)

    def _marks(self, caught_up: frozenset[TopicPartition]) -> tuple[Mark, ...]:
        now = self._clock.now()
        return tuple(
            Mark(model=channel.model.name, partition=partition, max_time=None if high is None else from_micros(high),
                 seen_at=self._wall(self._seen_at[partition]), caught_up=partition in caught_up, at=now,
                 read_until=self._read_to.until(partition))
            for partition in sorted(self._next)
            for channel in self._channels[partition.topic]
            for high in [channel.max_time(partition)]
        )

    def _moment(self, wall: datetime) -> float:
        """That time by the monotonic clock; now, where the wall clock was set back behind it since."""
        return self._clock.monotonic() - max((self._clock.now() - wall).total_seconds(), 0.0)

    def _wall(self, moment: float) -> datetime:
        """That moment by the wall clock as it goes now: what others compare with the time of the mark."""
        return self._clock.now() - timedelta(seconds=self._clock.monotonic() - moment)

    def _all_channels(self) -> Iterable[AnyChannel]:
        return [channel for channels in self._channels.values() for channel in channels]


def _channels(models: Sequence[Model], references: References) -> dict[str, list[AnyChannel]]:
    channels: dict[str, list[AnyChannel]] = {}
    for model in models:
        for stream in model.read_streams:
            channel = LabelChannel(model, stream) if stream.kind is StreamKind.LABELS else Channel(model, stream, references)
            channels.setdefault(stream.topic, []).append(channel)
    return channels
