"""Numbers that are shifted or scaled, on the counts of their bins.

A value that has a bin to itself moves whole. The rows of any other bin are taken as spread evenly over it (its part between the window's
minimum and maximum), so the cumulative curve within it is a straight line; of a column of whole numbers, evenly over the whole numbers in
it. Moments, minimum and maximum are exact.
"""

from __future__ import annotations

from fractions import Fraction
from sys import float_info

import numpy as np

from monitor.core.drill.base import Affine
from monitor.core.drill.thinned import sound_moments
from monitor.core.profile import NumericProfile
from monitor.core.profile.grid import next_floats
from monitor.core.schema import Flags, Floats, Ints


def moved(column: NumericProfile, by: Affine, *, whole: bool) -> NumericProfile:
    """The column of ``factor * x + offset``; the factor is above 0. ``whole``: its values are whole numbers."""
    if column.min is None or column.max is None or by == Affine():
        return column
    factor, offset = by.floats
    atoms = column.grid.atoms
    counts = _atoms(column, atoms, factor, offset) + _rest(column, atoms, factor, offset, whole=whole)
    units, squares = _moments(column, by)
    low, high = (_finite(factor * end + offset) for end in (column.min, column.max))
    return NumericProfile(grid=column.grid, counts=counts, null=column.null, nan=column.nan, pos_inf=column.pos_inf, neg_inf=column.neg_inf,
                          wrong_type=column.wrong_type, min=low, max=high, total_units=units, total_squares=squares)


def whole_numbers(reference: NumericProfile) -> bool:
    """Whether a reference's values are whole numbers: the edges between its extremes are values of it, or next to one."""
    low, high = reference.min, reference.max
    if low is None or high is None:
        return False
    edges = reference.grid.edges
    inside = edges[(edges >= low) & (edges <= high)]
    wholes = np.floor(inside)
    return bool(len(inside)) and bool(((inside == wholes) | (inside == next_floats(wholes))).all())


def _atoms(column: NumericProfile, atoms: Flags, factor: float, offset: float) -> Ints:
    at = np.flatnonzero(atoms & (column.counts > 0))
    with np.errstate(over="ignore"):
        bins = column.grid.bins_of(factor * column.grid.edges[at - 1] + offset)
    counts = np.zeros(column.grid.bins, dtype=np.int64)
    np.add.at(counts, bins, column.counts[at])
    return counts


def _rest(column: NumericProfile, atoms: Flags, factor: float, offset: float, *, whole: bool) -> Ints:
    spread = np.where(atoms, 0, column.counts)
    rows = int(spread.sum())
    if not rows or column.min is None or column.max is None:
        return spread
    end = float(np.nextafter(column.max, np.inf))
    places = np.concatenate([[column.min], np.clip(column.grid.edges, column.min, end), [end]])
    heights = np.concatenate([[0], np.cumsum(spread)]).astype(np.float64)
    with np.errstate(over="ignore"):
        asked = (column.grid.edges - offset) / factor
    if whole:  # the whole number i stands for the rows from i to i + 1
        places, asked = np.ceil(places), np.ceil(asked)
    below = np.rint(np.interp(asked, places, heights, left=0.0, right=float(rows))).astype(np.int64)
    return np.diff(below, prepend=0, append=rows)


def _moments(column: NumericProfile, by: Affine) -> tuple[int, int]:
    """Of ``a q + d``: in units from the center, ``d = ((a - 1) center + offset) / unit``."""
    a, n = by.factor, column.n
    d = ((a - 1) * Fraction(column.grid.center) + by.offset) / Fraction(column.grid.unit)
    total, squares = column.total_units, column.total_squares
    return sound_moments(n, a * total + n * d, a * a * squares + 2 * a * d * total + n * d * d)


def _finite(value: float) -> float:
    return min(max(value, -float_info.max), float_info.max) + 0.0


def quantile_value(reference: NumericProfile, share: float) -> float | None:
    """A value in the middle of the bin that holds this share of a reference's values; None without values."""
    if reference.min is None or reference.max is None:
        return None
    at = int(np.searchsorted(np.cumsum(reference.counts), share * reference.n, side="left"))
    edges: Floats = reference.grid.edges
    low = max(float(edges[at - 1]), reference.min) if at else reference.min
    high = min(float(edges[at]), reference.max) if at < len(edges) else reference.max
    if reference.grid.atoms[at]:
        return low
    return float(np.ceil(low)) if whole_numbers(reference) else low / 2 + high / 2
