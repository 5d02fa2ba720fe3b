"""Two-sample Anderson–Darling test."""

from __future__ import annotations

import math

import numpy as np
from scipy import special

from monitor.core.drift.base import NUMERIC, AlarmsWhen, Measure, Method, NotApplicable, Pair
from monitor.core.schema import Floats

# Scholz and Stephens 1987, table 2: critical values b0 + b1/sqrt(m) + b2/m at these levels; m = 1 for two samples
LEVELS = np.array([0.25, 0.1, 0.05, 0.025, 0.01, 0.005, 0.001])
B0 = np.array([0.675, 1.281, 1.645, 1.96, 2.326, 2.573, 3.085])
B1 = np.array([-0.245, 0.25, 0.678, 1.149, 1.822, 2.364, 3.615])
B2 = np.array([-0.105, -0.305, -0.362, -0.391, -0.396, -0.345, -0.154])
CRITICAL = B0 + B1 + B2
CURVE = np.polyfit(CRITICAL, np.log(LEVELS), 2)  # the logarithm of the p-value between them (scipy interpolates alike)
FEWEST_VALUES = 4  # of both sides together: the variance has (N - 1)(N - 2)(N - 3) below the line


def anderson(reference: Floats, window: Floats) -> float:
    """The normed statistic ``(A² - 1) / sd(A²)``, from counts per bin, shape (k,); all rows of a bin share their middle rank.

    ``A²`` is the squared difference of the two curves weighted by ``1 / (H (1 - H))``, so it sees the tails better than ks and
    cramer_von_mises. Direction: symmetric. Exact for values that have bins of their own. Not for large windows: with many rows
    every difference is significant. -1 / sd where all rows are in one bin. Raises NotApplicable under four values. Source:
    Scholz and Stephens 1987, JASA 82, equations 4, 6 and 7; the number of ``scipy.stats.anderson_ksamp`` with midranks.
    """
    n, m = float(reference.sum()), float(window.sum())
    total = n + m
    if total < FEWEST_VALUES or not n or not m:
        raise NotApplicable(f"needs {FEWEST_VALUES} values on both sides together")
    statistic = _squares(reference, window) if np.count_nonzero(reference + window) > 1 else 0.0
    return (statistic * (total - 1) / total - 1) / deviation(n, m)


def _squares(reference: Floats, window: Floats) -> float:
    seen = (reference + window) > 0
    tied, total = (reference + window)[seen], float((reference + window).sum())
    below = np.cumsum(tied) - tied / 2
    weight = tied / total / (below * (total - below) - total * tied / 4)
    squares = 0.0
    for side in (reference[seen], window[seen]):
        gap = total * (np.cumsum(side) - side / 2) - below * side.sum()
        squares += float(np.sum(weight * gap**2)) / float(side.sum())
    return squares


def deviation(n: float, m: float) -> float:
    """The standard deviation of ``A²`` for two samples, its sums over all ranks in closed form."""
    total = n + m
    last, harmonic = _harmonic(total - 1), _harmonic(total)
    squares = math.pi**2 / 6 - float(special.zeta(2, total + 1))
    h, g, both = last, last**2 - harmonic**2 + squares, 1 / n + 1 / m
    a = (4 * g - 6) + (10 - 6 * g) * both
    b = (2 * g - 4) * 4 + 8 * h * 2 + (2 * g - 14 * h - 4) * both - 8 * h + 4 * g - 6
    c = (6 * h + 2 * g - 2) * 4 + (4 * h - 4 * g + 6) * 2 + (2 * h - 6) * both + 4 * h
    d = (2 * h + 6) * 4 - 8 * h
    return math.sqrt((a * total**3 + b * total**2 + c * total + d) / ((total - 1) * (total - 2) * (total - 3)))


def _harmonic(count: float) -> float:
    return float(special.digamma(count + 1)) + float(np.euler_gamma)


def anderson_p_value(statistic: float) -> float:
    """The chance of a statistic at least this large, within [.001, .25]: the table ends there, and so does scipy."""
    if statistic < CRITICAL[0]:
        return float(LEVELS[0])
    if statistic > CRITICAL[-1]:
        return float(LEVELS[-1])
    return math.exp(float(np.polyval(CURVE, statistic)))


def anderson_critical(p: float) -> float:
    """The statistic whose p-value is ``p``; infinite where the table does not reach it."""
    if p < LEVELS[-1]:
        return math.inf
    if p >= LEVELS[0]:
        return -math.inf
    squared, linear, constant = CURVE
    return float((-linear - math.sqrt(linear**2 - 4 * squared * (constant - math.log(p)))) / (2 * squared))


def _measure(pair: Pair) -> Measure:
    found = anderson(pair.reference.counts.astype(np.float64), pair.window.counts.astype(np.float64))
    return Measure(value=found, p_value=anderson_p_value(found), critical=anderson_critical)


ANDERSON = Method(
    name="anderson",
    kinds=NUMERIC,
    alarms_when=AlarmsWhen.P_BELOW,
    default_threshold=0.1,
    measure=_measure,
    as_evidently=_measure,
)
