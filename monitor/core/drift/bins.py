"""Coarser bins for tests that need enough rows in every bin."""

from __future__ import annotations

import numpy as np

from monitor.core.drift.base import Pair
from monitor.core.schema import Floats, Ints

COARSE_BINS = 10  # deciles of the reference, the usual bins of PSI (Siddiqi, Credit Risk Scorecards, 2006)


def comparison_shares(pair: Pair) -> tuple[Floats, Floats]:
    """Shares of reference and window: about ten bins of the reference for numbers, every category else.

    Two hundred bins would make a PSI of 0.1 out of nothing but 2,000 rows; ten need 200 rows to be quiet.
    """
    reference, window = pair.reference, pair.window
    if reference.edges is None:
        return reference.shares, window.shares
    starts = coarse_starts(reference.counts)
    return np.add.reduceat(reference.shares, starts), np.add.reduceat(window.shares, starts)


def coarse_starts(counts: Ints) -> Ints:
    """Where coarse bins begin, as positions in ``counts``, first 0. Any bin with a tenth of the mass stands alone."""
    enough = counts.sum() / COARSE_BINS
    starts, held = [0], 0
    for i, count in enumerate(counts.tolist()):
        if i > starts[-1] and (held >= enough or count >= enough):
            starts.append(i)
            held = 0
        held += count
    return np.array(starts, dtype=np.int64)
