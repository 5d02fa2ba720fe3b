"""The mean over classes of the share of their rows that were predicted rightly."""

from __future__ import annotations

import numpy as np

from monitor.core.performance.intervals import Measured, from_gradient
from monitor.core.performance.metrics.base import Better, Matrix, Metric, binary_matrix, matrix


def _balanced(found: Matrix) -> Measured:
    there = found.true > 0
    rows = np.where(there, found.true, 1.0)
    recalls = found.hits / rows
    gradient = (np.eye(len(found.names)) - recalls[:, None]) * (there / rows)[:, None] / there.sum()
    return from_gradient(float(recalls[there].mean()), found.cells, gradient, (0.0, 1.0))


BALANCED_ACCURACY = Metric(
    name="balanced_accuracy", better=Better.HIGHER, unit="share of rows",
    binary=lambda counts: _balanced(binary_matrix(counts)), multiclass=lambda counts: _balanced(matrix(counts)),
)  # fmt: skip
"""``balanced_accuracy_score``: over the classes that came true. Interval: delta method."""
