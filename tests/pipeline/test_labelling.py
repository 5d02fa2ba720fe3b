"""From labels to performance: joined in rounds, revised as they come, let go of in the end; told once, whatever happens on the way."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from monitor.core.incidents import IncidentState, TransitionReason
from monitor.core.labels.beside import no_matches
from monitor.core.labels.labels import Labels
from monitor.core.results import Check, Result, Verdict
from monitor.core.rules import AlertRules, PerformanceRules, RetrainingRules, Stream, StreamKind, Task
from monitor.core.schema import CategoricalValues, Column, Kind, Role, to_micros
from monitor.doubles.log import MemoryLog
from monitor.errors import DecodeError
from monitor.pipeline import Routes
from monitor.pipeline.labelling import REST, REVISE_EVERY
from monitor.ports import Checkpoint, JoinRound, LabelAccount, NewLabels, TopicPartition
from monitor.references.build import build_reference
from tests.pipeline.world import HOUR, MINUTE, SECOND, START, TOPIC, World
from tests.pipeline.world import MODEL as PLAIN

LABELS = "labels"
P0, P1 = TopicPartition(TOPIC, 0), TopicPartition(TOPIC, 1)
L0, L1 = TopicPartition(LABELS, 0), TopicPartition(LABELS, 1)
PREDICTION = Column(name="late", kind=Kind.CATEGORICAL, role=Role.PREDICTION, path="late")
FEATURE = Column(name="delay", kind=Kind.NUMERIC, path="delay")
LABEL = Column(name="came", kind=Kind.CATEGORICAL, role=Role.LABEL, path="came")
RULES = PerformanceRules(metrics=("accuracy",), max_drop=0.1, label_delay=6 * HOUR, min_labelled=10)
MODEL = replace(
    PLAIN, task=Task.BINARY, columns=(FEATURE, PREDICTION), performance=RULES, alerts=AlertRules(open_after=1, resolve_after=2),
    streams=(
        Stream(kind=StreamKind.PREDICTIONS, topic=TOPIC, id="id", time="ts", version="v", columns=(FEATURE, PREDICTION)),
        Stream(kind=StreamKind.LABELS, topic=LABELS, id="id", time="ts", columns=(LABEL,)),
    ),
)  # fmt: skip
ROWS = 40
STAMP = int((START + timedelta(days=30)).timestamp() * 1000)


@pytest.fixture
def world() -> World:
    return a_world()


def a_world(model=MODEL, partitions: int = 1) -> World:  # type: ignore[no-untyped-def]
    return World(models=(model,), log=MemoryLog({TOPIC: partitions, LABELS: 2}), routes=Routes(people=("slack",), retraining="ci"))


def with_reference(world: World, folder) -> World:  # type: ignore[no-untyped-def]
    """Twenty hours like those that ``predict`` makes; nine of ten predictions came true."""
    hours, n = np.divmod(np.arange(20 * ROWS), ROWS)
    late = n % 2
    frame = pd.DataFrame({
        "ts": pd.Timestamp("2013-02-01", tz="UTC") + pd.to_timedelta(hours * 3600 + n * 40, unit="s"),
        "v": "1", "delay": 5 + n % 7 / 7, "late": late, "came": np.where((n + hours) % 10 == 0, 1 - late, late),
        "carrier": np.where(n < ROWS // 2, "UA", "AA"), "p_late": np.where(late, 0.9, 0.1),
    })  # fmt: skip
    frame.to_parquet(folder / "r.parquet")
    world.store.add_reference(build_reference(folder / "r.parquet", world.models[0], version="1", time_column="ts"), activate=True,
                              at=world.clock.now())
    return world


def predict(world: World, hour: int, partition: TopicPartition = P0, rows: int = ROWS, first: int = 0) -> None:
    """Rows of one hour: the prediction is 1 of every second."""
    for n in range(first, first + rows):
        at = START + hour * HOUR + n * 40 * SECOND
        body = {"id": f"{hour}-{n}", "ts": at.isoformat(), "v": "1", "delay": 5 + n % 7 / 7, "late": n % 2}
        world.log.append(partition, json.dumps(body).encode(), timestamp=STAMP)


def label(world: World, hour: int, rows: Iterable[int] = range(ROWS), wrong: int = 0, after: timedelta = HOUR,
          partition: TopicPartition = L0) -> None:
    """Labels of one hour's rows, ``wrong`` of which the prediction missed; ``after``: how long after the hour's start."""
    for place, n in enumerate(rows):
        came = n % 2 if place >= wrong else 1 - n % 2
        body = {"id": f"{hour}-{n}", "ts": (START + hour * HOUR + after).isoformat(), "came": came}
        world.log.append(partition, json.dumps(body).encode(), timestamp=STAMP)


def go(world: World, *, labelled: bool = True) -> None:
    """Read, judge and join all that is there."""
    world.read_all()
    world.judge.sweep()
    if labelled:
        while world.labelling.sweep():
            world.clock.advance(SECOND)


def told(world: World, hour: int = 0, metric: str = "accuracy") -> list[Result]:
    """Every revision of a metric of one hour."""
    found = world.store.results(model="m", check=Check.PERFORMANCE)
    return [result for result in found if result.metric == metric and result.window_start == START + hour * HOUR]


def summed(account: LabelAccount) -> tuple[int, int, int, int, int]:
    return account.matched, account.revised, account.repeated, account.expired, account.waiting


def test_a_window_is_judged_without_labels_first_and_anew_once_they_are_there(world):
    predict(world, 0)
    predict(world, 2)
    go(world)
    [first] = told(world)
    assert (first.verdict, first.value, first.labelled, first.estimated) == (Verdict.INSUFFICIENT, None, 0, False)
    told_so = "0 of 40 rows labelled: no labels yet; no estimate without them: the reference says nothing of performance"
    assert first.reason.startswith(told_so)
    label(world, 0, wrong=4)
    go(world)
    revisions = told(world)
    assert [(r.revision, r.value, r.labelled) for r in revisions] == [(0, None, 0), (1, 0.9, 40)]
    assert summed(world.store.label_account("m")) == (40, 0, 0, 0, 0)


def test_labels_that_come_before_their_predictions_wait_for_them(world):
    label(world, 0, wrong=10)
    go(world)
    assert world.store.label_account("m").waiting == 40
    predict(world, 0)
    predict(world, 2)
    go(world)
    assert told(world)[-1].value == 0.75
    assert summed(world.store.label_account("m")) == (40, 0, 0, 0, 0)


def test_a_window_that_is_not_sealed_yet_gets_its_labels_when_it_is(world):
    predict(world, 0)
    label(world, 0)
    go(world)
    assert not told(world)
    predict(world, 2)
    go(world)
    assert told(world)[-1].value == 1.0


def test_predictions_of_both_partitions_and_labels_of_both_are_one_window():
    world = a_world(partitions=2)
    predict(world, 0, P0, rows=20)
    predict(world, 0, P1, rows=20, first=20)
    predict(world, 2, P0)
    predict(world, 2, P1, first=100)
    label(world, 0, range(0, 40, 2), partition=L0)
    label(world, 0, range(1, 40, 2), wrong=10, partition=L1)
    go(world)
    assert (told(world)[-1].value, told(world)[-1].labelled) == (0.75, 40)


def test_a_corrected_label_makes_another_revision_and_a_repeated_one_makes_none(world):
    predict(world, 0)
    predict(world, 2)
    label(world, 0, wrong=0)
    go(world)
    label(world, 0, wrong=8, after=2 * HOUR)
    go(world)
    assert [r.value for r in told(world)] == [None, 1.0, 0.8]
    label(world, 0, wrong=8, after=2 * HOUR)
    go(world)
    assert [r.value for r in told(world)] == [None, 1.0, 0.8]
    assert summed(world.store.label_account("m")) == (40, 8, 72, 0, 0)


def test_a_label_of_a_prediction_that_two_versions_and_two_partitions_made_is_one_label():
    world = a_world(partitions=2)
    for partition, version in [(P0, "1"), (P1, "2")]:
        for n in range(ROWS):
            body = {"id": f"0-{n}", "ts": (START + n * 40 * SECOND).isoformat(), "v": version, "delay": 5.0, "late": n % 2}
            world.log.append(partition, json.dumps(body).encode(), timestamp=STAMP)
    predict(world, 2, rows=1)
    predict(world, 2, P1, rows=1)
    label(world, 0)
    go(world)
    assert summed(world.store.label_account("m")) == (ROWS, 0, 0, 0, 0)
    label(world, 0, range(3), wrong=2, after=2 * HOUR)
    go(world)
    assert summed(world.store.label_account("m")) == (ROWS, 2, 1, 0, 0)
    assert world.labelling.failing == {}


def test_few_new_labels_are_taken_in_after_an_hour_and_many_at_once(world):
    predict(world, 0)
    predict(world, 2)
    label(world, 0, range(20))
    go(world)
    label(world, 0, [20])
    go(world)
    assert [r.labelled for r in told(world)] == [0, 20]
    world.clock.advance(REVISE_EVERY)
    go(world)
    assert [r.labelled for r in told(world)] == [0, 20, 21]
    label(world, 0, range(21, 30))
    go(world)
    assert [r.labelled for r in told(world)] == [0, 20, 21, 30]


def test_few_labels_of_an_old_window_are_taken_in_less_often():
    world = a_world(replace(MODEL, performance=replace(RULES, label_delay=100 * HOUR)))
    predict(world, 0)
    label(world, 0, range(20))
    predict(world, 50)
    go(world)
    label(world, 0, [20])
    go(world)
    world.clock.advance(REVISE_EVERY)
    go(world)
    assert [r.labelled for r in told(world)] == [0, 20], "49 hours have passed since it ended: they wait for three"
    world.clock.advance(3 * HOUR)
    go(world)
    assert [r.labelled for r in told(world)] == [0, 20, 21]


def test_a_short_run_takes_in_every_label_before_it_ends(world):
    predict(world, 0)
    label(world, 0, range(20))
    go(world)
    label(world, 0, [20])
    world.read_all()
    world.judge.finish()
    world.labelling.finish()
    assert [r.labelled for r in told(world)][-1] == 21


def test_a_short_run_lets_go_of_what_was_waited_for_long_enough(world):
    """A batch job of every night has no other time for it: its sweeps see the topics' end hardly ever."""
    for hour in (0, 5, 7):
        predict(world, hour)
    label(world, 0, range(30))
    world.read_all()
    world.judge.finish()
    world.clock.advance(MINUTE)
    world.labelling.finish()
    assert [window.key.start for window in world.store.settled("m")] == [START + 5 * HOUR, START + 7 * HOUR]
    assert (world.store.label_account("m").unlabelled, told(world)[-1].labelled) == (10, 30)


