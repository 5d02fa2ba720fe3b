"""Finds the batch that the client could not unpack: kafka-python says neither which partition it is in nor where it ends.

The client's connections and its own unpacking serve for the search, its fetcher does not: after such an error that spins for ever.
So each partition's next bytes are asked for once more (1–5 ms each), and only damage that is there again is damage: a byte that
was turned on the wire, or in our memory, costs a retry and no messages.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import Any

import kafka
from kafka import KafkaConsumer
from kafka.errors import CorruptRecordError, LeaderNotAvailableError
from kafka.protocol.consumer import FetchRequest
from kafka.record import MemoryRecords

from monitor.intake.client import PARTITION_BYTES, said
from monitor.ports import Damaged, TopicPartition

ANSWER_MS = 10_000
"""How long the broker may take to give a partition's next bytes."""
OLDEST, NEWEST = 4, 12
"""Versions of the request that know of transactions, and that name topics and not their ids."""
NO_ERROR, UNREADABLE = 0, CorruptRecordError.errno
_BASE_OFFSET = struct.Struct(">q")
"""How a batch begins."""
_NAMED_BY_FIRST = 2
"""From this format on it is the offset of a batch's first message; before it, that of its last."""


def find_damage(consumer: KafkaConsumer, positions: Mapping[TopicPartition, int]) -> Damaged | None:
    """The first stretch from these positions on that cannot be unpacked, with no message before it; None where all is well.

    Raises KafkaError where the broker does not answer.
    """
    for partition, position in sorted(positions.items()):
        answer = _ask(consumer, partition, position)
        if answer.error_code == UNREADABLE:
            beyond = _read_on(consumer, partition, position)
            return Damaged(partition, first=position, beyond=beyond, detail="the broker itself cannot read it")
        if answer.error_code == NO_ERROR and answer.records:
            found = _unpacked(consumer, partition, position, answer)
            if found is not None:
                return found
    return None


class _Walked(MemoryRecords):  # type: ignore[misc]  # kafka-python ships no types
    """The batches of an answer; remembers the one handed out last, and where in the answer it ends."""

    last: Any = None
    end = 0

    def next_batch(self, *args: Any, **named: Any) -> Any:
        """The next batch, None at the end."""
        self.last = None
        self.last = super().next_batch(*args, **named)
        self.end += self.last.size_in_bytes if self.last else 0
        return self.last


def _unpacked(consumer: KafkaConsumer, partition: TopicPartition, position: int, answer: Any) -> Damaged | None:
    """What is wrong with the first batch that should give a message, unpacked as the client does it."""
    fetcher, raw = consumer._fetcher, bytes(answer.records)
    batches = _Walked(raw)
    unpacking = fetcher.PartitionRecords(position, kafka.TopicPartition(partition.topic, partition.partition), batches,
                                         isolation_level=fetcher._isolation_level, aborted_transactions=answer.aborted_transactions)
    try:
        unpacking.take(1)
    except Exception as error:  # decompressors and unpackers raise what they like
        first = max(position, unpacking.next_fetch_offset)  # past aborted transactions and markers
        ends = (end for end in _ends(batches, raw) if first < end <= answer.high_watermark)
        return Damaged(partition, first=first, beyond=next(ends, answer.high_watermark), detail=said(error))
    return None


def _ends(batches: _Walked, raw: bytes) -> Iterator[int]:
    """Where the batch handed out last may end, the likeliest first: where the next one begins, or as its own damaged header says."""
    if batches.last is None:
        return
    if batches.last.magic >= _NAMED_BY_FIRST and len(raw) >= batches.end + _BASE_OFFSET.size:
        yield _BASE_OFFSET.unpack_from(raw, batches.end)[0]
    yield batches.last.next_offset if batches.last.magic >= _NAMED_BY_FIRST else batches.last.base_offset + 1


def _read_on(consumer: KafkaConsumer, partition: TopicPartition, unreadable: int) -> int:
    """The next offset from which the broker reads again, at the latest the end: in growing steps, then by halves."""

    def readable(offset: int) -> bool:
        return bool(_ask(consumer, partition, offset).error_code != UNREADABLE)

    step, good = 1, unreadable + 1
    while not readable(good):
        unreadable, step = good, step * 2
        good = unreadable + step
    while good - unreadable > 1:
        middle = (good + unreadable) // 2
        unreadable, good = (unreadable, middle) if readable(middle) else (middle, good)
    return good


def _ask(consumer: KafkaConsumer, partition: TopicPartition, offset: int) -> Any:
    """The broker's answer for one partition: what it holds from this offset on, at once and without a session."""
    manager = consumer._manager
    node = manager.cluster.leader_for_partition(kafka.TopicPartition(partition.topic, partition.partition))
    if node is None or node < 0:
        raise LeaderNotAvailableError(f"{partition.topic}/{partition.partition}")
    wanted = FetchRequest.FetchTopic.FetchPartition(partition=partition.partition, current_leader_epoch=-1, fetch_offset=offset,
                                                    last_fetched_epoch=-1, partition_max_bytes=PARTITION_BYTES)
    request = FetchRequest(topics=[FetchRequest.FetchTopic(topic=partition.topic, partitions=[wanted])], forgotten_topics_data=[],
                           max_wait_ms=0, min_bytes=0, max_bytes=PARTITION_BYTES, isolation_level=consumer._fetcher._isolation_level,
                           session_id=0, session_epoch=-1, rack_id="", min_version=OLDEST, max_version=NEWEST)

    async def sent() -> Any:
        return await manager.wait_for(manager.send(request, node_id=node), ANSWER_MS)

    return manager.run(sent).responses[0].partitions[0]
