"""What is kept of predictions: classes under one spelling, probabilities with their classes."""

from dataclasses import replace
from datetime import timedelta

import numpy as np

from monitor.core.labels.keep import predicted_of
from monitor.core.rules import Model, PerformanceRules, Task
from monitor.core.schema import Batch, CategoricalValues, Column, Kind, NumericValues, Role, Scores

PREDICTION = Column(name="y", kind=Kind.CATEGORICAL, role=Role.PREDICTION)
MODEL = Model(
    name="m", task=Task.BINARY, window=timedelta(hours=1), allowed_lateness=timedelta(0), min_rows=1, dedupe=False, streams=(),
    columns=(PREDICTION,), performance=PerformanceRules(metrics=("f1",), max_drop=0.1, label_delay=timedelta(hours=1)),
)  # fmt: skip


def batch(*texts: str, scores: Scores | None = None) -> Batch:
    rows = len(texts)
    values = CategoricalValues(codes=np.arange(rows, dtype=np.int32), dictionary=texts)
    return Batch(offsets=np.arange(rows), times=np.zeros(rows, dtype=np.int64), versions=None, ids=np.arange(rows, dtype=np.uint64),
                 columns={"y": values}, scores=scores)


def test_predictions_of_a_binary_model_are_kept_under_one_spelling_and_its_watched_column_stays_as_it_came() -> None:
    rows = batch("true", "0", "False")
    kept = predicted_of(rows, MODEL, {}, 0)
    assert kept is not None
    assert isinstance(kept.prediction, CategoricalValues)
    assert [kept.prediction.dictionary[code] for code in kept.prediction.codes] == ["1", "0", "0"]
    watched = rows.columns["y"]
    assert isinstance(watched, CategoricalValues)
    assert watched.dictionary == ("true", "0", "False")


def test_probabilities_of_classes_are_kept_with_the_classes() -> None:
    scores = Scores(values=np.array([[0.25, 0.75], [1.0, np.nan]]), classes=("a", "b"))
    kept = predicted_of(batch("a", "b", scores=scores), replace(MODEL, task=Task.MULTICLASS), {}, 0)
    assert kept is not None
    assert kept.scores is not None
    assert kept.classes == ("a", "b")
    np.testing.assert_array_equal(kept.scores, scores.values)


def test_a_model_that_predicts_numbers_keeps_them() -> None:
    numbers = replace(batch("x", "y"), columns={"y": NumericValues(values=np.array([1.0, 0.0]))})
    kept = predicted_of(numbers, replace(MODEL, task=Task.REGRESSION), {}, 0)
    assert kept is not None
    assert isinstance(kept.prediction, NumericValues)
