"""Columns that come and go unwatched, along the main path: from messages to a warning, the same after any crash."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from monitor.core.results import Check, Result, Verdict
from monitor.core.rules import QualityRules, Stream, Switch
from monitor.core.schema import Column, Kind
from monitor.doubles.log import MemoryLog
from monitor.pipeline.looks import WINDOWS, Looks
from monitor.pipeline.replay import rejudge
from monitor.ports import Store, StoredWindow
from tests.pipeline.world import COLUMNS, HOUR, MODEL, P0, P1, STAMP, START, STREAM, TOPIC, World

ROWS, HOURS = 6000, 8
INSIDE = tuple(replace(column, path=f"features.{column.name}") for column in COLUMNS)
NESTED: Stream = replace(STREAM, columns=INSIDE)
WATCHED = replace(MODEL, streams=(NESTED,), columns=INSIDE, allowed_lateness=0 * HOUR, sample_rows=0)


def messages(hour: int, name: str, version: str = "1", rows: int = ROWS) -> Iterator[bytes]:
    """One hour of predictions; beside what is watched they carry one feature more."""
    for row in range(rows):
        at = (START + hour * HOUR + row * HOUR / rows).isoformat()
        features = {"delay": row % 50, "carrier": "AB"[row % 2], name: row}
        yield json.dumps({"id": f"{version}.{hour}.{row}", "ts": at, "v": version, "trace": "x", "features": features}).encode()


def filled(log: MemoryLog, *, changes_at: int | None = 5, version: str = "1") -> MemoryLog:
    for hour in range(HOURS):
        name = "fare" if changes_at is None or hour < changes_at else "fare_eur"
        for row, value in enumerate(messages(hour, name, version)):
            log.append((P0, P1)[row % 2], value, timestamp=STAMP)
    return log


@pytest.fixture(scope="module")
def log() -> MemoryLog:
    return filled(MemoryLog({TOPIC: 2}))


def world_of(log: MemoryLog, store: Store | None = None, **how: int) -> World:
    model = WATCHED
    return World(models=(model,), log=log, **({} if store is None else {"store": store}), **how)  # type: ignore[arg-type]


def judged(world: World) -> World:
    world.read_all()
    world.judge.sweep()
    world.judge.finish()
    return world


def changes(world: World) -> dict[int, Result]:
    found = world.store.results(check=Check.QUALITY)
    return {(r.window_start - START) // HOUR: r for r in found if r.metric == "schema_changes"}


def hashes(world: World) -> list[str]:
    windows = [window for hour in range(HOURS) for window in world.store.windows("m", START + hour * HOUR)]
    return [window.profile.hash for window in windows if window.profile is not None]


def test_a_renamed_feature_warns_in_its_first_window_and_opens_no_incident(log: MemoryLog, any_store: Store) -> None:
    world = judged(world_of(log, any_store))
    found = changes(world)
    assert [hour for hour, result in found.items() if result.verdict is not Verdict.OK] == [5]
    assert found[5].verdict is Verdict.WARN
    assert found.keys() >= {6, 7}
    assert found[5].reason == (
        "sends since this window 1 column that nothing watches: features.fare_eur; "
        "no longer sends 1 column that nothing watches: features.fare"
    )
    assert min(found) >= 4  # before that there is too little to compare with
    assert world.store.incidents() == []


def test_the_same_is_found_wherever_batches_are_cut_and_whoever_crashes(log: MemoryLog) -> None:
    whole = judged(world_of(log))
    torn = world_of(filled(MemoryLog({TOPIC: 2}, max_records=1401)), max_rows=3000)
    for number in range(200):
        torn.reader.step()
        torn.judge.sweep()
        if number % 7 == 6:
            torn.crash()
    judged(torn)
    assert hashes(torn) == hashes(whole)
    assert len(hashes(whole)) == HOURS
    assert changes(torn) == changes(whole)


def test_a_process_that_begins_in_the_middle_reads_what_was_before_from_the_store(log: MemoryLog) -> None:
    world = world_of(log)
    world.read_all()
    world.judge.sweep()
    assert max(changes(world)) < HOURS - 1
    world.crash()
    judged(world)
    assert changes(world) == changes(judged(world_of(log)))


def test_a_new_version_with_other_columns_is_compared_with_itself() -> None:
    log = filled(MemoryLog({TOPIC: 2}), changes_at=None)
    for hour in (6, 7):
        for row, value in enumerate(messages(hour, "quite_another", version="2")):
            log.append((P0, P1)[row % 2], value, timestamp=STAMP)
    world = world_of(log)
    judged(world)
    assert {r.verdict for r in world.store.results(check=Check.QUALITY) if r.metric == "schema_changes"} == {Verdict.OK}


def test_who_begins_to_watch_a_column_is_not_told_that_it_is_gone() -> None:
    fare = Column(name="fare", kind=Kind.NUMERIC, path="features.fare")
    wider = replace(WATCHED, columns=(*INSIDE, fare), streams=(replace(NESTED, columns=(*INSIDE, fare)),))
    world = world_of(MemoryLog({TOPIC: 2}))
    for hour in range(HOURS + 6):
        if hour == HOURS:
            world.models = (wider,)
            world.crash()
        for row, value in enumerate(messages(hour, "fare")):
            world.log.append((P0, P1)[row % 2], value, timestamp=STAMP)
        world.read_all()
        world.judge.sweep()
    world.judge.finish()
    assert {result.verdict for result in changes(world).values()} == {Verdict.OK}
    assert changes(world).keys() >= {HOURS - 1, HOURS + 5}
    assert HOURS not in changes(world)  # what is measured by begins anew
    profiles = [window.profile for hour in range(HOURS + 6) for window in world.store.windows("m", START + hour * HOUR)]
    found = [profile.unmapped for profile in profiles if profile is not None]
    assert [sorted(each.kept) for each in (found[0], found[-1])] == [["features.fare", "trace"], ["trace"]]


def test_a_replay_finds_the_same_and_nothing_where_it_is_off(log: MemoryLog) -> None:
    world = judged(world_of(log))
    off = replace(WATCHED, quality=QualityRules(schema_changes=Switch.OFF))
    again = [r for j in rejudge(world.store, WATCHED, world.clock) for r in j.results if r.metric == "schema_changes"]
    assert again == list(changes(world).values())
    assert not any(r.metric == "schema_changes" for j in rejudge(world.store, off, world.clock) for r in j.results)


class Counting:
    """Counts the windows that are read."""

    def __init__(self, store: Store) -> None:
        self._store, self.asked = store, 0

    def windows_at(self, model: str, starts: list[object], *, segment: str, version: str | None) -> list[StoredWindow]:
        self.asked += len(starts)
        return list(self._store.windows_at(model, starts, segment=segment, version=version))  # type: ignore[arg-type]


def test_windows_are_read_once_and_then_remembered(log: MemoryLog) -> None:
    world = judged(world_of(log))
    counting = Counting(world.store)
    looks = Looks(counting)  # type: ignore[arg-type]  # the one verb that is asked of it
    profiles = [window.profile for hour in range(HOURS) for window in world.store.windows("m", START + hour * HOUR)]
    found = [profile.unmapped for profile in profiles if profile is not None]
    assert all(each.looked > 5 for each in found)
    for hour in range(HOURS):
        [window] = world.store.windows("m", START + hour * HOUR)
        before = looks.before(WATCHED, window)
        assert len(before) == WINDOWS
        assert list(before[WINDOWS - hour :]) == found[:hour]
    assert counting.asked == WINDOWS
    off = replace(WATCHED, quality=QualityRules(schema_changes=Switch.OFF))
    assert looks.before(off, window) == ()
    assert looks.before(WATCHED, replace(window, key=replace(window.key, segment="carrier=A"))) == ()
    assert counting.asked == WINDOWS
