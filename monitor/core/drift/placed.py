"""The curve of a column counted by value, when a window brings values between the known ones: its moments say where they lie."""

from __future__ import annotations

import math

import numpy as np

from monitor.core.drift.base import Side
from monitor.core.drift.curve import Curve, curve_of
from monitor.core.schema import Flags, Floats


def placed_curve(side: Side) -> Curve:
    """``curve_of``, but rows in the gaps of a column counted by value are not spread evenly over their gaps.

    Whole numbers that all grew by .1 lie in gaps of width 1, where even spread would move them by .5. Mean and standard deviation
    are exact, so they tell how far into its gap such a row lies on average, and how widely; every gap is taken to be alike.
    """
    places, heights = curve_of(side)
    starts, widths = _bins(side)
    inside = _gaps(side)
    spread = _spread(side, starts, np.where(inside, widths, 0.0)) if _by_value(side) and inside.any() else None
    if spread is None:
        return places, heights
    middle, half = spread
    after = np.cumsum(side.counts) / side.n
    before = after - side.counts / side.n
    first = starts[inside] + (middle - half) * widths[inside]
    last = np.maximum(starts[inside] + (middle + half) * widths[inside], np.nextafter(first, np.inf))
    everywhere = np.concatenate([places, first, last])
    order = np.argsort(everywhere, kind="stable")
    return everywhere[order], np.concatenate([heights, before[inside], after[inside]])[order]


def _gaps(side: Side) -> Flags:
    return (side.counts > 0) & ~side.alike


def _by_value(side: Side) -> bool:
    """Whether every second bin holds one value, as in grids that count by value."""
    return len(side.counts) % 2 == 1 and bool(side.alike[1::2].all())


def _bins(side: Side) -> tuple[Floats, Floats]:
    """Where bins begin and how wide they are, the outer ones up to the extremes."""
    edges = np.empty(0) if side.edges is None else side.edges
    end = float(np.nextafter(side.high, np.inf))
    starts = np.concatenate([[side.low], np.maximum(edges, side.low)])
    with np.errstate(over="ignore"):
        return starts, np.maximum(np.concatenate([np.minimum(edges, end), [end]]) - starts, 0.0)


def _spread(side: Side, starts: Floats, widths: Floats) -> tuple[float, float] | None:
    """The middle and half the width, as shares of a gap, of where its rows lie; None where moments do not tell."""
    if side.mean is None or side.std is None:
        return None
    counts = np.where(side.counts > 0, side.counts, 0).astype(np.float64)
    with np.errstate(all="ignore"):
        off = starts - side.mean
        middle = -float(np.sum(counts * off)) / float(np.sum(counts * widths))
        squares = (side.n - 1) * side.std * side.std - float(np.sum(counts * off * (off + 2 * middle * widths)))
        second = squares / float(np.sum(counts * widths**2))
    if not (math.isfinite(middle) and math.isfinite(second)):
        return None
    middle = min(max(middle, 0.0), 1.0)
    return middle, min(math.sqrt(3 * max(second - middle**2, 0.0)), middle, 1 - middle)
