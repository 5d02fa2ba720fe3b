"""Every metric against scikit-learn on the same rows."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from monitor.core.labels.labels import Joined
from monitor.core.performance.classes import classes_of
from monitor.core.performance.metrics import METRICS, Better, Undefined, metric_names, metric_of
from monitor.core.performance.tally import tally_and_rows, tally_of
from monitor.core.rules import Task
from tests.core.performance_rows import RULES, binary_window, joined, numbers, regression_window, texts

EXACT = 1e-9
BINNED = 1e-3
NEEDS_NO_SKLEARN = {"calibration_error", "value"}  # it has no such function: by hand below

BINARY = {
    "accuracy": lambda y, p, s: sk.accuracy_score(y, p),
    "balanced_accuracy": lambda y, p, s: sk.balanced_accuracy_score(y, p),
    "precision": lambda y, p, s: sk.precision_score(y, p),
    "recall": lambda y, p, s: sk.recall_score(y, p),
    "f1": lambda y, p, s: sk.f1_score(y, p),
    "mcc": lambda y, p, s: sk.matthews_corrcoef(y, p),
    "log_loss": lambda y, p, s: sk.log_loss(y, s),
    "brier": lambda y, p, s: sk.brier_score_loss(y, s),
    "roc_auc": lambda y, p, s: sk.roc_auc_score(y, s),
    "average_precision": lambda y, p, s: sk.average_precision_score(y, s),
}
MULTICLASS = {
    "accuracy": lambda y, p, s: sk.accuracy_score(y, p),
    "balanced_accuracy": lambda y, p, s: sk.balanced_accuracy_score(y, p),
    "precision": lambda y, p, s: sk.precision_score(y, p, average="macro", zero_division=0),
    "recall": lambda y, p, s: sk.recall_score(y, p, average="macro", zero_division=0),
    "f1": lambda y, p, s: sk.f1_score(y, p, average="macro"),
    "f1_macro": lambda y, p, s: sk.f1_score(y, p, average="macro"),
    "f1_weighted": lambda y, p, s: sk.f1_score(y, p, average="weighted"),
    "mcc": lambda y, p, s: sk.matthews_corrcoef(y, p),
    "log_loss": lambda y, p, s: sk.log_loss(y, s),
    "roc_auc": lambda y, p, s: sk.roc_auc_score(y, s, multi_class="ovr", average="macro"),
}
REGRESSION = {
    "mae": sk.mean_absolute_error,
    "mse": sk.mean_squared_error,
    "rmse": sk.root_mean_squared_error,
    "mape": sk.mean_absolute_percentage_error,
    "r2": sk.r2_score,
    "mean_error": lambda y, p: math.fsum(p - y) / len(y),
}
BINNED_METRICS = {"roc_auc", "average_precision"}


def test_every_metric_of_the_table_is_compared():
    known = {Task.BINARY: BINARY, Task.MULTICLASS: MULTICLASS, Task.REGRESSION: REGRESSION}
    for task, compared in known.items():
        missing = set(metric_names(task)) - set(compared) - NEEDS_NO_SKLEARN
        assert {name for name in missing if not name.startswith("error_p")} == set()


def test_the_names_that_the_settings_accept_are_kept():
    from monitor.settings.crosscheck import BINARY as FOR_BINARY
    from monitor.settings.crosscheck import CLASSIFICATION
    from monitor.settings.crosscheck import REGRESSION as FOR_REGRESSION

    assert {*FOR_BINARY, *CLASSIFICATION} <= set(metric_names(Task.BINARY))
    assert set(CLASSIFICATION) <= set(metric_names(Task.MULTICLASS))
    assert set(FOR_REGRESSION) <= set(metric_names(Task.REGRESSION))


# --- binary --------------------------------------------------------------------------------------------------


def arrays(rows: Joined) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    truth = np.array([rows.labels.dictionary[code] == "true" for code in rows.labels.codes])
    predicted = np.array([rows.rows.prediction.dictionary[code] == "1" for code in rows.rows.prediction.codes])
    return truth, predicted, rows.rows.scores[:, 0]


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_binary_metric_is_that_of_scikit_learn(name, seed):
    rows = binary_window(np.random.default_rng(seed), 20_000, sharp=1.5)
    truth, predicted, scores = arrays(rows)
    found, usable = tally_and_rows(rows, Task.BINARY, classes_of(rows, Task.BINARY, RULES))
    expected = BINARY[name](truth, predicted, scores)
    assert len(found.counts.scores.bins) > 1000
    assert abs(METRICS[name].of(found).value - expected) < (BINNED if name in BINNED_METRICS else EXACT)
    exact = METRICS[name].exact(usable)
    assert (exact is None) == (name not in BINNED_METRICS)
    assert exact is None or abs(exact - expected) < EXACT


@pytest.mark.parametrize("base", [0.001, 0.05, 0.5, 0.95])
@pytest.mark.parametrize("name", sorted(BINNED_METRICS))
def test_bins_of_score_are_fine_enough_where_a_class_is_rare(name, base):
    rows = binary_window(np.random.default_rng(7), 50_000, sharp=1.0, base=base)
    truth, predicted, scores = arrays(rows)
    assert abs(METRICS[name].of(tally_of(rows, Task.BINARY, RULES)).value - BINARY[name](truth, predicted, scores)) < BINNED


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.sampled_from([0.0, 1e-9, 0.1, 0.25, 0.5, 0.75, 0.9, 1 - 1e-12, 1.0])),
                min_size=2, max_size=60))
def test_any_few_rows_with_ties_and_extremes_are_as_scikit_learn_has_them(found):
    truth, predicted, scores = (np.array(one) for one in zip(*found, strict=True))
    rows = joined(texts(list(truth)), texts(list(predicted)), scores)
    tally = tally_of(rows, Task.BINARY, RULES)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn warns where driftd says why it is not defined
        for name, theirs in BINARY.items():
            try:
                ours = METRICS[name].of(tally)
            except Undefined:
                continue
            labels = {"labels": [False, True]} if name == "log_loss" else {}
            expected = sk.log_loss(truth, scores, **labels) if labels else theirs(truth, predicted, scores)
            assert abs(ours.value - expected) < EXACT, name
            assert ours.low - EXACT <= ours.value <= ours.high + EXACT


def test_without_a_predicted_class_the_score_is_cut_in_the_middle():
    rows = joined(texts([True, False, True, False]), None, [0.5, 0.49, 0.2, 0.9])
    assert METRICS["accuracy"].of(tally_of(rows, Task.BINARY, RULES)).value == 0.5


def test_the_calibration_error_by_hand():
    scores = [0.05, 0.05, 0.05, 0.05, 0.95, 0.95]
    rows = joined(texts([False, False, False, True, True, False]), None, scores)
    assert METRICS["calibration_error"].of(tally_of(rows, Task.BINARY, RULES)).value == pytest.approx(4 / 6 * 0.20 + 2 / 6 * 0.45)


def test_the_calibration_error_is_the_sum_over_scikit_learns_curve():
    from sklearn.calibration import calibration_curve

    rows = binary_window(np.random.default_rng(5), 10_000, sharp=1.5)
    truth, _, scores = arrays(rows)
    true, said = calibration_curve(truth, scores, n_bins=10)
    weights = np.histogram(scores, np.linspace(0, 1, 11))[0]
    expected = float((weights[weights > 0] / weights.sum()) @ np.abs(true - said))
    assert METRICS["calibration_error"].of(tally_of(rows, Task.BINARY, RULES)).value == pytest.approx(expected, abs=EXACT)


def test_the_value_by_hand():
    rows = joined(texts([1, 1, 0, 0, 0]), texts([1, 0, 1, 0, 0]))
    found = metric_of("value", {"tp": 10, "fp": -3, "fn": -1}).of(tally_of(rows, Task.BINARY, RULES))
    assert found.value == pytest.approx((10 - 3 - 1) / 5)
    with pytest.raises(Undefined, match="does not say what a prediction is worth"):
        metric_of("value").of(tally_of(rows, Task.BINARY, RULES))


# --- multiclass ----------------------------------------------------------------------------------------------


def several(seed: int, n: int = 5000) -> tuple[np.ndarray, np.ndarray, np.ndarray, Joined]:
    rng = np.random.default_rng(seed)
    names = np.array(["ewr", "jfk", "lga", "swf"])
    scores = rng.dirichlet([2, 1, 3, 0.3], n)
    truth = (rng.random(n)[:, None] > np.cumsum(scores, axis=1)[:, :-1]).sum(axis=1)
    predicted = scores.argmax(axis=1)
    rows = joined(texts(names[truth]), texts(names[predicted]), scores, tuple(names))
    return names[truth], names[predicted], scores, rows


@pytest.mark.parametrize("name", MULTICLASS)
@pytest.mark.parametrize("seed", [1, 2])
def test_a_metric_of_several_classes_is_that_of_scikit_learn(name, seed):
    truth, predicted, scores, rows = several(seed)
    expected = MULTICLASS[name](truth, predicted, scores)
    found, usable = tally_and_rows(rows, Task.MULTICLASS, classes_of(rows, Task.MULTICLASS, RULES))
    assert abs(METRICS[name].of(found).value - expected) < (BINNED if name in BINNED_METRICS else EXACT)
    exact = METRICS[name].exact(usable)
    assert exact is None or abs(exact - expected) < EXACT


@pytest.mark.parametrize(("kind", "theirs"), [("precision", sk.precision_score), ("recall", sk.recall_score), ("f1", sk.f1_score)])
def test_a_metric_of_one_class_is_that_of_scikit_learn(kind, theirs):
    truth, predicted, _, rows = several(3)
    tally = tally_of(rows, Task.MULTICLASS, RULES)
    by_class = theirs(truth, predicted, average=None, labels=["ewr", "jfk", "lga", "swf"])
    for name, expected in zip(["ewr", "jfk", "lga", "swf"], by_class, strict=True):
        assert metric_of(f"{kind}[{name}]").of(tally).value == pytest.approx(expected, abs=EXACT)
    with pytest.raises(Undefined, match="is xyz or was predicted as it"):
        metric_of(f"{kind}[xyz]").of(tally)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("abcd")), min_size=1, max_size=50))
def test_any_few_rows_of_several_classes_are_as_scikit_learn_has_them(found):
    truth, predicted = zip(*found, strict=True)
    rows = joined(texts(truth), texts(predicted))
    tally = tally_of(rows, Task.MULTICLASS, RULES, ("a", "b", "c", "d"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in set(MULTICLASS) - {"log_loss", "roc_auc"}:
            try:
                ours = METRICS[name].of(tally)
            except Undefined:
                assert name == "mcc"
                continue
            assert abs(ours.value - MULTICLASS[name](truth, predicted, None)) < EXACT, name


def test_without_a_predicted_class_the_likeliest_counts():
    truth, predicted, scores, _ = several(4, 500)
    rows = joined(texts(truth), None, scores, ("ewr", "jfk", "lga", "swf"))
    assert METRICS["accuracy"].of(tally_of(rows, Task.MULTICLASS, RULES)).value == pytest.approx(sk.accuracy_score(truth, predicted))


# --- regression ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", REGRESSION)
@pytest.mark.parametrize("offset", [0.0, 1e6, -3e9])
def test_a_metric_of_numbers_is_that_of_scikit_learn(name, offset):
    rng = np.random.default_rng(1)
    truth = rng.gamma(4, 10, 5000) + offset
    predicted = truth + rng.standard_t(4, 5000)
    tally = tally_of(joined(numbers(truth), numbers(predicted)), Task.REGRESSION, RULES)
    expected = REGRESSION[name](truth, predicted)
    assert METRICS[name].of(tally).value == pytest.approx(expected, rel=EXACT, abs=EXACT)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(-1e60, 1e60), st.floats(-1e60, 1e60)), min_size=2, max_size=30))
def test_any_few_numbers_are_as_scikit_learn_has_them(found):
    truth, predicted = (np.array(one) for one in zip(*found, strict=True))
    tally = tally_of(joined(numbers(truth), numbers(predicted)), Task.REGRESSION, RULES)
    for name in ("mae", "mse", "rmse", "mape", "mean_error"):
        ours = METRICS[name].of(tally)
        assert ours.value == pytest.approx(REGRESSION[name](truth, predicted), rel=1e-9, abs=1e-300), name
        assert np.isfinite([ours.low, ours.high, ours.variance]).all()


@pytest.mark.parametrize("level", [50, 90, 95, 99])
def test_a_quantile_of_the_error_is_within_one_part_in_500(level):
    rows = regression_window(np.random.default_rng(3), 20_000)
    tally, usable = tally_and_rows(rows, Task.REGRESSION, classes_of(rows, Task.REGRESSION, RULES))
    sizes = np.abs(rows.rows.prediction.values - rows.labels.values)
    metric = METRICS[f"error_p{level}"]
    assert metric.of(tally).value == pytest.approx(np.quantile(sizes, level / 100), rel=1 / 500)
    assert metric.exact(usable) == pytest.approx(np.quantile(sizes, level / 100), rel=1e-12)


# --- not defined ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(METRICS))
@pytest.mark.parametrize("task", list(Task))
def test_a_metric_of_no_rows_says_why_it_is_none(name, task):
    empty = {Task.REGRESSION: joined(numbers([]), numbers([]))}.get(task, joined(texts([]), texts([]), []))
    with pytest.raises(Undefined, match=r"labelled|not defined for|does not say"):
        METRICS[name].of(tally_of(empty, task, RULES))


def test_what_one_class_does_not_tell_is_said():
    rows = joined(texts([1, 1, 1]), texts([1, 1, 0]), [0.2, 0.9, 0.7])
    tally, usable = tally_and_rows(rows, Task.BINARY, classes_of(rows, Task.BINARY, RULES))
    with pytest.raises(Undefined, match="one class only: all 3 labelled rows with a score are positive"):
        METRICS["roc_auc"].of(tally)
    with pytest.raises(Undefined, match="one class only"):
        METRICS["roc_auc"].exact(usable)
    assert METRICS["average_precision"].of(tally).value == 1.0
    with pytest.raises(Undefined, match="all 3 labelled rows are one class"):
        METRICS["mcc"].of(tally)
    negative = tally_of(joined(texts([0, 0]), texts([0, 0]), [0.1, 0.2]), Task.BINARY, RULES)
    for name, why in (("precision", "predicted as positive"), ("recall", "is positive"), ("average_precision", "one class only"),
                      ("f1", "is positive or was predicted")):
        with pytest.raises(Undefined, match=why):
            METRICS[name].of(negative)


def test_areas_of_too_many_classes_or_of_classes_that_came_later_are_not_told():
    names = tuple(f"c{i:02}" for i in range(51))
    rows = joined(texts(names), texts(names), np.full((51, 51), 1 / 51), names)
    tally, usable = tally_and_rows(rows, Task.MULTICLASS, classes_of(rows, Task.MULTICLASS, RULES))
    for look in (lambda: METRICS["roc_auc"].of(tally), lambda: METRICS["roc_auc"].exact(usable)):
        with pytest.raises(Undefined, match="not kept for more than 50 classes"):
            look()
    one, two = (joined(texts(names), texts(names), [[0.5, 0.5], [0.4, 0.6]], names) for names in (("a", "b"), ("b", "c")))
    both = tally_of(one, Task.MULTICLASS, RULES).merge(tally_of(two, Task.MULTICLASS, RULES))
    with pytest.raises(Undefined, match="a class was not known to a part of the rows"):
        METRICS["roc_auc"].of(both)
    unscored = joined(texts("ab"), texts("ab"))
    with pytest.raises(Undefined, match="no labelled row has a score"):
        METRICS["roc_auc"].exact(tally_and_rows(unscored, Task.MULTICLASS, classes_of(unscored, Task.MULTICLASS, RULES))[1])


def test_no_rows_have_no_quantile():
    empty = joined(numbers([]), numbers([]))
    with pytest.raises(Undefined, match="no labelled row has a predicted number"):
        METRICS["error_p90"].exact(tally_and_rows(empty, Task.REGRESSION, classes_of(empty, Task.REGRESSION, RULES))[1])


def test_equal_labels_have_no_r2():
    with pytest.raises(Undefined, match="all 3 labels are equal"):
        METRICS["r2"].of(tally_of(joined(numbers([2, 2, 2]), numbers([1, 2, 3])), Task.REGRESSION, RULES))


def test_labels_that_vary_by_nearly_nothing_have_no_r2():
    rows = joined(numbers([0.0, 1e-148]), numbers([1.0, 0.0]))
    with pytest.raises(Undefined, match="vary so little that no number holds it"):
        METRICS["r2"].of(tally_of(rows, Task.REGRESSION, RULES))


def test_an_unknown_metric_names_those_there_are():
    with pytest.raises(KeyError, match="'auc' is not a metric; there are accuracy, average_precision"):
        metric_of("auc")


def test_which_way_is_worse():
    assert {name for name, metric in METRICS.items() if metric.better is Better.NEITHER} == {"mean_error"}
    assert METRICS["rmse"].better is METRICS["log_loss"].better is METRICS["brier"].better is Better.LOWER
