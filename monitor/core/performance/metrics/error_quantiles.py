"""Quantiles of the size of the error: ``error_p90`` is what nine of ten predictions err by at most."""

from __future__ import annotations

import numpy as np

from monitor.core.performance.bins import Sparse, number_middles
from monitor.core.performance.intervals import Measured, Z, ranks
from monitor.core.performance.metrics.base import Better, Metric, Scale, Undefined
from monitor.core.performance.regression import RegressionCounts, RegressionRows
from monitor.core.schema import Floats

LEVELS = (50, 90, 95, 99)  # per cent


def _quantile(counts: RegressionCounts, q: float) -> Measured:
    if not counts.n:
        raise Undefined("no labelled row has a predicted number")
    sizes, rows = _sizes(counts.errors)
    value, low, high = (float(sizes[np.searchsorted(rows, share * (counts.n - 1), side="right")]) for share in (q, *ranks(q, counts.n)))
    return Measured(value=value, variance=((high - low) / (2 * Z)) ** 2, low=low, high=high, n=counts.n)


def _sizes(errors: Sparse) -> tuple[Floats, Floats]:
    """Sizes of errors, ascending, and how many rows are up to each."""
    sizes, at = np.unique(np.abs(errors.bins), return_inverse=True)
    return number_middles(sizes), np.cumsum(np.bincount(at, weights=errors.counts[0]))


def _exact(rows: RegressionRows, q: float) -> float:
    truth, predicted = rows.both
    if not len(truth):
        raise Undefined("no labelled row has a predicted number")
    return float(np.quantile(np.abs(predicted - truth), q))


def error_quantile(level: int) -> Metric:
    """The metric of so many per cent. From counts it is right to 1 part in 500 between order statistics. Interval: order statistics."""
    q = level / 100
    return Metric(
        name=f"error_p{level}", better=Better.LOWER, scale=Scale.RELATIVE, unit="of the label",
        regression=lambda counts: _quantile(counts, q), exact_regression=lambda rows: _exact(rows, q),
    )  # fmt: skip


QUANTILES = tuple(error_quantile(level) for level in LEVELS)
