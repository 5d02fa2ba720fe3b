"""What a fault of one column does to the second moments of all of them.

The rows that are hit are taken at random, and what a column's values become to hang on the other columns only by what they were (linear
regression). A straight line of the values keeps their correlations, but for what is cut off far out, whose share the counts tell.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from monitor.core.drill.base import Affine, Hit
from monitor.core.profile import NumericGrid, NumericProfile
from monitor.core.profile.comoments import REACH, STEPS, CoMoments, scale_of
from monitor.core.schema import Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What the values of hit rows become, in steps: their mean moves by ``by`` (or is ``to``), their variance and their covariances with
    other columns are multiplied."""

    by: float = 0.0
    to: float | None = None
    variance: float = 0.0
    covariance: float = 0.0


def hit_together(moments: CoMoments, name: str, before: NumericProfile, hit: Hit) -> CoMoments:
    """The moments with the column ``name``, which was ``before``, as it is after the fault."""
    if not moments.rows or not hit.share:
        return moments
    line = _line(before, hit.numbers)
    return moments if line == Line(variance=1.0, covariance=1.0) else _with(moments, moments.columns.index(name), line, hit.share)


def _line(column: NumericProfile, by: Affine | None) -> Line:
    if by is None:
        return Line(to=0.0)  # no value counts as the center
    factor, offset = by.floats
    if not factor:
        return Line(to=float(_steps(column.grid, np.array([offset]))[0]))
    values, weights = _values(column), column.counts / max(column.n, 1)
    before = _steps(column.grid, values)
    with np.errstate(over="ignore"):
        after = _steps(column.grid, factor * values + offset)
    means = float(weights @ before), float(weights @ after)
    here, there = before - means[0], after - means[1]
    spread = float(weights @ here**2)
    if not spread:
        return Line(by=means[1] - means[0])
    return Line(by=(means[1] - means[0]) * column.n / max(column.total, 1), variance=float(weights @ there**2) / spread,
                covariance=float(weights @ (here * there)) / spread)


def _values(column: NumericProfile) -> Floats:
    """One value of each bin, shape (k,)."""
    low, high = column.min or 0.0, column.max or 0.0
    inner = np.clip(column.grid.edges, low, high)
    lows, highs = np.concatenate([[low], inner]), np.concatenate([inner, [high]])
    found: Floats = np.where(column.grid.atoms, lows, lows / 2 + highs / 2)
    return found


def _steps(grid: NumericGrid, values: Floats) -> Floats:
    """As co-moments count values."""
    with np.errstate(over="ignore"):
        steps: Floats = np.clip(np.rint((values - grid.center) / scale_of(grid) * STEPS), -STEPS * REACH, STEPS * REACH)
    return steps


def _with(moments: CoMoments, at: int, line: Line, share: float) -> CoMoments:
    mean = moments.mean
    covariances = moments.products[at] / moments.rows - mean[at] * mean
    to = mean[at] + line.by if line.to is None else line.to
    hit = line.covariance * covariances + to * mean
    hit[at] = line.variance * covariances[at] + to * to
    row = (1 - share) * moments.products[at] / moments.rows + share * hit
    sums, products = moments.sums.copy(), moments.products.copy()
    sums[at] = round(((1 - share) * mean[at] + share * to) * moments.rows)
    products[at] = products[:, at] = np.rint(row * moments.rows).astype(np.int64)
    return replace(moments, sums=sums, products=products)
