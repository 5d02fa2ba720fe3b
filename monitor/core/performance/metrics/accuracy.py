"""The share of rows that were predicted rightly."""

from __future__ import annotations

from monitor.core.performance.intervals import Measured, share
from monitor.core.performance.metrics.base import Better, Matrix, Metric, binary_matrix, matrix


def _accuracy(found: Matrix) -> Measured:
    return share(int(found.hits.sum()), found.n)


ACCURACY = Metric(
    name="accuracy", better=Better.HIGHER, unit="share of rows",
    binary=lambda counts: _accuracy(binary_matrix(counts)), multiclass=lambda counts: _accuracy(matrix(counts)),
)  # fmt: skip
"""``accuracy_score``; interval: Wilson. Not to be read alone where one class is rare: whoever never predicts it is nearly always right."""
