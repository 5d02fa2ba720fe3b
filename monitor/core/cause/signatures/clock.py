"""Time-zone shift: the hours of a day are turned by so many hours, past midnight and round again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from monitor.core.cause.scene import Scene
from monitor.core.cause.sentence import numbers
from monitor.core.cause.signatures.sign import FIT, Sign
from monitor.core.drift.ks import ks_distance
from monitor.core.drift.transform import CHANCE, LEAST_DISTANCE
from monitor.core.finding import number, percent
from monitor.core.profile import NumericProfile
from monitor.core.profile.grid import NumericGrid
from monitor.core.schema import Floats

DAY = 24  # hours
LEAST_HOURS = 12  # distinct values that a column of hours has: ratings and small counts have fewer
WORST_FIT = 0.15  # D that may stay: the flights' days differ by up to .06 in their hours
CROSSING = 0.02  # share of rows that pass midnight, from which on the turn is told from an offset by the values alone
NAMED = re.compile(r"(?:^|[^a-z])(?:hour|hours|hr|hod|tod|time|clock)(?:[^a-z]|$)|hour", re.IGNORECASE)
"""Names of columns that hold hours of the day, where no row passes midnight."""


def clock(scene: Scene) -> Sign | None:
    """Of every row. For whole numbers within 0 to 23 that the reference counts by value."""
    pair = scene.numbers
    hours = None if pair is None else _hours(pair[1])
    if pair is None or hours is None:
        return None
    here, there = pair
    window = here.counts / here.n
    plain = ks_distance(there.counts / there.n, window)
    best = min(_turns(hours, here.grid, window), key=lambda turn: (turn.distance, abs(turn.by)))
    chance = CHANCE * (1 / here.n + 1 / there.n) ** 0.5
    if plain < max(LEAST_DISTANCE, chance, scene.usual) or best.distance > min(FIT * plain, WORST_FIT) or not best.told(scene.name):
        return None
    sign, size = "+" if best.by > 0 else "−", abs(best.by)
    told = f"D {number(plain)} as it is, {number(best.distance)} turned back; {percent(best.crossing)} of rows pass midnight"
    return Sign(said=f"{numbers(here, there)}, every value about {sign}{size} h (time-zone shift)", evidence=told, share=1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Turn:
    """The reference turned by so many hours: D to the window, the same without going round, and the share of rows that goes round."""

    by: int
    distance: float
    straight: float
    crossing: float

    def told(self, name: str) -> bool:
        """Whether it is a clock: rows go round midnight as no offset makes them, or the name says so."""
        return self.straight - self.distance >= self.crossing / 2 >= CROSSING / 2 or NAMED.search(name) is not None


def _hours(column: NumericProfile) -> Floats | None:
    """The share of each hour, shape (24,); None where the values are no hours of the day."""
    grid = column.grid
    atoms = np.flatnonzero(grid.atoms & (column.counts > 0))
    if not grid.by_value or column.counts[atoms].sum() != column.n:
        return None
    values = grid.edges[atoms - 1]
    if len(values) < LEAST_HOURS or values[0] < 0 or values[-1] >= DAY or (values != np.floor(values)).any():
        return None
    shares = np.zeros(DAY)
    shares[values.astype(np.int64)] = column.counts[atoms] / column.n
    return shares


def _turns(hours: Floats, grid: NumericGrid, window: Floats) -> Iterator[_Turn]:
    clock_face = np.arange(DAY)
    for by in (*range(1 - DAY // 2, 0), *range(1, DAY // 2 + 1)):
        straight = clock_face + by
        crossing = float(hours[(straight < 0) | (straight >= DAY)].sum())
        turned, moved = (_on(grid, values, hours) for values in (straight % DAY, straight))
        yield _Turn(by=by, distance=ks_distance(turned, window), straight=ks_distance(moved, window), crossing=crossing)


def _on(grid: NumericGrid, values: object, shares: Floats) -> Floats:
    """Shares of values on the grid's bins."""
    bins = grid.bins_of(np.asarray(values, dtype=np.float64))
    return np.bincount(bins, weights=shares, minlength=grid.bins).astype(np.float64)
