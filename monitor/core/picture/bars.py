"""A column's two distributions as at most two dozen bars, out of the counts that profiles keep."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from monitor.core.cause.scene import Scene
from monitor.core.finding import BROKEN
from monitor.core.picture.axis import Axis, axis_of, value_text
from monitor.core.picture.picture import Bars, Tick
from monitor.core.picture.text import line
from monitor.core.profile import CategoricalProfile, NumericProfile, Profile
from monitor.core.schema import Floats

MOST_BARS = 24
MOST_CATEGORIES = 9
"""Names that can be read one below another."""
LONGEST_NAME = 22
"""Characters of a category beside its bar."""
ENOUGH = 5
"""Sampled values within one bin from which on they tell how its rows are spread."""
DECIMALS = 4
"""Of a share: a hundredth of a per cent is less than a bar shows."""
REST = "all others"
OUTSIDE = 0.01
"""Of either side's rows: so many at each end may make no bar of their own, and are in the outermost one."""


def column_bars(scene: Scene, sentence: str) -> Bars | None:
    """The column's bars; None where either side has no values, or they cannot be drawn."""
    try:
        numbers, categories = scene.numbers, scene.categories
        if numbers is not None:
            return _numeric(scene, *numbers, sentence)
        return None if categories is None else _categorical(scene, *categories, sentence)
    except BROKEN:
        return None  # numbers beyond arithmetic: the picture can do without


# --- categories ----------------------------------------------------------------------------------------------


def _categorical(scene: Scene, here: CategoricalProfile, there: CategoricalProfile, sentence: str) -> Bars:
    before, after = _by_name(here=there, profile=scene.reference, name=scene.name), _by_name(here, scene.window, scene.name)
    names = sorted({*before, *after}, key=lambda name: (-max(before.get(name, 0.0), after.get(name, 0.0)), name))
    if len(names) > MOST_CATEGORIES:
        names = names[: MOST_CATEGORIES - 1]
    names.sort(key=lambda name: (-before.get(name, 0.0), -after.get(name, 0.0), name))
    fresh = set(after) - set(here.grid.categories)
    labels = [_category(name, new=name in fresh) for name in names]
    sides = [[shares.get(name, 0.0) for name in names] for shares in (before, after)]
    rest = [max(1.0 - sum(side), 0.0) for side in sides]
    if max(rest) >= 10**-DECIMALS:
        labels, sides = [*labels, REST], [[*side, left] for side, left in zip(sides, rest, strict=True)]
    return _named(scene.name, sentence, labels, sides)


def _by_name(here: CategoricalProfile, profile: Profile, name: str) -> Mapping[str, float]:
    """The share of each category's rows; of new ones as far as they are known."""
    known = dict(zip(here.grid.categories, here.counts.tolist(), strict=True))
    return {text: count / here.n for text, count in {**profile.new_categories(name), **known}.items() if count}


def _category(name: str, *, new: bool) -> str:
    return (line(name, LONGEST_NAME - 6 * new) or '""') + (" (new)" if new else "")


def _named(column: str, sentence: str, labels: Sequence[str], sides: Sequence[Sequence[float]]) -> Bars:
    ticks = tuple(Tick(at=at + 0.5, text=label) for at, label in enumerate(labels))
    return Bars(column=column, sentence=sentence, reference=_rounded(sides[0]), now=_rounded(sides[1]), ticks=ticks, named=True)


# --- numbers -------------------------------------------------------------------------------------------------


def _numeric(scene: Scene, here: NumericProfile, there: NumericProfile, sentence: str) -> Bars:
    samples = [np.sort(profile.sample.numbers(scene.name)) for profile in (scene.reference, scene.window)]
    few = _few_values(there, here)
    if few is not None:
        return _named(scene.name, sentence, *few)
    spreads = [Spread(side, sample) for side, sample in zip((there, here), samples, strict=True)]
    axis = axis_of([spread.range for spread in spreads], MOST_BARS, whole=_is_whole(there))
    sides = [spread.shares(axis) for spread in spreads]
    return Bars(column=scene.name, sentence=sentence, reference=_rounded(sides[0]), now=_rounded(sides[1]), ticks=axis.ticks,
                stretched=axis.stretched)


