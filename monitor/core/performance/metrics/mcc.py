"""Matthews' correlation coefficient."""

from __future__ import annotations

import math

import numpy as np

from monitor.core.performance.intervals import Measured, from_gradient
from monitor.core.performance.metrics.base import Better, Matrix, Metric, Undefined, binary_matrix, matrix


def _mcc(found: Matrix) -> Measured:
    """Raises Undefined where labels or predictions are of one class: nothing goes with anything then."""
    n, true, predicted = float(found.n), found.true, found.predicted
    hits = float(found.hits.sum())
    above = hits * n - float(true @ predicted)
    of_true, of_predicted = n**2 - float(true @ true), n**2 - float(predicted @ predicted)
    if not of_true or not of_predicted:
        raise Undefined(f"all {found.n:,} labelled rows {'are' if not of_true else 'were predicted as'} one class")
    below = math.sqrt(of_true * of_predicted)
    slope = n * np.eye(len(true)) + hits - predicted[:, None] - true[None, :]
    bend = (n - predicted)[None, :] / of_predicted + (n - true)[:, None] / of_true
    return from_gradient(above / below, found.cells, (slope - above * bend) / below, (-1.0, 1.0))


MCC = Metric(
    name="mcc", better=Better.HIGHER, binary=lambda counts: _mcc(binary_matrix(counts)), multiclass=lambda counts: _mcc(matrix(counts))
)
"""``matthews_corrcoef``, which says 0 where one class is all there is; here it is not defined then. Interval: delta method."""
