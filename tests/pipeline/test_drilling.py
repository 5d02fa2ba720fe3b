"""Drills of stored windows: the windows that are asked for, as the daemon would judge them, and nothing is written."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from monitor.core.drill import FAULTS, FaultName, Line
from monitor.core.results import Check
from monitor.core.rules import AlertRules, Budget, DriftRules, Model, Rolling, Task
from monitor.errors import UsageError
from monitor.pipeline.drilling import LABELS, ROWS, Asked, Drilled, drill, windows_of
from monitor.pipeline.replay import recount
from monitor.ports import Tally
from tests.pipeline.test_labelling import MODEL as LABELLED
from tests.pipeline.test_labelling import a_world, go, label, predict, with_reference
from tests.pipeline.test_replay import DRIFTED, HOURS, RULES, judged_world
from tests.pipeline.world import HOUR, START, World

ALL = Asked(windows=60)


@pytest.fixture(scope="module")
def world() -> World:
    """Ten hours, three of them drifted, one of them silent."""
    return judged_world()


def lines(drilled: Drilled) -> dict[tuple[str, FaultName], Line]:
    return {(line.column, line.fault.name): line for line in drilled.lines}


def test_every_window_column_and_fault_is_drilled_and_nothing_is_written(world: World) -> None:
    store, told = world.store, []
    before = (list(store.results()), list(store.incidents()), list(store.deliveries()), store.progress("m"), list(store.references()))
    found = drill(store, RULES, world.clock, ALL, told=lambda: told.append(1))
    assert (list(store.results()), list(store.incidents()), list(store.deliveries()), store.progress("m"),
            list(store.references())) == before
    assert (found.windows, len(told), found.first, found.last) == (HOURS, HOURS, START, START + 9 * HOUR)
    numeric = {fault.name for fault in FAULTS.values() if fault.name not in
               (FaultName.NEW_CATEGORY, FaultName.RECASE, FaultName.TRUNCATE, FaultName.VOLUME, FaultName.LABEL_FLIP)}
    categorical = {FaultName.NULLS, FaultName.CONSTANT, FaultName.MISSING, FaultName.NEW_CATEGORY, FaultName.RECASE}
    assert set(lines(found)) == {*(("delay", f) for f in numeric), *(("carrier", f) for f in categorical), (ROWS, FaultName.VOLUME)}


def test_windows_that_alert_by_themselves_are_left_out_of_their_column_alone(world: World) -> None:
    found = drill(world.store, RULES, world.clock, ALL)
    sizes = {name: line.sizes[-1] for name, line in lines(found).items()}
    drifted = len(DRIFTED)
    assert (sizes["delay", FaultName.SCALE].windows, sizes["delay", FaultName.SCALE].left_out) == (HOURS - drifted - 1, drifted)
    assert (sizes["carrier", FaultName.MISSING].windows, sizes["carrier", FaultName.MISSING].left_out) == (HOURS - 1, 0), "one is silent"
    assert (found.alerting, len(found.incidents)) == (drifted + 1, 2)
    assert sizes["delay", FaultName.SHIFT].share == sizes["carrier", FaultName.MISSING].share == 1.0


def test_an_incident_opens_as_soon_as_the_rules_allow(world: World) -> None:
    for after in (1, 2, 3):
        found = drill(world.store, replace(RULES, alerts=AlertRules(open_after=after)), world.clock, Asked(
            windows=60, columns=frozenset({"carrier"}), faults=frozenset({FaultName.MISSING})))
        assert [at.opens_in for line in found.lines for at in line.sizes] == [after]


def test_only_the_windows_columns_and_faults_that_are_asked_for(world: World) -> None:
    asked = Asked(windows=3, since=START + 4.5 * HOUR, columns=frozenset({"carrier"}), faults=frozenset({FaultName.NULLS}))
    found = drill(world.store, RULES, world.clock, asked)
    assert (found.windows, found.first) == (3, START + 7 * HOUR)
    assert set(lines(found)) == {("carrier", FaultName.NULLS)}
    assert windows_of(world.store, RULES, Asked(windows=60, since=START + 8.5 * HOUR)) == [START + 9 * HOUR]
    volume = drill(world.store, RULES, world.clock, replace(ALL, columns=frozenset({ROWS})))
    assert set(lines(volume)) == {(ROWS, FaultName.VOLUME)}


def test_what_does_not_exist_is_told_with_what_does(world: World) -> None:
    with pytest.raises(UsageError, match=r"m has no column 'carier'; known are \['\(rows\)', 'carrier', 'delay'\]"):
        drill(world.store, RULES, world.clock, replace(ALL, columns=frozenset({"carier", "delay"})))
    with pytest.raises(UsageError, match=r"m has no judged windows from 2013-04-01T00:00:00Z on: there is nothing to inject"):
        drill(world.store, RULES, world.clock, replace(ALL, since=START + timedelta(days=31)))
    with pytest.raises(UsageError, match="other has no judged windows: there is nothing to inject faults into"):
        drill(world.store, replace(RULES, name="other"), world.clock, ALL)
    with pytest.raises(UsageError, match="stored windows are 1h long, this says 2h"):
        drill(world.store, replace(RULES, window=2 * HOUR), world.clock, ALL)


def test_windows_that_are_merged_into_a_reference_are_the_real_ones(world: World) -> None:
    """Compared with the last six hours, as the daemon would: incidents are left out of them, and a fault is no part of what is learned."""
    rolling = replace(RULES, recipe=Rolling(reach=6 * HOUR))
    found = drill(world.store, rolling, world.clock, replace(ALL, columns=frozenset({"carrier"})))
    assert lines(found)["carrier", FaultName.MISSING].sizes[0].share == 1.0


# --- labels --------------------------------------------------------------------------------------------------


@pytest.fixture
def labelled(tmp_path: Path) -> World:
    """Five hours, all but the last labelled: a tenth of the predictions is wrong, as in the reference."""
    world = with_reference(a_world(), tmp_path)
    for hour in range(6):
        predict(world, hour)
    for hour in range(5):
        label(world, hour, wrong=4)
    go(world)
    return world


def of_labels(world: World, model: Model) -> Line | None:
    found = drill(world.store, model, world.clock, replace(ALL, faults=frozenset({FaultName.LABEL_FLIP})))
    return next((line for line in found.lines if line.fault.name is FaultName.LABEL_FLIP), None)


def test_wrong_labels_are_seen_as_a_drop_of_performance(labelled: World) -> None:
    """Of forty rows an hour that a tenth is wrong is usual; with a large budget of false alarms, three tenths are not."""
    eager = replace(LABELLED, drift=DriftRules(budget=Budget(alarms=200)))
    assert {r.verdict for r in recount(labelled.store, eager, labelled.clock) if r.check is Check.PERFORMANCE} == {"ok"}
    found, calm = of_labels(labelled, eager), of_labels(labelled, LABELLED)
    assert found is not None
    assert calm is not None
    assert found.column == "came"
    shares = [at.share for at in found.sizes]
    assert (shares[0], shares[-1], shares) == (0.0, 1.0, sorted(shares))
    assert {at.windows for at in found.sizes} == {5}
    assert [at.share for at in calm.sizes] == [0.0] * 5, "forty rows tell too little for one false alarm in a month"


def test_the_label_column_can_be_asked_for_and_has_a_name_where_nobody_gives_one(labelled: World) -> None:
    asked = replace(ALL, columns=frozenset({"came"}))
    assert {line.column for line in drill(labelled.store, LABELLED, labelled.clock, asked).lines} == {"came"}
    unnamed = replace(LABELLED, streams=LABELLED.streams[:1])
    found = of_labels(labelled, unnamed)
    assert found is not None
    assert found.column == LABELS


def test_numbers_as_labels_windows_without_labels_and_counts_that_cannot_be_read_have_no_wrong_labels(
    labelled: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert of_labels(labelled, replace(LABELLED, task=Task.REGRESSION)) is None
    assert of_labels(labelled, replace(LABELLED, performance=None)) is None
    kept = labelled.store.tallies("m")
    damaged = [Tally(key=replace(kept[0].key, version="9"), data=kept[0].data), Tally(key=kept[0].key, data=b"?")]
    monkeypatch.setattr(labelled.store, "tallies", lambda _model, _since=None: damaged)
    assert of_labels(labelled, LABELLED) is None


def test_a_window_whose_labels_alert_by_themselves_is_left_out_and_one_with_few_labels_is_untold(tmp_path: Path) -> None:
    world = with_reference(a_world(), tmp_path)
    for hour in range(4):
        predict(world, hour)
    label(world, 0, wrong=24)
    label(world, 1, wrong=4)
    go(world)
    found = of_labels(world, LABELLED)
    assert found is not None
    assert [(at.windows, at.left_out) for at in found.sizes] == [(1, 1)] * 5
    assert LABELLED.performance is not None
    picky = of_labels(world, replace(LABELLED, performance=replace(LABELLED.performance, min_labelled=1000)))
    assert picky is not None
    assert {at.windows for at in picky.sizes} == {0}