def test_the_end_of_a_short_run_waits_for_the_sweep_that_is_under_way(world):
    predict(world, 0)
    label(world, 0)
    predict(world, 2)
    world.read_all()
    world.judge.finish()
    original, begun, go_on = world.store.record_join, threading.Event(), threading.Event()

    def slow(done: JoinRound) -> bool:
        begun.set()
        assert go_on.wait(10)
        return original(done)

    world.store.record_join = slow  # type: ignore[method-assign]
    with ThreadPoolExecutor(2) as pool:
        sweeping = pool.submit(world.labelling.sweep)
        assert begun.wait(10)
        ending = pool.submit(world.labelling.finish)
        with pytest.raises(TimeoutError):
            ending.result(0.2)
        go_on.set()
        assert sweeping.result(10) + ending.result(10) == 3, "settled, joined and revised, each once"


def test_a_round_rests_for_some_time_so_that_many_waiting_predictions_cost_little(world):
    predict(world, 0)
    predict(world, 2)
    label(world, 0, range(20))
    world.read_all()
    world.judge.sweep()
    slow = world.clock.ticks
    original = world.store.record_join

    def slowly(done: JoinRound) -> bool:
        world.clock.ticks += 2.0 if done.consumed else 0.0
        return original(done)

    world.store.record_join = slowly  # type: ignore[method-assign]
    world.labelling.sweep()
    label(world, 0, range(20, 40))
    world.read_all()
    while world.labelling.sweep():
        pass
    assert told(world)[-1].labelled == 20
    world.clock.ticks = slow + 2.0 * (REST + 1)
    go(world)
    assert told(world)[-1].labelled == 40


