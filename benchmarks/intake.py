"""CPU of reading a Kafka topic: kafka-python's bare poll() loop, the source behind the port, and the source with the decoder."""

from __future__ import annotations

import gc
import json
import os
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from kafka import KafkaConsumer
from kafka import TopicPartition as KafkaPartition

from monitor.core.rules import Stream, StreamKind
from monitor.core.schema import Column, Kind, Record, Role
from monitor.formats import decoder
from monitor.intake import KafkaSource
from monitor.settings import KafkaSettings
from tests.kafka_broker import Broker, start_broker

MESSAGES = int(os.environ.get("BENCH_MESSAGES", "200000"))
ROUNDS = 3
PARTITIONS = 4
POLL_RECORDS = 5000
NUMERIC, CATEGORICAL = 14, 6
DECODE_BAR = 3.5
"""µs of CPU that decoding a message may cost."""
START = datetime(2024, 3, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Message:
    """A record as the decoder knows it, for measuring without a broker."""

    offset: int
    timestamp: int
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()


def made_messages(n: int) -> list[bytes]:
    """Messages of about 450 bytes: 14 numbers and 6 texts, an RFC 3339 time, a version."""
    rng = np.random.default_rng(7)
    numbers = rng.normal(0, 1, (n, NUMERIC)).round(5).tolist()
    texts = rng.choice([f"value-{i:02}" for i in range(12)], (n, CATEGORICAL)).tolist()
    return [
        json.dumps(
            {
                "ts": (START + timedelta(milliseconds=100 * i)).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                "version": "7",
            }
            | {"features": {f"number_{k}": v for k, v in enumerate(x)} | {f"text_{k}": v for k, v in enumerate(s)}},
            separators=(",", ":"),
        ).encode()
        for i, (x, s) in enumerate(zip(numbers, texts, strict=True))
    ]


def stream(topic: str) -> Stream:
    """A predictions stream that maps all 20 columns."""
    numbers = tuple(Column(name=f"number_{k}", kind=Kind.NUMERIC, role=Role.FEATURE, path=f"features.number_{k}") for k in range(NUMERIC))
    texts = tuple(Column(name=f"text_{k}", kind=Kind.CATEGORICAL, role=Role.FEATURE, path=f"features.text_{k}") for k in range(CATEGORICAL))
    return Stream(kind=StreamKind.PREDICTIONS, topic=topic, time="ts", version="version", columns=numbers + texts)


def produce(bootstrap: str, topic: str, messages: list[bytes]) -> None:
    """Publish round robin, with the time of each message as its timestamp."""
    from confluent_kafka import Producer

    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 20, "queue.buffering.max.messages": 2_000_000})
    first = int(START.timestamp() * 1000)
    for i, raw in enumerate(messages):
        producer.produce(topic, raw, partition=i % PARTITIONS, timestamp=first + 100 * i)
        if i % 10_000 == 0:
            producer.poll(0)
    if producer.flush(120):
        raise SystemExit("not every message reached the broker")


def bare_batches(broker: Broker, topic: str) -> Iterator[int]:
    """kafka-python as its manual shows it."""
    version = {} if broker.api_version is None else {"api_version": tuple(map(int, broker.api_version.split(".")))}
    consumer = KafkaConsumer(bootstrap_servers=broker.bootstrap, enable_auto_commit=False, max_poll_records=POLL_RECORDS, **version)
    partitions = [KafkaPartition(topic, number) for number in range(PARTITIONS)]
    consumer.assign(partitions)
    consumer.seek_to_beginning()
    try:
        while True:
            yield sum(map(len, consumer.poll(500).values()))
    finally:
        consumer.close()


def source_batches(broker: Broker, topic: str, take: Callable[[list[Record]], object]) -> Iterator[int]:
    """Our source; ``take`` gets what each partition brought."""
    version = {} if broker.api_version is None else {"api_version": broker.api_version}
    settings = {"bootstrap_servers": broker.bootstrap, "group_id": uuid.uuid4().hex, "max_poll_records": POLL_RECORDS, **version}
    source = KafkaSource(KafkaSettings.model_validate(settings), [topic])
    try:
        while True:
            polled = source.poll(0.5)
            if polled.assigned is not None:
                source.seek(dict.fromkeys(polled.assigned))
            for records in polled.records.values():
                take(list(records))
            yield sum(map(len, polled.records.values()))
    finally:
        source.close()


def cpu_per_message(batches: Iterator[int], n: int) -> float:
    """µs of CPU, every thread of the process counted, from the first message on."""
    gc.collect()
    seen = skipped = next(batch for batch in batches if batch)
    began = time.process_time()
    while seen < n:
        seen += next(batches)
    cost = (time.process_time() - began) / (n - skipped) * 1e6
    batches.close()  # type: ignore[attr-defined]  # a generator
    return cost


def decode_alone(messages: list[bytes], rows: int) -> float:
    """µs of CPU to decode messages that are in memory already."""
    first = int(START.timestamp() * 1000)
    records = [Message(i, first + 100 * i, raw) for i, raw in enumerate(messages)]
    reader = decoder(stream("t"))
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.process_time()
        for start in range(0, len(records), rows):
            batch = reader.decode(records[start : start + rows])
            if batch.faults:
                raise SystemExit(f"a message was not read: {batch.faults[0]}")
        best = min(best, (time.process_time() - began) / len(records) * 1e6)
    return best


def main() -> None:
    """Print the table."""
    messages = made_messages(MESSAGES)
    size = sum(map(len, messages)) / len(messages)
    alone = {rows: decode_alone(messages[:50_000], rows) for rows in (500, 2000, 5000)}
    with start_broker() as broker:
        topic = f"bench.intake.{uuid.uuid4().hex[:6]}"
        broker.create_topic(topic, PARTITIONS)
        produce(broker.bootstrap, topic, messages)
        reader = decoder(stream(topic))
        runs: dict[str, Callable[[], Iterator[int]]] = {
            "bare poll() loop": lambda: bare_batches(broker, topic),
            "source": lambda: source_batches(broker, topic, len),
            "source + decode": lambda: source_batches(broker, topic, reader.decode),
        }
        costs: dict[str, list[float]] = {name: [] for name in runs}
        for name in list(runs) * ROUNDS:  # side by side: what else the machine does hits all of them
            costs[name].append(cpu_per_message(runs[name](), MESSAGES))
    where = "Apache Kafka" if broker.real else "the mock cluster"
    print(
        f"{MESSAGES:,} messages of {size:.0f} bytes, {NUMERIC + CATEGORICAL} columns, {PARTITIONS} partitions, {where}; CPU µs per message"
    )
    bare = min(costs["bare poll() loop"])
    for name, found in costs.items():
        print(f"{name:32}{min(found):8.2f}{min(found) / bare:8.2f} × bare   (of {', '.join(f'{cost:.2f}' for cost in found)})")
    for rows, cost in alone.items():
        print(f"decode alone, {rows:>5} at a time      {cost:8.2f}   at most {DECODE_BAR}")


if __name__ == "__main__":
    main()
