"""Performance of classifiers without labels: the truth is known, so is how often an interval holds it."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np
import pytest
from sklearn import metrics as theirs

from monitor.core.estimated.chances import Chances
from monitor.core.estimated.ranking import average_precision, roc_auc
from monitor.core.estimated.scores import ScoreModel
from monitor.core.profile import canonical
from monitor.core.schema import Flags, Floats, Ints
from monitor.errors import DecodeError
from tests.core.estimating import MANY, draw_binary, draw_many, predicted_of, taught_binary, taught_many

BINARY_METRICS = (
    "accuracy", "average_precision", "balanced_accuracy", "brier", "f1", "log_loss", "mcc", "precision", "recall", "roc_auc", "value"
)  # fmt: skip
MANY_METRICS = (
    "accuracy", "balanced_accuracy", "f1", "f1_weighted", "f1[bee]", "log_loss", "mcc", "precision", "precision[cat]", "recall",
    "recall[ape]", "roc_auc",
)  # fmt: skip
WORTH = {"tp": 10.0, "fp": -3.0, "fn": -1.0}
WINDOWS = 200


def realised_binary(scores: Floats, truth: Flags, decided: Flags) -> dict[str, float]:
    (_, fp), (fn, tp) = theirs.confusion_matrix(truth, decided, labels=[0, 1])
    return {
        "accuracy": theirs.accuracy_score(truth, decided),
        "average_precision": theirs.average_precision_score(truth, scores),
        "balanced_accuracy": theirs.balanced_accuracy_score(truth, decided),
        "brier": theirs.brier_score_loss(truth, scores),
        "f1": theirs.f1_score(truth, decided),
        "log_loss": theirs.log_loss(truth, scores, labels=[0, 1]),
        "mcc": theirs.matthews_corrcoef(truth, decided),
        "precision": theirs.precision_score(truth, decided, zero_division=0),
        "recall": theirs.recall_score(truth, decided),
        "roc_auc": theirs.roc_auc_score(truth, scores),
        "value": (10 * tp - 3 * fp - fn) / len(truth),
    }


def realised_many(scores: Floats, truth: Ints) -> dict[str, float]:
    decided = scores.argmax(axis=1)
    return {
        "accuracy": theirs.accuracy_score(truth, decided),
        "balanced_accuracy": theirs.balanced_accuracy_score(truth, decided),
        "f1": theirs.f1_score(truth, decided, average="macro"),
        "f1_weighted": theirs.f1_score(truth, decided, average="weighted"),
        "f1[bee]": theirs.f1_score(truth, decided, average=None, labels=[1])[0],
        "log_loss": theirs.log_loss(truth, scores, labels=[0, 1, 2]),
        "mcc": theirs.matthews_corrcoef(truth, decided),
        "precision": theirs.precision_score(truth, decided, average="macro"),
        "precision[cat]": theirs.precision_score(truth, decided, average=None, labels=[2])[0],
        "recall": theirs.recall_score(truth, decided, average="macro"),
        "recall[ape]": theirs.recall_score(truth, decided, average=None, labels=[0])[0],
        "roc_auc": theirs.roc_auc_score(truth, scores, multi_class="ovr", average="macro"),
    }


# --- against enumeration and scikit-learn ----------------------------------------------------------------------


@pytest.mark.parametrize("measure", [roc_auc, average_precision])
def test_the_expected_area_is_the_mean_over_every_way_that_rows_can_turn_out(measure: object) -> None:
    """All 2^8 outcomes, each weighted by its chance and by what stands below the line (pairs, or hits)."""
    scores = np.array([0.1, 0.2, 0.2, 0.4, 0.5, 0.5, 0.7, 0.9])
    chances = np.array([0.2, 0.1, 0.5, 0.3, 0.6, 0.4, 0.9, 0.8])
    above = below = 0.0
    for outcome in itertools.product([0, 1], repeat=8):
        truth = np.array(outcome)
        chance = float(np.prod(np.where(truth == 1, chances, 1 - chances)))
        weight = float(truth.sum() * (8 - truth.sum()) if measure is roc_auc else truth.sum())
        if weight:
            of_these = theirs.roc_auc_score if measure is roc_auc else theirs.average_precision_score
            above += chance * weight * of_these(truth, scores)
            below += chance * weight
    found = roc_auc(chances, scores)[0] if measure is roc_auc else average_precision(chances, scores)[0]
    assert found == pytest.approx(above / below, abs=1e-12)


def test_of_rows_whose_outcome_is_certain_the_areas_are_those_of_scikit_learn() -> None:
    scores, truth = draw_binary(np.random.default_rng(1), 500)
    scores = scores.round(2)
    chances = truth.astype(np.float64)
    assert roc_auc(chances, scores)[0] == pytest.approx(theirs.roc_auc_score(truth, scores), abs=1e-12)
    assert average_precision(chances, scores)[0] == pytest.approx(theirs.average_precision_score(truth, scores), abs=1e-12)


def test_value_and_error_are_those_of_many_outcomes_of_the_same_scores() -> None:
    """400 outcomes of one window of 600 rows; the reference is so large that only the chance of rows is left."""
    rng = np.random.default_rng(2)
    model = taught_binary(*draw_binary(rng, 400_000))
    scores, _ = draw_binary(rng, 600)
    decided = scores > 0.4
    found = model.estimate(predicted_of(scores, decided=decided.astype(np.int64)), None, BINARY_METRICS, WORTH)
    outcomes = [realised_binary(scores, rng.random(600) < scores, decided) for _ in range(400)]
    for name in BINARY_METRICS:
        values = np.array([outcome[name] for outcome in outcomes])
        assert found[name].value == pytest.approx(values.mean(), abs=values.std() / 6), name
        assert found[name].sd == pytest.approx(values.std(), rel=0.1), name


def test_value_and_error_of_many_classes_are_those_of_many_outcomes_of_the_same_scores() -> None:
    rng = np.random.default_rng(3)
    model = taught_many(*draw_many(rng, 400_000))
    scores, _ = draw_many(rng, 600)
    found = model.estimate(predicted_of(scores, classes=MANY), None, MANY_METRICS, {})
    below = np.cumsum(scores, axis=1)
    outcomes = [realised_many(scores, np.minimum((below < rng.random(600)[:, None]).sum(axis=1), 2)) for _ in range(400)]
    for name in MANY_METRICS:
        values = np.array([outcome[name] for outcome in outcomes])
        assert found[name].value == pytest.approx(values.mean(), abs=values.std() / 6), name
        assert found[name].sd == pytest.approx(values.std(), rel=0.12), name


# --- coverage --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reference", "rows", "power", "weather"),
    [(20_000, 300, 1, 0.0), (20_000, 3000, 2, 0.0), (1000, 300, 2, 0.0), (1000, 3000, 1, 0.0), (60_000, 2000, 1, 0.3)],
    ids=["well calibrated", "distorted", "a small reference", "a small reference, large windows", "days that differ"],
)
def test_the_interval_holds_the_realised_value_in_nine_of_ten_windows_while_scores_move(
    reference: int, rows: int, power: float, weather: float
) -> None:
    rng = np.random.default_rng(11)
    days = [draw_binary(rng, reference // 40, power=power, weather=rng.normal(0, weather)) for _ in range(40)]
    scores, truth = (np.concatenate(column) for column in zip(*days, strict=True))
    model = taught_binary(scores, truth, np.repeat(np.arange(40), reference // 40))
    held = dict.fromkeys(BINARY_METRICS, 0)
    for window in range(WINDOWS):
        scores, truth = draw_binary(rng, rows, shift=(window % 5 - 2) * 0.3, power=power, weather=rng.normal(0, weather))
        _count(held, model.estimate(predicted_of(scores), None, BINARY_METRICS, WORTH), realised_binary(scores, truth, scores >= 0.5))
    assert min(held.values()) >= 0.9 * WINDOWS, held


def test_the_interval_holds_with_many_classes_too() -> None:
    rng = np.random.default_rng(12)
    model = taught_many(*draw_many(rng, 20_000, sure=2))
    held = dict.fromkeys(MANY_METRICS, 0)
    for window in range(WINDOWS):
        scores, truth = draw_many(rng, 500, shift=(window % 5 - 2) * 0.3, sure=2)
        _count(held, model.estimate(predicted_of(scores, classes=MANY), None, MANY_METRICS, {}), realised_many(scores, truth))
    assert min(held.values()) >= 0.9 * WINDOWS, held


def test_the_interval_holds_where_one_row_in_seventy_is_a_hit() -> None:
    rng = np.random.default_rng(14)
    metrics = ("accuracy", "average_precision", "brier", "f1", "log_loss", "recall", "roc_auc")

    def draw(rows: int) -> tuple[Floats, Flags]:
        scores = 1 / (1 + np.exp(-rng.normal(-6, 2, rows)))
        return scores, rng.random(rows) < scores

    model = taught_binary(*draw(50_000))
    held = dict.fromkeys(metrics, 0)
    for _ in range(WINDOWS):
        scores, truth = draw(1000)
        _count(held, model.estimate(predicted_of(scores), None, metrics, {}), realised_binary(scores, truth, scores >= 0.5))
    assert min(held.values()) >= 0.9 * WINDOWS, held


def _count(held: dict[str, int], found: Mapping[str, object], realised: Mapping[str, float]) -> None:
    for name in held:
        low, high = found[name].interval(0.05)  # type: ignore[attr-defined]  # an Estimate
        held[name] += low <= realised[name] <= high


# --- writing ---------------------------------------------------------------------------------------------------


def test_what_was_written_estimates_the_same() -> None:
    rng = np.random.default_rng(13)
    for model, window, metrics in (
        (taught_binary(*draw_binary(rng, 3000, power=2)), predicted_of(draw_binary(rng, 300)[0]), BINARY_METRICS),
        (taught_many(*draw_many(rng, 3000, sure=2)), predicted_of(draw_many(rng, 300)[0], classes=MANY), MANY_METRICS),
    ):
        again = ScoreModel.of(canonical.parse(canonical.compact(model.document()), "m"))
        assert again.document() == model.document()
        assert again.estimate(window, None, metrics, WORTH) == model.estimate(window, None, metrics, WORTH)


def test_a_document_without_a_calibration_for_each_class_is_refused() -> None:
    document = taught_many(*draw_many(np.random.default_rng(1), 3000)).document()
    calibrations = document["calibrations"]
    assert isinstance(calibrations, list)
    for broken in ({"calibrations": calibrations[:2]}, {"names": ["ape"]}, {"calibrations": 3}, {"calibrations": [3, 3, 3]}):
        with pytest.raises(DecodeError, match="calibrations"):
            ScoreModel.of(canonical.parse(canonical.compact(document | broken), "m"))


def test_chances_are_spread_by_the_calibration_that_a_class_has() -> None:
    """By hand: 4 rows of one block of 10 rows, 5 of them hits: noise (5.5 / 11)² / 11 of a mean of chances, beside p (1 - p) / 4."""
    model = taught_binary(np.full(200, 0.5), np.arange(200) % 2 == 0)
    rows = Chances(
        chances=np.full((4, 2), 0.5), scores=np.full((4, 2), 0.5), decided=np.ones(4, dtype=np.int64), calibrations=model.calibrations
    )
    slopes = np.array([[0.0, 0.25]] * 4)
    assert rows.variance(slopes) == pytest.approx(0.25 / 4 + 0.25 / 201)
