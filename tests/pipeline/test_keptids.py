"""Ids of settled windows in memory: whatever fits there, labels find the same predictions."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import numpy as np
import pytest

from monitor.core.results import Check
from monitor.core.schema import Hashes
from monitor.pipeline.keptids import MOST_BYTES, KeptIds, bytes_within
from monitor.ports import KeptKey, KeptWindow
from tests.pipeline.test_labelling import L1, MODEL, a_world, go, label, predict, summed
from tests.pipeline.world import HOUR, START, World

BYTES = 8
"""Of an id."""


class Ids:
    """A store that counts what is read of it."""

    def __init__(self) -> None:
        self.rows: dict[KeptKey, int] = {}
        self.read: list[int] = []

    def settled_ids(self, _model: str, key: KeptKey) -> Hashes:
        self.read.append((key.start - START) // HOUR)
        return np.arange(self.rows.get(key, 0), dtype=np.uint64)


@pytest.fixture
def store() -> Ids:
    return Ids()


def window(store: Ids, hour: int, rows: int = 10) -> KeptWindow:
    key = KeptKey(start=START + hour * HOUR, end=START + (hour + 1) * HOUR, version="1")
    store.rows[key] = rows
    return KeptWindow(key=key, rows=rows, labelled=0, changes=0, judged_changes=None)


def test_a_process_with_little_memory_keeps_few_ids() -> None:
    assert bytes_within(2**30) == MOST_BYTES
    assert bytes_within(200 * 2**20) == 25 * 2**20


def test_what_fits_is_read_once_and_the_rest_in_every_round(store: Ids) -> None:
    ids, windows = KeptIds(store, 20 * BYTES), [window(store, hour) for hour in range(3)]
    for _ in range(3):
        ids.only("m", windows)
        assert [len(ids.of("m", each)) for each in windows] == [10, 10, 10]
    assert store.read == [0, 1, 2, 2, 2]
    assert ids.held == 20 * BYTES


def test_nothing_is_kept_where_there_is_no_room(store: Ids) -> None:
    ids, one = KeptIds(store, 0), window(store, 0)
    assert ids.of("m", one).tolist() == ids.of("m", one).tolist() == list(range(10))
    assert (store.read, ids.held) == ([0, 0], 0)


def test_a_window_that_is_gone_makes_room_for_others(store: Ids) -> None:
    ids, first, second = KeptIds(store, 10 * BYTES), window(store, 0), window(store, 1)
    ids.of("m", first)
    ids.only("m", [second])
    assert ids.held == 0
    ids.of("m", second)
    ids.of("m", second)
    assert store.read == [0, 1]


def test_windows_of_another_model_are_apart(store: Ids) -> None:
    ids, one = KeptIds(store), window(store, 0)
    ids.of("m", one)
    ids.of("o", one)
    ids.only("o", [])
    ids.of("m", one)
    assert store.read == [0, 0]
    assert ids.held == 10 * BYTES


def test_ids_of_a_window_that_has_other_rows_now_are_read_again(store: Ids) -> None:
    ids = KeptIds(store)
    ids.of("m", window(store, 0, rows=10))
    other = window(store, 0, rows=12)
    ids.only("m", [other])
    assert len(ids.of("m", other)) == 12


def test_of_a_window_that_is_taken_away_meanwhile_nothing_is_kept(store: Ids) -> None:
    ids, one = KeptIds(store), window(store, 0)
    store.rows.clear()
    assert len(ids.of("m", one)) == 0
    assert ids.held == 0


# --- the same results ----------------------------------------------------------------------------------------


def told(world: World, replicas: int = 1) -> list[object]:
    """Labels of six windows in many rounds, corrected, repeated and beyond the delay: all that is stored of them in the end."""
    sides = [world, *(world.replica() for _ in range(replicas - 1))]
    for hour in range(6):
        predict(world, hour)
    predict(world, 6)
    for turn in range(12):
        label(world, turn % 6, range(turn, 40, 3), wrong=turn % 4, after=(2 + turn) * HOUR, partition=L1)
        label(world, (turn + 1) % 6, range(turn % 5, 20), after=3 * HOUR)
        if turn == 8:
            predict(world, 9)  # windows of the first hours wait no longer
        side = sides[turn % replicas]
        go(side)
        world.clock.advance(timedelta(hours=2))
    go(sides[0])
    stored = world.store.results(model="m", check=Check.PERFORMANCE)
    return [summed(world.store.label_account("m")), world.store.settled("m"), stored]


@pytest.mark.parametrize("most", [0, 40 * BYTES, 100 * BYTES, 10**6])
def test_however_many_ids_are_kept_the_labels_come_to_the_same(most: int) -> None:
    world = a_world(MODEL)
    world.id_bytes = most
    world.crash()
    unkept = a_world(MODEL)
    unkept.id_bytes = 0
    unkept.crash()
    assert told(world) == told(unkept)
    assert world.store.label_account("m").matched > 100
    assert world.labelling._ids.held <= most


def test_replicas_that_take_turns_come_to_what_one_would() -> None:
    alone = a_world(MODEL)
    alone.id_bytes = 0
    alone.crash()
    assert told(a_world(MODEL), replicas=2) == told(alone)


def test_ids_kept_of_a_window_that_another_replica_let_go_of_are_found_no_more() -> None:
    world = a_world(MODEL)
    predict(world, 0)
    predict(world, 2)
    label(world, 0, range(10))
    go(world)
    assert world.labelling._ids.held == 40 * BYTES
    other = world.replica()
    predict(world, 9)
    go(other)
    assert START not in [window.key.start for window in world.store.settled("m")]
    label(world, 0, range(10, 40), after=2 * HOUR)
    go(world)
    assert summed(world.store.label_account("m")) == (10, 0, 0, 30, 0)


def test_a_window_that_is_let_go_of_in_the_middle_of_a_round_makes_the_round_void() -> None:
    world = a_world(MODEL)
    predict(world, 0)
    predict(world, 2)
    label(world, 0, range(10))
    go(world)
    other = world.replica()
    predict(world, 9)
    label(world, 0, range(10, 20), after=2 * HOUR)
    world.read_all()
    world.judge.sweep()
    original = world.store.settled_flags

    def late(model: str) -> Mapping[KeptKey, bytes]:
        world.store.settled_flags = original  # type: ignore[method-assign]
        go(other)
        assert START not in [window.key.start for window in world.store.settled("m")]
        return original(model)

    world.store.settled_flags = late  # type: ignore[method-assign]
    world.labelling._rest_until.clear()
    go(world)
    assert summed(world.store.label_account("m")) == (20, 0, 0, 0, 0)
    assert world.labelling.failing == {}
