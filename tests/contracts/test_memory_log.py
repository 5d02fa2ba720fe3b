"""What the double adds to the contract: the broker's side, to be played by a test."""

from __future__ import annotations

import pytest

from monitor.doubles.log import MemoryLog
from monitor.errors import Retryable
from monitor.ports import OutOfRange, TopicPartition

A, B = TopicPartition("t", 0), TopicPartition("t", 1)


def begun(log: MemoryLog) -> MemoryLog:
    assigned = log.poll(0).assigned
    assert assigned is not None
    log.seek(dict.fromkeys(assigned))
    return log


def offsets(log: MemoryLog) -> dict[TopicPartition, list[int]]:
    return {partition: [record.offset for record in records] for partition, records in log.poll(0).records.items()}


def test_retention_takes_the_oldest_and_says_so_to_who_wanted_them():
    log = begun(MemoryLog({"t": 2}))
    assert [log.append(A, b"x") for _ in range(4)] == [0, 1, 2, 3]
    log.trim(A, 3)
    with pytest.raises(OutOfRange) as caught:
        log.poll(0)
    assert caught.value.offsets == {A: 0}
    log.seek({A: None})
    assert offsets(log) == {A: [3]}
    log.trim(A, 99)
    log.trim(A, 1)
    assert log.append(A, b"y") == 4
    assert offsets(log) == {A: [4]}


def test_after_a_rebalance_only_what_was_assigned_and_sought_is_given():
    log = begun(MemoryLog({"t": 2}))
    log.append(A, b"a")
    log.append(B, b"b")
    log.rebalance(frozenset({B}))
    assert log.poll(0).assigned == {B}
    assert offsets(log) == {}
    log.seek({A: 0, B: 0})
    assert offsets(log) == {B: [0]}


def test_a_poll_gives_no_more_than_so_many_messages():
    log = begun(MemoryLog({"t": 2}, max_records=3))
    for partition in (A, A, B, B):
        log.append(partition, b"x")
    assert offsets(log) == {A: [0, 1], B: [0]}
    assert log.lag() == {A: 0, B: 1}
    assert offsets(log) == {B: [1]}


def test_an_absent_broker_answers_nothing_until_it_is_back_and_polls_are_empty_as_kafkas_are():
    log = MemoryLog({"t": 1})
    log.away = "the broker is away"
    with pytest.raises(Retryable, match="the broker is away"):
        log.poll(0)
    log.away = None
    begun(log).append(A, b"x")
    log.away = "the broker is away"
    for ask in (lambda: log.ends([A]), log.partitions, lambda: log.seek({A: None})):
        with pytest.raises(Retryable, match="the broker is away"):
            ask()
    assert offsets(log) == {}
    log.away = None
    assert offsets(log) == {A: [0]}


def test_a_topic_made_again_is_empty_and_has_another_id():
    log = begun(MemoryLog({"t": 1}))
    log.append(A, b"x")
    before = log.topic_ids()
    log.recreate("t")
    assert log.topic_ids() != before
    assert log.ends([A]) == {A: 0}


def test_a_partition_that_is_not_there_is_named_with_those_that_are():
    log = MemoryLog({"t": 1})
    for ask in (lambda: log.append(B, b"x"), lambda: log.rebalance(frozenset({B})), lambda: log.trim(B, 0)):
        with pytest.raises(KeyError, match=r"no partition t/1, only \[TopicPartition\(topic='t', partition=0\)\]"):
            ask()
