"""Two-sample Kolmogorov–Smirnov test."""

from __future__ import annotations

import math

import numpy as np
from scipy import special

from monitor.core.drift.base import NUMERIC, AlarmsWhen, Measure, Method, Pair
from monitor.core.schema import Floats


def largest_gap(differences: Floats) -> Floats:
    """D of differences of shares, shape (…, k), to shape (…)."""
    gaps: Floats = np.minimum(np.abs(np.cumsum(differences, axis=-1)).max(axis=-1), 1.0)
    return gaps


def ks_distance(reference: Floats, window: Floats) -> float:
    """``D = max |R - W|`` of the two cumulative shares at the edges, from shares of shape (k,); within [0, 1].

    Direction: symmetric. Exact for values that have bins of their own; else up to a bin's share (1/200) too small.
    """
    return float(largest_gap(reference - window))


def ks_p_value(d: float, n: int, m: int) -> float:
    """The chance of a distance of ``d`` or more between samples of ``n`` and ``m`` rows of one continuous distribution.

    Kolmogorov's limit with Stephens' correction for finite samples (1970, J. R. Stat. Soc. B 32). Too large, so on the
    safe side, where values repeat. Not for deciding alone: with many rows every difference is significant.
    """
    return float(special.kolmogorov(_stretch(n, m) * d))


def ks_critical(p: float, n: int, m: int) -> float:
    """The distance whose p-value is ``p``."""
    return float(special.kolmogi(p)) / _stretch(n, m)


def _stretch(n: int, m: int) -> float:
    root = math.sqrt(n * m / (n + m))
    return root + 0.12 + 0.11 / root


def _measure(pair: Pair) -> Measure:
    n, m = pair.window.n, pair.reference.n
    d = ks_distance(pair.reference.shares, pair.window.shares)
    return Measure(value=d, p_value=ks_p_value(d, n, m), critical=lambda p: ks_critical(p, n, m))


KS = Method(
    name="ks",
    kinds=NUMERIC,
    alarms_when=AlarmsWhen.P_BELOW,
    default_threshold=0.05,
    measure=_measure,
    as_evidently=_measure,
)
