"""Which predictions of a window can be estimated from: scores that are probabilities, of classes that the reference knows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from monitor.core.finding import percent
from monitor.core.labels.predicted import Predicted
from monitor.core.performance.binary import CUT
from monitor.core.performance.classes import Classes
from monitor.core.performance.multiclass import SUM_SLACK
from monitor.core.schema import Flags, Floats, Ints

MOST_LEFT_OUT = 0.05  # of the rows; where more cannot be used, the rest says little of them


@dataclass(frozen=True, slots=True, kw_only=True)
class Usable:
    """``scores``: shape (n, k), each row a distribution over the classes, of a binary model the negative and the positive one;
    ``decided``: the place of the class that was predicted, shape (n,)."""

    scores: Floats
    decided: Ints


def usable(predicted: Predicted, classes: Classes) -> Usable | str:
    """The rows that can be used, or why too few can."""
    if not len(predicted):
        return "no predictions in this window"
    if predicted.scores is None:
        return "the stream maps no score"
    scores, wrong = distributions(predicted, classes)
    decided = _decided(predicted, scores, classes)
    fit = np.flatnonzero(~wrong & (decided >= 0))
    left_out = (len(predicted) - len(fit)) / len(predicted)
    if left_out > MOST_LEFT_OUT:
        return _why(left_out, wrong, decided < 0, classes)
    return Usable(scores=scores[fit], decided=decided[fit])


def distributions(predicted: Predicted, classes: Classes) -> tuple[Floats, Flags]:
    """The probability of each class, shape (n, k), and which rows have none; a window without scores has none at all."""
    return _of_many(predicted, classes.names) if classes.names else _of_two(predicted, classes.positive)


def _of_two(predicted: Predicted, positive: frozenset[str]) -> tuple[Floats, Flags]:
    score = _positive_scores(predicted, positive)
    with np.errstate(invalid="ignore"):
        wrong = ~((score >= 0) & (score <= 1))
    score = np.where(wrong, 0.0, score)
    return np.column_stack([1 - score, score]), wrong


def _positive_scores(predicted: Predicted, positive: frozenset[str]) -> Floats:
    if predicted.scores is not None and predicted.scores.shape[1] == 1:
        return predicted.scores[:, 0]
    own = [at for at, name in enumerate(predicted.classes) if name in positive]
    return predicted.scores[:, own[0]] if predicted.scores is not None and own else np.full(len(predicted), np.nan)


def _of_many(predicted: Predicted, names: tuple[str, ...]) -> tuple[Floats, Flags]:
    found = np.zeros((len(predicted), len(names)))
    given = {name: at for at, name in enumerate(predicted.classes)}
    for at, name in enumerate(names):
        if name in given and predicted.scores is not None:
            own = predicted.scores[:, given[name]]
            found[:, at] = np.where(np.isnan(own), 0.0, own)  # a class that is left out; rows without any do not sum to one
    with np.errstate(invalid="ignore"):
        total = found.sum(axis=1)
        wrong = ~((found >= 0).all(axis=1) & (np.abs(total - 1) <= SUM_SLACK))
        found[wrong] = 1 / len(names)
        return found / np.where(wrong, 1.0, total)[:, None], wrong


def _decided(predicted: Predicted, scores: Floats, classes: Classes) -> Ints:
    """The class that each row was given, below 0 for none; where the stream maps none, the likelier (the positive one of two equal)."""
    if predicted.prediction is not None:
        return classes.codes(predicted.prediction, len(predicted))
    likely = np.argmax(scores, axis=1) if classes.names else scores[:, 1] >= CUT
    return likely.astype(np.int64)


def _why(left_out: float, wrong: Flags, unknown: Flags, classes: Classes) -> str:
    said = f"{percent(left_out)} of the rows cannot be used"
    if np.count_nonzero(wrong) >= np.count_nonzero(unknown):
        return f"{said}: expected {'probabilities of known classes that sum to one' if classes.names else 'a score within [0, 1]'}"
    return f"{said}: their prediction is none of the known classes"
