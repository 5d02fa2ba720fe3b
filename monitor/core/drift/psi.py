"""Population stability index."""

from __future__ import annotations

import numpy as np

from monitor.core.drift.base import CATEGORICAL, NUMERIC, AlarmsWhen, Measure, Method, Pair, distance
from monitor.core.drift.bins import comparison_shares
from monitor.core.schema import Floats

SMALLEST_SHARE = 1e-4  # an empty bin counts as this share, as in Evidently (get_binned_data, feel_zeroes)


def psi(reference: Floats, window: Floats) -> float:
    """``sum((w - r) * ln(w / r))`` over bins, from shares of shape (k,); 0 for equal shares, no upper bound.

    Direction: symmetric. Numbers are compared in about ten bins with equal shares of the reference, so a far outlier is
    one row in the last bin and cannot widen the others. Not for windows under some 200 rows nor for hundreds of
    categories: chance alone gives about ``(k - 1) * (1/n + 1/m)``. Source: Siddiqi, Credit Risk Scorecards, 2006.
    """
    r, w = np.maximum(reference, SMALLEST_SHARE), np.maximum(window, SMALLEST_SHARE)
    return float(np.sum((w - r) * np.log(w / r)))


def _measure(pair: Pair) -> Measure:
    return distance(psi(*comparison_shares(pair)))


PSI = Method(
    name="psi", kinds=NUMERIC | CATEGORICAL, alarms_when=AlarmsWhen.ABOVE, default_threshold=0.1, measure=_measure
)
