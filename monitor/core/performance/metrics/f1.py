"""The harmonic mean of precision and recall."""

from __future__ import annotations

import numpy as np

from monitor.core.performance.intervals import Measured, from_gradient
from monitor.core.performance.metrics.base import Better, Matrix, Metric, Undefined, binary_matrix, matrix, quotient
from monitor.core.schema import Floats


def f1_of(found: Matrix, at: int) -> Measured:
    """``2 tp / (2 tp + fp + fn)`` of one class. Raises Undefined where no row is of it or was predicted as it."""
    below = found.true[at] + found.predicted[at]
    if not below:
        raise Undefined(f"none of {found.n:,} labelled rows is {found.names[at]} or was predicted as it")
    value = 2 * found.hits[at] / below
    return from_gradient(float(value), found.cells, _gradient(found, at, float(value), float(below)), (0.0, 1.0))


def _gradient(found: Matrix, at: int, value: float, below: float) -> Floats:
    gradient = np.zeros_like(found.cells)
    gradient[at, :] -= value / below
    gradient[:, at] -= value / below
    gradient[at, at] += 2 / below
    return gradient


def _values(found: Matrix) -> tuple[Floats, Floats]:
    """By class f1 and what is below its line, shape (k,) each."""
    below = found.true + found.predicted
    return quotient(2 * found.hits, below), below


def _macro(found: Matrix) -> Measured:
    values, below = _values(found)
    size = len(found.names)
    per = values / below
    gradient = (np.diag(2 / below) - per[:, None] - per[None, :]) / size
    return from_gradient(float(values.mean()), found.cells, gradient, (0.0, 1.0))


def _weighted(found: Matrix) -> Measured:
    values, below = _values(found)
    shares = found.true / found.n
    value = float((shares * values).sum())
    per = shares * values / below
    gradient = np.diag(2 * shares / below) - per[:, None] - per[None, :] + (values[:, None] - value) / found.n
    return from_gradient(value, found.cells, gradient, (0.0, 1.0))


F1 = Metric(
    name="f1", better=Better.HIGHER, unit="", binary=lambda counts: f1_of(binary_matrix(counts), 1),
    multiclass=lambda counts: _macro(matrix(counts)),
)  # fmt: skip
"""``f1_score``; with more than two classes f1_macro. Interval: delta method."""

F1_MACRO = Metric(name="f1_macro", better=Better.HIGHER, multiclass=lambda counts: _macro(matrix(counts)))
"""``f1_score(average="macro")``: over the classes that came true or were predicted. Interval: delta method."""

F1_WEIGHTED = Metric(name="f1_weighted", better=Better.HIGHER, multiclass=lambda counts: _weighted(matrix(counts)))
"""``f1_score(average="weighted")``. Interval: delta method."""
