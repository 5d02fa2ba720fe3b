"""The log in its makes, as the contract's tests see it."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Protocol

from confluent_kafka import Consumer, Producer
from confluent_kafka import TopicPartition as ConfluentPartition
from confluent_kafka.admin import AdminClient

from monitor.doubles.log import MemoryLog
from monitor.intake import KafkaSource
from monitor.ports import LogSource, TopicPartition
from monitor.settings import KafkaSettings
from tests.kafka_broker import Broker

PATIENCE_SECONDS = 40.0
PARTITIONS = 4
"""The mock cluster makes no other number."""


class Log(Protocol):
    """A broker with one topic of four partitions, and the sources that read it."""

    topic: str

    def produce(self, number: int, *values: bytes, timestamp: int = 1_700_000_000_000) -> None: ...
    def source(self, *, from_end: bool = False) -> LogSource: ...
    def source_of_missing_topic(self) -> LogSource: ...
    def told(self, number: int) -> int: ...


@dataclass
class InMemory:
    """The double: sources share one log by being one."""

    topic: str = "t"
    log: MemoryLog = field(init=False)

    def __post_init__(self) -> None:
        self.log = MemoryLog({self.topic: PARTITIONS})

    def produce(self, number: int, *values: bytes, timestamp: int = 1_700_000_000_000) -> None:
        for value in values:
            self.log.append(TopicPartition(self.topic, number), value, timestamp=timestamp)

    def source(self, *, from_end: bool = False) -> LogSource:
        self.log.from_end = from_end
        return self.log

    def source_of_missing_topic(self) -> LogSource:
        return MemoryLog({"nowhere": 0})

    def told(self, number: int) -> int:
        return self.log.told[TopicPartition(self.topic, number)]


@dataclass
class OnKafka:
    """A topic of its own on the session's broker."""

    broker: Broker
    topic: str = field(default_factory=lambda: f"log-{uuid.uuid4().hex[:8]}")
    group: str = field(default_factory=lambda: f"group-{uuid.uuid4().hex[:8]}")
    sources: list[KafkaSource] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.broker.create_topic(self.topic, PARTITIONS)

    def settings(self, **more: object) -> KafkaSettings:
        version = {} if self.broker.api_version is None else {"api_version": self.broker.api_version}
        given: dict[str, object] = {"bootstrap_servers": self.broker.bootstrap, "group_id": self.group, **version, **more}
        return KafkaSettings.model_validate(given)

    def produce(self, number: int, *values: bytes, timestamp: int = 1_700_000_000_000) -> None:
        producer = Producer({"bootstrap.servers": self.broker.bootstrap, "linger.ms": 0, "enable.idempotence": True})
        for value in values:
            producer.produce(self.topic, value, partition=number, timestamp=timestamp)
        assert producer.flush(30) == 0

    def source(self, *, from_end: bool = False, topics: tuple[str, ...] = ()) -> KafkaSource:
        made = KafkaSource(self.settings(start="latest" if from_end else "earliest"), topics or (self.topic,))
        self.sources.append(made)
        return made

    def source_of_missing_topic(self) -> LogSource:
        return self.source(topics=("nowhere",))

    def told(self, number: int) -> int:
        consumer = Consumer({"bootstrap.servers": self.broker.bootstrap, "group.id": self.group})
        try:
            [found] = consumer.committed([ConfluentPartition(self.topic, number)], timeout=20)
            return int(found.offset)
        finally:
            consumer.close()

    def admin(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self.broker.bootstrap})


@contextmanager
def on_kafka(broker: Broker) -> Iterator[OnKafka]:
    """A topic and the sources made on it, which are closed."""
    log = OnKafka(broker)
    try:
        yield log
    finally:
        for source in log.sources:
            source.close()


def poll_until(source: LogSource, done: Callable[[], bool], take: Callable[[TopicPartition, bytes], None] = lambda *_: None) -> None:
    """Poll, handing every message over, until ``done``; each poll itself waits for the broker."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not done():
        assert time.monotonic() < deadline, "the log did not come so far"
        polled = source.poll(0.2)
        if polled.assigned is not None:  # the group met once more: go on where we were
            source.seek(positions_of(source, polled.assigned))
        for partition, records in polled.records.items():
            for record in records:
                assert record.value is not None
                take(partition, record.value)


def positions_of(source: LogSource, partitions: frozenset[TopicPartition]) -> dict[TopicPartition, int]:
    """Where a source stands in those partitions that it was told to read."""
    known = {}
    for partition in partitions:
        with suppress(KeyError):
            known[partition] = source.position(partition)
    return known


def assignment_of(source: LogSource) -> frozenset[TopicPartition]:
    """Poll until the source tells its assignment; no message may come before it."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        polled = source.poll(0.2)
        assert not polled.records
        if polled.assigned is not None:
            return polled.assigned
    raise AssertionError("nothing was assigned")


def read(source: LogSource, n: int) -> dict[int, list[bytes]]:
    """The next ``n`` messages, by the number of the partition."""
    found: dict[int, list[bytes]] = {}
    poll_until(source, lambda: sum(map(len, found.values())) >= n, lambda p, value: found.setdefault(p.partition, []).append(value))
    return found
