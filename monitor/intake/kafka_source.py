"""Kafka as a log source: kafka-python behind the port, with its traps closed."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence

import kafka
from kafka import KafkaConsumer
from kafka.errors import (
    CorruptRecordError,
    IllegalStateError,
    KafkaError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
    UnsupportedCodecError,
)
from kafka.structs import OffsetAndMetadata

from monitor.errors import Retryable
from monitor.intake.client import make_consumer, said
from monitor.ports import OutOfRange, Polled, TopicPartition
from monitor.settings import KafkaSettings
from monitor.settings.kafka import Start

log = logging.getLogger(__name__)

ANSWER_MS = 10_000
"""How long the broker may take to tell offsets."""
CLOSE_MS = 3_000
NO_TOPIC_ID = "00000000-0000-0000-0000-000000000000"


class _Rebalances(kafka.ConsumerRebalanceListener):  # type: ignore[misc]  # kafka-python ships no types
    """Notes that the assignment changed. It runs on the client's own thread, where nothing else may be done."""

    def __init__(self, changed: threading.Event) -> None:
        self._changed = changed

    def on_partitions_revoked(self, _revoked: object) -> None:
        """Nothing yet: what is lost shows at the next assignment, and the store refuses what is written too late."""

    def on_partitions_assigned(self, _assigned: object) -> None:
        """The next poll tells the reader."""
        self._changed.set()


class KafkaSource:
    """A LogSource. Made at the first call that needs the broker, and made again after an error that the client cannot get over."""

    def __init__(self, settings: KafkaSettings, topics: Sequence[str]) -> None:
        self._settings = settings
        self._topics = tuple(topics)
        self._client: KafkaConsumer | None = None
        self._changed = threading.Event()
        self._positions: dict[TopicPartition, int] = {}

    def poll(self, timeout: float) -> Polled:
        """Records of sought partitions; ``assigned`` after a rebalance. Raises Retryable and OutOfRange."""
        consumer = self._consumer()
        try:
            found = consumer.poll(timeout_ms=int(timeout * 1000))
        except NoOffsetForPartitionError:
            found = {}  # assigned, and not yet sought
        except OffsetOutOfRangeError as error:
            raise OutOfRange({_ours(tp): offset for tp, offset in error.args[0].items()}) from None
        except (CorruptRecordError, UnsupportedCodecError) as error:
            self._drop()
            raise Retryable(f"a batch of {', '.join(self._topics)} cannot be unpacked: {said(error)}") from None
        except KafkaError as error:
            raise Retryable(f"Kafka: {said(error)}") from None
        if self._changed.is_set():
            self._changed.clear()
            self._positions.clear()
            return Polled(records={}, assigned=frozenset(map(_ours, consumer.assignment())))
        records = {_ours(tp): batch for tp, batch in found.items() if _ours(tp) in self._positions}
        self._positions |= {partition: batch[-1].offset + 1 for partition, batch in records.items()}
        return Polled(records=records)

    def seek(self, positions: Mapping[TopicPartition, int | None]) -> None:
        """Read on from these offsets; None means the configured start. Raises Retryable."""
        fresh = [partition for partition, offset in positions.items() if offset is None]
        starts = self._starts(fresh) if fresh else {}
        for partition, offset in positions.items():
            at = starts[partition] if offset is None else offset
            try:
                self._consumer().seek(_theirs(partition), at)
            except (AssertionError, IllegalStateError) as error:
                raise Retryable(f"{partition.topic}/{partition.partition} was taken away meanwhile: {said(error)}") from None
            self._positions[partition] = at

    def position(self, partition: TopicPartition) -> int:
        """The next offset to read; past transaction markers and compacted records where the client knows of them."""
        try:
            known = self._consumer().position(_theirs(partition), timeout_ms=1000)
        except KafkaError:
            known = None
        return max(self._positions[partition], known or 0)

    def ends(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        """The end offsets, asked of the broker. Raises Retryable."""
        return self._offsets(self._consumer().end_offsets, partitions) if partitions else {}

    def partitions(self) -> frozenset[TopicPartition]:
        """Every partition of the topics. Raises Retryable, naming a topic that does not exist."""
        found: set[TopicPartition] = set()
        for topic in self._topics:
            try:
                numbers = self._consumer().partitions_for_topic(topic)
            except KafkaError as error:
                raise Retryable(f"Kafka: {said(error)}") from None
            if not numbers:
                raise Retryable(f"topic {topic!r} does not exist at {', '.join(self._settings.bootstrap_servers)}")
            found |= {TopicPartition(topic, number) for number in numbers}
        return frozenset(found)

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
            log.debug("offsets were not told to Kafka: %s", said(error))

    def lag(self) -> Mapping[TopicPartition, int]:
        """Messages between our positions and the high-water marks last seen."""
        if self._client is None:
            return {}
        marks = {}
        for partition, position in self._positions.items():
            try:
                mark = self._client.highwater(_theirs(partition))
            except IllegalStateError:
                continue  # taken away; the next poll tells
            if mark is not None:
                marks[partition] = max(mark - position, 0)
        return marks

    def close(self) -> None:
        """Leave the group."""
        self._drop()

    def _consumer(self) -> KafkaConsumer:
        if self._client is None:
            self._client = make_consumer(self._settings)
            self._client.subscribe(list(self._topics), listener=_Rebalances(self._changed))
        return self._client

    def _drop(self) -> None:
        client, self._client = self._client, None
        self._positions.clear()
        if client is not None:
            client.close(autocommit=False, timeout_ms=CLOSE_MS)

    def _starts(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        consumer = self._consumer()
        match self._settings.start:
            case Start.EARLIEST:
                return self._offsets(consumer.beginning_offsets, partitions)
            case Start.LATEST:
                return self._offsets(consumer.end_offsets, partitions)

    def _offsets(self, ask: object, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        assert callable(ask)  # noqa: S101  a method of the client
        try:
            found = ask([_theirs(p) for p in partitions], timeout_ms=ANSWER_MS)
        except KafkaError as error:
            raise Retryable(f"Kafka at {', '.join(self._settings.bootstrap_servers)} does not answer: {said(error)}") from None
        return {_ours(tp): offset for tp, offset in found.items()}


def _ours(partition: kafka.TopicPartition) -> TopicPartition:
    return TopicPartition(partition.topic, partition.partition)


def _theirs(partition: TopicPartition) -> kafka.TopicPartition:
    return kafka.TopicPartition(partition.topic, partition.partition)
