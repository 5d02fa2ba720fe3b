"""Which predictions of a window can be estimated from: scores that are probabilities, of classes that the reference knows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from monitor.core.finding import percent
from monitor.core.labels.predicted import Predicted
from monitor.core.schema import CategoricalValues, Flags, Floats, Ints, NumericValues, Values

MOST_LEFT_OUT = 0.05  # of the rows; where more cannot be used, the rest says little of them
OFF_ONE = 1e-3  # by which the probabilities of a row may miss one, as where performance is realised
THRESHOLD = 0.5  # of the score, from which a binary model that sends no prediction is taken to say yes


@dataclass(frozen=True, slots=True, kw_only=True)
class Usable:
    """``scores``: shape (n, k), each row a distribution over the classes; ``decided``: shape (n,); ``rows``: where they were, (n,)."""

    scores: Floats
    decided: Ints
    rows: Ints


def usable(predicted: Predicted, classes: tuple[str, ...], *, binary: bool) -> Usable | str:
    """The rows that can be used, or why too few can. ``classes``: of a binary model the negative and the positive one."""
    if not len(predicted):
        return "no predictions in this window"
    if predicted.scores is None:
        return "the stream maps no score"
    scores, wrong = of_score(predicted.scores) if binary else of_distribution(predicted, classes)
    decided, unknown = _decided(predicted, scores, classes)
    fit = np.flatnonzero(~(wrong | unknown))
    left_out = (len(predicted) - len(fit)) / len(predicted)
    if left_out > MOST_LEFT_OUT:
        return _why(left_out, wrong, unknown, binary)
    return Usable(scores=scores[fit], decided=decided[fit], rows=fit)


def of_score(scores: Floats) -> tuple[Floats, Flags]:
    """Both probabilities of a binary score, shape (n, 2), and which scores are none."""
    if scores.ndim != 2 or scores.shape[1] != 1:
        return np.zeros((len(scores), 2)), np.ones(len(scores), dtype=np.bool_)
    score = scores[:, 0]
    with np.errstate(invalid="ignore"):
        wrong = ~((score >= 0) & (score <= 1))
    score = np.where(wrong, 0.0, score)
    return np.column_stack([1 - score, score]), wrong


def of_distribution(predicted: Predicted, classes: tuple[str, ...]) -> tuple[Floats, Flags]:
    """The probabilities of the known classes, shape (n, k), and which rows are no distribution over them."""
    found = np.zeros((len(predicted), len(classes)))
    given = {name: at for at, name in enumerate(predicted.classes)}
    for at, name in enumerate(classes):
        if name in given and predicted.scores is not None:
            found[:, at] = predicted.scores[:, given[name]]
    with np.errstate(invalid="ignore"):
        total = found.sum(axis=1)
        wrong = ~((found >= 0).all(axis=1) & (np.abs(total - 1) <= OFF_ONE))
        found[wrong] = 1 / len(classes)
        return found / np.where(wrong, 1.0, total)[:, None], wrong


def class_codes(values: Values, classes: Sequence[str]) -> Ints:
    """The place of each value among the classes, -1 where it is none of them."""
    if isinstance(values, NumericValues):
        return np.full(len(values.values), -1, dtype=np.int64)
    known = {name: at for at, name in enumerate(classes)}
    of_code = np.array([known.get(text, -1) for text in values.dictionary] + [-1, -1], dtype=np.int64)
    codes = np.where(values.codes < 0, len(values.dictionary), values.codes)
    return of_code[codes]


def _decided(predicted: Predicted, scores: Floats, classes: tuple[str, ...]) -> tuple[Ints, Flags]:
    """The class that each row was given; where the stream maps none, the likelier one (the positive one of two equal)."""
    if predicted.prediction is None:
        none = np.zeros(len(scores), dtype=np.bool_)
        likely = (scores[:, 1] >= THRESHOLD).astype(np.int64) if len(classes) == 2 else np.argmax(scores, axis=1)
        return likely, none
    codes = class_codes(predicted.prediction, classes)
    return np.maximum(codes, 0), codes < 0


def _why(left_out: float, wrong: Flags, unknown: Flags, binary: bool) -> str:
    if np.count_nonzero(wrong) >= np.count_nonzero(unknown):
        expected = "a score within [0, 1]" if binary else "probabilities of the reference's classes that sum to one"
        return f"{percent(left_out)} of the rows cannot be used: expected {expected}"
    return f"{percent(left_out)} of the rows cannot be used: their prediction is none of the reference's classes"


def labelled_codes(labels: Values, classes: Sequence[str]) -> Ints:
    """As ``class_codes``, of labels; nulls and unknown classes are -1."""
    return class_codes(labels, classes)


def texts_of(labels: Values) -> set[str]:
    """The classes that occur."""
    if not isinstance(labels, CategoricalValues):
        return set()
    seen = np.unique(labels.codes)
    return {labels.dictionary[code] for code in seen.tolist() if code >= 0}
