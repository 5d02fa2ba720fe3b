"""Performance judged again from kept counts: the same rules say the same, other rules say what differs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from monitor.core.replay import as_known, changes, incidents
from monitor.core.results import Check, Result, Verdict
from monitor.core.rules import DriftRules, Model, Severity
from monitor.pipeline.replay import recount, rejudge
from monitor.ports import Tally
from tests.pipeline.test_labelling import MODEL, RULES, a_world, go, label, predict, with_reference
from tests.pipeline.test_severity import SCORED, drifting
from tests.pipeline.world import HOUR, START, World

BAD_HOUR = START + HOUR


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Four hours: one well, one bad by its labels, two without labels."""
    world = with_reference(a_world(), tmp_path)
    for hour in range(5):
        predict(world, hour)
    label(world, 0, wrong=4)
    label(world, 1, wrong=24)
    go(world)
    return world


def again(world: World, rules: Model, since=None) -> list[Result]:  # type: ignore[no-untyped-def]
    judged = [r for j in rejudge(world.store, rules, world.clock, since=since) for r in j.results]
    stored = world.store.results(model="m", since=since)
    return as_known(stored, judged, recount(world.store, rules, world.clock, since=since), rules)


def test_the_same_rules_say_the_same_of_performance_and_of_its_incident(world: World) -> None:
    stored = world.store.results(model="m")
    found = again(world, MODEL)
    assert changes(stored, found) == []
    assert {i.since for i in incidents(found, MODEL.alerts)} == {BAD_HOUR}
    told = [r for r in found if r.metric == "accuracy" and r.window_start == BAD_HOUR]
    assert [(r.value, r.labelled, r.rows, r.verdict) for r in told] == [(0.4, 40, 40, Verdict.ALERT)]
    [alert] = [r for r in stored if r.metric == "accuracy" and r.window_start == BAD_HOUR and r.revision == 1]
    assert (alert.threshold, alert.p_value) == (told[0].threshold, told[0].p_value)


def test_a_larger_max_drop_takes_the_alert_away(world: World) -> None:
    patient = replace(MODEL, performance=replace(RULES, max_drop=0.6))
    [gone] = changes(world.store.results(model="m"), again(world, patient))
    assert (gone.result.metric, gone.verdicts) == ("accuracy", (Verdict.ALERT, Verdict.OK))
    assert incidents(again(world, patient), MODEL.alerts) == []


def test_other_metrics_come_from_the_counts_and_those_that_are_not_asked_for_go(world: World) -> None:
    found = again(world, replace(MODEL, performance=replace(RULES, metrics=("recall",))))
    told = {(r.metric, (r.window_start - START) // HOUR) for r in found if r.check is Check.PERFORMANCE and r.value is not None}
    assert told == {("recall", 0), ("recall", 1)}
    assert not [r for r in found if r.metric == "accuracy"]
    assert not [r for r in again(world, replace(MODEL, performance=None)) if r.check is Check.PERFORMANCE]


def test_windows_before_since_and_counts_that_cannot_be_read_are_passed_over(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    assert {r.window_start for r in recount(world.store, MODEL, world.clock, since=BAD_HOUR)} == {BAD_HOUR}
    kept = world.store.tallies("m")
    lost = replace(kept[0].key, start=START - HOUR, end=START)
    damaged = [Tally(key=lost, data=kept[0].data), Tally(key=kept[0].key, data=b"?"), *kept[1:]]
    monkeypatch.setattr(world.store, "tallies", lambda _model, _since=None: damaged)
    assert {r.window_start for r in recount(world.store, MODEL, world.clock)} == {BAD_HOUR}


def test_segments_that_are_named_no_longer_are_not_counted_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = world.store.tallies("m")
    windows = world.store.windows("m", START)
    part = replace(kept[0].key, segment="carrier=UA")
    monkeypatch.setattr(world.store, "tallies", lambda _model, _since=None: [Tally(key=part, data=kept[0].data)])
    monkeypatch.setattr(world.store, "windows", lambda _model, _start: [*windows, replace(windows[0], key=part)])
    assert recount(world.store, MODEL, world.clock) == []


def test_drift_is_weighed_by_what_labels_say(tmp_path: Path) -> None:
    world = drifting(SCORED, tmp_path)
    label(world, 1, wrong=4)
    go(world)
    weighing = replace(SCORED, drift=DriftRules(severity=Severity.EVIDENCE))
    found = {(c.result.column, c.verdicts) for c in changes(world.store.results(model="m"), again(world, weighing))}
    assert found == {("delay", (Verdict.ALERT, Verdict.WARN))}


def test_labels_that_stopped_coming_get_a_last_look(tmp_path: Path) -> None:
    """Of labels that never all come: what earlier looks could not spend is left for the look after ``label_delay``."""
    world = with_reference(a_world(), tmp_path)
    predict(world, 0)
    label(world, 0, range(20), wrong=9)
    predict(world, 2)
    go(world)
    first = [r for r in world.store.results(model="m", check=Check.PERFORMANCE) if r.metric == "accuracy" and r.window_start == START]
    predict(world, 9)
    go(world)
    told = [r for r in world.store.results(model="m", check=Check.PERFORMANCE) if r.metric == "accuracy" and r.window_start == START]
    assert START not in [window.key.start for window in world.store.settled("m")]
    assert len(told) == len(first) + 1
    assert told[-1].value == first[-1].value
    assert told[-1].threshold > first[-1].threshold
