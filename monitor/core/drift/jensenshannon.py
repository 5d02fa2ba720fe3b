"""Jensen–Shannon distance."""

from __future__ import annotations

import numpy as np
from scipy import special

from monitor.core.drift.base import CATEGORICAL, NUMERIC, AlarmsWhen, Measure, Method, Pair, distance
from monitor.core.drift.bins import comparison_shares, evidently_shares
from monitor.core.schema import Floats


def jensenshannon(reference: Floats, window: Floats) -> float:
    """``sqrt((KL(r || m) + KL(w || m)) / 2)`` with ``m = (r + w) / 2`` and natural logarithms, from shares of shape (k,).

    Within [0, 0.8326]. Direction: symmetric. Numbers are compared in about ten bins with equal shares of the reference.
    Not for windows under some 200 rows nor for hundreds of categories: chance alone gives about ``sqrt((k - 1) / 8n)``.
    Source: Lin 1991, IEEE Trans. Inf. Theory 37; the same number as ``scipy.spatial.distance.jensenshannon``.
    """
    middle = (reference + window) / 2
    divergence = np.sum(special.rel_entr(reference, middle) + special.rel_entr(window, middle)) / 2
    return float(np.sqrt(max(divergence, 0.0)))


def _measure(pair: Pair) -> Measure:
    return distance(jensenshannon(*comparison_shares(pair)))


def _as_evidently(pair: Pair) -> Measure:
    return distance(jensenshannon(*evidently_shares(pair)))


JENSENSHANNON = Method(
    name="jensenshannon",
    kinds=NUMERIC | CATEGORICAL,
    alarms_when=AlarmsWhen.ABOVE,
    default_threshold=0.1,
    measure=_measure,
    as_evidently=_as_evidently,
)
