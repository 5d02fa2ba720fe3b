"""A look at a topic before anything is configured: some of its last messages, and how many there are."""

from __future__ import annotations

import time
from dataclasses import dataclass

from kafka import KafkaConsumer
from kafka import TopicPartition as KafkaPartition
from kafka.errors import KafkaError

from monitor.errors import Permanent, Retryable
from monitor.intake.client import make_consumer, said
from monitor.settings import KafkaSettings

POLL_MS = 500
LONGEST_SECONDS = 20.0
"""For all of the messages; a topic whose last ones are slow to come is looked at by what has come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """``values``: some of the last messages of every partition. ``held``: how many messages the topic holds now."""

    partitions: int
    held: int
    values: tuple[bytes, ...]


def look_at(kafka: KafkaSettings, topic: str, most: int) -> Sample:
    """About ``most`` messages from the ends of a topic's partitions. Commits nothing and joins no group.

    Raises Retryable when Kafka is away, Permanent when there is no such topic.
    """
    consumer = make_consumer(kafka)
    try:
        return _looked(consumer, topic, most)
    except KafkaError as error:
        raise Retryable(f"Kafka at {', '.join(kafka.bootstrap_servers)} does not answer: {said(error)}") from None
    finally:
        consumer.close(autocommit=False, timeout_ms=3000)


def _looked(consumer: KafkaConsumer, topic: str, most: int) -> Sample:
    numbers = consumer.partitions_for_topic(topic)
    if not numbers:
        there = sorted(name for name in consumer.topics() if not name.startswith("__"))
        raise Permanent(f"there is no topic {topic!r}; there are: {', '.join(there) or 'none'}")
    partitions = [KafkaPartition(topic, number) for number in sorted(numbers)]
    begins, ends = consumer.beginning_offsets(partitions), consumer.end_offsets(partitions)
    consumer.assign(partitions)
    left = {}
    for partition in partitions:
        first = max(begins[partition], ends[partition] - -(-most // len(partitions)))
        consumer.seek(partition, first)
        if first < ends[partition]:
            left[partition] = ends[partition]
    values: list[bytes] = []
    deadline = time.monotonic() + LONGEST_SECONDS
    while left and time.monotonic() < deadline:
        for partition, records in consumer.poll(timeout_ms=POLL_MS).items():
            values += [record.value for record in records if record.value is not None and record.offset < ends[partition]]
        left = {partition: end for partition, end in left.items() if consumer.position(partition) < end}
    held = sum(ends[partition] - begins[partition] for partition in partitions)
    return Sample(partitions=len(partitions), held=held, values=tuple(values))
