"""A model's settings are changed while its windows are in the store: what docs/configuration.md says of each key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from monitor.core.results import Verdict
from monitor.core.rules import Model
from monitor.core.schema import Column, Kind
from monitor.doubles.log import MemoryLog
from tests.pipeline.test_replay import RULES, reference
from tests.pipeline.world import MINUTE, P0, STREAM, TOPIC, World, message

DELAYS = np.random.default_rng(1).normal(5, 1, 400).tolist()


def rows(hour: int, first: int = 0, beyond: int = 90) -> list[bytes]:
    """A row every half minute, three carriers in turn."""
    return [message(f"{hour}-{i}", 60 * hour + i / 2, DELAYS[i], "ABC"[i % 3]) for i in range(first, beyond)]


def with_columns(**kinds: Kind) -> Model:
    columns = tuple(Column(name=name, kind=kind, path=name) for name, kind in kinds.items())
    return replace(RULES, columns=columns, streams=(replace(STREAM, columns=columns),))


def changed(before: Model, after: Model, *then: bytes) -> World:
    """The settings are changed in the middle of hour 1, of which 30 rows had been read; ``then`` follows the rest of hours 1 and 2."""
    world = World(models=(before,), log=MemoryLog({TOPIC: 1}))
    world.store.add_reference(reference(np.random.default_rng(4)), activate=True, at=world.clock.now())  # type: ignore[arg-type]
    world.put(P0, *rows(0), *rows(1, 0, 30))
    world.read_all()
    assert world.judge.sweep() == 1
    world.models = (after,)
    world.crash()
    world.put(P0, *rows(1, 30), *rows(2), *then)
    world.read_all()
    world.judge.finish()
    assert not world.judge.failing
    return world


def counted(world: World) -> Mapping[tuple[int, str], int]:
    """Rows by hour and segment."""
    return {(key.start.hour, key.segment): w.account.counted for w in world.store.window_accounts() for key in [w.key]}


def drift(world: World, hour: int) -> dict[tuple[str, str | None], Verdict]:
    """The drift verdicts of an hour, by segment and column."""
    return {(r.segment, r.column): r.verdict for r in world.store.results() if r.check == "drift" and r.window_start.hour == hour}


ALL = {(0, "*"): 90, (1, "*"): 90, (2, "*"): 90}
BOTH = {("*", "delay"): Verdict.OK, ("*", "carrier"): Verdict.OK}


def test_a_column_that_is_left_out_is_judged_no_more_and_its_window_is_whole() -> None:
    world = changed(RULES, with_columns(delay=Kind.NUMERIC))
    assert counted(world) == ALL
    assert [drift(world, hour) for hour in range(3)] == [BOTH, {("*", "delay"): Verdict.OK}, {("*", "delay"): Verdict.OK}]


def test_a_new_column_is_skipped_until_a_reference_knows_it() -> None:
    world = changed(RULES, with_columns(delay=Kind.NUMERIC, carrier=Kind.CATEGORICAL, v=Kind.CATEGORICAL))
    assert counted(world) == ALL
    assert [drift(world, hour) for hour in (0, 1)] == [BOTH, BOTH | {("*", "v"): Verdict.SKIPPED}]


def test_a_column_of_another_kind_alerts_until_a_reference_knows_it() -> None:
    world = changed(RULES, with_columns(delay=Kind.CATEGORICAL, carrier=Kind.CATEGORICAL))
    said = {r.window_start.hour: r.reason for r in world.store.results() if r.verdict is Verdict.ALERT and r.column == "delay"}
    assert sorted(said) == [1, 2]
    assert all("type changed" in reason for reason in said.values())


def test_new_segments_hold_the_rows_since_and_are_skipped_until_a_reference_knows_them() -> None:
    world = changed(RULES, replace(RULES, segments=("carrier",)))
    assert counted(world) == ALL | {(1, f"carrier={c}"): 20 for c in "ABC"} | {(2, f"carrier={c}"): 30 for c in "ABC"}
    assert drift(world, 1) == BOTH | {(f"carrier={c}", None): Verdict.SKIPPED for c in "ABC"}


def test_segments_that_are_left_out_are_judged_no_more() -> None:
    world = changed(replace(RULES, segments=("carrier",)), RULES)
    assert counted(world) == ALL | {(0, f"carrier={c}"): 30 for c in "ABC"} | {(1, f"carrier={c}"): 10 for c in "ABC"}
    assert (drift(world, 1), drift(world, 2)) == (BOTH, BOTH)


def test_dedupe_knows_the_ids_since_it_was_switched_on() -> None:
    world = changed(RULES, replace(RULES, dedupe=True), *rows(2, 0, 10), *rows(1, 0, 10))
    assert counted(world)[1, "*"] == 90, "late, for hour 2 had begun"
    assert world.account().duplicate == 10
    world = changed(RULES, replace(RULES, dedupe=True, allowed_lateness=120 * MINUTE), *rows(1, 0, 10), *rows(1, 40, 50))
    assert counted(world)[1, "*"] == 100, "of the first ten ids nothing was known"
    assert world.account().duplicate == 10


def test_a_longer_lateness_opens_no_window_that_is_closed() -> None:
    world = changed(RULES, replace(RULES, allowed_lateness=120 * MINUTE), *rows(0, 0, 5), *rows(1, 0, 5))
    assert counted(world) == ALL | {(1, "*"): 95}
    assert world.account().late == 5
    assert len({(r.window_start, r.column, r.metric) for r in world.store.results()}) == len(world.store.results())


@pytest.mark.parametrize(("lateness", "closed"), [(0, 2), (120, 0)])
def test_a_shorter_lateness_closes_windows_sooner(lateness: int, closed: int) -> None:
    world = World(models=(replace(RULES, allowed_lateness=120 * MINUTE),))
    world.put(P0, *rows(0), *rows(1), *rows(2))
    for partition in sorted(world.log.partitions())[1:]:
        world.put(partition, *rows(2, 0, 1))
    world.read_all()
    assert world.judge.sweep() == 0
    world.models = (replace(RULES, allowed_lateness=lateness * MINUTE),)
    world.crash()
    world.read_all()
    assert world.judge.sweep() == closed
