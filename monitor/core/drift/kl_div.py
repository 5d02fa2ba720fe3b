"""Kullback–Leibler divergence."""

from __future__ import annotations

import numpy as np

from monitor.core.drift.base import CATEGORICAL, NUMERIC, AlarmsWhen, Measure, Method, Pair, distance
from monitor.core.drift.bins import evidently_filled, filled_shares
from monitor.core.schema import Floats


def kl_div(reference: Floats, window: Floats) -> float:
    """``sum(r * ln(r / w))`` over bins, from shares above 0 of shape (k,), each normed to 1; from 0, no upper bound.

    Direction: not symmetric; it is the surprise of the reference under the window, so what the window no longer has counts
    more than what it newly has: ask for psi to see both. Numbers are compared in about ten bins with equal shares of the
    reference. Not for windows under some 200 rows nor for hundreds of categories: chance alone gives about
    ``(k - 1) * (1/n + 1/m) / 2``. Source: Kullback and Leibler 1951, Ann. Math. Stat. 22; the number of ``scipy.stats.entropy``.
    """
    r, w = reference / reference.sum(), window / window.sum()
    return float(max(np.sum(r * np.log(r / w)), 0.0))


def _measure(pair: Pair) -> Measure:
    return distance(kl_div(*filled_shares(pair)))


def _as_evidently(pair: Pair) -> Measure:
    return distance(kl_div(*evidently_filled(pair)))


KL_DIV = Method(
    name="kl_div",
    kinds=NUMERIC | CATEGORICAL,
    alarms_when=AlarmsWhen.ABOVE,
    default_threshold=0.1,
    measure=_measure,
    as_evidently=_as_evidently,
)
