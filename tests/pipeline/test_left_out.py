"""A model that leaves the configuration and comes back: what others read meanwhile is missing to it, and that is told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from monitor.core.gaps import GapReason
from monitor.core.results import Account, Check, Verdict
from tests.pipeline.world import HOUR, MODEL, P0, P1, P2, SECOND, START, World, message

OTHER = replace(MODEL, name="other")
pytestmark = pytest.mark.fault(29)


def read(world: World, *minutes: int) -> None:
    for partition in (P0, P1, P2):
        world.put(partition, *(message(f"{partition.partition}-{at}", at) for at in minutes))
    world.read_all()
    world.clock.advance(SECOND)


def left_for_a_while() -> World:
    """``other`` reads the first hour, is not configured in the next two, and reads the fourth and the fifth."""
    world = World(models=(MODEL, OTHER))
    read(world, 10, 50)
    world.models = (MODEL,)
    world.crash()
    read(world, 55, 70, 130)
    world.models = (MODEL, OTHER)
    world.crash()
    read(world, 190, 250, 320)
    return world


def test_the_windows_of_that_time_are_incomplete_for_it_alone() -> None:
    world = left_for_a_while()
    assert [window.incomplete for window in world.store.window_accounts(model="other")] == [True, True, False, False]
    assert not any(window.incomplete for window in world.store.window_accounts(model="m"))
    gaps = world.store.gaps("other", START, START + HOUR)
    assert [(gap.reason, gap.partition, gap.first, gap.beyond) for gap in gaps] == [
        (GapReason.NOT_CONFIGURED, number, 5, None) for number in range(3)
    ]
    assert world.account("m") == Account(counted=24)
    assert world.account("other") == Account(counted=15)


def test_silence_of_that_time_is_no_alert() -> None:
    world = left_for_a_while()
    world.judge.sweep()
    silent = [r for r in world.store.results(model="other", check=Check.VOLUME) if r.window_start == START + HOUR]
    assert {(r.metric, r.verdict) for r in silent} == {("rows", Verdict.INSUFFICIENT), ("lost_messages", Verdict.WARN)}
    assert "an unknown number of messages of flights/0 (the model was not in the configuration)" in silent[0].reason + silent[1].reason


def test_it_is_told_once_though_it_starts_again_before_anything_is_written() -> None:
    world = World(models=(MODEL, OTHER))
    read(world, 10)
    world.models = (MODEL,)
    world.crash()
    read(world, 20)
    world.models = (MODEL, OTHER)
    for _ in range(3):
        world.crash()
        world.reader.step()
    assert len(world.store.gaps("other", START, START + HOUR)) == 3
    assert world.account("m") == Account(counted=6)


def test_a_model_that_never_left_misses_nothing_however_often_it_starts() -> None:
    world = World(models=(MODEL, OTHER))
    for n in range(3):
        read(world, 10 + n)
        world.crash()
        world.reader.step()
    assert not world.store.gaps("other", START, START + HOUR)
    assert world.account("other") == Account(counted=9)


def test_a_new_model_of_a_topic_that_is_read_already_begins_where_the_others_are() -> None:
    world = World(models=(MODEL,))
    read(world, 10)
    world.models = (MODEL, OTHER)
    world.crash()
    read(world, 20)
    assert world.account("other") == Account(counted=3)
    assert not world.store.gaps("other", START, START + HOUR)