def test_many_labels_that_lie_in_wait_are_joined_without_a_rest(world):
    predict(world, 0)
    predict(world, 2)
    go(world)
    values = CategoricalValues(codes=np.zeros(300_000, dtype=np.int32), dictionary=("1",))
    for first in range(0, 1_500_000, 300_000):
        offsets = np.arange(first, first + 300_000)
        some = Labels(ids=offsets.astype(np.uint64), values=values, times=np.full(300_000, to_micros(START)), offsets=offsets,
                      partitions=np.zeros(300_000, dtype=np.int64))
        world.store.checkpoint(Checkpoint(at=world.clock.now(), labels=(NewLabels(model="m", labels=some),)))
    original = world.store.record_join

    def slowly(done: JoinRound) -> bool:
        world.clock.ticks += 2.0
        return original(done)

    world.store.record_join = slowly  # type: ignore[method-assign]
    world.labelling.sweep()
    assert world.store.label_chunks("m", fresh=True, most=1) == []
    assert world.store.label_account("m").waiting == 1_500_000


def test_a_window_is_let_go_of_once_labels_were_waited_for_and_all_that_came_are_read(world):
    predict(world, 0)
    label(world, 0, range(30), wrong=3)
    predict(world, 9)
    go(world)
    assert world.store.settled("m") == []
    assert world.store.label_account("m").unlabelled == 10
    assert told(world)[-1].labelled == 30
    [curve] = world.store.curves("m", 5)
    assert curve.document["shares"] == [0.75] * 8
    label(world, 0, [35], after=9 * HOUR)
    predict(world, 30)
    go(world)
    assert world.store.label_account("m").expired == 1
    assert told(world)[-1].labelled == 30


