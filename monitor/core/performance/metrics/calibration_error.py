"""Calibration error: how far scores are from the share of rows that come true."""

from __future__ import annotations

import math

import numpy as np

from monitor.core.performance.binary import BinaryCounts
from monitor.core.performance.intervals import LEAST_ROWS, Measured, Z, folded
from monitor.core.performance.metrics.base import Better, Metric, Undefined
from monitor.core.schema import Floats


def gaps(counts: BinaryCounts) -> tuple[Floats, Floats, Floats]:
    """By tenth of the score: rows, how much more came true than was said, and the sampling variance of that; shape (10,) each.

    0 without rows. Raises Undefined where no row has a score at all.
    """
    rows, positive = (np.array(part, dtype=np.float64) for part in counts.calibration)
    if not rows.any():
        raise Undefined("no labelled row has a score")
    size = np.maximum(rows, 1.0)
    said = np.array([sum_.mean(1) for sum_ in counts.tenths]) / size
    true = (positive + LEAST_ROWS) / (size + 2 * LEAST_ROWS)
    there = rows > 0
    return rows, np.where(there, positive / size - said, 0.0), np.where(there, true * (1 - true) / size, 0.0)


def _calibration(counts: BinaryCounts) -> Measured:
    rows, gap, variances = gaps(counts)
    weights = rows / rows.sum()
    value = float(weights @ np.abs(gap))
    deviations = np.sqrt(variances)
    _, spreads = folded(gap, deviations)
    variance = float(weights**2 @ spreads)
    half, bias = Z * math.sqrt(variance), math.sqrt(2 / math.pi) * float(weights @ deviations)  # the most that chance adds
    low, high = max(value - bias - half, 0.0), min(value + half, 1.0)
    return Measured(value=value, variance=variance, low=low, high=high, n=int(rows.sum()))


CALIBRATION_ERROR = Metric(name="calibration_error", better=Better.LOWER, binary=_calibration)
"""``sum of rows / n * |share that came true - mean score|`` over ten bins of equal width (Naeini, Cooper and Hauskrecht, AAAI
2015: expected calibration error). scikit-learn has the bins (``calibration_curve``), not the sum. Chance alone makes about ``0.3 /
sqrt(rows of a bin)`` of it, so the interval reaches lower by that bias, and a window is judged by its bins (``verdict``), never by two
values of different rows."""
