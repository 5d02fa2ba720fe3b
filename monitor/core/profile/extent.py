"""Where the values of a numeric column lie: the range that a reference teaches, or one that is given, in the bins of its grid."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from monitor.core.profile.grid import NumericGrid
from monitor.core.profile.numeric import NumericProfile

TRIM = 2e-4  # share of a reference's values at each end that make no range: poisoned rows (grids have an edge at 1.6e-4)
MARGIN = 0.25  # of the range's width: by so much it is widened at each end, as far as the grid has edges


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """The values from ``low`` to ``high``, both included, infinite where open; of the grid's bins those from ``first`` to ``last``.

    ``exact``: both ends are edges of the grid. Else the bins that hold them count as inside, and what is outside is a lower bound.
    ``trimmed``: the reference's values beyond each end that were taken for poison.
    """

    low: float
    high: float
    first: int
    last: int
    exact: bool
    trimmed: int = 0

    @staticmethod
    def of(grid: NumericGrid, low: float, high: float, *, trimmed: int = 0) -> Extent:
        """A range on a grid."""
        edges = grid.edges
        first, last = (int(edges.searchsorted(end, side="right")) if math.isfinite(end) else len(edges) * (end > 0) for end in (low, high))
        above = math.nextafter(high, math.inf)
        exact = (low == -math.inf or (first > 0 and edges[first - 1] == low)) and (
            above == math.inf or (last < len(edges) and edges[last] == above)
        )
        return Extent(low=low, high=high, first=first, last=last, exact=bool(exact), trimmed=trimmed)

    def outside(self, column: NumericProfile) -> int:
        """Rows of a profile on the same grid that lie outside."""
        below, above = int(column.counts[: self.first].sum()), int(column.counts[self.last + 1 :].sum())
        if column.min is None or column.max is None:
            return 0
        return (below or int(column.min < self.low)) + (above or int(column.max > self.high))


def extent_of(column: NumericProfile) -> Extent | None:
    """What a reference teaches: from its lowest to its highest value without the ``TRIM`` of each end, widened by ``MARGIN``.

    A column that was never negative is not widened below zero, nor one that was never positive above it. None without values.
    """
    n, edges = column.n, column.grid.edges
    if not n:
        return None
    cumulative, trimmed = np.cumsum(column.counts), int(TRIM * n)
    first = int(cumulative.searchsorted(trimmed, side="right"))
    last = int(cumulative.searchsorted(n - trimmed))
    low = float(edges[first - 1]) if first else -math.inf
    high = float(edges[last]) if last < len(edges) else math.inf  # values lie below it
    margin = MARGIN * (high - low)
    if math.isfinite(margin):
        wished = max(low - margin, 0.0) if low >= 0 else low - margin
        low = float(edges[edges.searchsorted(wished)])
        wished = min(high + margin, 0.0) if high <= 0 else high + margin
        high = float(edges[edges.searchsorted(wished, side="right") - 1])
    return Extent.of(column.grid, low, math.nextafter(high, -math.inf) if high < math.inf else high, trimmed=trimmed)


def out_of_range_share(column: NumericProfile, reference: NumericProfile) -> float:
    """The share of a column's values outside of what a reference on the same grid teaches; 0 where either has none."""
    extent = extent_of(reference)
    return extent.outside(column) / column.n if extent is not None and column.n else 0.0


def with_ends(grid: NumericGrid, low: float, high: float) -> NumericGrid:
    """The grid with the ends of a range among its edges, so that what is outside is counted to the row."""
    ends = [end for end in (low, math.nextafter(high, math.inf)) if math.isfinite(end)]
    return replace(grid, edges=np.union1d(grid.edges, ends))
