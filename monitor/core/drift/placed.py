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
    inside = _gaps(side)
    if inside is None or side.edges is None:
        return places, heights
    starts, ends = np.append(-np.inf, side.edges), np.append(side.edges, np.inf)
    with np.errstate(over="ignore"):  # a gap that no float holds has no spread
        widths = np.where(inside, ends, 0.0) - np.where(inside, starts, 0.0)
    spread = _spread(side, starts, widths)
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


def _gaps(side: Side) -> Flags | None:
    """Gaps between known values that have rows, shape (k,); None without any, and where not every second bin is one value.

    The outer bins are no gaps: they end at the extremes.
    """
    if len(side.counts) % 2 == 0 or not side.counts[2:-1:2].any() or not side.alike[1::2].all():
        return None
    gaps = side.counts > 0
    gaps[1::2] = gaps[0] = gaps[-1] = False
    return gaps


def _spread(side: Side, starts: Floats, widths: Floats) -> tuple[float, float] | None:
    """The middle and half the width, as shares of a gap, of where its rows lie; None where moments do not tell.

    ``starts`` of all bins, ``widths`` of the gaps, 0 elsewhere. Rows in the outer bins count as being the extremes.
    """
    if side.mean is None or side.std is None:
        return None
    with np.errstate(all="ignore"):
        off = np.concatenate([[side.low], starts[1:-1], [side.high]]) - side.mean
        once, twice = np.sum(side.counts * widths), np.sum(side.counts * widths**2)
        middle = float(-np.sum(side.counts * off) / once)
        squares = (side.n - 1) * side.std * side.std - np.sum(side.counts * off * (off + 2 * middle * widths))
        second = float(squares / twice)
    if not (math.isfinite(middle) and math.isfinite(second)):
        return None
    middle = min(max(middle, 0.0), 1.0)
    return middle, min(math.sqrt(3 * max(second - middle**2, 0.0)), middle, 1 - middle)
