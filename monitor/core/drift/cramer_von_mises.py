"""Two-sample Cramér–von Mises test."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from monitor.core.drift.base import NUMERIC, AlarmsWhen, Measure, Method, NotApplicable, Pair
from monitor.core.schema import Flags, Floats

FEWEST_VALUES = 2  # of a side, as in scipy
LEAST = 0.003  # normed statistics below it have a p-value of 1 to 17 digits (scipy has the same bound)
SERIES_END = 1e-12  # terms below it change nothing
LARGEST = 50.0  # a normed statistic whose p-value is 0 to a float
HALVINGS = 50  # of that range: 4e-14


@dataclass(frozen=True, slots=True, kw_only=True)
class CramerVonMises:
    """The statistic T, and T normed to the mean and variance of its limit."""

    statistic: float
    mean: float
    stretch: float

    @property
    def p_value(self) -> float:
        """The chance of a T at least this large."""
        return limit_survival(1 / 6 + (self.statistic - self.mean) / self.stretch)

    def critical(self, p: float) -> float:
        """The T whose p-value is ``p``."""
        if not 0 < p < 1:
            return math.inf if p <= 0 else -math.inf
        low, high = LEAST, LARGEST
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            low, high = (middle, high) if limit_survival(middle) > p else (low, middle)
        return self.mean + (high - 1 / 6) * self.stretch


def cramer_von_mises(reference: Floats, window: Floats, tied: Flags) -> CramerVonMises:
    """``T = nm/N² * sum (R - W)²`` over all rows of both samples, by ranks, from counts per bin, shape (k,).

    Both samples count as evenly mixed within a bin, but in ``tied`` ones all rows have their middle rank, as in scipy. That adds
    ``h³ (n² - m²)² / 12nmN`` for a value with the share h: with 10,000 and 1,000 rows of whole numbers it alarms always, drift or
    not. So driftd ties nothing, and is on the quiet side where values repeat. Direction: symmetric. Sees small differences over a
    wide range better than ks, and the tails worse than anderson. Not for large windows: with many rows every difference is
    significant. Raises NotApplicable under two values. Source: Anderson 1962, Ann. Math. Stat. 33; with ties
    ``scipy.stats.cramervonmises_2samp(…, method="asymptotic")``.
    """
    n, m = float(reference.sum()), float(window.sum())
    if min(n, m) < FEWEST_VALUES:
        raise NotApplicable(f"needs {FEWEST_VALUES} values on each side")
    product, total = n * m, n + m
    u = n * _squares(reference, window, tied) + m * _squares(window, reference, tied)
    variance = (total + 1) * (4 * product * total - 3 * (n**2 + m**2) - 2 * product) / (45 * total**2 * 4 * product)
    return CramerVonMises(
        statistic=u / (product * total) - (4 * product - 1) / (6 * total),
        mean=(1 + 1 / total) / 6,
        stretch=math.sqrt(45 * variance),
    )


def _squares(own: Floats, other: Floats, tied: Flags) -> float:
    """The sum over the rows of ``own`` of the squared rows of ``other`` below each, by ranks."""
    below = np.cumsum(other) - other / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = np.where(tied, 1.0, np.where(own > 0, other / own, 0.0))
    return float(np.sum(own * below**2 + slope**2 * (own**3 - own) / 12))


def limit_survival(x: float) -> float:
    """The chance that the limit of the statistic exceeds ``x``: Csörgő and Faraway 1996, J. R. Stat. Soc. B 58, equation 1.2."""
    if x < LEAST:
        return 1.0
    below, k, term = 0.0, 0, 1.0
    while abs(term) >= SERIES_END:
        y = 4 * k + 1
        q = y**2 / (16 * x)
        weight = math.exp(math.lgamma(k + 0.5) - math.lgamma(k + 1)) / (math.pi**1.5 * math.sqrt(x))
        term = weight * math.sqrt(y) * math.exp(-q) * float(special.kv(0.25, q))
        below, k = below + term, k + 1
    return max(0.0, 1.0 - below)


def _measure(pair: Pair) -> Measure:
    return _found(pair, np.zeros(len(pair.reference.counts), dtype=np.bool_))


def _as_evidently(pair: Pair) -> Measure:
    return _found(pair, pair.reference.alike)


def _found(pair: Pair, tied: Flags) -> Measure:
    found = cramer_von_mises(pair.reference.counts.astype(np.float64), pair.window.counts.astype(np.float64), tied)
    return Measure(value=found.statistic, p_value=found.p_value, critical=found.critical)


CRAMER_VON_MISES = Method(
    name="cramer_von_mises",
    kinds=NUMERIC,
    alarms_when=AlarmsWhen.P_BELOW,
    default_threshold=0.1,
    measure=_measure,
    as_evidently=_as_evidently,
)
