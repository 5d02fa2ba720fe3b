"""What every metric is made of: how it is computed from counts, task by task, and which way is worse."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from monitor.core.performance.binary import BinaryCounts, BinaryRows
from monitor.core.performance.intervals import Measured
from monitor.core.performance.multiclass import MulticlassCounts, MulticlassRows
from monitor.core.performance.regression import RegressionCounts, RegressionRows
from monitor.core.performance.tally import Rows, Tally
from monitor.core.rules import Task
from monitor.core.schema import Floats


class Undefined(ValueError):
    """These rows have no such metric; says why."""


class Better(StrEnum):
    """Which way a metric is better; ``NEITHER``: nearer to the reference's value."""

    HIGHER = "higher"
    LOWER = "lower"
    NEITHER = "neither"


class Scale(StrEnum):
    """What ``max_drop`` is a share of: nothing (an absolute change), the reference's value, or the reference's mean absolute error."""

    ABSOLUTE = "absolute"
    RELATIVE = "relative"
    OF_ERROR = "of_error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A metric by name. For tasks whose function is None it is not defined. The functions raise Undefined.

    ``exact_…``: the value from rows, where counts know it only nearly. ``unit``: what a value counts, for people.
    """

    name: str
    better: Better
    scale: Scale = Scale.ABSOLUTE
    unit: str = ""
    binary: Callable[[BinaryCounts], Measured] | None = None
    multiclass: Callable[[MulticlassCounts], Measured] | None = None
    regression: Callable[[RegressionCounts], Measured] | None = None
    exact_binary: Callable[[BinaryRows], float] | None = None
    exact_multiclass: Callable[[MulticlassRows], float] | None = None
    exact_regression: Callable[[RegressionRows], float] | None = None

    @property
    def tasks(self) -> tuple[Task, ...]:
        """Those it is defined for."""
        found = ((Task.BINARY, self.binary), (Task.MULTICLASS, self.multiclass), (Task.REGRESSION, self.regression))
        return tuple(task for task, function in found if function is not None)

    def of(self, tally: Tally) -> Measured:
        """From counts. Raises Undefined where the rows or the task have no such metric."""
        counts = tally.counts
        match counts:
            case BinaryCounts() if self.binary:
                return self.binary(counts)
            case MulticlassCounts() if self.multiclass:
                return self.multiclass(counts)
            case RegressionCounts() if self.regression:
                return self.regression(counts)
        raise Undefined(f"{self.name} is not defined for a {tally.task} model")

    def exact(self, rows: Rows) -> float | None:
        """From rows; None where counts are as exact. Raises Undefined."""
        match rows:
            case BinaryRows() if self.exact_binary:
                return self.exact_binary(rows)
            case MulticlassRows() if self.exact_multiclass:
                return self.exact_multiclass(rows)
            case RegressionRows() if self.exact_regression:
                return self.exact_regression(rows)
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """A confusion matrix: ``cells[i, j]`` rows of class i that were predicted as j, shape (k, k), classes in the order of ``names``."""

    names: tuple[str, ...]
    cells: Floats

    @property
    def n(self) -> int:
        """All rows."""
        return int(self.cells.sum())

    @property
    def true(self) -> Floats:
        """Rows by label, shape (k,)."""
        found: Floats = self.cells.sum(axis=1)
        return found

    @property
    def predicted(self) -> Floats:
        """Rows by predicted class, shape (k,)."""
        found: Floats = self.cells.sum(axis=0)
        return found

    @property
    def hits(self) -> Floats:
        """Rows predicted rightly, by class, shape (k,)."""
        return self.cells.diagonal()


NO_PREDICTIONS = "no labelled row has a predicted class"


def binary_matrix(counts: BinaryCounts) -> Matrix:
    """Negative, then positive. Raises Undefined without rows."""
    cells = np.array([[counts.tn, counts.fp], [counts.fn, counts.tp]], dtype=np.float64)
    if not cells.any():
        raise Undefined(NO_PREDICTIONS)
    return Matrix(names=("negative", "positive"), cells=cells)


def matrix(counts: MulticlassCounts) -> Matrix:
    """Of the classes that rows have or were predicted as. Raises Undefined without rows."""
    if not counts.cells:
        raise Undefined(NO_PREDICTIONS)
    names = tuple(sorted({name for cell in counts.cells for name in cell}))
    places = {name: i for i, name in enumerate(names)}
    cells = np.zeros((len(names), len(names)))
    for (true, predicted), n in counts.cells.items():
        cells[places[true], places[predicted]] = n
    return Matrix(names=names, cells=cells)


def quotient(above: Floats, below: Floats) -> Floats:
    """0 where nothing is below, as scikit-learn has it; shape (k,)."""
    found: Floats = np.divide(above, below, out=np.zeros_like(above, dtype=np.float64), where=below > 0)
    return found
