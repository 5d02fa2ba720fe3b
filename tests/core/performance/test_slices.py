"""The worst slice: found where there is one, and not made of luck where there is none."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np

from monitor.core.labels.labels import Joined
from monitor.core.performance.metrics import METRICS
from monitor.core.performance.slices import MOST_ROWS, judge_slices, judge_worst, slices_of
from monitor.core.results import Verdict
from monitor.core.rules import Model, PerformanceRules, Task
from monitor.core.schema import CategoricalValues
from tests.core.performance_rows import binary_window, regression_window

DAY = timedelta(days=1)
RULES = PerformanceRules(metrics=("accuracy",), max_drop=0.03, label_delay=DAY, min_labelled=50)
MODEL = Model(name="m", task=Task.BINARY, window=DAY, allowed_lateness=timedelta(0), min_rows=1, dedupe=False, streams=(), columns=(),
              performance=RULES)
ORIGINS, CARRIERS = ("EWR", "JFK", "LGA"), tuple("abcdefgh")


def with_segments(rows: Joined, rng: np.random.Generator) -> Joined:
    n = len(rows)
    segments = {
        "origin": CategoricalValues(codes=rng.integers(0, 3, n).astype(np.int32), dictionary=ORIGINS),
        "carrier": CategoricalValues(codes=rng.integers(0, 8, n).astype(np.int32), dictionary=CARRIERS),
    }
    return replace(rows, rows=replace(rows.rows, segments=segments))


def broken(rows: Joined, where: np.ndarray) -> Joined:
    """The predicted class of these rows is the other one."""
    prediction = rows.rows.prediction
    codes = np.where(where, 1 - prediction.codes, prediction.codes).astype(np.int32)
    return replace(rows, rows=replace(rows.rows, prediction=replace(prediction, codes=codes)))


def test_a_pair_that_is_broken_is_the_worst_slice():
    rng = np.random.default_rng(1)
    rows = with_segments(binary_window(rng, 8000), rng)
    segments = rows.rows.segments
    rows = broken(rows, (segments["origin"].codes == 1) & (segments["carrier"].codes == 2))
    found = judge_slices(rows, MODEL, "accuracy")
    assert found.verdict is Verdict.OK
    assert found.metric == "worst_slice(accuracy)"
    assert found.reason.startswith("carrier=c & origin=JFK is the worst of 35 slices: accuracy 0.2")
    assert found.value < 0.4


def test_metrics_of_slices_are_those_of_their_rows():
    rng = np.random.default_rng(2)
    rows = with_segments(binary_window(rng, 6000), rng)
    by_name = {one.name: one for one in slices_of(rows, MODEL, METRICS["accuracy"])}
    jfk = rows.rows.segments["origin"].codes == 1
    truth = np.array([text == "true" for text in np.array(rows.labels.dictionary)[rows.labels.codes]])
    right = (rows.rows.scores[:, 0] >= 0.5) == truth
    assert by_name["origin=JFK"].here.value == right[jfk].mean()
    assert by_name["origin=JFK"].rest.value == right[~jfk].mean()
    assert len(by_name) == 3 + 8 + 24


def test_of_alike_slices_none_is_surely_worse_and_the_gap_is_shrunk():
    lucky, told, plain, wrong = 0, [], [], 0
    for seed in range(60):
        rng = np.random.default_rng(100 + seed)
        found = slices_of(with_segments(binary_window(rng, 3000), rng), MODEL, METRICS["accuracy"])
        lucky += found[0].gap_low > 0
        worst = max(found, key=lambda one: one.gap)
        plain.append(worst.gap)
        told.append(worst.shrunk)
        wrong += not worst.gap_low <= 0 <= worst.gap_high
    assert lucky <= 5  # one side of 95 %: 1.5 of 60 are expected
    assert wrong <= 5
    assert np.mean(plain) > 0.05  # the largest of 35 gaps that are all chance
    assert np.mean(told) < np.mean(plain) / 4


def test_a_shrunk_gap_is_near_the_true_one():
    rng = np.random.default_rng(3)
    told = []
    for _ in range(30):
        rows = with_segments(binary_window(rng, 6000), rng)
        noise = rng.random(len(rows)) < 0.5
        rows = broken(rows, (rows.rows.segments["origin"].codes == 1) & noise)
        worst = slices_of(rows, MODEL, METRICS["accuracy"])[0]
        told.append((worst.name, worst.gap_low))
    assert {name for name, _ in told} == {"origin=JFK"}
    assert min(low for _, low in told) > 0.1


def test_errors_are_worse_where_they_are_larger():
    rng = np.random.default_rng(4)
    rows = with_segments(regression_window(rng, 6000), rng)
    bad = rows.rows.segments["carrier"].codes == 5
    prediction = replace(rows.rows.prediction, values=rows.rows.prediction.values + np.where(bad, rng.normal(0, 20, 6000), 0))
    rows = replace(rows, rows=replace(rows.rows, prediction=prediction))
    regression = replace(MODEL, task=Task.REGRESSION)
    assert slices_of(rows, regression, METRICS["mae"])[0].place == (("carrier", "f"),)
    assert slices_of(rows, regression, METRICS["mean_error"]) == ()


def test_slices_with_few_labels_or_no_such_metric_are_left_out():
    rng = np.random.default_rng(5)
    rows = with_segments(binary_window(rng, 400), rng)
    strict = replace(MODEL, performance=replace(RULES, min_labelled=300))
    found = judge_slices(rows, strict, "accuracy")
    assert (found.verdict, found.reason) == (
        Verdict.INSUFFICIENT, "no slice has 300 labelled rows, and 300 outside it, that tell accuracy"
    )
    assert judge_slices(binary_window(rng, 400), MODEL, "accuracy") is None
    assert judge_slices(rows, replace(MODEL, performance=None), "accuracy") is None
    assert slices_of(rows, replace(MODEL, performance=None), METRICS["accuracy"]) == ()
    one_class = with_segments(binary_window(rng, 400, base=1e-9), rng)
    assert slices_of(one_class, MODEL, METRICS["roc_auc"]) == ()


def test_the_worst_slice_is_looked_for_by_the_first_metric_that_has_a_worse_side():
    rng = np.random.default_rng(6)
    rows = with_segments(regression_window(rng, 2000), rng)
    regression = replace(MODEL, task=Task.REGRESSION, performance=replace(RULES, metrics=("no_such", "mean_error", "mae", "rmse")))
    assert judge_worst(rows, regression).metric == "worst_slice(mae)"
    assert judge_worst(rows, replace(regression, performance=replace(RULES, metrics=("mean_error",)))) is None
    assert judge_worst(rows, replace(regression, performance=None)) is None


def test_a_search_that_fails_is_a_finding_of_its_own(monkeypatch):
    def broken_down(*_: object) -> None:
        raise ValueError("too large")

    monkeypatch.setattr("monitor.core.performance.slices.slices_of", broken_down)
    rng = np.random.default_rng(7)
    found = judge_worst(with_segments(binary_window(rng, 400), rng), MODEL)
    assert (found.verdict, found.metric) == (Verdict.ERROR, "worst_slice(accuracy)")
    assert found.reason == "the worst slice could not be looked for: too large"


def test_of_many_labelled_rows_a_sample_is_searched_and_the_reason_says_so():
    rng = np.random.default_rng(8)
    rows = with_segments(binary_window(rng, 50_000, labelled=0.8), rng)
    rows = broken(rows, rows.rows.segments["origin"].codes == 1)
    found = judge_worst(rows, MODEL)
    assert found.reason.startswith("origin=JFK is the worst of 35 slices")
    assert found.reason.endswith(" labelled rows)")
    assert f"of a sample of {MOST_ROWS:,} of " in found.reason
    assert found.labelled < MOST_ROWS / 2.5


def test_of_many_slices_those_with_the_most_rows_are_searched(monkeypatch):
    rng = np.random.default_rng(9)
    rows = with_segments(binary_window(rng, 4000), rng)
    monkeypatch.setattr("monitor.core.performance.slices.MOST_COUNTED", 5 * 4000 + 1)
    names = {one.name for one in slices_of(rows, MODEL, METRICS["accuracy"])}
    assert len(names) == 5
    assert {"origin=EWR", "origin=JFK", "origin=LGA"} < names
