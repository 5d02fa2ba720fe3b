"""What every log source promises: the double and Kafka keep the same word."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from monitor.errors import Retryable
from monitor.ports import OutOfRange, TopicPartition
from tests.contracts.logs import PARTITIONS, PATIENCE_SECONDS, InMemory, Log, assignment_of, on_kafka, poll_until, read


@pytest.fixture(params=["memory", pytest.param("kafka", marks=pytest.mark.kafka)])
def log(request: pytest.FixtureRequest) -> Iterator[Log]:
    """An empty topic of each make."""
    if request.param == "memory":
        yield InMemory()
        return
    with on_kafka(request.getfixturevalue("kafka")) as made:
        yield made


def all_of(log: Log) -> frozenset[TopicPartition]:
    return frozenset(TopicPartition(log.topic, number) for number in range(PARTITIONS))


def test_a_source_tells_its_partitions_before_it_gives_any_message(log: Log) -> None:
    log.produce(0, b"a")
    source = log.source()
    assert assignment_of(source) == all_of(log)
    assert source.partitions() == all_of(log)


def test_messages_come_in_the_order_of_their_offsets_with_value_and_time(log: Log) -> None:
    log.produce(1, b"a", b"b", b"c", timestamp=1_700_000_000_123)
    source = log.source()
    source.seek(dict.fromkeys(assignment_of(source)))
    found: list[tuple[int, bytes | None, int]] = []
    until = time.monotonic() + PATIENCE_SECONDS
    while len(found) < 3:
        assert time.monotonic() < until, found
        for partition, records in source.poll(0.2).records.items():
            assert partition == TopicPartition(log.topic, 1)
            found += [(record.offset, record.value, record.timestamp) for record in records]
    assert found == [(i, value, 1_700_000_000_123) for i, value in enumerate([b"a", b"b", b"c"])]


def test_reading_begins_where_it_was_sought(log: Log) -> None:
    log.produce(0, b"a", b"b", b"c")
    source = log.source()
    assigned = assignment_of(source)
    source.seek(dict.fromkeys(assigned) | {TopicPartition(log.topic, 0): 2})
    assert source.position(TopicPartition(log.topic, 0)) == 2
    assert read(source, 1) == {0: [b"c"]}


def test_seeking_back_gives_the_same_messages_again(log: Log) -> None:
    log.produce(2, b"a", b"b")
    source = log.source()
    source.seek(dict.fromkeys(assignment_of(source)))
    assert read(source, 2) == {2: [b"a", b"b"]}
    source.seek({TopicPartition(log.topic, 2): 1})
    assert read(source, 1) == {2: [b"b"]}


def test_an_unsought_partition_gives_nothing_and_does_not_hold_up_the_others(log: Log) -> None:
    log.produce(0, b"not asked for")
    log.produce(1, b"a")
    source = log.source()
    assignment_of(source)
    source.seek({TopicPartition(log.topic, 1): None})
    assert read(source, 1) == {1: [b"a"]}
    log.produce(1, b"b")
    assert read(source, 1) == {1: [b"b"]}
    source.seek({TopicPartition(log.topic, 0): None})
    assert read(source, 1) == {0: [b"not asked for"]}


def test_a_start_at_the_end_gives_only_what_comes_later(log: Log) -> None:
    log.produce(0, b"old", b"older")
    source = log.source(from_end=True)
    source.seek(dict.fromkeys(assignment_of(source)))
    assert source.position(TopicPartition(log.topic, 0)) == 2
    log.produce(0, b"new")
    assert read(source, 1) == {0: [b"new"]}


def test_ends_positions_and_lag_tell_how_far_reading_has_come(log: Log) -> None:
    log.produce(0, b"a", b"b")
    source = log.source()
    assigned = assignment_of(source)
    source.seek(dict.fromkeys(assigned))
    assert source.ends(sorted(assigned)) == {p: 2 if p.partition == 0 else 0 for p in assigned}
    assert source.ends([]) == {}
    read(source, 2)
    assert source.position(TopicPartition(log.topic, 0)) == 2
    assert source.lag()[TopicPartition(log.topic, 0)] == 0
    source.seek({TopicPartition(log.topic, 0): 1})
    assert source.lag()[TopicPartition(log.topic, 0)] == 1


def test_the_position_of_a_partition_that_was_never_sought_is_not_known(log: Log) -> None:
    source = log.source()
    assignment_of(source)
    with pytest.raises(KeyError, match=r"/1 was never sought, only \[\]"):
        source.position(TopicPartition(log.topic, 1))


def test_an_offset_that_the_log_does_not_hold_is_out_of_range_by_name_and_reading_goes_on_after_a_seek(log: Log) -> None:
    log.produce(0, b"a")
    source = log.source()
    assigned = assignment_of(source)
    at = TopicPartition(log.topic, 0)
    source.seek(dict.fromkeys(assigned) | {at: 999})
    with pytest.raises(OutOfRange, match=f"{log.topic}/0 at 999") as caught:
        poll_until(source, lambda: False)
    assert caught.value.offsets == {at: 999}
    source.seek({at: None})
    assert read(source, 1) == {0: [b"a"]}


def test_what_is_committed_can_be_seen_by_lag_tools(log: Log) -> None:
    log.produce(3, b"a", b"b", b"c")
    source = log.source()
    source.seek(dict.fromkeys(assignment_of(source)))
    read(source, 3)
    source.committed({TopicPartition(log.topic, 3): 3})
    poll_until(source, lambda: log.told(3) == 3)


def test_a_topic_that_does_not_exist_is_named_and_may_come_later(log: Log) -> None:
    with pytest.raises(Retryable, match=r"topic 'nowhere' does not exist"):
        log.source_of_missing_topic().partitions()


def test_a_topic_has_the_same_id_each_time(log: Log) -> None:
    source = log.source()
    assignment_of(source)
    source.partitions()
    ids = source.topic_ids()
    assert set(ids) <= {log.topic}
    assert all(ids.values())
    assert ids == source.topic_ids()


def test_a_closed_source_can_be_closed_again(log: Log) -> None:
    source = log.source()
    assignment_of(source)
    source.close()
    source.close()
    assert source.lag() == {}
