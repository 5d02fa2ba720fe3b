"""Two-proportion z-test: a column of two categories, its commoner one against all else."""

from __future__ import annotations

import math

import numpy as np
from scipy import special

from monitor.core.drift.base import CATEGORICAL, AlarmsWhen, Measure, Method, NotApplicable, Pair, both_counts

MOST_CATEGORIES = 2


def z_score(reference: tuple[int, int], window: tuple[int, int]) -> float:
    """``(p - q) / sqrt(P (1 - P) (1/n + 1/m))`` of two (hits, others), P of both together; 0 where all rows are alike.

    Direction: symmetric but for its sign. The p-value is two-sided. Not for fewer than some five hits or others (ask for
    fisher_exact), nor for large windows, where every difference is significant. Source: Fleiss, Statistical Methods for Rates
    and Proportions, 1981; its square is the chi-square of the table of four.
    """
    n, m = sum(reference), sum(window)
    together = (reference[0] + window[0]) / (n + m)
    if together in (0.0, 1.0):
        return 0.0
    return (window[0] / m - reference[0] / n) / math.sqrt(together * (1 - together) * (1 / n + 1 / m))


def two_sided(z: float) -> float:
    """The chance of a standard normal at least as far from 0."""
    return 2 * float(special.ndtr(-abs(z)))


def critical_z(p: float) -> float:
    """The distance from 0 whose two-sided p-value is ``p``."""
    return -float(special.ndtri(p / 2))


def two_groups(pair: Pair) -> tuple[tuple[int, int], tuple[int, int]]:
    """(hits, others) of reference and window; hits: the reference's commoner category, others: the rest, new ones too.

    Raises NotApplicable where the reference has more than two categories, ValueError where a side has no values.
    """
    reference, window = both_counts(pair)
    found = np.count_nonzero(reference)
    if found > MOST_CATEGORIES:
        raise NotApplicable(f"compares {MOST_CATEGORIES} categories, the reference has {found}: ask for chisquare or g_test")
    at = int(reference.argmax())
    hits, seen = int(reference[at]), int(window[at])
    return (hits, pair.reference.n - hits), (seen, pair.window.n - seen)


def _measure(pair: Pair) -> Measure:
    z = z_score(*two_groups(pair))
    return Measure(value=abs(z), p_value=two_sided(z), critical=critical_z)


Z = Method(
    name="z",
    kinds=CATEGORICAL,
    alarms_when=AlarmsWhen.P_BELOW,
    default_threshold=0.05,
    measure=_measure,
    as_evidently=_measure,
)
