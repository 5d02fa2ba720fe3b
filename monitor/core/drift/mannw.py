"""Mann–Whitney U test."""

from __future__ import annotations

import math

import numpy as np
from scipy import special

from monitor.core.drift.base import NUMERIC, AlarmsWhen, Measure, Method, Pair
from monitor.core.drift.z import critical_z

CONTINUITY = 0.5  # U is a whole number, the normal distribution is not (scipy corrects alike)


def mannw_score(pair: Pair, *, two_sided: bool) -> float:
    """``(U - nm/2 - 1/2) / sd(U)``: U pairs of rows where the window's value is larger, ties count half; 0 where all are tied.

    Two-sided: of the larger U, at least 0. The variance is corrected for the ties of values that have a bin of their own. Exact
    for those; within a bin rows count as evenly spread. Direction: sees which side has larger values, not a wider or two-humped
    window. Not for large windows: with many rows every difference is significant. Source: Mann and Whitney 1947, Ann. Math. Stat.
    18; the number of ``scipy.stats.mannwhitneyu(…, method="asymptotic")``.
    """
    reference, window = pair.reference.counts.astype(np.float64), pair.window.counts.astype(np.float64)
    n, m = reference.sum(), window.sum()
    ties = np.where(pair.reference.alike, reference + window, 0.0)
    total = n + m
    variance = n * m / 12 * ((total + 1) - np.sum(ties**3 - ties) / (total * (total - 1)))
    if variance <= 0:
        return 0.0
    larger = float(np.sum(window * (np.cumsum(reference) - reference / 2))) - n * m / 2
    score = ((abs(larger) if two_sided else larger) - CONTINUITY) / math.sqrt(float(variance))
    return float(max(score, 0.0) if two_sided else score)


def _measure(pair: Pair) -> Measure:
    z = mannw_score(pair, two_sided=True)
    return Measure(value=z, p_value=2 * float(special.ndtr(-z)), critical=critical_z)


def _as_evidently(pair: Pair) -> Measure:
    """One-sided: only a window of larger values alarms."""
    z = mannw_score(pair, two_sided=False)
    return Measure(value=z, p_value=float(special.ndtr(-z)), critical=lambda p: -float(special.ndtri(p)))


MANNW = Method(
    name="mannw",
    kinds=NUMERIC,
    alarms_when=AlarmsWhen.P_BELOW,
    default_threshold=0.05,
    measure=_measure,
    as_evidently=_as_evidently,
)
