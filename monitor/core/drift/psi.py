"""Population stability index."""

from __future__ import annotations

import numpy as np

from monitor.core.drift.base import CATEGORICAL, NUMERIC, AlarmsWhen, Measure, Method, Pair, distance
from monitor.core.drift.bins import evidently_filled, filled_shares
from monitor.core.schema import Floats


def psi(reference: Floats, window: Floats) -> float:
    """``sum((w - r) * ln(w / r))`` over bins, from shares above 0 of shape (k,); 0 for equal shares, no upper bound.

    Direction: symmetric. Numbers are compared in about ten bins with equal shares of the reference, so a far outlier is
    one row in the last bin and cannot widen the others. Not for windows under some 200 rows nor for hundreds of
    categories: chance alone gives about ``(k - 1) * (1/n + 1/m)``. Source: Siddiqi, Credit Risk Scorecards, 2006.
    """
    return float(np.sum((window - reference) * np.log(window / reference)))


def _measure(pair: Pair) -> Measure:
    return distance(psi(*filled_shares(pair)))


def _as_evidently(pair: Pair) -> Measure:
    return distance(psi(*evidently_filled(pair)))


PSI = Method(
    name="psi",
    kinds=NUMERIC | CATEGORICAL,
    alarms_when=AlarmsWhen.ABOVE,
    default_threshold=0.1,
    measure=_measure,
    as_evidently=_as_evidently,
)
