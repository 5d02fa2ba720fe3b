"""Total variation distance: the statistic of the default verdict for categories."""

from __future__ import annotations

import numpy as np

from monitor.core.schema import Floats


def tvd(reference: Floats, window: Floats) -> float:
    """``sum |r - w| / 2`` from shares of shape (k,): the share of rows that would have to change category; within [0, 1].

    Direction: symmetric. Not to be judged without its noise: with k categories chance alone gives about ``sqrt(k / 2 pi n)``.
    """
    return float(min(np.abs(reference - window).sum() / 2, 1.0))
