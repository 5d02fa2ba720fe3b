"""The reader: what is read once is stored once, whatever goes away in between."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from monitor.core.gaps import GapReason
from monitor.core.results import Account
from monitor.doubles.log import MemoryLog
from monitor.errors import Retryable
from monitor.ports import Checkpoint, TopicPartition
from monitor.storage import open_store
from tests.pipeline.world import HOUR, MINUTE, MODEL, P0, P1, P2, SECOND, START, STREAM, TOPIC, Unsteady, World, message


@pytest.fixture
def world() -> World:
    """Three partitions, with one message in the first two."""
    made = World()
    made.put(P0, message("a", 0))
    made.put(P1, message("b", 1))
    return made


def unsteady(world: World) -> Unsteady:
    assert isinstance(world.store, Unsteady)
    return world.store


# --- when to write -------------------------------------------------------------------------------------------


def test_nothing_is_written_before_its_time_and_all_of_it_after(world: World) -> None:
    world.steps()
    world.clock.advance(4.9 * SECOND)
    world.reader.step()
    assert world.offsets() == {}
    assert world.account() == Account()
    world.clock.advance(0.1 * SECOND)
    world.reader.step()
    assert world.offsets() == {0: 1, 1: 1, 2: 0}
    assert world.account() == Account(counted=2)


def test_so_many_messages_are_written_without_waiting(world: World) -> None:
    world.max_rows = 3
    world.crash()
    world.steps()
    assert world.offsets() == {}
    world.put(P0, message("c", 2))
    world.reader.step()
    assert world.offsets() == {0: 2, 1: 1, 2: 0}


def test_lag_tools_are_told_what_was_written_and_no_more(world: World) -> None:
    world.steps()
    assert world.log.told == {}
    world.reader.checkpoint()
    assert world.log.told == {P0: 1, P1: 1, P2: 0}
    assert world.metrics.registry.get_sample_value("driftd_consumer_lag_records", {"topic": TOPIC, "partition": "0"}) == 0


def test_a_second_checkpoint_adds_only_what_is_new(world: World) -> None:
    world.read_all()
    world.put(P0, message("c", 2))
    world.read_all()
    last = unsteady(world).checkpoints[-1]
    assert [(a.partition, a.expected, a.next_offset) for a in last.advances] == [(P0, 1, 2), (P1, 1, 1), (P2, 0, 0)]
    assert world.account() == Account(counted=3)


def test_every_message_of_a_topic_counts_for_each_of_its_models() -> None:
    world = World(models=(MODEL, replace(MODEL, name="other", window=timedelta(days=1))))
    world.put(P0, message("a", 0), message("b", 90))
    world.read_all()
    assert world.account("m") == world.account("other") == Account(counted=2)
    assert [w.account.counted for w in world.store.window_accounts(model="m")] == [1, 1]
    assert [w.account.counted for w in world.store.window_accounts(model="other")] == [2]


def test_what_cannot_be_read_is_kept_apart_and_every_message_is_accounted_for(world: World) -> None:
    world.put(P0, b"{", None, message("a", 0), message(None, 3), b'{"id": 1}', message("late", 300), message("too late", 2))
    world.put(P2, b"x" * 1_000_001)
    world.read_all()
    [count] = world.store.stream_counts()
    assert (count.received, count.counted, count.late, count.duplicate, count.quarantined, count.untimed) == (10, 3, 1, 1, 5, 4)
    reasons = [(row.entry.partition, row.entry.offset, row.entry.reason.value) for row in world.store.quarantine()]
    assert reasons == [
        (P0, 1, "not_json"), (P0, 2, "empty"), (P0, 4, "missing_id"), (P0, 5, "missing_time"), (P2, 0, "too_large")
    ]  # fmt: skip
    assert world.account().received == count.received - count.untimed


# --- taking over ---------------------------------------------------------------------------------------------


def test_a_new_process_reads_on_from_the_store_and_knows_times_and_ids(world: World) -> None:
    world.put(P0, message("c", 200))
    world.read_all()
    world.crash()
    world.put(P0, message("c", 200), message("late", 5), message("d", 201))
    world.read_all()
    assert world.account() == Account(counted=4, late=1, duplicate=1)


def test_what_was_not_written_is_read_again_by_the_next_process(world: World) -> None:
    world.steps()
    world.crash()
    world.read_all()
    assert world.account() == Account(counted=2)


def test_partitions_taken_over_are_marked_at_once_and_claim_nothing(world: World) -> None:
    world.log.rebalance(frozenset({P0, P2}))
    world.reader.step()
    assert {n: (m.max_time, m.seen_at, m.caught_up, m.at) for n, m in world.marks().items()} == {
        n: (None, None, False, world.clock.now()) for n in (0, 2)
    }
    assert world.reader.partitions == {P0, P1, P2}
    assert world.reader.assigned == {P0, P2}


def test_a_rebalance_writes_what_was_read_and_goes_on_with_the_new_partitions_alone(world: World) -> None:
    world.steps()
    world.log.rebalance(frozenset({P1, P2}))
    world.put(P0, message("not ours", 2))
    world.put(P2, message("c", 3))
    world.steps()
    assert world.offsets() == {0: 1, 1: 1, 2: 0}
    world.reader.checkpoint()
    assert world.offsets() == {0: 1, 1: 1, 2: 1}
    assert world.account() == Account(counted=3)
    assert world.reader.assigned == {P1, P2}


def test_a_rebalance_while_the_store_is_away_is_not_forgotten(world: World) -> None:
    world.steps()
    unsteady(world).away = True
    world.log.rebalance(frozenset({P1, P2}))
    for _ in range(3):
        with pytest.raises(Retryable, match="the store is away"):
            world.reader.step()
    unsteady(world).away = False
    world.put(P2, message("c", 3))
    world.steps(1)
    assert world.reader.assigned == {P1, P2}
    world.reader.checkpoint()
    assert world.offsets() == {0: 1, 1: 1, 2: 1}
    assert world.account() == Account(counted=3)


def test_messages_that_come_again_by_themselves_are_passed_over(world: World) -> None:
    world.models = (replace(MODEL, dedupe=False),)
    world.crash()
    world.steps()
    world.log.seek({P0: 0, P1: 0})
    world.put(P0, message("c", 2))
    assert world.reader.step() == 1
    world.reader.checkpoint()
    assert world.account() == Account(counted=3)


def test_the_end_is_reached_when_every_partition_was_read_so_far(world: World) -> None:
    ends = {P0: 1, P1: 1, P2: 0}
    assert not world.reader.at_end(ends)
    world.reader.step()
    assert not world.reader.at_end(ends)
    world.reader.step()
    assert world.reader.at_end(ends)
    assert not world.reader.at_end({TopicPartition(TOPIC, 7): 0})


# --- another was first ---------------------------------------------------------------------------------------


def test_a_reader_that_another_overtook_drops_its_rows_and_reads_on_from_the_store(world: World) -> None:
    world.steps()
    other = world.replica()
    other.put(P0, message("c", 2))
    other.read_all()
    world.put(P1, message("d", 3))
    world.steps(1)
    world.reader.checkpoint()
    assert world.metrics.fenced._value.get() == 1
    assert world.account() == Account(counted=3)
    world.steps(1)
    world.reader.checkpoint()
    assert world.account() == Account(counted=4)
    assert world.offsets() == {0: 2, 1: 2, 2: 0}


class CannotSeek(MemoryLog):
    """Answers all but ``seek`` while ``lost``."""

    lost = False

    def seek(self, positions: Mapping[TopicPartition, int | None]) -> None:
        if self.lost:
            raise Retryable("no leader")
        super().seek(positions)


def test_an_overtaken_reader_that_stops_before_it_has_taken_over_moves_no_offset() -> None:
    world = World(log=CannotSeek({TOPIC: 3}))
    world.put(P0, message("a", 0))
    world.put(P1, message("b", 0))
    world.steps()
    other = world.replica()
    other.log.rebalance(frozenset({P0}))
    other.put(P0, message("c", 2))
    other.read_all()
    world.reader.checkpoint()
    assert isinstance(world.log, CannotSeek)
    world.log.lost = True
    with pytest.raises(Retryable, match="no leader"):
        world.reader.step()
    assert not world.reader.at_end({P0: 1})
    world.reader.checkpoint()  # as at the end of a process
    assert world.offsets() == {0: 2}
    world.log.lost = False
    world.read_all()
    assert world.account() == Account(counted=3)


# --- a store that goes away ----------------------------------------------------------------------------------


def test_a_store_that_is_away_gets_its_checkpoint_later_and_nothing_is_read_before(world: World) -> None:
    world.steps()
    store = unsteady(world)
    store.away = True
    with pytest.raises(Retryable):
        world.reader.checkpoint()
    world.put(P0, message("c", 2))
    with pytest.raises(Retryable):
        world.reader.step()
    assert world.log.position(P0) == 1
    store.away = False
    world.read_all()
    assert world.account() == Account(counted=3)
    assert world.offsets() == {0: 2, 1: 1, 2: 0}


def test_a_checkpoint_that_was_written_although_the_answer_was_lost_is_not_written_twice(world: World) -> None:
    world.steps()
    unsteady(world).forgets_to_answer = True
    with pytest.raises(Retryable):
        world.reader.checkpoint()
    written = len(unsteady(world).checkpoints)
    world.reader.step()
    assert len(unsteady(world).checkpoints) == written
    assert world.metrics.fenced._value.get() == 0
    assert world.log.told == {P0: 1, P1: 1, P2: 0}
    assert world.account() == Account(counted=2)


def test_a_checkpoint_of_unknown_fate_that_another_overtook_is_dropped(world: World) -> None:
    world.steps()
    unsteady(world).forgets_to_answer = True
    with pytest.raises(Retryable):
        world.reader.checkpoint()
    other = world.replica()
    other.put(P0, message("c", 2))
    other.read_all()
    world.read_all()
    assert world.account() == Account(counted=3)
    assert world.offsets() == {0: 2, 1: 1, 2: 0}


class Shaky:
    """A source of lost answers in front of a SQL store."""

    def __init__(self, folder: Path) -> None:
        self.store = open_store(f"sqlite:///{folder}/driftd.db")
        self.loses_answers = False

    def __getattr__(self, verb: str) -> object:
        return getattr(self.store, verb)

    def checkpoint(self, checkpoint: Checkpoint) -> None:
        self.store.checkpoint(checkpoint)
        if self.loses_answers:
            self.loses_answers = False
            raise Retryable("the connection broke during commit")


@pytest.fixture
def shaky(tmp_path: Path) -> Iterator[Shaky]:
    made = Shaky(tmp_path)
    yield made
    made.store.close()


def test_sql_tells_a_written_checkpoint_from_one_that_was_not(shaky: Shaky) -> None:
    world = World(store=shaky)  # type: ignore[arg-type]  # the rest is the real store's
    world.put(P0, message("a", 0, 5), message("b", 1, 6))
    world.steps()
    shaky.loses_answers = True
    with pytest.raises(Retryable):
        world.reader.checkpoint()
    world.put(P0, message("c", 2, 10))
    world.read_all()
    assert world.metrics.fenced._value.get() == 0
    assert world.account() == Account(counted=3)
    [window] = world.store.windows("m", START)
    assert window.profile is not None
    assert window.profile.columns["delay"].n == 3


def test_an_overtaken_reader_on_sql_counts_every_message_once(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/driftd.db")
    world = World(store=store)
    world.put(P0, message("a", 0), message("b", 1))
    world.steps()
    other = world.replica()
    other.put(P0, message("c", 2))
    other.read_all()
    world.read_all()
    assert world.metrics.fenced._value.get() == 1
    assert world.account() == Account(counted=3)
    store.close()


# --- what the log no longer holds ----------------------------------------------------------------------------


@pytest.mark.parametrize("from_end", [False, True])
def test_after_a_gap_reading_goes_on_with_what_is_left_whatever_the_start_policy(from_end: bool) -> None:
    world = World(models=(replace(MODEL, dedupe=False),))
    world.put(P0, message(1, 0))
    world.read_all()
    world.log.from_end = from_end
    world.put(P0, message(2, 1), message(3, 2), message(4, 3))
    world.log.trim(P0, 3)
    world.steps(1)
    assert world.gaps_counted() == 1
    world.read_all()
    assert world.account() == Account(counted=2)
    assert world.offsets()[0] == 4


def test_a_log_that_was_cut_short_is_not_read_twice() -> None:
    world = World(models=(replace(MODEL, dedupe=False),))
    world.put(P0, message(1, 0), message(2, 1), message(3, 2))
    world.read_all()
    world.log.cut(P0, 1)
    world.steps(1)
    world.put(P0, message(4, 3))
    world.read_all()
    assert world.account() == Account(counted=4)
    assert world.offsets()[0] == 2


def test_a_store_that_is_away_while_rows_are_folded_loses_none_of_them() -> None:
    world = World(models=(replace(MODEL, dedupe=False),))
    world.put(P0, message(1, 0), message(2, 1))
    world.read_all()
    world.put(P0, message(3, 2))
    assert isinstance(world.store, Unsteady)
    world.store.references_away = 1
    world.clock.advance(HOUR)  # what is known of references is asked for again
    with pytest.raises(Retryable, match="away"):
        world.reader.step()
    world.read_all()
    assert world.account() == Account(counted=3)
    assert world.profile_rows() == 3


@pytest.mark.parametrize("again", [0, 1, 2, 5])
def test_a_topic_made_again_while_nobody_read_is_read_from_its_start(again: int) -> None:
    world = World(log=MemoryLog({TOPIC: 3}, from_end=True), models=(replace(MODEL, dedupe=False),))
    world.read_all()
    world.put(P0, message(1, 0), message(2, 0))
    world.read_all()
    world.log.recreate(TOPIC)
    world.put(P0, *(message(n, 5) for n in range(again)))
    for _ in range(3):  # a second and third process find nothing new
        world.crash()
        world.read_all()
        assert world.account() == Account(counted=2 + again)
    assert world.offsets()[0] == again


@pytest.mark.parametrize("again", [1, 2, 5])
def test_a_topic_made_again_while_it_is_read_is_read_from_its_start(again: int) -> None:
    world = World(models=(replace(MODEL, dedupe=False),))
    world.put(P0, message(1, 0), message(2, 0))
    world.read_all()
    world.log.recreate(TOPIC)
    world.put(P0, *(message(n, 5) for n in range(again)))
    world.steps(1)
    world.reader.checkpoint()
    world.read_all()
    assert world.account() == Account(counted=2 + again)
    world.crash()
    world.read_all()
    assert world.account() == Account(counted=2 + again)


def test_what_was_read_of_a_topic_before_it_was_made_again_is_kept() -> None:
    world = World(models=(replace(MODEL, dedupe=False),))
    world.put(P0, message(1, 0), message(2, 0))
    world.steps()
    world.log.recreate(TOPIC)
    world.put(P0, message(3, 0))
    world.steps(1)
    world.read_all()
    found = world.store.gaps("m", START, START + HOUR)  # of each partition: how many messages went with the topic nobody knows
    assert {(gap.partition, gap.reason, gap.messages) for gap in found} == {(n, GapReason.RECREATED, None) for n in range(3)}
    assert world.account() == Account(counted=3)


# --- how far we are, and whether the broker says so ----------------------------------------------------------


def test_a_partition_is_caught_up_when_the_broker_says_so(world: World) -> None:
    world.read_all()
    assert {n: m.caught_up for n, m in world.marks().items()} == {0: True, 1: True, 2: True}
    world.steps(1)
    world.put(P1, message("more", 9))
    world.reader.checkpoint()
    assert {n: m.caught_up for n, m in world.marks().items()} == {0: True, 1: False, 2: True}


def test_a_mark_tells_the_latest_event_time_and_when_a_message_last_came(world: World) -> None:
    world.put(P0, message("c", 30), message("d", 20))
    world.steps()
    read_at = world.clock.now()
    world.clock.advance(3 * SECOND)
    world.reader.checkpoint()
    mark = world.marks()[0]
    assert (mark.max_time, mark.seen_at, mark.at) == (START + 30 * MINUTE, read_at, read_at + 3 * SECOND)
    assert (world.marks()[2].max_time, world.marks()[2].seen_at) == (None, None)


def test_an_absent_broker_is_told_claims_nothing_and_costs_nothing(world: World) -> None:
    world.steps()
    world.log.away = "no Kafka broker answers"
    assert world.reader.unreachable is None
    world.clock.advance(5 * SECOND)
    world.reader.step()
    assert world.reader.unreachable == "no Kafka broker answers"
    assert world.account() == Account(counted=2)
    assert not any(mark.caught_up for mark in world.marks().values())
    world.log.away = None
    world.clock.advance(5 * SECOND)
    world.reader.step()
    assert world.reader.unreachable is None
    assert all(mark.caught_up for mark in world.marks().values())


def test_a_missing_topic_is_asked_for_again_until_it_is_there() -> None:
    world = World(models=(replace(MODEL, streams=(replace(STREAM, topic="later"),)),), log=MemoryLog({"later": 0}))
    for _ in range(2):
        with pytest.raises(Retryable, match="topic 'later' does not exist"):
            world.reader.step()
    assert world.reader.assigned == frozenset()


@pytest.mark.fault(27)
def test_a_topic_that_is_gone_is_named_and_the_others_are_read() -> None:
    other = replace(MODEL, name="other", streams=(replace(STREAM, topic="other"),))
    world = World(models=(MODEL, other), log=MemoryLog({TOPIC: 3, "other": 1}))
    world.put(P0, message(1, 0))
    world.put(TopicPartition("other", 0), message(1, 0))
    world.read_all()
    world.log.delete("other")
    world.put(P0, message(2, 1))
    world.steps()
    world.read_all()
    assert world.reader.unreachable == "topic 'other' does not exist in memory"
    assert world.account() == Account(counted=2)
    assert world.account("other") == Account(counted=1)
    assert all(mark.caught_up for mark in world.store.marks("m"))
    world.crash()
    world.put(P0, message(3, 2))
    world.read_all()
    assert world.account() == Account(counted=3)


@pytest.mark.fault(25)
def test_a_partition_added_while_nobody_read_is_read_from_its_first_message_though_the_start_is_latest() -> None:
    world = World(models=(replace(MODEL, dedupe=False),))
    world.log.from_end = True
    world.log.rebalance(frozenset({P0, P1}))
    world.steps()
    world.put(P0, message(1, 0))
    world.read_all()
    world.put(P2, message(2, 0), message(3, 0))
    world.crash()
    world.read_all()
    assert world.account() == Account(counted=3)


def test_the_last_checkpoint_asks_the_log_nothing() -> None:
    world = World()
    world.put(P0, message("a", 1))
    world.steps()
    world.log.ends = lambda _partitions: pytest.fail("the log was asked")  # type: ignore[method-assign]
    world.reader.leave()
    assert world.account().counted == 1
    assert not any(mark.caught_up for mark in world.store.marks("m"))
