"""Freshness along the main path: rows that are old are told once their topic is read, a backlog is not, and both pass by themselves."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from monitor.core.conditions import EVERY_MODEL, HOLD
from monitor.core.incidents import IncidentState
from monitor.pipeline import Routes, SelfWatch, Telling, rows_are_stale
from monitor.pipeline.readto import ReadTo
from monitor.ports import TopicPartition
from tests.pipeline.world import HOUR, MINUTE, MODEL, P0, P1, SECOND, START, World, message

FRESH = replace(MODEL, freshness=2 * HOUR)
TOLD = Routes(people=("slack",))
NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)


def a_world() -> World:
    world = World(models=(FRESH,))
    world.clock.wall = START + HOUR
    return world


def watch(world: World) -> SelfWatch:
    probe = rows_are_stale(models=world.models, marks=world.store.marks, partitions=lambda: world.reader.partitions, metrics=world.metrics)
    return SelfWatch(store=world.store, clock=world.clock, telling=Telling({EVERY_MODEL: TOLD, "m": TOLD}), probes=[probe])


def turn(world: World, times: int = 1, *, each: timedelta = 5 * SECOND) -> None:
    for _ in range(times):
        world.clock.advance(each)
        world.reader.step()
        world.reader.checkpoint()
        watch(world).sweep()


def test_a_model_whose_newest_row_is_too_old_is_told_once_and_resolves_when_newer_ones_come() -> None:
    world = a_world()
    world.put(P0, message("a", 60))
    turn(world, 3)
    assert world.store.incidents() == []
    turn(world, 9, each=15 * MINUTE + SECOND)
    [incident] = world.store.incidents()
    assert (incident.state, incident.model, incident.condition) == (IncidentState.FIRING, "m", "stale_data")
    assert "the newest row of m is 2 h old (event time 2013-03-01 01:00 UTC), freshness is 2 h" in incident.cause
    world.put(P1, message("b", 60 + 150))
    turn(world, 30)
    assert [i.state for i in world.store.incidents()] == [IncidentState.RESOLVED]
    assert [(d.receiver, d.kind) for d in world.store.deliveries()] == [("slack", "firing"), ("slack", "resolved")]


def test_messages_that_go_on_coming_with_old_times_are_stale_though_the_topic_is_never_read_to_the_end_it_has() -> None:
    world = a_world()
    world.clock.wall = START + 10 * HOUR
    turn(world, 2)
    for number in range(10):
        world.put(P0, message(f"a{number}", number))
        world.clock.advance(5 * SECOND)
        world.reader.step()
        world.put(P0, message(f"b{number}", number))  # one comes between reading and writing, always
        world.reader.checkpoint()
        watch(world).sweep()
        assert not world.marks()[0].caught_up
    [incident] = world.store.incidents()
    assert "the newest row of m is 10 h old" in incident.cause


def test_a_backlog_is_not_stale_while_it_is_read_and_neither_is_it_after_a_crash() -> None:
    world = a_world()
    world.put(P0, message("a", 60))
    turn(world, 3)
    world.crash()
    world.clock.advance(5 * HOUR)
    for number in range(50):
        world.put(P0, message(f"b{number}", 60 + 6 * number))
    for _ in range(50):
        watch(world).sweep()
        turn(world)
    assert world.offsets() == {0: 51, 1: 0, 2: 0}
    assert world.store.incidents() == []


def test_a_year_old_topic_is_stale_only_when_it_is_read() -> None:
    world = a_world()
    world.clock.wall = START + 9000 * HOUR
    world.put(P0, *(message(f"a{number}", number) for number in range(20)))
    watch(world).sweep()
    assert world.store.incidents() == []
    turn(world, 5)
    assert [i.condition for i in world.store.incidents()] == ["stale_data"]


def test_what_stands_goes_on_standing_while_a_new_process_does_not_know_the_partitions_yet() -> None:
    world = a_world()
    world.put(P0, message("a", 60))
    turn(world, 3)
    turn(world, 9, each=15 * MINUTE + SECOND)
    world.crash()
    for _ in range(10):
        world.clock.advance(HOLD)
        watch(world).sweep()
    assert [i.state for i in world.store.incidents()] == [IncidentState.FIRING]


def test_what_stands_goes_on_standing_while_the_topic_is_gone() -> None:
    world = a_world()
    world.put(P0, message("a", 60))
    turn(world, 3)
    turn(world, 10, each=15 * MINUTE)
    others = frozenset({TopicPartition("another", 0)})
    probe = rows_are_stale(models=world.models, marks=world.store.marks, partitions=lambda: others, metrics=world.metrics)
    assert [trouble.name for trouble in probe()] == ["stale_data"]


def test_who_asks_for_no_freshness_is_told_nothing_and_still_has_the_gauge() -> None:
    world = World()
    world.put(P0, message("a", 60))
    turn(world, 5, each=HOUR)
    assert world.store.incidents() == []
    found = world.metrics.registry.get_sample_value("driftd_newest_row_timestamp_seconds", {"model": "m"})
    assert found == (START + HOUR).timestamp()


@pytest.mark.parametrize(
    ("looks", "until"),
    [
        ([(0, 10)], None),
        ([(10, 10)], 0),
        ([(0, 10), (9, 20)], None),
        ([(0, 10), (10, 20)], 0),
        ([(0, 10), (15, 20), (19, 30), (20, 40)], 1),
        ([(10, 10), (10, 12)], 0),
        ([(10, 10), (12, 12)], 1),
        ([(0, 10), (5, 5)], 1),  # the log was cut short
    ],
)
def test_a_partition_is_read_until_when_its_end_was_where_reading_is_now(looks: list[tuple[int, int]], until: int | None) -> None:
    read_to = ReadTo()
    for second, (position, end) in enumerate(looks):
        read_to.look({P0: position}, {P0: end}, NOW + second * SECOND)
    assert read_to.until(P0) == (None if until is None else NOW + until * SECOND)
    read_to.clear()
    assert read_to.until(P0) is None
