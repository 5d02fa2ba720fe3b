"""Wrong labels in the counts of labelled rows: by values, and beside rows whose labels are really wrong."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.drill.labels import flipped
from monitor.core.labels.labels import Joined
from monitor.core.performance.binary import BinaryCounts
from monitor.core.performance.metrics import metric_of
from monitor.core.performance.multiclass import MulticlassCounts
from monitor.core.performance.tally import Tally, tally_of
from monitor.core.rules import Task
from monitor.core.schema import CategoricalValues
from tests.core.performance_rows import RULES, binary_window, joined, regression_window, texts

NAMES = ("a", "b", "c")


def must(tally: Tally, share: float) -> Tally:
    found = flipped(tally, share)
    assert found is not None
    return found


def binary(rows: Joined) -> Tally:
    return tally_of(rows, Task.BINARY, RULES)


def test_the_confusion_of_two_classes_flips_to_the_row() -> None:
    """40 tp, 10 fn, 20 fp, 30 tn: a tenth of each label is wrong."""
    truth = [1] * 50 + [0] * 50
    said = [1] * 40 + [0] * 10 + [1] * 20 + [0] * 30
    found = must(binary(joined(texts(truth), texts(said))), 0.1).counts
    assert isinstance(found, BinaryCounts)
    assert (found.tp, found.fn, found.fp, found.tn) == (40 - 4 + 2, 10 - 1 + 3, 20 - 2 + 4, 30 - 3 + 1)
    assert found.labels == (50, 50)


def test_labels_without_a_prediction_flip_too() -> None:
    found = must(binary(joined(texts([1] * 20 + [0] * 10), texts([None] * 30))), 0.1).counts
    assert isinstance(found, BinaryCounts)
    assert (found.labels, found.tp + found.fp + found.fn + found.tn) == ((11, 19), 0)


@pytest.mark.parametrize("share", [0.05, 0.2])
def test_metrics_of_two_classes_are_those_of_rows_with_wrong_labels(share: float) -> None:
    rng = np.random.default_rng(4)
    rows = binary_window(rng, 40_000, sharp=2.0)
    assert isinstance(rows.labels, CategoricalValues)
    struck = rng.random(len(rows)) < share
    wrong = joined(CategoricalValues(codes=np.where(struck, 1 - rows.labels.codes, rows.labels.codes).astype(np.int32),
                                     dictionary=rows.labels.dictionary), rows.rows.prediction, rows.rows.scores)
    ours, theirs, before = must(binary(rows), share), binary(wrong), binary(rows)
    for name in ("accuracy", "f1", "precision", "recall", "roc_auc", "log_loss", "brier", "calibration_error"):
        metric = metric_of(name, {})
        changed = metric.of(theirs).value - metric.of(before).value
        assert metric.of(ours).value - metric.of(before).value == pytest.approx(changed, rel=0.1, abs=0.004), name
    assert isinstance(ours.counts, BinaryCounts)
    assert Tally.from_bytes(ours.to_bytes()) == ours


def several(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Truth, predictions and scores of three classes."""
    truth = rng.choice(3, n, p=[0.5, 0.3, 0.2])
    scores = rng.dirichlet([1, 1, 1], n) + 1.5 * np.eye(3)[truth]
    scores /= scores.sum(axis=1, keepdims=True)
    return truth, scores.argmax(axis=1), scores


def multiclass(truth: np.ndarray, said: np.ndarray, scores: np.ndarray) -> Tally:
    named = np.array(NAMES)
    return tally_of(joined(texts(list(named[truth])), texts(list(named[said])), scores, NAMES), Task.MULTICLASS, RULES)


@pytest.mark.parametrize("share", [0.05, 0.2])
def test_metrics_of_several_classes_are_those_of_rows_with_wrong_labels(share: float) -> None:
    rng = np.random.default_rng(5)
    truth, said, scores = several(rng, 40_000)
    weights = np.bincount(truth) / len(truth)
    struck = rng.random(len(truth)) < share
    others = np.array([rng.choice(3, p=np.where(np.arange(3) == i, 0, weights) / (1 - weights[i])) for i in truth[struck]])
    wrong = truth.copy()
    wrong[struck] = others
    before = multiclass(truth, said, scores)
    ours, theirs = must(before, share), multiclass(wrong, said, scores)
    assert (ours.usable, ours.rows) == (before.usable, before.rows)
    for name in ("accuracy", "f1_macro", "roc_auc", "log_loss"):
        metric = metric_of(name, {})
        changed = metric.of(theirs).value - metric.of(before).value
        assert metric.of(ours).value - metric.of(before).value == pytest.approx(changed, rel=0.15, abs=0.006), name
    assert Tally.from_bytes(ours.to_bytes()) == ours


def test_one_class_alone_has_no_other_to_be_taken_for() -> None:
    rows = joined(texts(["a"] * 9), texts(["a"] * 9))
    tally = tally_of(rows, Task.MULTICLASS, RULES, ["a"])
    assert must(tally, 0.5).counts == tally.counts


def test_numbers_have_no_classes_to_be_wrong_about() -> None:
    assert flipped(tally_of(regression_window(np.random.default_rng(1), 50), Task.REGRESSION, RULES), 0.1) is None


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 60), st.integers(0, 60), st.floats(0, 1))
def test_no_row_is_lost_whatever_the_share(tp: int, fp: int, fn: int, tn: int, share: float) -> None:
    truth = [1] * tp + [0] * fp + [1] * fn + [0] * tn
    said = [1] * (tp + fp) + [0] * (fn + tn)
    scores = np.linspace(0, 1, len(truth))
    tally = binary(joined(texts(truth), texts(said), scores))
    found = must(tally, share)
    assert isinstance(found.counts, BinaryCounts)
    assert isinstance(tally.counts, BinaryCounts)
    assert (found.usable, sum(found.counts.scores.totals)) == (tally.usable, sum(tally.counts.scores.totals))
    assert min(found.counts.tp, found.counts.fp, found.counts.fn, found.counts.tn, int(found.counts.scores.counts.min(initial=0))) >= 0
    assert all(0 <= positive <= rows for rows, positive in zip(*found.counts.calibration, strict=True))
    assert must(tally, 0.0) == tally


def test_multiclass_without_scores_flips_its_cells() -> None:
    truth, said, _ = several(np.random.default_rng(2), 1000)
    named = np.array(NAMES)
    tally = tally_of(joined(texts(list(named[truth])), texts(list(named[said]))), Task.MULTICLASS, RULES)
    found = must(tally, 0.1).counts
    assert isinstance(found, MulticlassCounts)
    assert isinstance(tally.counts, MulticlassCounts)
    wrong = sum(max(n - found.cells.get(cell, 0), 0) for cell, n in tally.counts.cells.items())
    assert 40 < wrong <= 100
    assert found.sums == tally.counts.sums
