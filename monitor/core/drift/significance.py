"""The verdict for a reference without windows of its own: significance over all columns, behind floors of effect.

Fit for traffic that is alike from window to window, and all that can be said without having seen the rhythm.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from sys import float_info

import numpy as np

from monitor.core.drift.base import Pair, Side
from monitor.core.drift.chisquare import CHISQUARE
from monitor.core.drift.curve import curve_of
from monitor.core.drift.ks import KS
from monitor.core.drift.tvd import tvd
from monitor.core.drift.wasserstein import SMALLEST_STD
from monitor.core.rules import MinEffect
from monitor.core.schema import Floats

TRIM = 0.001  # share of rows at each end that no effect may hang on: one row of 1e9 among a thousand is rubbish, not drift
TRIMMED_ROWS = 1.5  # of the smaller side at each end at least, for the same reason: a thousandth of 500 rows is none
MOST_TRIMMED = 0.25  # share of rows at each end: of a handful of rows the middle is compared
LEVELS = 999  # shares of rows at which two columns are compared
USUAL = MinEffect()


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How a column differs: an effect with its floor, and whether chance could have made it."""

    metric: str
    value: float
    floor: float
    p_value: float


def moved_far(pair: Pair) -> float:
    """``mean |Q_w(u) - Q_r(u)| / std`` over shares u of rows: the Wasserstein distance in the reference's standard deviations without
    the outermost 0.1 % of the rows, one and a half at least, which a few broken values would fill. Sees few rows that moved far, where
    D is small. The largest float where none holds it: values about 1e308 must not be an error of the column.

    Raises ValueError where a side has no values.
    """
    scale = max(pair.reference.std or 0.0, SMALLEST_STD)
    trim = min(max(TRIM, TRIMMED_ROWS / min(pair.reference.n, pair.window.n)), MOST_TRIMMED)
    levels = np.linspace(trim, 1 - trim, LEVELS)
    with np.errstate(over="ignore", invalid="ignore"):
        moved = float(np.mean(np.abs(_quantiles(pair.window, levels) - _quantiles(pair.reference, levels)) / scale))
    return moved if np.isfinite(moved) else float_info.max


def _quantiles(side: Side, levels: Floats) -> Floats:
    places, heights = curve_of(side)
    found: Floats = np.interp(levels, heights, places)
    return found


def difference(pair: Pair, floors: MinEffect = USUAL) -> Difference:
    """D for numbers (or Wasserstein where only that is large), total variation for categories, with a two-sample p-value.

    Raises ValueError where a side has no values.
    """
    if pair.reference.edges is None:
        p = CHISQUARE.measure(pair).p_value or 0.0
        return Difference(metric="tvd", value=tvd(pair.reference.shares, pair.window.shares), floor=floors.tvd, p_value=p)
    ks, moved = KS.measure(pair), moved_far(pair)
    p = ks.p_value or 0.0
    if ks.value < floors.ks and moved >= floors.wasserstein:
        return Difference(metric="wasserstein", value=moved, floor=floors.wasserstein, p_value=p)
    return Difference(metric="ks", value=ks.value, floor=floors.ks, p_value=p)


def significant(p_values: Sequence[float], alpha: float) -> float:
    """The p-value up to which to reject, by Benjamini and Hochberg (1995, J. R. Stat. Soc. B 57); -1 where none is.

    Under no drift at all the chance of any rejection is ``alpha`` at most.
    """
    ordered = sorted(p_values)
    passing = [p for i, p in enumerate(ordered, start=1) if p <= alpha * i / len(ordered)]
    return passing[-1] if passing else -1.0


def drifted(differences: Mapping[str, Difference], alpha: float) -> frozenset[str]:
    """The columns that differ beyond chance and beyond their floors."""
    cut = significant([found.p_value for found in differences.values()], alpha)
    return frozenset(name for name, found in differences.items() if found.p_value <= cut and found.value >= found.floor)