def test_windows_that_waited_go_where_the_labels_stream_is_taken_away(world):
    predict(world, 0)
    label(world, 0, range(30))
    predict(world, 2)
    go(world)
    assert len(world.store.settled("m")) == 1
    world.models = (replace(MODEL, streams=MODEL.streams[:1]),)
    world.log = MemoryLog({TOPIC: 1})
    world.crash()
    for hour in (0, 0, 0, 5):
        predict(world, hour)
    go(world)
    assert len(world.store.settled("m")) == 1, "its labels may come back"
    predict(world, 9)
    go(world)
    assert world.store.settled("m") == []


def test_a_window_is_kept_while_its_labels_lie_unread(world):
    predict(world, 0)
    predict(world, 9)
    world.read_all()
    world.judge.sweep()
    label(world, 0)
    world.clock.advance(MINUTE)  # that all had been read is known no longer
    while world.labelling.sweep():
        pass
    assert START in [window.key.start for window in world.store.settled("m")]
    go(world)
    assert told(world)[-1].labelled == 40


def test_a_window_is_let_go_of_though_labels_of_others_come_all_the_time(world):
    predict(world, 0)
    label(world, 0)
    predict(world, 9)
    world.read_all()
    world.judge.sweep()
    original = world.store.unrevised

    def busy(model: str):  # type: ignore[no-untyped-def]
        label(world, 9, rows=[0])  # between joining and letting go
        world.read_all()
        return original(model)

    world.store.unrevised = busy  # type: ignore[method-assign]
    for _ in range(5):
        world.labelling.sweep()
        world.clock.advance(SECOND)
    assert world.store.fresh_numbers("m") is not None
    assert START not in [window.key.start for window in world.store.settled("m")]
    assert told(world)[-1].labelled == 40


def test_labels_of_ids_that_were_never_predicted_expire(world):
    label(world, 0)
    predict(world, 9)
    predict(world, 20)
    go(world)
    assert summed(world.store.label_account("m")) == (0, 0, 0, 40, 0)


def test_of_two_replicas_one_writes_each_round_and_each_revision(world):
    predict(world, 0)
    predict(world, 2)
    label(world, 0, wrong=4)
    world.read_all()
    world.judge.sweep()
    other = world.replica()
    other.read_all()
    original = world.store.record_join

    def late(done: JoinRound) -> bool:
        world.store.record_join = original  # type: ignore[method-assign]
        while other.labelling.sweep():
            pass
        return original(done)

    world.store.record_join = late  # type: ignore[method-assign]
    go(world)
    assert [(r.revision, r.value) for r in told(world)] == [(0, None), (1, 0.9)]
    assert summed(world.store.label_account("m")) == (40, 0, 0, 0, 0)


