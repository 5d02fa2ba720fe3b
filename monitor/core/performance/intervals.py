"""How far a metric of a sample may lie from that of all rows like these: a variance, and an interval at ``LEVEL``.

Analytic, so the same counts give the same interval. Shares: Wilson (1927, J. Am. Stat. Assoc. 22). Functions of counts: the delta method
on the multinomial. Area under the ROC curve: DeLong, DeLong and Clarke-Pearson (1988, Biometrics 44) with a logit transform.
Quantiles: order statistics. What each covers is measured in tests/core/performance/test_intervals.py.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from monitor.core.schema import Floats

LEVEL = 0.95  # of the interval that is shown
Z = float(special.ndtri((1 + LEVEL) / 2))
LEAST_ROWS = 0.5  # of n, whose opposite may always be to come: no sample is certain


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A metric of ``n`` rows: ``variance`` is that of its sampling, ``low`` and ``high`` the interval at ``LEVEL``."""

    value: float
    variance: float
    low: float
    high: float
    n: int


def share(hits: int, n: int) -> Measured:
    """Of rows; Wilson's interval. ``n`` is at least 1."""
    p, smoothed = hits / n, (hits + LEAST_ROWS) / (n + 2 * LEAST_ROWS)
    middle = (p + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z * math.sqrt(p * (1 - p) / n + Z**2 / (4 * n**2)) / (1 + Z**2 / n)
    low, high = min(max(middle - half, 0.0), p), max(min(middle + half, 1.0), p)
    return Measured(value=p, variance=smoothed * (1 - smoothed) / n, low=low, high=high, n=n)


def normal(value: float, variance: float, n: int, bounds: tuple[float, float] = (-math.inf, math.inf)) -> Measured:
    """An interval of ``Z`` standard errors on both sides, cut at ``bounds``."""
    half = Z * math.sqrt(variance)
    return Measured(value=value, variance=variance, low=max(value - half, bounds[0]), high=min(value + half, bounds[1]), n=n)


def logit(value: float, variance: float, n: int) -> Measured:
    """Of a value within [0, 1] whose distance to 1 has a skewed distribution; at the ends as ``normal``."""
    variance = max(variance, LEAST_ROWS / n**2)
    if not 0 < value < 1:
        return normal(value, variance, n, (0.0, 1.0))
    half = Z * math.sqrt(variance) / (value * (1 - value))
    middle = float(special.logit(value))
    return Measured(value=value, variance=variance, low=float(special.expit(middle - half)), high=float(special.expit(middle + half)), n=n)


def from_gradient(value: float, counts: Floats, gradient: Floats, bounds: tuple[float, float]) -> Measured:
    """The delta method: a function of multinomial ``counts`` with its ``gradient`` there, both of one shape."""
    n = float(counts.sum())
    slope = float((counts * gradient).sum())
    variance = float((counts * gradient**2).sum()) - slope**2 / n
    return normal(value, max(variance, LEAST_ROWS / n**2), int(n), bounds)


def mean(value: float, square: float, n: int, least: float = -math.inf) -> Measured:
    """Of rows whose mean is ``value`` and whose mean square is ``square``. A single row says nothing of its spread: so far as it is
    from 0, it may be off."""
    variance = (square - value**2) / (n - 1) if n > 1 else value**2
    return normal(value, max(variance, 0.0), n, (least, math.inf))


def ranks(q: float, n: int) -> tuple[float, float]:
    """Between which shares of ``n`` ordered values the quantile ``q`` of all values lies."""
    half = Z * math.sqrt(q * (1 - q) / n)
    return max(q - half, 0.0), min(q + half, 1.0)


def folded(means: Floats, deviations: Floats) -> tuple[Floats, Floats]:
    """Mean and variance of the sizes of normal values, shape (k,) each (Leone, Nelson and Nottingham, 1961, Technometrics 3)."""
    safe = np.where(deviations > 0, deviations, 1.0)
    ratio = means / safe
    centers = safe * math.sqrt(2 / math.pi) * np.exp(-(ratio**2) / 2) + means * (1 - 2 * special.ndtr(-ratio))
    centers = np.where(deviations > 0, centers, np.abs(means))
    return centers, np.maximum(means**2 + deviations**2 - centers**2, 0.0)
