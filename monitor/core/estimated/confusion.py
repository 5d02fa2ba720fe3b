"""Metrics of an expected confusion matrix: their value, and how each cell moves them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from monitor.core.schema import Floats

FEWEST_EXPECTED = 5.0
"""Rows of a class that must be expected: with fewer a window often has none, and a rate among them is chance or undefined."""


class CannotSay(ValueError):
    """Why a metric has no estimate in this window."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sloped:
    """A metric's value and its slopes: by cell of the confusion matrix, shape (k, k), decided class first."""

    value: float
    slopes: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """Of one class: ``top * hits / (decided * rows decided so + true * rows that are so)``: how precision, recall and f1 are made."""

    top: float
    decided: float
    true: float

    def of(self, confusion: Floats, of_class: int) -> Sloped:
        """Raises CannotSay where too few rows are expected below the line."""
        hits, below = confusion[of_class, of_class], self.below(confusion, of_class)
        if below < (FEWEST_EXPECTED if self.true else 1.0):
            raise CannotSay(f"only {below:.2g} rows of the class are expected" if self.true else "no row is predicted to be of the class")
        slopes = np.zeros_like(confusion)
        slopes[of_class, of_class] = self.top / below
        slopes[:, of_class] -= self.true * self.top * hits / below**2
        return Sloped(value=self.top * hits / below, slopes=slopes)

    def below(self, confusion: Floats, of_class: int) -> float:
        """What stands below the line."""
        return float(self.decided * confusion[of_class].sum() + self.true * confusion[:, of_class].sum())


PRECISION = Rate(top=1, decided=1, true=0)
RECALL = Rate(top=1, decided=0, true=1)
F1 = Rate(top=2, decided=1, true=1)


def accuracy(confusion: Floats) -> Sloped:
    """The share of rows on the diagonal."""
    return Sloped(value=float(np.trace(confusion) / confusion.sum()), slopes=np.eye(len(confusion)) / confusion.sum())


def worth(confusion: Floats, values: Floats) -> Sloped:
    """The mean of ``values``, by cell, over all rows."""
    return Sloped(value=float(np.sum(confusion * values) / confusion.sum()), slopes=values / confusion.sum())


def macro(rate: Rate) -> Callable[[Floats], Sloped]:
    """The mean over the classes that occur, each counting alike; of those too rare to be sure of, what is expected."""

    def mean(confusion: Floats) -> Sloped:
        found = [_rough(rate, confusion, at) for at in _occurring(confusion)]
        return Sloped(value=sum(one.value for one in found) / len(found), slopes=np.sum([one.slopes for one in found], axis=0) / len(found))

    return mean


def weighted(rate: Rate) -> Callable[[Floats], Sloped]:
    """The mean over the classes, each counting by the rows that are of it."""

    def mean(confusion: Floats) -> Sloped:
        rows, slopes, value = confusion.sum(), np.zeros_like(confusion), 0.0
        for at in _occurring(confusion):
            one, share = _rough(rate, confusion, at), float(confusion[:, at].sum() / rows)
            value += share * one.value
            slopes += share * one.slopes
            slopes[:, at] += one.value / rows
        return Sloped(value=value, slopes=slopes)

    return mean


def _occurring(confusion: Floats) -> list[int]:
    """The classes that were predicted or of which half a row at least is expected: scikit-learn averages over those that occur."""
    return [int(at) for at in np.flatnonzero((confusion.sum(axis=1) > 0) | (confusion.sum(axis=0) >= 0.5))]


def _rough(rate: Rate, confusion: Floats, of_class: int) -> Sloped:
    try:
        return rate.of(confusion, of_class)
    except CannotSay:  # among many classes a rare one hardly matters; 0 where it is undefined, as in scikit-learn
        below = rate.below(confusion, of_class)
        value = rate.top * float(confusion[of_class, of_class]) / below if below else 0.0
        return Sloped(value=value, slopes=np.zeros_like(confusion))


OF_CONFUSION: Mapping[str, Callable[[Floats], Sloped]] = {
    "accuracy": accuracy,
    "precision_macro": macro(PRECISION),
    "recall_macro": macro(RECALL),
    "f1_macro": macro(F1),
    "precision_weighted": weighted(PRECISION),
    "recall_weighted": weighted(RECALL),
    "f1_weighted": weighted(F1),
}
OF_CLASS: Mapping[str, Rate] = {"precision": PRECISION, "recall": RECALL, "f1": F1}
