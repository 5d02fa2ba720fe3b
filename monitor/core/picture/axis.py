"""The axis of a number: bars with ends that people would choose, stretched about zero where the two sides are of different sizes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from monitor.core.picture.picture import Tick
from monitor.core.schema import Floats

NICE = (1.0, 2.0, 2.5, 5.0, 10.0)
"""Times a power of ten: widths of bars that people can read off."""
MOST_TICKS = 5
UNLIKE = 12.0
"""Times wider than the other side: then one of them would be a single bar on a plain axis."""
LINEAR = 0.1
"""Of the narrower side's width: up to there, from zero, a stretched axis is nearly plain."""
HUGE, TINY = 1e150, 1e-150
"""Numbers beyond are beyond arithmetic, or nothing."""
SAME = 1e-9
"""Of the numbers themselves: a smaller width is none."""
DIGITS = 3
SMALLEST_PLAIN, LARGEST_PLAIN = 1e-3, 1e4
"""Numbers beyond are written with an exponent, or in thousands and millions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """``edges``: of the bars, ascending, shape (bars + 1,)."""

    edges: Floats
    ticks: tuple[Tick, ...]
    stretched: bool = False

    @property
    def bars(self) -> int:
        """How many."""
        return len(self.edges) - 1

    def share(self, values: Floats) -> Floats:
        """The share of some values in each bar; those outside count in the first or the last one."""
        at = np.clip(np.searchsorted(self.edges, values, side="right") - 1, 0, self.bars - 1)
        counts: Floats = np.bincount(at, minlength=self.bars) / len(values)
        return counts

    def between(self, start: float, end: float) -> Floats:
        """The same of values that are spread evenly from ``start`` up to ``end``; one value where those are the same or neighbours."""
        if end <= math.nextafter(start, math.inf):
            return self.share(np.array([start]))
        inner = np.clip((self.edges[1:-1] - start) / (end - start), 0.0, 1.0)
        counts: Floats = np.diff(np.concatenate([[0.0], inner, [1.0]]))
        return counts


def axis_of(ranges: Sequence[tuple[float, float]], most: int, *, whole: bool = False) -> Axis:
    """Of at most so many bars over the ranges of both sides. ``whole``: no bar ends between two whole numbers."""
    low, high = min(start for start, _ in ranges), max(end for _, end in ranges)
    largest = max(abs(low), abs(high))
    if not largest <= HUGE:
        raise ValueError("a range that no axis has")
    if high - low <= max(SAME * largest, TINY):
        half = largest / 100 if largest > TINY else 1.0
        low, high = low - half, high + half
    widths = sorted(end - start for start, end in ranges)
    narrow = widths[0] or min(max(abs(end), abs(start)) for start, end in ranges) / 10
    narrow = max(narrow, SAME * (high - low))
    if high - low > UNLIKE * narrow and largest > UNLIKE * narrow:
        return _stretched(low, high, most, narrow * LINEAR)
    return _plain(low, high, most, whole=whole)


def _plain(low: float, high: float, most: int, *, whole: bool) -> Axis:
    step = nice_step((high - low) / (most - 1))
    if whole:
        step = max(math.ceil(step), 1.0)
    first = math.floor(low / step)
    last = max(math.floor(high / step) + 1, first + 1)
    numbers = list(range(first, last + 1))[: most + 1]
    edges = np.array([step * number for number in numbers])
    every = max(math.ceil(len(numbers) / MOST_TICKS), 1)
    every = next(nice for nice in (1, 2, 4, 5, 8, 10, 20, 25) if nice >= every)
    ticks = [Tick(at=float(at), text=value_text(float(edges[at]))) for at, number in enumerate(numbers) if number % every == 0]
    return Axis(edges=edges, ticks=tuple(ticks))


def _stretched(low: float, high: float, most: int, scale: float) -> Axis:
    start, end = math.asinh(low / scale), math.asinh(high / scale)
    edges = np.array([math.sinh(start + at * (end - start) / most) * scale for at in range(most + 1)])
    wide = (end - start) / most
    places = [((math.asinh(value / scale) - start) / wide, value) for value in _round_values(low, high, scale)]
    ticks: list[Tick] = []
    for at, value in sorted(places, key=lambda place: (place[1] != 0, -abs(place[1]))):  # zero first, then the far ends
        if all(abs(at - tick.at) >= most / MOST_TICKS for tick in ticks):
            ticks.append(Tick(at=round(at, 2), text=value_text(value)))
    return Axis(edges=edges, ticks=tuple(sorted(ticks, key=lambda tick: tick.at)), stretched=True)


def _round_values(low: float, high: float, scale: float) -> list[float]:
    """Zero, and 1, 2 and 5 times the powers of ten from the scale on, as far as they are on the axis."""
    largest = max(abs(low), abs(high))
    powers = range(math.floor(math.log10(scale)), math.ceil(math.log10(largest)) + 1)
    sizes = [nice * 10.0**power for power in powers for nice in (1.0, 2.0, 5.0)]
    return [value for value in (0.0, *sizes, *(-size for size in sizes)) if low <= value <= high]


def nice_step(least: float) -> float:
    """The smallest nice width from ``least`` on."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(nice * power for nice in NICE if nice * power >= least * (1 - 1e-9))


def value_text(value: float) -> str:
    """A number below an axis: ``0.25``, ``1.5k``, ``2M``, ``1e-07``."""
    size = abs(value)
    for unit, sign in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if LARGEST_PLAIN <= size < 1e12 and size >= unit:
            return f"{value / unit:.{DIGITS}g}{sign}"
    if size and not SMALLEST_PLAIN <= size < LARGEST_PLAIN:
        return f"{value:.1e}".replace(".0e", "e")
    return f"{value + 0.0:.{DIGITS + (size >= 1000)}g}"
