"""Scores that are none, classes that nobody knows, windows without rows: a reason, never a number that is none, never an exception."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.estimated.estimate import Estimate, said, unsaid
from monitor.core.estimated.estimator import Estimator, Nothing, taught
from monitor.core.estimated.score_fit import FEWEST_ROWS, MOST_CLASSES, ScoreFit
from monitor.core.labels.predicted import Predicted
from monitor.core.performance.classes import Classes
from monitor.core.performance.estimators import estimator_of
from monitor.core.profile import canonical
from monitor.core.schema import CategoricalValues, Floats, NumericValues
from monitor.errors import DecodeError
from tests.core.estimating import BINARY, MANY, SIDES, draw_binary, draw_many, labels_of, predicted_of, taught_binary, taught_many

METRICS = (
    "accuracy", "average_precision", "balanced_accuracy", "brier", "f1", "f1_macro", "f1_weighted", "log_loss", "mcc", "precision",
    "recall", "roc_auc", "value", "calibration_error", "f1[ape]", "nonsense",
)  # fmt: skip
RNG = np.random.default_rng(21)
TWO = taught(taught_binary(*draw_binary(RNG, 5000, power=2)))
THREE = taught(taught_many(*draw_many(RNG, 5000, sure=2)))


def estimate(estimator: Estimator, window: Predicted) -> Mapping[str, Estimate]:
    """All metrics, each either finite or with a reason."""
    found = estimator.estimate(window, None, METRICS)
    for name, one in found.items():
        if one.value is None:
            assert one.reason, name
            assert (one.sd, one.interval(0.05)) == (None, None), name
        else:
            assert not one.reason, name
            assert np.isfinite([one.value, one.sd or 0.0]).all(), name
    return found


def reason(estimator: Estimator, window: Predicted) -> str:
    """The one that all metrics share."""
    (only,) = {one.reason for one in estimate(estimator, window).values()}
    return only


@pytest.mark.parametrize("estimator", [TWO, THREE], ids=["binary", "many classes"])
def test_a_window_without_rows_or_without_scores_has_a_reason(estimator: Estimator) -> None:
    assert reason(estimator, predicted_of(np.empty((0, 1)))) == "no predictions in this window"
    assert reason(estimator, Predicted(ids=np.arange(300).astype(np.uint64))) == "the stream maps no score"


@pytest.mark.parametrize("bad", [np.nan, -0.01, 1.01, np.inf, -np.inf])
def test_scores_that_are_no_probabilities_are_left_out_while_they_are_few(bad: float) -> None:
    scores = draw_binary(RNG, 1000)[0]
    some, many = scores.copy(), scores.copy()
    some[:50], many[:51] = bad, bad
    assert estimate(TWO, predicted_of(some))["roc_auc"] == estimate(TWO, predicted_of(scores[50:]))["roc_auc"]
    assert reason(TWO, predicted_of(many)) == "5.1 % of the rows cannot be used: expected a score within [0, 1]"


def test_probabilities_that_do_not_sum_to_one_are_left_out_while_they_are_few() -> None:
    scores = draw_many(RNG, 1000)[0]
    for factor in (0.9, 1.1, -1.0, np.nan, np.inf):
        broken = scores.copy()
        broken[:100] *= factor
        assert "10 % of the rows cannot be used: expected probabilities" in reason(THREE, predicted_of(broken, classes=MANY))
    broken = scores.copy()
    broken[:50] *= 0.9
    few = estimate(THREE, predicted_of(broken, classes=MANY))["accuracy"]
    assert few == estimate(THREE, predicted_of(scores[50:], classes=MANY))["accuracy"]


def test_classes_are_told_by_their_names_not_by_their_places() -> None:
    scores = draw_many(RNG, 1000)[0]
    turned = estimate(THREE, predicted_of(scores[:, [2, 0, 1]], classes=("cat", "ape", "bee")))
    plain = estimate(THREE, predicted_of(scores, classes=MANY))
    assert turned["f1[ape]"] == plain["f1[ape]"]
    assert "probabilities of known classes" in reason(THREE, predicted_of(scores, classes=("ape", "bee", "dog")))
    assert "probabilities of known classes" in reason(THREE, predicted_of(scores[:, :1]))


def test_a_binary_window_with_a_column_for_each_class_is_refused() -> None:
    assert "expected a score within [0, 1]" in reason(TWO, predicted_of(draw_many(RNG, 300)[0], classes=MANY))


def test_predictions_of_unknown_classes_are_left_out_while_they_are_few() -> None:
    scores = draw_binary(RNG, 1000)[0]
    for values in (
        CategoricalValues(codes=np.where(np.arange(1000) < 100, 2, 0).astype(np.int32), dictionary=("0", "1", "maybe")),
        CategoricalValues(codes=np.where(np.arange(1000) < 100, -1, 0).astype(np.int32), dictionary=BINARY),
        NumericValues(values=np.zeros(1000)),
    ):
        window = Predicted(ids=np.arange(1000).astype(np.uint64), scores=scores[:, None], prediction=values)
        assert "prediction is none of the known classes" in reason(TWO, window)


def test_the_prediction_of_the_stream_counts_and_without_one_the_half() -> None:
    scores = np.repeat([0.3, 0.5, 0.7], 100)
    alone = estimate(TWO, predicted_of(scores))
    assert alone["accuracy"] == estimate(TWO, predicted_of(scores, decided=(scores >= 0.5).astype(np.int64)))["accuracy"]
    never = estimate(TWO, predicted_of(scores, decided=np.zeros(300, dtype=np.int64)))
    assert never["precision"].reason == "no row is predicted to be of the class"
    assert never["recall"].value == 0.0
    assert "of one class" in never["mcc"].reason


def test_constant_scores_rank_nothing() -> None:
    found = estimate(TWO, predicted_of(np.full(300, 0.4)))
    assert found["roc_auc"].value == pytest.approx(0.5)
    assert found["roc_auc"].sd == pytest.approx(0.0)


@pytest.mark.parametrize(("score", "why"), [(0.0, "in the class"), (1.0, "outside the class")])
def test_where_one_class_is_hardly_expected_rates_of_it_are_not_said(score: float, why: str) -> None:
    certain = taught(taught_binary(np.repeat([0.0, 1.0], 500), np.repeat([False, True], 500)))
    found = estimate(certain, predicted_of(np.full(300, score)))
    assert why in found["roc_auc"].reason
    assert found["accuracy"].value == 1.0
    if not score:
        assert found["recall"].reason == "only 0 rows of the class are expected"


def test_metrics_that_need_labels_or_do_not_exist_say_so() -> None:
    found = estimate(TWO, predicted_of(draw_binary(RNG, 300)[0]))
    assert "taken to be calibrated" in found["calibration_error"].reason
    assert found["nonsense"].reason == "there is no estimate of nonsense from scores"
    many = estimate(THREE, predicted_of(draw_many(RNG, 300)[0], classes=MANY))
    assert many["value"].reason == "there is no estimate of value from scores"
    assert many["f1[ape]"].value is not None


def fitted(scores: Floats | None, codes: Floats) -> str:
    """Why a reference teaches nothing."""
    fit = ScoreFit(SIDES)
    ids = np.arange(len(codes)).astype(np.uint64)
    fit.add(Predicted(ids=ids, scores=None if scores is None else scores[:, None]), labels_of(codes.astype(np.int64)))
    found = fit.model()
    assert isinstance(found, str)
    return taught(found).estimate(predicted_of(np.full(300, 0.5)), None, ["f1"])["f1"].reason


def test_a_reference_that_teaches_nothing_says_why_in_every_estimate() -> None:
    half = np.full(FEWEST_ROWS, 0.5)
    assert fitted(None, np.ones(FEWEST_ROWS)) == "only 0 of 100 rows of the reference have a label and a score that is a probability"
    assert fitted(half * 9, np.ones(FEWEST_ROWS)).startswith("only 0 of 100 rows")
    assert fitted(half, np.full(FEWEST_ROWS, -1)).startswith("only 0 of 100 rows")
    assert fitted(half, np.ones(FEWEST_ROWS)) == "the labels of the reference are of one class only: the positive one"
    fit = ScoreFit(Classes(names=tuple(map(str, range(MOST_CLASSES + 1)))))
    fit.add(predicted_of(np.full((300, 1), 1.0), classes=("0",)), labels_of(np.zeros(300, dtype=np.int64)))
    assert fit.model() == "the model has 101 classes, more than 100"


def test_classes_of_which_none_is_known_to_be_positive_teach_nothing_and_two_columns_are_told_by_name() -> None:
    assert ScoreFit(Classes(fault="which is positive?")).model() == "which is positive?"
    score = draw_binary(RNG, 300)[0]
    two = predicted_of(np.column_stack([score, 1 - score]), classes=("1", "0"))
    assert estimate(TWO, two)["f1"] == estimate(TWO, predicted_of(score))["f1"]


def test_labels_of_one_class_of_many_are_named() -> None:
    fit = ScoreFit(Classes(names=MANY))
    fit.add(predicted_of(draw_many(RNG, 300)[0], classes=MANY), labels_of(np.ones(300, dtype=np.int64), MANY))
    assert fit.model() == "the labels of the reference are of one class only: 'bee'"


def test_an_estimator_is_read_by_its_kind_and_an_unknown_kind_is_refused() -> None:
    nothing = Nothing(reason="no labels")
    assert estimator_of(canonical.parse(canonical.compact(nothing.document()), "e")) == nothing
    with pytest.raises(DecodeError, match=r"e\.kind: expected one of \['losses', 'nothing', 'scores'\]"):
        estimator_of(canonical.parse('{"kind": "magic"}', "e"))


SCORE = st.one_of(st.floats(0, 1), st.sampled_from([0.0, 0.5, 1.0]), st.floats(), st.sampled_from([np.nan, np.inf, -np.inf, 1e-320]))


@given(st.lists(st.tuples(SCORE, SCORE, SCORE, st.integers(-2, 3)), max_size=30), st.integers(1, 3), st.booleans(), st.booleans())
def test_whatever_comes_every_metric_has_a_number_or_a_reason(
    rows: list[tuple[float, float, float, int]], width: int, named: bool, decided: bool
) -> None:
    scores = np.array([row[:width] for row in rows], dtype=np.float64).reshape(len(rows), width)
    codes = np.array([row[3] for row in rows], dtype=np.int32)
    window = Predicted(
        ids=np.arange(len(rows)).astype(np.uint64), scores=scores, classes=(*MANY, "dog")[:width] if named else (),
        prediction=CategoricalValues(codes=codes, dictionary=("0", "1", "ape", "dog")) if decided else None,
    )  # fmt: skip
    estimate(TWO, window)
    estimate(THREE, window)


def test_what_is_no_finite_number_is_not_said() -> None:
    assert said(float("nan"), 1.0) == unsaid("the scores are too large or too small to compute with")
    assert said(1.0, -1e-18).sd == 0.0


def test_a_class_that_a_row_leaves_out_has_no_probability_in_it() -> None:
    scores = draw_many(RNG, 1000)[0]
    scores[:200] = [0.4, 0.6, 0.0]
    left_out = scores.copy()
    left_out[:200, 2] = np.nan
    assert estimate(THREE, predicted_of(left_out, classes=MANY)) == estimate(THREE, predicted_of(scores, classes=MANY))
    left_out[:200, 0] = np.nan
    assert "probabilities of known classes" in reason(THREE, predicted_of(left_out, classes=MANY))