def test_a_crash_between_the_join_and_the_revision_loses_nothing(world):
    predict(world, 0)
    predict(world, 2)
    label(world, 0, wrong=4)
    world.read_all()
    world.judge.sweep()

    def crash(_model: object, _start: object, _windows: object) -> bool:
        raise RuntimeError("killed")

    world.labelling._reviser.revise = crash  # type: ignore[method-assign]
    world.labelling.sweep()
    assert world.store.label_account("m").matched == 40
    assert [r.revision for r in told(world)] == [0]
    assert "killed" in world.labelling.failing["m"]
    world.crash()
    go(world)
    assert [(r.revision, r.value) for r in told(world)] == [(0, None), (1, 0.9)]


# --- verdicts and incidents ----------------------------------------------------------------------------------


def test_a_drop_opens_an_incident_that_is_told_once_and_ends_with_windows_that_are_well_again(world, tmp_path):
    with_reference(world, tmp_path)
    for hour in range(5):
        predict(world, hour)
    go(world)
    assert world.store.open_incident("m") is None
    label(world, 0, wrong=4)
    label(world, 1, wrong=24)
    go(world)
    incident = world.store.open_incident("m")
    assert (incident.state, incident.checks, incident.since) == (IncidentState.FIRING, ("performance",), START + HOUR)
    assert [r.verdict for r in told(world, 1)] == [Verdict.INSUFFICIENT, Verdict.ALERT]
    label(world, 1, [3], after=2 * HOUR)
    world.clock.advance(REVISE_EVERY)
    go(world)
    assert [message.kind for message in world.store.deliveries()] == ["firing"], "a revision that says the same is not told again"
    label(world, 2, wrong=4)
    label(world, 3, wrong=4)
    go(world)
    ended = world.store.incident(incident.id)
    assert (ended.state, ended.good_windows) == (IncidentState.RESOLVED, 2)
    assert [message.kind for message in world.store.deliveries()] == ["firing", "resolved"]
    reasons = [event.reason for event in world.store.incident_events(incident.id)]
    assert reasons == [TransitionReason.FIRST_BAD_WINDOW, TransitionReason.OPEN_AFTER_REACHED, TransitionReason.RESOLVE_AFTER_REACHED]


def test_windows_whose_labels_have_not_come_do_not_end_an_incident_of_performance(world, tmp_path):
    with_reference(world, tmp_path)
    for hour in range(4):
        predict(world, hour)
    label(world, 0, wrong=24)
    go(world)
    incident = world.store.open_incident("m")
    assert incident is not None
    predict(world, 4)
    predict(world, 5)
    go(world)
    assert world.store.open_incident("m") == incident


def test_results_bear_the_rows_that_were_kept_where_a_sample_waits_for_labels(tmp_path):
    world = a_world(replace(MODEL, performance=replace(RULES, label_sample=0.5)))
    with_reference(world, tmp_path)
    predict(world, 0)
    predict(world, 2)
    label(world, 0, wrong=4)
    go(world)
    [window] = [kept for kept in world.store.settled("m") if kept.key.start == START]
    assert 10 <= window.rows < ROWS
    assert [(r.rows, r.labelled, r.estimated) for r in told(world)] == [(window.rows, 0, False), (window.rows, window.rows, False)]
    assert f"all {window.rows} rows labelled" in told(world)[-1].reason
    assert {r.rows for r in world.store.results(model="m", check=Check.VOLUME) if r.window_start == START} == {ROWS}


def test_too_few_labels_are_no_verdict(world, tmp_path):
    with_reference(world, tmp_path)
    predict(world, 0)
    predict(world, 1)
    label(world, 0, range(9), wrong=9)
    go(world)
    assert told(world)[-1].verdict is Verdict.INSUFFICIENT
    assert told(world)[-1].reason == "9 of 40 rows have a usable label, fewer than min_labelled 10"
    assert world.store.open_incident("m") is None


def test_an_alert_that_later_labels_take_back_is_followed_by_a_good_window(world, tmp_path):
    with_reference(world, tmp_path)
    for hour in range(3):
        predict(world, hour)
    label(world, 0, range(20), wrong=20)
    go(world)
    incident = world.store.open_incident("m")
    assert incident.state is IncidentState.FIRING
    label(world, 0, range(20), wrong=0, after=2 * HOUR)
    label(world, 0, range(20, 40))
    label(world, 1, wrong=4)
    go(world)
    assert [r.verdict for r in told(world)][1:] == [Verdict.ALERT, Verdict.OK]
    assert world.store.incident(incident.id).state is IncidentState.RESOLVED


