"""Kafka as a log source: kafka-python behind the port, with its traps closed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import kafka
from kafka import KafkaConsumer
from kafka.errors import (
    CorruptRecordError,
    IllegalStateError,
    KafkaError,
    LogTruncationError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
    UnsupportedCodecError,
)
from kafka.structs import OffsetAndMetadata

from monitor.errors import DriftdError, Retryable
from monitor.intake.client import make_consumer, said
from monitor.intake.damage import find_damage
from monitor.intake.rebalances import Rebalances
from monitor.intake.watchdog import Watchdog
from monitor.log import Action, logger
from monitor.ports import OutOfRange, Polled, TopicPartition
from monitor.ports.log import absent
from monitor.settings import KafkaSettings
from monitor.settings.kafka import Start

log = logger(__name__)

ANSWER_MS = 10_000
"""How long the broker may take to tell offsets."""
CLOSE_MS = 3_000
TAKEN_AWAY = (IllegalStateError, ValueError, KeyError)
"""What the client says of a partition that it is not assigned: its verbs do not agree on one."""
NO_TOPIC_ID = "00000000-0000-0000-0000-000000000000"


class KafkaSource:
    """A LogSource. Made at the first call that needs the broker, and made again after an error that the client cannot get over.

    A newly assigned partition is paused until it is sought. Positions outlive a rebalance, so that a checkpoint can still be
    written for what was read before it.
    """

    def __init__(self, settings: KafkaSettings, topics: Sequence[str], watchdog: Watchdog | None = None) -> None:
        self._settings = settings
        self._topics = tuple(topics)
        self._watchdog = watchdog
        self._client: KafkaConsumer | None = None
        self._rebalances = Rebalances()
        self._positions: dict[TopicPartition, int] = {}
        self._sought: set[TopicPartition] = set()
        self._truncated: OutOfRange | None = None
        self._at_first: dict[str, frozenset[int]] = {}

    def poll(self, timeout: float) -> Polled:
        """Records of sought partitions; ``assigned`` after a rebalance. Raises Retryable, OutOfRange and Damaged."""
        consumer = self._consumer()
        if self._truncated is not None:
            gone, self._truncated = self._truncated, None
            raise gone
        with self._watchdog.polling(timeout) if self._watchdog else nullcontext():
            found = self._fetched(consumer, int(timeout * 1000))
        if self._rebalances.take_settled():
            self._sought.clear()
            return Polled(records={}, assigned=self._held(consumer))
        if self._rebalances.moving:
            self._sought.clear()  # what was found is dropped, so the client's position says no more what was read
            return Polled(records={})
        records = {_ours(tp): batch for tp, batch in found.items() if _ours(tp) in self._sought}
        self._positions |= {partition: batch[-1].offset + 1 for partition, batch in records.items()}
        return Polled(records=records)

    def seek(self, positions: Mapping[TopicPartition, int | None]) -> None:
        """Read on from these offsets; None means the configured start, or the first of a partition that came later. Raises Retryable.

        A partition that was taken away meanwhile is passed over: the next poll tells of it.
        """
        fresh = [partition for partition, offset in positions.items() if offset is None]
        starts = self._starts(fresh) if fresh else {}
        for partition, offset in positions.items():
            at = self._positions[partition] = starts[partition] if offset is None else offset
            try:
                self._consumer().seek(_theirs(partition), at)
                self._consumer().resume(_theirs(partition))
            except TAKEN_AWAY:
                continue
            self._sought.add(partition)

    def position(self, partition: TopicPartition) -> int:
        """The next offset to read; past transaction markers and compacted records where the client knows of them.

        The last one known of a partition that was taken away, or may be. Raises KeyError for one that was never sought.
        """
        if partition not in self._positions:
            raise KeyError(f"{partition.topic}/{partition.partition} was never sought, only {sorted(self._positions)}")
        known = None
        if self._client is not None and partition in self._sought and not self._rebalances.moving:
            try:
                known = self._client.position(_theirs(partition), timeout_ms=0)
            except LogTruncationError as error:
                self._truncated = self._cut_short(error)
            except KafkaError:
                known = None  # taken away; the next poll tells
        return max(self._positions[partition], known or 0)

    def begins(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        """The first offsets that are still there, asked of the broker. Raises Retryable."""
        return self._offsets(self._consumer().beginning_offsets, partitions) if partitions else {}

    def ends(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        """The end offsets, asked of the broker; none of a topic that was deleted. Raises Retryable."""
        gone = self._gone()
        there = [partition for partition in partitions if partition.topic not in gone]
        return self._offsets(self._consumer().end_offsets, there) if there else {}

    def partitions(self) -> frozenset[TopicPartition]:
        """Every partition of the topics that exist. Raises Retryable, naming the topics where none does."""
        found: set[TopicPartition] = set()
        for topic in self._topics:
            try:
                numbers = self._consumer().partitions_for_topic(topic)
            except KafkaError as error:
                raise self._away(error) from None
            found |= {TopicPartition(topic, number) for number in numbers or ()}
        if not found:
            raise Retryable(absent(self._topics, f"at {self._where}") or "no topics are to be read")
        return frozenset(found)

    def missing(self) -> str | None:
        """The topics that the broker did not know when it was last asked, at most METADATA_AGE_MS ago."""
        return absent(self._gone(), f"at {self._where}")

    def _gone(self) -> Sequence[str]:
        cluster = self._consumer()._cluster
        return [topic for topic in self._topics if not cluster.partitions_for_topic(topic)]

    def topic_ids(self) -> Mapping[str, str]:
        """The broker's id of each topic; brokers before 2.8 have none."""
        cluster = self._consumer()._cluster
        ids = {topic: str(cluster.topic_id(topic) or NO_TOPIC_ID) for topic in self._topics}
        return {topic: number for topic, number in ids.items() if number != NO_TOPIC_ID}

    def committed(self, positions: Mapping[TopicPartition, int]) -> None:
        """Tell lag tools how far we are; the truth is in the store."""
        if self._client is None:
            return
        try:
            self._client.commit_async({_theirs(p): OffsetAndMetadata(offset, "", -1) for p, offset in positions.items()})
        except KafkaError as error:
            log.debug("offsets were not told to Kafka", action=Action.INTAKE_UNREACHABLE, detail=said(error))

    def lag(self) -> Mapping[TopicPartition, int]:
        """Messages between our positions and the high-water marks last seen, of the partitions that are read."""
        marks = {partition: self._highwater(partition) for partition in self._sought}
        return {partition: max(mark - self.position(partition), 0) for partition, mark in marks.items() if mark is not None}

    def close(self) -> None:
        """Leave the group."""
        self._drop()

    @property
    def _where(self) -> str:
        return ", ".join(self._settings.bootstrap_servers)

    def _consumer(self) -> KafkaConsumer:
        if self._client is None:
            self._client = self._joined()
        return self._client

    def _joined(self) -> KafkaConsumer:
        """A client about to join the group. It looks at the topics before its first poll: one that joins without knowing them
        is assigned nothing, and one that knew them before it subscribed joins twice.
        """
        client = make_consumer(self._settings)
        self._rebalances = Rebalances(lambda assigned: client.pause(*assigned))
        try:
            client.subscribe(list(self._topics), listener=self._rebalances)
            for topic in self._topics:
                self._at_first.setdefault(topic, frozenset(client.partitions_for_topic(topic) or ()))
        except KafkaError as error:
            client.close(autocommit=False, timeout_ms=CLOSE_MS)
            raise self._away(error) from None
        return client

    def _drop(self) -> None:
        client, self._client = self._client, None
        self._sought.clear()
        if client is not None:
            client.close(autocommit=False, timeout_ms=CLOSE_MS)

    def _fetched(self, consumer: KafkaConsumer, timeout_ms: int) -> Mapping[kafka.TopicPartition, Sequence[Any]]:
        """What the client has. An error in unpacking leaves it spinning at its next poll, so that it has to go."""
        try:
            return consumer.poll(timeout_ms=timeout_ms)  # type: ignore[no-any-return]  # kafka-python ships no types
        except NoOffsetForPartitionError:
            return {}  # assigned a moment ago, and not yet held
        except OffsetOutOfRangeError as error:
            raise OutOfRange({_ours(tp): offset for tp, offset in error.args[0].items()}) from None
        except LogTruncationError as error:
            raise self._cut_short(error) from None
        except (CorruptRecordError, UnsupportedCodecError) as error:
            raise self._unpackable(consumer, error) from None
        except KafkaError as error:
            raise self._away(error) from None
        except Exception as error:  # decompressors and unpackers raise what they like
            raise self._unpackable(consumer, error) from error

    def _unpackable(self, consumer: KafkaConsumer, error: Exception) -> DriftdError:
        """What to raise: the damage, where it is there at a second look. The client goes either way."""
        try:
            found = find_damage(consumer, {partition: self.position(partition) for partition in self._sought})
        except KafkaError as other:
            return Retryable(f"a batch cannot be unpacked ({said(error)}), and Kafka does not answer which: {said(other)}")
        finally:
            self._drop()
        return found or Retryable(f"a batch could not be unpacked ({said(error)}); a second look finds all well")

    def _away(self, error: KafkaError) -> Retryable:
        return Retryable(f"Kafka at {self._where} does not answer: {said(error)}")

    def _cut_short(self, error: LogTruncationError) -> OutOfRange:
        """What we read last is not what the log holds there now, and where it parts from it, if the broker knows."""
        parted = {_ours(tp): at for tp, at in error.divergent_offsets.items()}
        return OutOfRange({partition: self._positions.get(partition, 0) for partition in parted},
                          {partition: at.offset for partition, at in parted.items() if at is not None})

    def _held(self, consumer: KafkaConsumer) -> frozenset[TopicPartition]:
        """The assignment, paused: a partition without a position would make every poll fail for the others too."""
        assigned = consumer.assignment()
        for partition in assigned:
            try:
                consumer.pause(partition)
                consumer.seek(partition, 0)
            except TAKEN_AWAY:
                continue  # taken away already; the next poll tells
        return frozenset(map(_ours, assigned))

    def _highwater(self, partition: TopicPartition) -> int | None:
        if self._client is None:
            return None
        try:
            mark: int | None = self._client.highwater(_theirs(partition))
        except IllegalStateError:
            return None  # taken away; the next poll tells
        return mark

    def _starts(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        """Where reading begins. Nothing is skipped of a partition that came while we ran: all that it holds is new."""
        match self._settings.start:
            case Start.EARLIEST:
                return self.begins(partitions)
            case Start.LATEST:
                old = [p for p in partitions if p.partition in self._at_first.get(p.topic, ())]
                return {**self.ends(old), **self.begins([p for p in partitions if p not in old])}

    def _offsets(self, ask: Callable[..., Any], partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        try:
            found = ask([_theirs(p) for p in partitions], timeout_ms=ANSWER_MS)
        except KafkaError as error:
            raise self._away(error) from None
        except KeyError as error:  # the broker knows it no more: its topic is being deleted, and the next metadata tells
            raise Retryable(f"Kafka at {self._where} does not tell offsets of {error.args[0]}") from None
        return {_ours(tp): offset for tp, offset in found.items()}


def _ours(partition: kafka.TopicPartition) -> TopicPartition:
    return TopicPartition(partition.topic, partition.partition)


def _theirs(partition: TopicPartition) -> kafka.TopicPartition:
    return kafka.TopicPartition(partition.topic, partition.partition)
