"""Batches that cannot be unpacked: the damage is named to the offset, every other message is read, and nothing spins."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from confluent_kafka import Producer

from monitor.errors import Retryable
from monitor.intake import KafkaSource
from monitor.ports import Damaged, TopicPartition
from tests.contracts.logs import OnKafka, assignment_of, on_kafka, poll_until, read
from tests.faults.segments import LAST_DELTA_AT, OVERHEAD, RECORDS_AT, Batch, Segment
from tests.kafka_broker import ApacheKafka, Broker, node, real_kafka

__all__ = ["node", "real_kafka"]

pytestmark = [pytest.mark.kafka, pytest.mark.real_kafka, pytest.mark.fault(20)]

PATIENCE_SECONDS = 60.0
ROWS, BATCHES = 10, 5
JOINS = 3
UNKNOWN_CODEC, LZ4 = 7, 3


@pytest.fixture
def log(real_kafka: Broker) -> Iterator[OnKafka]:
    if real_kafka.data is None:
        pytest.skip("needs a broker whose files can be reached")
    with on_kafka(real_kafka) as made:
        yield made


def value(offset: int) -> bytes:
    return b"message %06d" % offset


def produce(log: OnKafka, partition: int = 0, batches: int = BATCHES, rows: int = ROWS, **options: object) -> Segment:
    """As many batches, of ten messages each; the segment that they are in."""
    sizes = {"linger.ms": 1000, "batch.num.messages": rows, "enable.idempotence": True}
    producer = Producer({"bootstrap.servers": log.broker.bootstrap, **sizes, **options})
    for number in range(batches * rows):
        producer.produce(log.topic, value(number), partition=partition, headers={"key": b"x"})
    assert producer.flush(30) == 0
    assert log.broker.data is not None
    segment = Segment(log.broker.data, log.topic, partition)
    assert [(batch.first, batch.beyond) for batch in segment.batches()] == [(n * rows, (n + 1) * rows) for n in range(batches)]
    return segment


@dataclass
class Told:
    """What a source gave: messages and damages, by partition."""

    values: dict[int, list[bytes]] = field(default_factory=dict)
    damages: list[tuple[int, int, int]] = field(default_factory=list)
    details: list[str] = field(default_factory=list)
    skipped: int = 0


def read_past(source: KafkaSource, end: dict[int, int], begin: int = 0) -> Told:
    """Read to these ends as the reader does: go on beyond what is damaged, and over a retry where we were."""
    told, at = Told(), {TopicPartition(source._topics[0], number): begin for number in end}
    deadline = time.monotonic() + PATIENCE_SECONDS
    while any(at[partition] < end[partition.partition] for partition in at):
        assert time.monotonic() < deadline, (at, told.damages)
        try:
            polled = source.poll(0.2)
        except Damaged as error:
            told.skipped += error.first - at[error.partition]
            told.damages.append((error.partition.partition, error.first, error.beyond))
            told.details.append(str(error))
            at[error.partition] = error.beyond
            continue
        if polled.assigned is not None:
            source.seek({partition: at.get(partition, 0) for partition in polled.assigned})
        assert not told.skipped, "messages before the damage are read first"
        for partition, records in polled.records.items():
            told.values.setdefault(partition.partition, []).extend(record.value or b"" for record in records)
            at[partition] = records[-1].offset + 1
    return told


def without(*lost: tuple[int, int], of: int = ROWS * BATCHES) -> list[bytes]:
    """The values of all offsets but those of these stretches."""
    return [value(n) for n in range(of) if not any(first <= n < beyond for first, beyond in lost)]


def spoilt(segment: Segment, batch: Batch) -> None:
    segment.flip(batch.at + batch.size - 3)


DAMAGES: dict[str, tuple[Callable[[Segment, Batch], None], str]] = {
    "a turned bit": (spoilt, "failed crc check"),
    "an unknown codec": (lambda segment, batch: segment.recode(batch, UNKNOWN_CODEC), "Unrecognized compression type: 7"),
    "what lz4 cannot unpack": (lambda segment, batch: segment.recode(batch, LZ4), "RuntimeError: LZ4"),
    "a batch that claims to end early": (lambda segment, batch: segment.put(batch.at + LAST_DELTA_AT, ">i", 3), "failed crc check"),
    "no sensible count of messages": (lambda segment, batch: _recounted(segment, batch), "CorruptRecordError"),
}


def _recounted(segment: Segment, batch: Batch) -> None:
    segment.put(batch.at + RECORDS_AT - 4, ">i", 0)
    segment.sum(batch)


def test_damage_at_the_offset_that_kafka_was_told_breaks_nobody_who_begins_beyond_it(log: OnKafka) -> None:
    """The client would ask for that offset as soon as it has joined, before anybody tells it where to begin: at every join again."""
    segment = produce(log)
    spoilt(segment, segment.batches()[2])
    bad, at = segment.batches()[2], TopicPartition(log.topic, 0)
    first = log.source()
    every = assignment_of(first)
    first.seek(dict.fromkeys(every, 0) | {at: BATCHES * ROWS})
    first.committed(dict.fromkeys(every, 0) | {at: bad.first})
    poll_until(first, lambda: log.told(0) == bad.first)
    first.close()
    for _ in range(JOINS):
        source = log.source()
        deadline = time.monotonic() + PATIENCE_SECONDS
        assigned = frozenset[TopicPartition]()
        while not assigned:
            assert time.monotonic() < deadline
            assigned = source.poll(3.0).assigned or assigned  # long enough to ask for messages, too
        source.seek({partition: bad.beyond if partition == at else 0 for partition in assigned})
        assert read(source, ROWS)[0][0] == value(bad.beyond)
        source.close()


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_batch_that_cannot_be_unpacked_is_named_to_the_offset_and_all_others_are_read(log: OnKafka, kind: str) -> None:
    spoil, said = DAMAGES[kind]
    segment = produce(log)
    spoil(segment, segment.batches()[2])
    told = read_past(log.source(), {0: 50})
    assert told.damages == [(0, 20, 30)]
    assert said in told.details[0]
    assert f"{log.topic}/0: offsets 20 to 29 cannot be unpacked" in told.details[0]
    assert told.values == {0: without((20, 30))}


def test_a_batch_that_claims_all_that_follows_takes_it_along_since_the_broker_gives_nothing_else(log: OnKafka) -> None:
    segment = produce(log)
    segment.put(segment.batches()[2].at + LAST_DELTA_AT, ">i", 1 << 20)
    told = read_past(log.source(), {0: 50})
    assert (told.damages, told.values) == ([(0, 20, 30), (0, 30, 50)], {0: without((20, 50))})


def test_damage_in_the_last_batch_ends_at_the_end_and_what_comes_later_is_read(log: OnKafka) -> None:
    segment = produce(log)
    spoilt(segment, segment.batches()[-1])
    source = log.source()
    told = read_past(source, {0: 50})
    assert (told.damages, told.values) == ([(0, 40, 50)], {0: without((40, 50))})
    log.produce(0, b"new")
    assert read_past(source, {0: 51}, begin=50).values == {0: [b"new"]}


@pytest.mark.parametrize("bad", [(1, 2, 3), (0, 2, 4), (0, 1, 2, 3, 4)])
def test_a_good_batch_between_bad_ones_is_read_and_bad_ones_in_a_row_are_told_one_by_one(log: OnKafka, bad: tuple[int, ...]) -> None:
    segment = produce(log)
    for number in bad:
        spoilt(segment, segment.batches()[number])
    told = read_past(log.source(), {0: 50})
    lost = [(number * 10, number * 10 + 10) for number in bad]
    assert told.damages == [(0, *stretch) for stretch in lost]
    assert told.values.get(0, []) == without(*lost)


def test_two_partitions_damaged_at_once_are_told_one_after_the_other(log: OnKafka) -> None:
    for number in (0, 2):
        segment = produce(log, number)
        spoilt(segment, segment.batches()[1 + number])
    produce(log, 3)
    told = read_past(log.source(), {0: 50, 2: 50, 3: 50})
    assert sorted(told.damages) == [(0, 10, 20), (2, 30, 40)]
    assert told.values == {0: without((10, 20)), 2: without((30, 40)), 3: without()}


def test_reading_that_begins_inside_a_damaged_batch_loses_no_more_than_its_rest(log: OnKafka) -> None:
    segment = produce(log)
    spoilt(segment, segment.batches()[2])
    told = read_past(log.source(), {0: 50}, begin=24)
    assert (told.damages, told.values) == ([(0, 24, 30)], {0: without((0, 30))})


def test_a_message_that_breaks_in_the_middle_of_its_batch_leaves_those_before_it(log: OnKafka) -> None:
    segment = produce(log)
    batch = segment.batches()[2]
    fourth = value(23) + b"\x02\x06key"
    segment.replace(batch, fourth, value(23) + b"\x02\x06k\xffy")  # a header's key that is no UTF-8: the client refuses all that follows
    told = read_past(log.source(), {0: 50})
    assert (told.damages, told.values) == ([(0, 23, 30)], {0: without((23, 30))})


def test_a_packed_batch_of_ten_thousand_is_found_as_quickly(log: OnKafka) -> None:
    segment = produce(log, batches=3, rows=10_000, **{"compression.type": "zstd", "batch.size": 4_000_000})
    spoilt(segment, segment.batches()[1])
    source = log.source()
    source.seek(dict.fromkeys(assignment_of(source), 0) | {TopicPartition(log.topic, 0): 10_000})
    began, used = time.monotonic(), time.process_time()
    with pytest.raises(Damaged) as caught:
        poll_until(source, lambda: False)
    assert (caught.value.first, caught.value.beyond) == (10_000, 20_000)
    assert time.monotonic() - began < 5.0
    time.sleep(1.0)
    assert time.process_time() - used < 1.0, "nothing is left spinning"


def test_damage_behind_an_aborted_transaction_is_found(log: OnKafka) -> None:
    producer = Producer({"bootstrap.servers": log.broker.bootstrap, "transactional.id": log.topic, "linger.ms": 1000})
    producer.init_transactions(30)
    for text, kept in (("aborted", False), ("spoilt", True), ("kept", True)):
        producer.begin_transaction()
        producer.produce(log.topic, text.encode(), partition=0)
        producer.flush(30)
        producer.commit_transaction(30) if kept else producer.abort_transaction(30)
    assert log.broker.data is not None
    segment = Segment(log.broker.data, log.topic)
    spoilt(segment, segment.batches()[2])
    source = log.source()
    source.seek(dict.fromkeys(assignment_of(source), 0))
    with pytest.raises(Damaged) as caught:
        poll_until(source, lambda: False)
    assert (caught.value.first, caught.value.beyond) == (2, 3), "the transaction's messages and its marker are no loss"
    source.seek(dict.fromkeys(assignment_of(source), 0) | {caught.value.partition: 3})
    assert read(source, 1) == {0: [b"kept"]}


def test_what_the_broker_itself_cannot_read_is_passed_over_to_where_it_reads_again(log: OnKafka) -> None:
    segment = produce(log)
    batch = segment.batches()[2]
    segment.put(batch.at + 8, ">i", batch.size - OVERHEAD - 5)  # a length: from here on, nothing in the file can be told apart
    told = read_past(log.source(), {0: 50})
    assert told.values == {0: without((20, 50))}
    assert told.damages[0][:2] == (0, 20)
    assert told.damages[-1][2] == 50
    assert "the broker itself cannot read it" in told.details[-1]
    assert len(told.damages) <= 2


def test_a_bit_that_was_turned_on_the_way_costs_a_retry_and_no_message(log: OnKafka) -> None:
    segment = produce(log)
    spoilt(segment, segment.batches()[1])
    source = KafkaSource(log.settings(max_poll_records=10), [log.topic])
    log.sources.append(source)
    source.seek(dict.fromkeys(assignment_of(source), 0))
    assert read(source, 10) == {0: without((10, 50))}
    spoilt(segment, segment.batches()[1])  # turned back; the client holds the bad one
    with pytest.raises(Retryable, match=r"could not be unpacked \(.*failed crc check.*\); a second look finds all well"):
        source.poll(1.0)
    told = read_past(source, {0: 50}, begin=10)
    assert (told.damages, told.values) == ([], {0: without((0, 10))})


def test_a_broker_that_goes_away_in_the_middle_of_the_search_is_asked_again_when_it_is_back(node: ApacheKafka) -> None:
    node.start()
    with on_kafka(node.broker()) as log:
        segment = produce(log)
        node.terminate()
        spoilt(segment, segment.batches()[1])
        node.start()
        source = KafkaSource(log.settings(max_poll_records=10), [log.topic])
        log.sources.append(source)
        source.seek(dict.fromkeys(assignment_of(source), 0))
        assert read(source, 10) == {0: without((10, 50))}
        node.terminate()  # one that is killed mends its files at the next start, which cuts them off before the damage
        with pytest.raises(Retryable, match=r"cannot be unpacked .*, and Kafka does not answer which"):
            source.poll(1.0)
        with pytest.raises(Retryable, match="no Kafka broker answers"):
            source.poll(1.0)
        node.start()
        told = read_past(source, {0: 50}, begin=10)
        assert (told.damages, told.values) == ([(0, 10, 20)], {0: without((0, 20))})
