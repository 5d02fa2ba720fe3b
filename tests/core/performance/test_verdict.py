"""Decay verdicts: what is told, what alerts, and how often it does so for nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from monitor.core.drift.calibration import SHARE_OF_BUDGET, WITH_PERFORMANCE, alpha_per_window, budget_shares
from monitor.core.labels.labels import Joined
from monitor.core.performance.calibration_shift import judge_calibration
from monitor.core.performance.change import change_of
from monitor.core.performance.estimators import READERS
from monitor.core.performance.intervals import Measured
from monitor.core.performance.label_shift import LabelShift
from monitor.core.performance.learn import classes_in, learn_part
from monitor.core.performance.metrics import METRICS, Undefined
from monitor.core.performance.part import PartWindows, PerformancePart, without_freaks
from monitor.core.performance.tally import Tally, tally_of
from monitor.core.performance.verdict import judge_performance, judge_tally
from monitor.core.profile.canonical import parse, readable
from monitor.core.results import Check, Verdict
from monitor.core.rules import Budget, Model, PerformanceRules, Stream, StreamKind, Task
from monitor.core.schema import Column, Kind, Role
from monitor.errors import DecodeError
from tests.core.performance_rows import binary_window, joined, numbers, regression_window, texts

DAY = timedelta(days=1)
BUDGET = Budget(alarms=1, per=timedelta(days=30))
ALPHA = alpha_per_window(BUDGET, DAY) * WITH_PERFORMANCE[Check.PERFORMANCE]
CLASSES = {Task.BINARY: ("false", "true", "0", "1"), Task.REGRESSION: ()}
N = 2000


def model(task: Task, *metrics: str, max_drop: float = 0.03, **rules) -> Model:
    kind = Kind.NUMERIC if task is Task.REGRESSION else Kind.CATEGORICAL
    label = Column(name="came", kind=kind, role=Role.LABEL)
    return Model(
        name="m", task=task, window=DAY, allowed_lateness=timedelta(0), min_rows=100, dedupe=False, columns=(),
        streams=(Stream(kind=StreamKind.LABELS, topic="l", columns=(label,)),),
        performance=PerformanceRules(metrics=metrics, max_drop=max_drop, label_delay=DAY, **rules),
    )  # fmt: skip


def part_of(task: Task, windows: Sequence[Joined]) -> PerformancePart:
    classes, positive = classes_in(task, None, CLASSES[task])
    tallies = [tally_of(window, task, PerformanceRules(metrics=(), max_drop=0, label_delay=DAY), known=classes) for window in windows]
    total = Tally.empty(task)
    for tally in tallies:
        total = total.merge(tally)
    return learn_part(total, tallies, CLASSES[task], positive)


def binary_part(seed: int = 0, windows: int = 20, **how) -> PerformancePart:
    rng = np.random.default_rng(seed)
    return part_of(Task.BINARY, [binary_window(rng, N, **how) for _ in range(windows)])


def of(findings, metric, check=Check.PERFORMANCE):
    return next(finding for finding in findings if (finding.metric, finding.check) == (metric, check))


# --- what is said --------------------------------------------------------------------------------------------


def test_a_drop_beyond_max_drop_and_chance_alerts_in_plain_words():
    window = binary_window(np.random.default_rng(9), N, sharp=0.6, labelled=0.63)
    found = of(judge_performance(window, binary_part(sharp=1.0), model(Task.BINARY, "roc_auc"), ALPHA), "roc_auc")
    assert found.verdict is Verdict.ALERT
    assert found.reason.startswith("roc_auc 0.66") or found.reason.startswith("roc_auc 0.6")
    assert "lower, max_drop 0.03; 6" in found.reason
    assert found.reason.endswith(" % of 2,000 rows labelled")
    assert found.ci_low < found.value < found.ci_high < found.threshold
    assert found.p_value < ALPHA
    assert found.estimated is False
    assert 1200 < found.labelled < 1320


def test_an_improvement_is_ok_and_said_so():
    window = binary_window(np.random.default_rng(9), N, sharp=1.5)
    found = of(judge_performance(window, binary_part(sharp=1.0), model(Task.BINARY, "roc_auc", "log_loss"), ALPHA), "roc_auc")
    assert found.verdict is Verdict.OK
    assert "higher, which is better; all 2,000 rows labelled" in found.reason


def test_a_change_within_max_drop_is_ok_however_sure():
    window = binary_window(np.random.default_rng(9), 200_000, sharp=0.95)
    found = of(judge_performance(window, binary_part(sharp=1.0, windows=40), model(Task.BINARY, "roc_auc"), ALPHA), "roc_auc")
    assert found.p_value < ALPHA
    assert found.verdict is Verdict.OK
    assert "lower, within max_drop 0.03" in found.reason


def test_a_large_change_of_few_rows_may_be_chance():
    window = binary_window(np.random.default_rng(4), 100, sharp=0.8)
    found = of(judge_performance(window, binary_part(sharp=1.0), model(Task.BINARY, "roc_auc"), ALPHA), "roc_auc")
    assert found.verdict is Verdict.OK
    assert "more than max_drop 0.03, but chance may make as much (p 0." in found.reason


@pytest.mark.parametrize(("task", "window", "metric"), [
    (Task.BINARY, lambda rng, n: binary_window(rng, n, labelled=0.0), "roc_auc"),
    (Task.REGRESSION, lambda rng, n: joined(numbers([np.nan] * n), numbers(rng.normal(0, 1, n))), "mae"),
])
def test_no_labels_yet_is_not_zero(task, window, metric):
    found = judge_performance(window(np.random.default_rng(0), N), None, model(task, metric), ALPHA)
    assert [(one.verdict, one.reason, one.value) for one in found] == [
        (Verdict.INSUFFICIENT, "0 of 2,000 rows labelled: no labels yet", None)
    ]


def test_few_labels_are_insufficient_with_the_count_and_what_was_odd():
    rows = joined(texts([1, 0] * 20 + ["x"] * 3 + [None] * 57), texts([1, 0] * 50))
    found = of(judge_performance(rows, binary_part(windows=1), model(Task.BINARY, "f1"), ALPHA), "f1")
    assert found.verdict is Verdict.INSUFFICIENT
    assert found.reason == ("40 of 100 rows have a usable label, fewer than min_labelled 100; "
                            "left out: 3 labels of a class that neither the reference nor the predictions know")


def test_one_class_only_is_insufficient_and_says_so():
    rows = joined(texts([1] * 200), texts([1, 0] * 100), np.linspace(0, 1, 200))
    found = of(judge_performance(rows, binary_part(windows=1), model(Task.BINARY, "roc_auc"), ALPHA), "roc_auc")
    assert (found.verdict, found.value) == (Verdict.INSUFFICIENT, None)
    assert "roc_auc is not defined here: one class only: all 200 labelled rows with a score are positive; all 200 rows" in found.reason


def test_without_a_reference_the_value_is_told_and_not_judged():
    window = binary_window(np.random.default_rng(1), N)
    found = judge_performance(window, None, model(Task.BINARY, "roc_auc"), ALPHA)
    assert [(one.metric, one.verdict) for one in found] == [("roc_auc", Verdict.SKIPPED)]
    assert found[0].value is not None
    assert found[0].ci_low < found[0].value < found[0].ci_high
    assert "the reference says nothing of performance: build it from data with prediction, score and label" in found[0].reason


def test_what_the_reference_lacks_is_said():
    part = part_of(Task.BINARY, [joined(texts([True, False] * 100), texts([1, 0] * 100))])
    found = judge_performance(binary_window(np.random.default_rng(1), N), part, model(Task.BINARY, "roc_auc"), ALPHA)
    assert "the reference has none: no labelled row has a score" in of(found, "roc_auc").reason
    assert [one.metric for one in found] == ["roc_auc", "tvd"]  # calibration was not asked for


def test_a_metric_that_is_none_is_skipped_and_a_model_that_asks_nothing_hears_nothing():
    window = binary_window(np.random.default_rng(1), N)
    assert of(judge_performance(window, None, model(Task.BINARY, "gini"), ALPHA), "gini").verdict is Verdict.SKIPPED
    assert judge_performance(window, None, replace(model(Task.BINARY, "f1"), performance=None), ALPHA) == []
    assert judge_tally(Tally.empty(Task.BINARY), None, replace(model(Task.BINARY, "f1"), performance=None), ALPHA) == []


def test_an_unknown_positive_class_is_skipped_with_the_key_to_set():
    rows = joined(texts(["good", "bad"] * 100), texts(["good", "bad"] * 100))
    found = judge_performance(rows, None, model(Task.BINARY, "f1"), ALPHA)
    assert found[0].verdict is Verdict.SKIPPED
    assert "name it in performance.positive" in found[0].reason


def test_a_reference_of_another_task_or_without_classes_is_none():
    window, rules = binary_window(np.random.default_rng(1), N), model(Task.BINARY, "f1")
    other = part_of(Task.REGRESSION, [regression_window(np.random.default_rng(1), N)])
    found = judge_performance(window, other, rules, ALPHA)
    assert [(one.metric, one.verdict) for one in found] == [("f1", Verdict.SKIPPED)]
    assert "the reference is that of a regression model" in found[0].reason
    nobody = replace(binary_part(windows=1), tally=replace(Tally.empty(Task.BINARY), fault="the positive class is not known"), classes=())
    assert "of the reference the positive class is not known" in judge_performance(window, nobody, rules, ALPHA)[0].reason
    tally = tally_of(window, Task.BINARY, rules.performance)
    with pytest.raises(Undefined, match="only scores of a binary model"):
        judge_calibration(tally, other, METRICS["brier"].of(tally), 0.03, ALPHA)
    with pytest.raises(ValueError, match="labels of two tasks"):
        LabelShift(tally, other.tally, (), ())


def test_one_broken_metric_takes_no_other_down(monkeypatch):
    def broken(counts):
        raise ZeroDivisionError("by zero")

    monkeypatch.setitem(METRICS, "f1", replace(METRICS["f1"], binary=broken))
    monkeypatch.setattr(LabelShift, "judge", lambda *_: broken(None))
    found = judge_performance(binary_window(np.random.default_rng(1), N), binary_part(windows=1), model(Task.BINARY, "f1", "recall"), ALPHA)
    assert [(one.metric, one.verdict) for one in found] == [
        ("f1", Verdict.ERROR), ("recall", Verdict.OK), ("calibration_error", Verdict.OK), ("drift", Verdict.ERROR)
    ]
    assert found[0].reason == "f1 failed: by zero"


@pytest.mark.parametrize("n", [1, 2, 3, 100, 100_000])
@pytest.mark.parametrize("kind", ["one class", "certain", "always wrong", "no scores"])
def test_whatever_the_rows_are_every_finding_is_sound(n, kind):
    truth = np.zeros(n, dtype=bool) if kind == "one class" else np.arange(n) % 2 == 0
    scores = {"certain": truth, "always wrong": ~truth, "one class": np.full(n, 0.2)}.get(kind)
    rows = joined(texts(list(truth)), texts([int(one) for one in truth]), None if scores is None else scores.astype(float))
    rules = model(Task.BINARY, *ALL_BINARY, "value", "calibration_error", value={"tp": 1.0}, min_labelled=1)
    for part in (part_of(Task.BINARY, [rows] * 4), binary_part(windows=3), None):
        for found in judge_performance(rows, part, rules, ALPHA):
            assert found.verdict is not Verdict.ERROR, found
            numbers_of = [found.value, found.threshold, found.p_value, found.ci_low, found.ci_high]
            assert all(np.isfinite(one) for one in numbers_of if one is not None), found


def test_an_estimator_is_read_by_its_kind(monkeypatch):
    class Kept:
        def document(self):
            return {"kind": "kept"}

        def __eq__(self, other):
            return isinstance(other, Kept)

        __hash__ = None

    part = replace(binary_part(windows=1), estimator=Kept())
    fields = parse(readable(part.document()), "performance")
    with pytest.raises(DecodeError, match=r"performance\.estimator\.kind: expected one of"):
        PerformancePart.of(fields)
    monkeypatch.setitem(READERS, "kept", lambda _: Kept())
    assert PerformancePart.of(fields) == part


def test_errors_are_judged_by_their_relative_rise():
    rng = np.random.default_rng(0)
    part = part_of(Task.REGRESSION, [regression_window(rng, N) for _ in range(10)])
    found = judge_performance(regression_window(rng, N, spread=6.5), part, model(Task.REGRESSION, "rmse", max_drop=0.1), ALPHA)
    assert found[0].verdict is Verdict.ALERT
    assert " % higher, max_drop 10 %; all 2,000 rows labelled" in found[0].reason
    assert found[0].threshold == pytest.approx(5.5, abs=0.15)


@pytest.mark.parametrize("shift", [-1.5, 1.5])
def test_a_mean_error_alerts_on_either_side(shift):
    rng = np.random.default_rng(0)
    part = part_of(Task.REGRESSION, [regression_window(rng, N) for _ in range(10)])
    rules = model(Task.REGRESSION, "mean_error", max_drop=0.1)
    found = judge_performance(regression_window(rng, N, shift=shift), part, rules, ALPHA)[0]
    assert found.verdict is Verdict.ALERT
    assert f"of the reference's mean absolute error {'higher' if shift > 0 else 'lower'}, max_drop 10 %" in found.reason
    assert (found.threshold > 0) == (shift > 0)
    assert judge_performance(regression_window(rng, N), part, rules, ALPHA)[0].verdict is Verdict.OK


def test_a_perfect_model_that_errs_alerts_and_one_that_does_not_is_ok():
    exact = joined(numbers(np.arange(200.0)), numbers(np.arange(200.0)))
    part = part_of(Task.REGRESSION, [exact])
    assert judge_performance(exact, part, model(Task.REGRESSION, "mae", "r2"), ALPHA)[0].verdict is Verdict.OK
    off = joined(numbers(np.arange(200.0)), numbers(np.arange(200.0) + 0.5))
    assert judge_performance(off, part, model(Task.REGRESSION, "mae"), ALPHA)[0].verdict is Verdict.ALERT


def test_the_value_of_predictions_is_judged():
    window = binary_window(np.random.default_rng(3), 5000, sharp=0.2)
    rules = model(Task.BINARY, "value", max_drop=0.2, value={"tp": 10, "fp": -3, "fn": -1})
    found = of(judge_performance(window, binary_part(sharp=1.5), rules, ALPHA), "value")
    assert found.verdict is Verdict.ALERT
    assert " % lower, max_drop 20 %" in found.reason


# --- labels and calibration ----------------------------------------------------------------------------------


def test_labels_that_come_in_other_shares_are_label_drift():
    window = binary_window(np.random.default_rng(3), N, base=0.45)
    found = of(judge_performance(window, binary_part(base=0.3), model(Task.BINARY, "roc_auc"), ALPHA), "tvd", Check.DRIFT)
    assert (found.column, found.verdict) == ("came", Verdict.ALERT)
    assert "positive is 4" in found.reason
    assert "of the labels, 30 % in the reference" in found.reason


def test_numbers_that_come_otherwise_are_label_drift():
    rng = np.random.default_rng(3)
    part = part_of(Task.REGRESSION, [regression_window(rng, N) for _ in range(10)])
    rules = model(Task.REGRESSION, "mae")
    usual = of(judge_performance(regression_window(rng, N), part, rules, ALPHA), "ks", Check.DRIFT)
    assert (usual.verdict, usual.column) == (Verdict.OK, "came")
    moved = joined(numbers(rng.gamma(5.0, 10.0, N)), numbers(rng.gamma(5.0, 10.0, N)))
    assert of(judge_performance(moved, part, rules, ALPHA), "ks", Check.DRIFT).verdict is Verdict.ALERT
    single = replace(part, windows=PartWindows())
    assert "of chance" in of(judge_performance(moved, single, rules, ALPHA), "ks", Check.DRIFT).reason


def too_sure(rows: Joined) -> Joined:
    """The same order of scores, all of them further from the middle."""
    odds = (rows.rows.scores / (1 - rows.rows.scores)) ** 2
    return replace(rows, rows=replace(rows.rows, scores=odds / (1 + odds)))


@pytest.mark.parametrize(("asked", "verdict"), [(("roc_auc",), Verdict.WARN), (("roc_auc", "calibration_error"), Verdict.ALERT)])
def test_scores_that_mean_something_else_are_calibration_drift(asked, verdict):
    window = too_sure(binary_window(np.random.default_rng(5), N, sharp=1.5))
    found = judge_performance(window, binary_part(sharp=1.5), model(Task.BINARY, *asked), ALPHA)
    assert of(found, "calibration_error").verdict is verdict
    assert "expected of the reference's calibration and so few rows" in of(found, "calibration_error").reason
    assert of(found, "roc_auc").verdict is Verdict.OK  # their order is the same


def test_what_was_badly_calibrated_before_is_no_drift():
    rng = np.random.default_rng(5)
    part = part_of(Task.BINARY, [too_sure(binary_window(rng, N, sharp=1.5)) for _ in range(5)])
    found = of(judge_performance(too_sure(binary_window(rng, N, sharp=1.5)), part, model(Task.BINARY, "calibration_error"), ALPHA),
               "calibration_error")
    assert found.verdict is Verdict.OK
    assert found.value > 0.03


# --- how often -----------------------------------------------------------------------------------------------

ALL_BINARY = ("roc_auc", "average_precision", "f1", "accuracy", "precision", "recall", "log_loss", "brier", "mcc")
ALL_REGRESSION = ("mae", "rmse", "mape", "mean_error", "r2", "error_p90")


@pytest.mark.parametrize(("task", "metrics", "draw"), [
    (Task.BINARY, ALL_BINARY, lambda rng: binary_window(rng, N)),
    (Task.REGRESSION, ALL_REGRESSION, lambda rng: regression_window(rng, N)),
])
def test_200_stationary_windows_keep_to_the_budget(task, metrics, draw):
    rng = np.random.default_rng(11)
    part, rules = part_of(task, [draw(rng) for _ in range(20)]), model(task, *metrics, max_drop=1e-6)  # chance alone must hold
    alarms = [any(one.verdict in (Verdict.ALERT, Verdict.WARN) for one in judge_performance(draw(rng), part, rules, ALPHA))
              for _ in range(200)]
    assert sum(alarms) <= 5  # 200 windows of this check's budget make 1.3; 5 are passed by chance once in 130


@pytest.mark.parametrize("spread", [0.02, 0.05])
def test_a_model_that_varies_from_window_to_window_keeps_to_the_budget(spread):
    rng = np.random.default_rng(12)

    def draw():
        return binary_window(rng, N, sharp=1.0 + 5 * spread * rng.normal())

    part, rules = part_of(Task.BINARY, [draw() for _ in range(30)]), model(Task.BINARY, "roc_auc", max_drop=1e-6)
    alarms = [of(judge_performance(draw(), part, rules, ALPHA), "roc_auc").verdict is Verdict.ALERT for _ in range(200)]
    assert sum(alarms) <= 5
    without = replace(part, windows=PartWindows())
    noisy = [of(judge_performance(draw(), without, rules, ALPHA), "roc_auc").verdict is Verdict.ALERT for _ in range(100)]
    assert sum(noisy) > 5  # what it would be if the windows taught nothing


@pytest.mark.parametrize("windows", [3, 5, 10])
def test_few_reference_windows_make_few_false_alarms_more(windows):
    """Drawn by hand: values of a metric that vary half by sampling, as much again from window to window."""
    sampling, rng, alpha = 0.01**2, np.random.default_rng(15), 0.01
    alarms = 0
    for _ in range(2000):
        values = rng.normal(0.8, np.sqrt(2 * sampling), windows)
        part = PartWindows(values={"roc_auc": tuple(values)}, sampling={"roc_auc": sampling})
        here, there = (Measured(value=float(value), variance=variance, low=0, high=1, n=N)
                       for value, variance in ((rng.normal(0.8, np.sqrt(2 * sampling)), sampling), (values.mean(), sampling / windows)))
        whole = PerformancePart(tally=Tally.empty(Task.BINARY), windows=part)
        alarms += change_of(METRICS["roc_auc"], here, there, whole, 1e-6, alpha).alerts
    assert alarms / 2000 < 1.5 * alpha  # three standard errors of the count are .7


def test_p_values_are_those_of_chance():
    rng = np.random.default_rng(13)
    part, rules = binary_part(windows=50), model(Task.BINARY, "roc_auc", max_drop=1e-6)
    p = [of(judge_performance(binary_window(rng, N), part, rules, ALPHA), "roc_auc").p_value for _ in range(200)]
    assert 0.04 < np.mean(np.array(p) < 0.1) < 0.17
    assert 0.40 < np.mean(np.array(p) < 0.5) < 0.60


@pytest.mark.parametrize(("task", "metric", "max_drop", "bad"), [
    (Task.BINARY, "roc_auc", 0.03, lambda rng: binary_window(rng, N, sharp=0.74)),  # .760 to .700
    (Task.REGRESSION, "rmse", 0.05, lambda rng: regression_window(rng, N, spread=5.5)),
])
def test_a_true_drop_of_twice_max_drop_is_caught_within_three_windows(task, metric, max_drop, bad):
    rng = np.random.default_rng(14)
    good = (lambda: binary_window(rng, N)) if task is Task.BINARY else (lambda: regression_window(rng, N))
    part, rules = part_of(task, [good() for _ in range(20)]), model(task, metric, max_drop=max_drop)
    for _ in range(20):
        assert any(of(judge_performance(bad(rng), part, rules, ALPHA), metric).verdict is Verdict.ALERT for _ in range(3))


# --- the part, the budget ------------------------------------------------------------------------------------


def test_one_freak_window_does_not_blind():
    values = np.array([0.8, 0.81, 0.79, 0.8, 0.805, 0.795, 0.8, 0.81, 0.79, 0.3])
    assert 0.3 not in without_freaks(values)
    assert len(without_freaks(values[:9])) == 9
    assert len(without_freaks(np.ones(20))) == 20


def test_a_part_comes_back_from_its_document():
    for task, draw in ((Task.BINARY, binary_window), (Task.REGRESSION, regression_window)):
        part = part_of(task, [draw(np.random.default_rng(0), 300) for _ in range(3)])
        assert PerformancePart.of(parse(readable(part.document()), "reference.performance")) == part


def test_the_budget_of_others_is_untouched_where_no_performance_is_asked_for():
    asks = model(Task.BINARY, "f1")
    assert budget_shares(replace(asks, performance=None)) == SHARE_OF_BUDGET
    assert budget_shares(asks)[Check.PERFORMANCE] == 0.2
    assert sum(WITH_PERFORMANCE.values()) == pytest.approx(1) == sum(SHARE_OF_BUDGET.values())