def test_retraining_is_asked_for_once_realised_performance_keeps_dropping(tmp_path):
    world = a_world(replace(MODEL, retraining=RetrainingRules(when={"performance": 2}, cooldown=24 * HOUR)))
    with_reference(world, tmp_path)
    for hour in range(4):
        predict(world, hour)
    label(world, 0, wrong=24)
    go(world)
    assert world.store.retrainings() == []
    label(world, 1, wrong=24)
    label(world, 2, wrong=24)
    go(world)
    [asked] = world.store.retrainings()
    assert asked.reason == "performance alerted in 2 windows in a row"
    assert [message.receiver for message in world.store.deliveries()].count("ci") == 1


def test_retraining_is_asked_for_however_far_judging_is_ahead_of_the_labels(tmp_path):
    world = a_world(replace(MODEL, retraining=RetrainingRules(when={"performance": 2}, cooldown=24 * HOUR)))
    with_reference(world, tmp_path)
    for hour in range(60):
        predict(world, hour)
    go(world, labelled=False)
    for hour in range(5):
        label(world, hour, wrong=24 if hour in (2, 3) else 0)
    go(world)
    [asked] = world.store.retrainings()
    assert asked.reason == "performance alerted in 2 windows in a row"


def test_where_it_does_worst_is_told_of_all_rows_and_is_no_verdict(tmp_path):
    columns = (FEATURE, PREDICTION, Column(name="carrier", kind=Kind.CATEGORICAL, path="carrier"))
    model = replace(MODEL, columns=columns, segments=("carrier",), streams=(replace(MODEL.streams[0], columns=columns), MODEL.streams[1]))
    world = with_reference(a_world(model), tmp_path)
    for hour in (0, 2):
        for n in range(80):
            at = START + hour * HOUR + n * 40 * SECOND
            body = {"id": f"{hour}-{n}", "ts": at.isoformat(), "v": "1", "delay": 5.0, "late": n % 2, "carrier": "UA" if n < 40 else "AA"}
            world.log.append(P0, json.dumps(body).encode(), timestamp=STAMP)
    label(world, 0, range(80), wrong=30)
    go(world)
    [worst] = told(world, metric="worst_slice(accuracy)")
    assert (worst.segment, worst.verdict, worst.value, worst.revision, worst.estimated) == ("*", Verdict.OK, 0.25, 0, False)
    assert worst.reason.startswith("carrier=UA is the worst of 2 slices: accuracy 0.25 [")
    label(world, 0, range(80), after=2 * HOUR)
    go(world)
    again = told(world, metric="worst_slice(accuracy)")[-1]
    assert again.revision == 1
    assert again.reason.startswith("none of 2 slices is surely worse than the rest")


def test_a_window_that_cannot_be_revised_says_so(world):
    predict(world, 0)
    predict(world, 3)
    label(world, 0, wrong=4)
    damaged_at(world, "joined")
    go(world)
    assert told(world)[-1].verdict is Verdict.ERROR
    assert "bytes that nobody wrote" in told(world)[-1].reason


def test_labels_of_windows_that_another_replica_is_about_to_settle_are_not_taken_for_nobodys():
    """Labels are waited for for an hour, less than their window lasts: of no settled window, they would be late by now."""
    quick = replace(MODEL, window=24 * HOUR, performance=replace(RULES, label_delay=HOUR))
    world = a_world(quick)
    predict(world, 0)
    label(world, 0, wrong=4)
    predict(world, 25)
    world.read_all()
    world.judge.sweep()
    original = world.store.record_join

    def beaten(done: JoinRound) -> bool:
        world.store.record_join = original  # type: ignore[method-assign]
        original(JoinRound(model="m", number=done.number))
        return original(done)

    world.store.record_join = beaten  # type: ignore[method-assign]
    world.labelling.sweep()
    assert summed(world.store.label_account("m")) == (0, 0, 0, 0, 40)
    go(world)
    assert summed(world.store.label_account("m")) == (40, 0, 0, 0, 0)


