"""Coarser bins for tests that need enough rows in every bin: tenths of the reference, or those that Evidently cuts."""

from __future__ import annotations

import math

import numpy as np

from monitor.core.drift.base import Pair, Side
from monitor.core.drift.curve import curve_of
from monitor.core.schema import Floats, Ints

COARSE_BINS = 10  # deciles of the reference, the usual bins of PSI (Siddiqi, Credit Risk Scorecards, 2006)
SMALLEST_SHARE = 1e-4  # an empty bin counts as this share, as in Evidently (get_binned_data, feel_zeroes)
EVIDENTLY_BY_VALUE = 20  # distinct reference values up to which Evidently's bins are values (get_binned_data)
EVIDENTLY_NOTHING = 1e-6  # of its rarest bin: an empty bin in Evidently where that bin has SMALLEST_SHARE or less


def comparison_shares(pair: Pair) -> tuple[Floats, Floats]:
    """Shares of reference and window: about ten bins of the reference for numbers, every category else.

    Two hundred bins would make a PSI of 0.1 out of nothing but 2,000 rows; ten need 200 rows to be quiet.
    """
    reference, window = pair.reference, pair.window
    if reference.edges is None:
        return reference.shares, window.shares
    starts = coarse_starts(reference.counts)
    return np.add.reduceat(reference.shares, starts), np.add.reduceat(window.shares, starts)


def filled_shares(pair: Pair) -> tuple[Floats, Floats]:
    """``comparison_shares`` for what divides by a share: none is below ``SMALLEST_SHARE``."""
    reference, window = comparison_shares(pair)
    return np.maximum(reference, SMALLEST_SHARE), np.maximum(window, SMALLEST_SHARE)


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


# --- as Evidently ----------------------------------------------------------------------------------------------


def evidently_shares(pair: Pair) -> tuple[Floats, Floats]:
    """Shares on the bins of Evidently's ``get_binned_data``: values and categories that either side has, or Sturges' bins.

    Those are equally wide from the smallest to the largest value of both sides together, so one far value empties them.
    Exact where an edge is one of the profile's or a value is counted by itself; else rows are evenly spread in their bin.
    """
    reference, window = pair.reference, pair.window
    if reference.edges is None or np.count_nonzero(reference.counts) <= EVIDENTLY_BY_VALUE:
        seen = (reference.counts > 0) | (window.counts > 0)
        return reference.shares[seen], window.shares[seen]
    edges = sturges_edges(min(reference.low, window.low), max(reference.high, window.high), reference.n + window.n)
    return _between(reference, edges), _between(window, edges)


def evidently_filled(pair: Pair) -> tuple[Floats, Floats]:
    """``evidently_shares`` for what divides by a share, empty bins filled as Evidently fills them."""
    reference, window = evidently_shares(pair)
    return _fill(reference), _fill(window)


def sturges_edges(low: float, high: float, n: int) -> Floats:
    """The edges of ``numpy.histogram_bin_edges(…, bins="sturges")`` for ``n`` values from ``low`` to ``high``, ``low`` less."""
    width = (high - low) / (math.log2(n) + 1.0)
    if not math.isfinite(width):
        raise ValueError(f"no float holds the distance from {low:g} to {high:g}")
    return np.linspace(low, high, math.ceil((high - low) / width) + 1)


def _between(side: Side, edges: Floats) -> Floats:
    below = np.interp(edges, *curve_of(side), left=0.0, right=1.0)
    below[-1] = 1.0  # the last bin holds its upper edge
    return np.diff(below)


def _fill(shares: Floats) -> Floats:
    least = shares[shares > 0].min()
    return np.where(shares > 0, shares, least * EVIDENTLY_NOTHING if least <= SMALLEST_SHARE else SMALLEST_SHARE)
