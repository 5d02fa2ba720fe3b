"""Precision and recall: of the positive class, the mean over classes, or of one class by name."""

from __future__ import annotations

import numpy as np

from monitor.core.performance.intervals import Measured, from_gradient, share
from monitor.core.performance.metrics.base import Better, Matrix, Metric, Undefined, binary_matrix, matrix, quotient

POSITIVE = 1  # the place in a binary matrix


def precision_of(found: Matrix, at: int) -> Measured:
    """Of the rows that were predicted as a class, the share that it was. Raises Undefined where no row was."""
    rows = int(found.predicted[at])
    if not rows:
        raise Undefined(f"no labelled row of {found.n:,} was predicted as {found.names[at]}")
    return share(int(found.hits[at]), rows)


def recall_of(found: Matrix, at: int) -> Measured:
    """Of the rows of a class, the share that was predicted as it. Raises Undefined where no row is of it."""
    rows = int(found.true[at])
    if not rows:
        raise Undefined(f"none of {found.n:,} labelled rows is {found.names[at]}")
    return share(int(found.hits[at]), rows)


def _macro_precision(found: Matrix) -> Measured:
    values, size = quotient(found.hits, found.predicted), len(found.names)
    gradient = quotient((np.eye(size) - values[None, :]), np.broadcast_to(found.predicted, (size, size))) / size
    return from_gradient(float(values.mean()), found.cells, gradient, (0.0, 1.0))


def _macro_recall(found: Matrix) -> Measured:
    values, size = quotient(found.hits, found.true), len(found.names)
    gradient = quotient((np.eye(size) - values[:, None]), np.broadcast_to(found.true[:, None], (size, size))) / size
    return from_gradient(float(values.mean()), found.cells, gradient, (0.0, 1.0))


PRECISION = Metric(
    name="precision", better=Better.HIGHER, unit="share of rows",
    binary=lambda counts: precision_of(binary_matrix(counts), POSITIVE), multiclass=lambda counts: _macro_precision(matrix(counts)),
)  # fmt: skip
"""``precision_score``; with more than two classes its mean over them (``average="macro"``). Interval: Wilson; delta method."""

RECALL = Metric(
    name="recall", better=Better.HIGHER, unit="share of rows",
    binary=lambda counts: recall_of(binary_matrix(counts), POSITIVE), multiclass=lambda counts: _macro_recall(matrix(counts)),
)  # fmt: skip
"""``recall_score``; with more than two classes its mean over them (``average="macro"``). Interval: Wilson; delta method."""
