"""Calibration drift: whether scores mean what they meant in the reference.

Calibration errors of windows of different sizes cannot be compared: chance adds more to the smaller. So the window's is compared with
what would come of its own rows, tenth by tenth of the score, if they missed their scores by as much as the reference's rows do.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from monitor.core.performance.binary import BinaryCounts
from monitor.core.performance.intervals import LEAST_ROWS, Measured, folded
from monitor.core.performance.metrics import Undefined
from monitor.core.performance.metrics.calibration_error import CALIBRATION_ERROR, gaps
from monitor.core.performance.part import PerformancePart
from monitor.core.performance.tally import Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationShift:
    """``reference``: the error of its rows. ``expected``: that which these rows would have on average if nothing had changed; ``worse``:
    how much more they have.
    """

    reference: float
    expected: float
    worse: float
    threshold: float
    p_value: float
    alerts: bool


def judge_calibration(tally: Tally, part: PerformancePart, here: Measured, max_drop: float, alpha: float) -> CalibrationShift:
    """Raises Undefined where a side has no scores. Under no change the error is nearly gamma distributed: a sum of ten sizes."""
    if not isinstance(tally.counts, BinaryCounts) or not isinstance(part.tally.counts, BinaryCounts):
        raise Undefined("only scores of a binary model are looked at for calibration")
    expected, variance = _expected(tally.counts, part.tally.counts)
    variance += part.windows.between(CALIBRATION_ERROR.name).variance
    shape, unit = expected**2 / variance, variance / expected
    p_value = float(special.gammaincc(shape, here.value / unit))
    critical = float(special.gammainccinv(shape, alpha)) * unit
    worse = here.value - expected
    return CalibrationShift(
        reference=CALIBRATION_ERROR.of(part.tally).value, expected=expected, worse=worse,
        threshold=max(expected + max_drop, critical), p_value=p_value, alerts=worse > max_drop and p_value <= alpha,
    )  # fmt: skip


def _expected(here: BinaryCounts, there: BinaryCounts) -> tuple[float, float]:
    """Mean and variance of the window's error if its tenths missed as the reference's do; a tenth that the reference lacks as its whole."""
    rows, _, _ = gaps(here)
    known, gap, noise = gaps(there)
    there_at_all = known > 0
    whole = float(known @ gap) / float(known.sum())
    gap, noise = np.where(there_at_all, gap, whole), np.where(there_at_all, noise, 0.0)
    size = np.maximum(rows, 1.0)
    said = np.array([sum_.mean(1) for sum_ in here.tenths]) / size
    true = (np.clip(said + gap, 0.0, 1.0) * size + LEAST_ROWS) / (size + 2 * LEAST_ROWS)
    means, spreads = folded(gap, np.sqrt(true * (1 - true) / size + noise))
    weights = rows / rows.sum()
    return float(weights @ means), max(float(weights**2 @ spreads), math.ulp(1.0))
