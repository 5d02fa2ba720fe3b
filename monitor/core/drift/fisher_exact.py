"""Fisher's exact test of a table of four."""

from __future__ import annotations

import math

import numpy as np
from scipy import special

from monitor.core.drift.base import CATEGORICAL, AlarmsWhen, Measure, Method, NotApplicable, Pair
from monitor.core.drift.z import two_groups
from monitor.core.schema import Floats

MOST_TABLES = 200_000  # possible tables that are summed: some 20 ms; beyond, z has the same p-value to many digits
TIE = 1e-7  # relative: tables as likely as the seen one count as such, though rounding tells them apart


def fisher_exact(reference: tuple[int, int], window: tuple[int, int]) -> float:
    """The logarithm of the two-sided p-value of two (hits, others): all tables with these margins that are no likelier than it.

    Direction: symmetric. Made for few rows and rare categories; with many rows every difference is significant. In Evidently
    it needs equally many rows on both sides, here it does not. Raises NotApplicable with too many tables. Source: Fisher 1922,
    J. R. Stat. Soc. 85; the p-value of ``scipy.stats.fisher_exact``.
    """
    n, m, hits = sum(reference), sum(window), reference[0] + window[0]
    least, most = max(0, hits - n), min(hits, m)
    if most - least > MOST_TABLES:
        raise NotApplicable(f"sums at most {MOST_TABLES:,} tables, here are {most - least + 1:,}: ask for z")
    logs = _log_likelihoods(np.arange(least, most + 1, dtype=np.float64), hits, n, m)
    rare = logs[logs <= logs[window[0] - least] + TIE]
    return min(float(special.logsumexp(rare) - special.logsumexp(logs)), 0.0)


def _log_likelihoods(seen: Floats, hits: int, n: int, m: int) -> Floats:
    """Of ``seen`` hits among the ``m`` rows of the window, up to a constant (hypergeometric)."""
    log_factorial = special.gammaln
    logs: Floats = -(
        log_factorial(seen + 1) + log_factorial(m - seen + 1) + log_factorial(hits - seen + 1) + log_factorial(n - hits + seen + 1)
    )
    return logs


def _measure(pair: Pair) -> Measure:
    """``value`` is -log10 of the p-value, which can be compared where the p-value itself is 0 to a float."""
    logarithm = fisher_exact(*two_groups(pair))
    return Measure(value=-logarithm / math.log(10), p_value=math.exp(logarithm), critical=_surprise)


def _surprise(p: float) -> float:
    return -math.log10(p) if p > 0 else math.inf


FISHER_EXACT = Method(
    name="fisher_exact",
    kinds=CATEGORICAL,
    alarms_when=AlarmsWhen.P_BELOW,
    default_threshold=0.1,
    measure=_measure,
    as_evidently=_measure,
)