DAMAGE = DecodeError("bytes that nobody wrote")


def damaged_at(world: World, verb: str, error: Exception = DAMAGE) -> None:
    """What the store has of the first window cannot be read by this verb."""
    original = getattr(world.store, verb)

    def damaged(model: str, key, *more):  # type: ignore[no-untyped-def]
        if key.start == START:
            raise error
        return original(model, key, *more)

    setattr(world.store, verb, damaged)


@pytest.mark.parametrize("verb", ["matches", "joined"])
def test_a_window_that_cannot_be_read_keeps_no_other_from_its_labels_nor_from_its_end(world, verb):
    predict(world, 0)
    predict(world, 1)
    predict(world, 3)
    label(world, 0, range(20))
    label(world, 1, range(20))
    go(world)
    damaged_at(world, verb)
    label(world, 0, wrong=4, after=2 * HOUR)
    label(world, 1, wrong=4, after=2 * HOUR)
    go(world)
    assert told(world, 1)[-1].value == 0.9
    predict(world, 20)
    go(world)
    assert world.labelling.failing == {}
    assert [window.key.start for window in world.store.settled("m") if window.key.start < START + 3 * HOUR] == []


def test_a_fault_of_ours_in_one_window_keeps_no_other_from_its_labels(world):
    for hour in (0, 1, 3):
        predict(world, hour)
    label(world, 0, range(20))
    label(world, 1, range(20))
    damaged_at(world, "joined", TypeError("no such number"))
    go(world)
    assert world.labelling.failing == {}
    assert told(world, 1)[-1].value == 1.0
    assert (told(world, 0)[-1].verdict, told(world, 0)[-1].reason) == (Verdict.ERROR, "could not be judged: TypeError: no such number")


def test_labels_that_cannot_be_read_keep_no_others_waiting(world):
    predict(world, 0)
    predict(world, 2)
    label(world, 0, range(20))
    world.read_all()
    label(world, 0, range(20, 40))
    world.read_all()
    original = world.store.label_chunks

    def damaged(model: str, *, fresh: bool, most: int):  # type: ignore[no-untyped-def]
        found = original(model, fresh=fresh, most=most)
        return [replace(chunk, labels=no_matches().labels, lost=20, damage="bytes") if chunk.number == 1 else chunk for chunk in found]

    world.store.label_chunks = damaged  # type: ignore[method-assign]
    go(world)
    assert told(world)[-1].labelled == 20
    assert summed(world.store.label_account("m")) == (20, 0, 0, 20, 0)


def test_predictions_that_cannot_be_read_keep_no_window_from_its_verdict():
    world = World(models=(replace(MODEL, streams=MODEL.streams[:1]),), log=MemoryLog({TOPIC: 1}))
    for hour in (0, 2, 4):
        predict(world, hour)
    damaged_at(world, "kept_chunks")
    go(world)
    assert world.judge.failing == {}
    assert {r.rows for r in world.store.results(model="m", check=Check.VOLUME) if r.window_start == START} == {ROWS}
    assert not told(world)
    assert told(world, 2)


def test_a_fault_of_ours_in_an_estimate_keeps_no_window_from_its_verdict(tmp_path):
    score = Column(name="p_late", kind=Kind.NUMERIC, role=Role.SCORE, path="p_late")
    columns = (FEATURE, PREDICTION, score)
    streams = (replace(MODEL.streams[0], columns=columns), MODEL.streams[1])
    world = a_world(replace(MODEL, columns=columns, streams=streams, performance=replace(RULES, metrics=("accuracy", "roc_auc"))))
    with_reference(world, tmp_path)
    predict(world, 0)
    predict(world, 2)
    original = world.store.kept_chunks

    def odd(model: str, key):  # type: ignore[no-untyped-def]
        return [replace(rows, scores=np.full((len(rows), 2), 0.5), classes=("a", "b", "1")) for rows in original(model, key)]

    world.store.kept_chunks = odd  # type: ignore[method-assign]
    go(world, labelled=False)
    assert world.judge.failing == {}
    found = world.store.results(model="m", check=Check.VOLUME)
    assert {(r.window_start, r.rows) for r in found} == {(START, ROWS), (START + HOUR, 0)}
