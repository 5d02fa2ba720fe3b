"""The performance check without labels: the same rule as with them, marked as estimated, and a reason where nothing can be said."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from monitor.core.estimated.estimator import Nothing
from monitor.core.estimated.findings import NOT_BUILT, estimated_findings
from monitor.core.finding import Finding
from monitor.core.labels.labels import Joined
from monitor.core.performance.learn import learn_part
from monitor.core.performance.part import PerformancePart
from monitor.core.performance.tally import Tally, tally_of
from monitor.core.performance.verdict import NO_PART
from monitor.core.results import Check, Verdict
from monitor.core.rules import PerformanceRules, Task
from monitor.core.schema import NumericValues
from tests.core.estimating import (
    BINARY,
    NOBODY,
    SIDES,
    Day,
    draw_binary,
    draw_day,
    grid_of_days,
    labels_of,
    predicted_of,
    profile_of_days,
    taught_binary,
    taught_losses,
)

RULES = PerformanceRules(metrics=("roc_auc", "f1", "log_loss"), max_drop=0.03, label_delay=timedelta(days=30))
NUMBERS = replace(RULES, metrics=("mae", "rmse"), max_drop=0.2)
ALPHA = 1 / 300
WINDOWS = 200


def part_of(seed: int = 31, *, days: int = 40, rows: int = 1500) -> PerformancePart:
    """A reference of days whose scores are too small."""
    rng = np.random.default_rng(seed)
    drawn = [draw_binary(rng, rows, power=2) for _ in range(days)]
    tallies = []
    for scores, truth in drawn:
        joined = Joined(rows=predicted_of(scores), labels=labels_of(truth), times=np.zeros(rows, dtype=np.int64))
        tallies.append(tally_of(joined, Task.BINARY, RULES, known=SIDES))
    total = Tally.empty(Task.BINARY)
    for tally in tallies:
        total = total.merge(tally)
    scores, truth = (np.concatenate(column) for column in zip(*drawn, strict=True))
    estimator = taught_binary(scores, truth, np.repeat(np.arange(days), rows))
    return replace(learn_part(total, tallies, BINARY, "1"), estimator=estimator)


PART = part_of()


def judge(scores: np.ndarray, part: PerformancePart | None = PART, rules: PerformanceRules = RULES) -> dict[str, Finding]:
    found = estimated_findings(predicted_of(scores), None, part, rules, ALPHA)
    return {finding.metric: finding for finding in found}


def test_a_usual_window_is_ok_with_an_interval_and_marked_as_estimated() -> None:
    found = judge(draw_binary(np.random.default_rng(1), 2000, power=2)[0])
    assert list(found) == ["roc_auc", "f1", "log_loss"]
    for finding in found.values():
        assert (finding.check, finding.column, finding.verdict) == (Check.PERFORMANCE, None, Verdict.OK)
        assert (finding.estimated, finding.labelled) == (True, 0)
        assert finding.ci_low is not None
        assert finding.value is not None
        assert finding.ci_high is not None
        assert finding.ci_low < finding.value < finding.ci_high
    assert found["roc_auc"].reason.startswith("roc_auc estimated without labels 0.8")


def test_scores_that_crowd_where_they_tell_little_alert_before_any_label_comes() -> None:
    rng = np.random.default_rng(2)
    scores, truth = draw_binary(rng, 20_000, power=2)
    muddled = (scores > 0.05) & (scores < 0.35)
    found = judge(scores[muddled][:3000])["roc_auc"]
    from sklearn.metrics import roc_auc_score

    assert found.verdict is Verdict.ALERT
    assert found.value == pytest.approx(roc_auc_score(truth[muddled][:3000], scores[muddled][:3000]), abs=0.02)
    assert found.ci_high is not None
    assert found.threshold is not None
    assert found.ci_high < 0.8
    assert found.value < found.threshold
    assert "lower, max_drop 0.03" in found.reason


def test_200_windows_of_the_same_inputs_are_quiet() -> None:
    rng = np.random.default_rng(3)
    verdicts = [finding.verdict for _ in range(WINDOWS) for finding in judge(draw_binary(rng, 500, power=2)[0]).values()]
    assert set(verdicts) == {Verdict.OK}


def test_what_cannot_be_estimated_is_insufficient_with_the_reason_and_no_labels_yet() -> None:
    scores = draw_binary(np.random.default_rng(4), 2000, power=2)[0]
    for part, given, why in (
        (None, scores, NO_PART),
        (replace(PART, estimator=None), scores, NOT_BUILT),
        (replace(PART, estimator=Nothing(reason="one class only")), scores, "one class only"),
        (PART, scores[:50], "50 predictions, fewer than min_labelled 100"),
        (PART, scores + 1, "expected a score within [0, 1]"),
    ):
        for finding in judge(given, part).values():
            assert (finding.verdict, finding.value, finding.estimated, finding.labelled) == (Verdict.INSUFFICIENT, None, False, 0)
            assert finding.reason.startswith(f"0 of {len(given):,} rows labelled: no labels yet; no estimate without them: ")
            assert why in finding.reason


def test_an_unknown_metric_is_skipped_and_one_that_the_reference_lacks_too() -> None:
    scores = draw_binary(np.random.default_rng(5), 2000, power=2)[0]
    unknown = judge(scores, rules=replace(RULES, metrics=("speed",)))["speed"]
    assert unknown.verdict is Verdict.SKIPPED
    assert "is not a metric" in unknown.reason
    empty = judge(scores, replace(PART, tally=Tally.empty(Task.BINARY)))["f1"]
    assert empty.verdict is Verdict.SKIPPED
    assert empty.value is not None
    assert "the reference has none" in empty.reason


def test_intervals_stay_within_what_a_metric_can_be() -> None:
    rules = replace(RULES, metrics=("roc_auc", "recall", "mcc", "brier", "log_loss", "accuracy"))
    rng = np.random.default_rng(6)
    for _ in range(50):
        for finding in judge(draw_binary(rng, 100, power=2, shift=-1)[0], rules=rules).values():
            if finding.ci_low is not None and finding.ci_high is not None:
                assert finding.ci_low >= (-1 if finding.metric == "mcc" else 0), finding
                assert finding.metric == "log_loss" or finding.ci_high <= 1, finding


# --- numbers ---------------------------------------------------------------------------------------------------


def numbers_tally(day: Day) -> Tally:
    rows = replace(predicted_of(np.empty(len(day.truth))), prediction=NumericValues(values=day.predictions), scores=None)
    joined = Joined(rows=rows, labels=NumericValues(values=day.truth), times=np.zeros(len(day.truth), dtype=np.int64))
    return tally_of(joined, Task.REGRESSION, NUMBERS)


def test_a_regressor_whose_inputs_move_to_where_it_errs_more_alerts_before_any_label_comes() -> None:
    rng = np.random.default_rng(7)
    days = [draw_day(rng, 1000, shift=rng.normal(0, 0.1)) for _ in range(40)]
    grid, total = grid_of_days(days), Tally.empty(Task.REGRESSION)
    tallies = [numbers_tally(day) for day in days]
    for tally in tallies:
        total = total.merge(tally)
    part = replace(learn_part(total, tallies, (), ""), estimator=taught_losses(days, grid))
    for shift, verdict in ((0.0, Verdict.OK), (1.0, Verdict.ALERT), (-1.0, Verdict.OK)):
        day = draw_day(rng, 3000, shift=shift)
        rows = replace(NOBODY, ids=np.arange(3000).astype(np.uint64))
        for finding in estimated_findings(rows, profile_of_days(grid, day), part, NUMBERS, ALPHA):
            assert finding.verdict is verdict, (shift, finding)
            assert finding.value == pytest.approx(day.realised[finding.metric], rel=0.1)
            assert finding.estimated
