"""Total variation distance: the statistic of the default verdict for categories."""

from __future__ import annotations

import numpy as np

from monitor.core.drift.base import CATEGORICAL, AlarmsWhen, Measure, Method, Pair, distance
from monitor.core.schema import Floats


def moved_share(differences: Floats) -> Floats:
    """The distance of differences of shares, shape (…, k), to shape (…)."""
    moved: Floats = np.minimum(np.abs(differences).sum(axis=-1) / 2, 1.0)
    return moved


def tvd(reference: Floats, window: Floats) -> float:
    """``sum |r - w| / 2`` from shares of shape (k,): the share of rows that would have to change category; within [0, 1].

    Direction: symmetric. Not to be judged without its noise: with k categories chance alone gives about ``sqrt(k / 2 pi n)``.
    In Evidently ``TVD`` is the p-value of this distance over 1,000 permutations of the rows; here it is the distance itself.
    Source: Levin, Peres and Wilmer, Markov Chains and Mixing Times, 2009, proposition 4.2.
    """
    return float(moved_share(reference - window))


def _measure(pair: Pair) -> Measure:
    return distance(tvd(pair.reference.shares, pair.window.shares))


TVD = Method(name="TVD", kinds=CATEGORICAL, alarms_when=AlarmsWhen.ABOVE, default_threshold=0.1, measure=_measure)
