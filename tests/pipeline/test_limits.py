"""Bounds that the reader keeps: memory, versions, ids, and what is held between two checkpoints."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from monitor.core.results import OTHER_VERSIONS
from monitor.errors import MemoryShort
from monitor.memory import MemoryGuard
from monitor.pipeline import channel
from tests.pipeline.world import HOUR, MODEL, P0, START, World, message


def versioned(version: int, minutes: float = 0) -> bytes:
    return message(f"id{version}-{minutes}", minutes).replace(b'"v": "1"', f'"v": "{version}"'.encode())


def versions(world: World, start: object = START) -> set[str]:
    return {window.key.version for window in world.store.window_accounts(model="m") if window.key.start == start}


def resident(*found: int) -> Iterator[int]:
    yield from found
    while True:
        yield found[-1]


def guarded(world: World, *found: int) -> World:
    """The memory found at each look."""
    looks = resident(*found)
    world.reader._guard = MemoryGuard(1000, monotonic=world.clock.monotonic, resident=lambda: next(looks))
    return world


@pytest.mark.fault(33)
def test_at_four_fifths_of_the_limit_what_was_read_is_written_at_once_and_reading_goes_on() -> None:
    world = guarded(World(), 100, 850, 200)
    world.put(P0, message("a", 0))
    world.steps()
    assert world.offsets() == {}
    world.clock.ticks += 1
    world.put(P0, message("b", 1))
    assert world.reader.step() == 1
    assert world.offsets()[0] == 1


@pytest.mark.fault(33)
def test_at_the_limit_nothing_more_is_read_until_there_is_room_again() -> None:
    world = guarded(World(), 100, 1001, 1001, 1001, 1001, 700)
    world.put(P0, message("a", 0))
    world.steps()
    world.put(P0, message("b", 1))
    for _ in range(2):
        world.clock.ticks += 1
        with pytest.raises(MemoryShort, match="resident, limit"):
            world.reader.step()
    assert world.offsets()[0] == 1
    world.clock.ticks += 1
    assert world.reader.step() == 1


@pytest.mark.fault(32)
def test_versions_beyond_the_cap_are_counted_together_and_a_restart_admits_no_more_of_them() -> None:
    world = World(models=(replace(MODEL, max_versions=2),))
    world.put(P0, *(versioned(n) for n in range(4)))
    world.read_all()
    assert versions(world) == {"0", "1", OTHER_VERSIONS}
    world.crash()
    world.put(P0, *(versioned(n, minutes=5) for n in range(4, 8)))
    world.read_all()
    assert versions(world) == {"0", "1", OTHER_VERSIONS}
    assert world.account().counted == 8
    assert world.metrics.registry.get_sample_value("driftd_other_version_rows_total", {"model": "m"}) == 4


@pytest.mark.fault(32)
def test_a_window_that_begins_after_the_crowd_has_room_again() -> None:
    world = World(models=(replace(MODEL, max_versions=1),))
    world.put(P0, versioned(0), versioned(1), versioned(5, minutes=61))
    world.read_all()
    assert versions(world, START + HOUR) == {"5"}


def test_ids_beyond_the_bound_are_not_remembered_and_that_is_counted() -> None:
    world = World(models=(replace(MODEL, dedupe_ids=2),))
    world.put(P0, *(message(name, 0) for name in ("a", "b", "c", "a", "c")))
    world.read_all()
    assert (world.account().counted, world.account().duplicate) == (4, 1)
    assert world.metrics.registry.get_sample_value("driftd_undeduplicated_rows_total", {"model": "m"}) == 2


def test_a_revoked_partition_leaves_no_ids_behind() -> None:
    world = World()
    world.put(P0, *(message(n, 0) for n in range(50)))
    world.read_all()
    [read] = world.reader._all_channels()
    assert read.folder._kept_ids == 50
    world.log.rebalance(frozenset())
    world.steps()
    assert read.folder._kept_ids == 0


def test_very_many_bad_messages_are_written_before_more_are_read() -> None:
    world = World()
    world.put(P0, *[b"no json"] * channel.MOST_QUARANTINED)
    world.steps()
    assert world.offsets()[0] == channel.MOST_QUARANTINED
