"""Hellinger distance."""

from __future__ import annotations

import numpy as np

from monitor.core.drift.base import CATEGORICAL, NUMERIC, AlarmsWhen, Measure, Method, Pair, distance
from monitor.core.drift.bins import comparison_shares
from monitor.core.schema import Floats


def hellinger(reference: Floats, window: Floats) -> float:
    """``sqrt(1 - sum sqrt(r * w))`` from shares of shape (k,); within [0, 1], computed as ``|sqrt(r) - sqrt(w)| / sqrt(2)``.

    Direction: symmetric. Numbers are compared in about ten bins with equal shares of the reference. Evidently cuts them by
    its count of distinct values, which a profile does not have; for categories the number is the same. Not for windows under
    some 200 rows nor for hundreds of categories: chance alone gives about ``sqrt((k - 1) * (1/n + 1/m) / 8)``.
    Source: Hellinger 1909, J. reine angew. Math. 136; Le Cam, Asymptotic Methods in Statistical Decision Theory, 1986.
    """
    return float(min(np.linalg.norm(np.sqrt(reference) - np.sqrt(window)) / np.sqrt(2.0), 1.0))


def _measure(pair: Pair) -> Measure:
    return distance(hellinger(*comparison_shares(pair)))


HELLINGER = Method(name="hellinger", kinds=NUMERIC | CATEGORICAL, alarms_when=AlarmsWhen.ABOVE, default_threshold=0.1, measure=_measure)
