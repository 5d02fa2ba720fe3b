"""Metrics of an expected confusion matrix: their value, and how each cell moves them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from monitor.core.schema import Floats

FEWEST_EXPECTED = 5.0
"""Rows of a class that must be expected: with fewer a window often has none, and a rate among them is chance or undefined."""
LEAST_EXPECTED = 0.5  # rows from which a class is rather there than not


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
    fewest: float = FEWEST_EXPECTED

    def of(self, confusion: Floats, of_class: int) -> Sloped:
        """Raises CannotSay where too few rows are expected below the line."""
        hits, true = float(confusion[of_class, of_class]), float(confusion[:, of_class].sum())
        below = self.decided * float(confusion[of_class].sum()) + self.true * true
        if self.true and true < self.fewest:
            raise CannotSay(f"only {true:.2g} rows of the class are expected")
        if not below:
            raise CannotSay("no row is predicted to be of the class")
        slopes = np.zeros_like(confusion)
        slopes[of_class, of_class] = self.top / below
        slopes[:, of_class] -= self.true * self.top * hits / below**2
        return Sloped(value=self.top * hits / below, slopes=slopes)


PRECISION = Rate(top=1, decided=1, true=0)
RECALL = Rate(top=1, decided=0, true=1)
F1 = Rate(top=2, decided=1, true=1)


def accuracy(confusion: Floats) -> Sloped:
    """The share of rows on the diagonal."""
    return Sloped(value=float(np.trace(confusion) / confusion.sum()), slopes=np.eye(len(confusion)) / confusion.sum())


def worth(confusion: Floats, values: Floats) -> Sloped:
    """The mean of ``values``, by cell, over all rows."""
    return Sloped(value=float(np.sum(confusion * values) / confusion.sum()), slopes=values / confusion.sum())


def mcc(confusion: Floats) -> Sloped:
    """Matthews' correlation, for any number of classes (Gorodkin 2004, Comput. Biol. Chem. 28)."""
    rows, decided, true = float(confusion.sum()), confusion.sum(axis=1), confusion.sum(axis=0)
    apart, spread = rows**2 - float(decided @ decided), rows**2 - float(true @ true)
    if apart <= 0 or rows - float(true.max()) < FEWEST_EXPECTED:
        raise CannotSay("all rows are predicted to be, or expected to be, of one class")
    above = float(np.trace(confusion)) * rows - float(decided @ true)
    below = (apart * spread) ** 0.5
    slopes = (rows * np.eye(len(confusion)) - decided[None, :]) / below + above * true[None, :] / (below * spread)
    return Sloped(value=above / below, slopes=slopes)


def macro(rate: Rate, *, or_decided: bool = True) -> Callable[[Floats], Sloped]:
    """The mean over the classes that occur, each counting alike; ``or_decided``: also those that are only predicted."""

    def mean(confusion: Floats) -> Sloped:
        own = _occurring(confusion, or_decided=or_decided)
        found = [_rough(rate, confusion, at) for at in own]
        return Sloped(value=sum(one.value for one in found) / len(own), slopes=np.sum([one.slopes for one in found], axis=0) / len(own))

    return mean


def weighted(rate: Rate) -> Callable[[Floats], Sloped]:
    """The mean over the classes, each counting by the rows that are of it."""

    def mean(confusion: Floats) -> Sloped:
        rows, slopes, value = confusion.sum(), np.zeros_like(confusion), 0.0
        for at in _occurring(confusion, or_decided=False):
            one, share = _rough(rate, confusion, at), float(confusion[:, at].sum() / rows)
            value += share * one.value
            slopes += share * one.slopes
            slopes[:, at] += one.value / rows
        return Sloped(value=value, slopes=slopes)

    return mean


def _occurring(confusion: Floats, *, or_decided: bool) -> list[int]:
    """The classes of which half a row at least is expected, as scikit-learn averages over those that occur."""
    there = confusion.sum(axis=0) >= LEAST_EXPECTED
    return [int(at) for at in np.flatnonzero(there | (confusion.sum(axis=1) > 0) if or_decided else there)]


def _rough(rate: Rate, confusion: Floats, of_class: int) -> Sloped:
    """Also of a class that has too few rows to be estimated alone: among many it hardly matters. 0 where nothing is below the line."""
    if not rate.true and not confusion[of_class].any():
        return Sloped(value=0.0, slopes=np.zeros_like(confusion))
    return replace(rate, fewest=0.0).of(confusion, of_class)


OF_CONFUSION: Mapping[str, Callable[[Floats], Sloped]] = {
    "accuracy": accuracy,
    "balanced_accuracy": macro(RECALL, or_decided=False),
    "f1_macro": macro(F1),
    "f1_weighted": weighted(F1),
    "mcc": mcc,
}
OF_MANY: Mapping[str, Callable[[Floats], Sloped]] = {"precision": macro(PRECISION), "recall": macro(RECALL), "f1": macro(F1)}
"""Where there are more than two classes."""
OF_CLASS: Mapping[str, Rate] = {"precision": PRECISION, "recall": RECALL, "f1": F1}