def _few_values(there: NumericProfile, here: NumericProfile) -> tuple[list[str], list[list[float]]] | None:
    """Values with a bar each, where the reference has few of them; what is none of them is one bar more. None: there are too many."""
    atoms = there.grid.atoms
    if not there.grid.by_value or int(atoms.sum()) > MOST_CATEGORIES:
        return None
    values = there.grid.edges[np.flatnonzero(atoms) - 1]
    labels, sides = [value_text(float(value)) for value in values], [side.counts[atoms] / side.n for side in (there, here)]
    rest = [float(side.counts[~atoms].sum() / side.n) for side in (there, here)]
    if max(rest) > 0:
        labels, sides = [*labels, REST], [np.append(side, left) for side, left in zip(sides, rest, strict=True)]
    return labels, [side.tolist() for side in sides]


def _is_whole(column: NumericProfile) -> bool:
    """Whether the reference's values are whole numbers, as far as it knows them one by one."""
    edges = column.grid.edges[np.flatnonzero(column.grid.atoms) - 1] if column.grid.by_value else column.grid.edges[:0]
    return bool(len(edges)) and bool((np.floor(edges) == edges).all())


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Rows of one bin, from ``start`` up to ``end``; ``sample``: values of some of them, ascending, where there are enough to tell more."""

    rows: int
    start: float
    end: float
    sample: Floats | None = None

    def at(self, share: float) -> float:
        """The value below which a share of them is."""
        if self.sample is None:
            return self.start + share * (self.end - self.start)
        return float(self.sample[min(int(share * len(self.sample)), len(self.sample) - 1)])

    def shares(self, axis: Axis) -> Floats:
        """Their shares in each bar."""
        return axis.between(self.start, self.end) if self.sample is None else axis.share(self.sample)


class Spread:
    """Where the rows of one side lie: bin by bin, and within a wide bin as the sampled values in it tell."""

    def __init__(self, column: NumericProfile, sample: Floats) -> None:
        if column.min is None or column.max is None:
            raise ValueError("no values to draw")
        self._parts = list(_parts(column, column.min, column.max, sample))
        self._rows = sum(part.rows for part in self._parts)
        self.range = self._quantile(OUTSIDE), self._quantile(1 - OUTSIDE)

    def shares(self, axis: Axis) -> Floats:
        """The share of rows in each bar; what lies outside of them is in the first and the last."""
        total: Floats = sum((part.rows * part.shares(axis) for part in self._parts), np.zeros(axis.bars)) / self._rows
        return total

    def _quantile(self, share: float) -> float:
        """A value below which about so many rows are."""
        left = share * self._rows
        for part in self._parts:
            if left <= part.rows:
                return part.at(left / part.rows)
            left -= part.rows
        return self._parts[-1].end


def _parts(column: NumericProfile, low: float, high: float, sample: Floats) -> Iterator[Part]:
    edges = column.grid.edges
    lows, highs = np.append(low, edges), np.append(edges, math.nextafter(high, math.inf))
    for at in np.flatnonzero(column.counts).tolist():
        start, end = max(float(lows[at]), low), max(min(float(highs[at]), math.nextafter(high, math.inf)), low)
        inside = sample[np.searchsorted(sample, start) : np.searchsorted(sample, end)]
        yield Part(rows=int(column.counts[at]), start=start, end=end, sample=inside if len(inside) >= ENOUGH else None)


def _rounded(shares: Sequence[float] | Floats) -> tuple[float, ...]:
    return tuple(round(float(share), DECIMALS) + 0.0 for share in shares)
