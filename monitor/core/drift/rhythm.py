"""The rhythm of a column: how it usually looks at this hour of the day and on this day of the week, as the reference's windows tell.

Most of what differs between the windows of real traffic is the weekday and the hour. Compared with windows of their own season they
differ half as much, and a limit learned from that sees twice as well. Whether a rhythm helps is decided by the reference alone: each
window is predicted from the others, with and without it (leave-one-out), and it is used where the gain is beyond chance.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

import numpy as np

from monitor.core.drift.base import ColumnProfile, side_of
from monitor.core.drift.ks import largest_gap
from monitor.core.drift.tvd import moved_share
from monitor.core.profile import NumericProfile
from monitor.core.reference import Cycle, Rhythm, Season
from monitor.core.schema import Flags, Floats, Ints

FEWEST = 3  # windows of a usual season: with fewer, what a season looks like is chance
SHRINK = 1.0  # windows of the whole that are mixed into each season (measured: 0 to 4 alike, docs/decisions.md)
GAIN = 2.0  # standard errors by which the mean logarithm of the distance must fall
SMALLEST = 1e-6  # distance whose logarithm is taken for that of none
CELLS = 2_000_000  # numbers held at once: 16 MB

Distance = Callable[[Floats], Floats]
"""Of differences of shares, shape (…, k), to distances, shape (…)."""


def distance_for(column: ColumnProfile) -> Distance:
    """The default distance of a column: D for numbers, total variation for categories."""
    return largest_gap if isinstance(column, NumericProfile) else moved_share


def season_of(cycle: Cycle, start: datetime) -> int:
    """Which season of the cycle a window that starts at ``start`` is of, in UTC."""
    match cycle:
        case Cycle.HOUR:
            return start.hour
        case Cycle.WEEKDAY:
            return start.weekday()
        case _:
            assert_never(cycle)


# --- what a window is compared with --------------------------------------------------------------------------


def expected_shares(whole: Floats, rhythm: Rhythm, start: datetime) -> Floats:
    """What a window that starts at ``start`` should look like: shares, shape (k,).

    Each cycle adds how its season differs from the whole; a season with few windows counts less, an unseen one nothing.
    """
    expected = whole
    for cycle, seasons in rhythm.items():
        season = seasons.get(season_of(cycle, start))
        if season is not None:
            expected = expected + _weight(season.windows) * (season.shares - whole)
    return expected if expected is whole else _proper(expected)


def _weight(windows: float) -> float:
    return windows / (windows + SHRINK)


def _proper(shares: Floats) -> Floats:
    """Without what two cycles together pushed below nothing; along the last axis."""
    positive = np.maximum(shares, 0.0)
    proper: Floats = positive / positive.sum(axis=-1, keepdims=True)
    return proper


# --- what the reference's windows teach ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ColumnWindows:
    """One column in the reference's windows that have values of it.

    ``counts``: shape (t, k). ``total``: of the whole reference, shape (k,), which they are parts of. ``seasons``: by cycle, shape (t,);
    none where nobody knows when the windows were. ``teaching``: which windows make the seasons, shape (t,); freaks do not.
    """

    counts: Ints
    total: Ints
    distance: Distance
    seasons: Mapping[Cycle, Ints]
    teaching: Flags

    def distances(self, cycles: Sequence[Cycle]) -> Floats:
        """Each window from what the others make expect of it, shape (t,)."""
        rows = max(CELLS // max(self.counts.shape[1], 1), 1)
        blocks = [slice(i, i + rows) for i in range(0, len(self.counts), rows)]
        sums = {cycle: self._sums(cycle) for cycle in cycles}
        return np.concatenate([self._block(at, sums) for at in blocks]) if blocks else np.empty(0)

    def rhythm(self, cycles: Sequence[Cycle]) -> Rhythm:
        """The seasons of these cycles, to be kept. Sorted as in the document: sums of floats hang on their order."""
        found: dict[Cycle, dict[int, Season]] = {}
        for cycle in sorted(cycles):
            sums, windows = self._sums(cycle)
            seen = [(at, int(number)) for at, number in enumerate(windows.tolist()) if number]
            found[cycle] = {at: Season(windows=number, counts=tuple(sums[at].tolist())) for at, number in seen}
        return found

    def _sums(self, cycle: Cycle) -> tuple[Ints, Ints]:
        """Counts by season, shape (s, k), and windows by season, shape (s,)."""
        season = self.seasons[cycle]
        size = int(season.max(initial=0)) + 1
        sums = np.zeros((size, self.counts.shape[1]), dtype=np.int64)
        np.add.at(sums, season[self.teaching], self.counts[self.teaching])
        return sums, np.bincount(season[self.teaching], minlength=size)

    def _block(self, at: slice, sums: Mapping[Cycle, tuple[Ints, Ints]]) -> Floats:
        counts, own = self.counts[at], self.teaching[at].astype(np.int64)
        whole = _shares(self.total - counts)
        expected = whole
        for cycle, (rows, windows) in sums.items():
            season = self.seasons[cycle][at]
            others = windows[season] - own
            rest = rows[season] - counts * own[:, None]
            weight = np.where(rest.sum(axis=1) > 0, others / (others + SHRINK), 0.0)
            expected = expected + weight[:, None] * (_shares(rest) - whole)
        return self.distance(_shares(counts) - (_proper(expected) if sums else expected))


def _shares(counts: Ints) -> Floats:
    """Of counts (t, k); zeros where there are none."""
    shares: Floats = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return shares


def column_windows(columns: Sequence[ColumnProfile], total: ColumnProfile, starts: Sequence[datetime]) -> ColumnWindows:
    """From the column's profile in each window; ``starts`` are empty, or one for each. Every one has values."""
    size = len(_counts(total))
    counts = np.array([_counts(column) for column in columns], dtype=np.int64).reshape(len(columns), size)
    seasons = {cycle: np.array([season_of(cycle, start) for start in starts], dtype=np.int64) for cycle in Cycle} if starts else {}
    return ColumnWindows(
        counts=counts,
        total=_counts(total),
        distance=distance_for(total),
        seasons=seasons,
        teaching=np.ones(len(columns), dtype=np.bool_),
    )


def shares_of(column: ColumnProfile) -> Floats:
    """The share of each bin as in ``side_of``, without the moments, which cost as much again. Raises ValueError without values."""
    if not column.n or (isinstance(column, NumericProfile) and column.min is None):
        raise ValueError("no values to compare")
    shares: Floats = _counts(column) / column.n
    return shares


def _counts(column: ColumnProfile) -> Ints:
    return column.counts if isinstance(column, NumericProfile) else side_of(column).counts


def choose_cycles(column: ColumnWindows) -> tuple[Cycle, ...]:
    """The cycles that predict the reference's own windows better than the whole does, the best first; none where none helps."""
    open_ = [cycle for cycle, season in column.seasons.items() if _repeats(season)]
    chosen: tuple[Cycle, ...] = ()
    best = _logs(column.distances(()))
    while open_:
        tried = {cycle: _logs(column.distances((*chosen, cycle))) for cycle in open_}
        better = min(tried, key=lambda cycle: float(tried[cycle].mean()))
        if not _beyond_chance(best - tried[better]):
            break
        chosen, best = (*chosen, better), tried[better]
        open_.remove(better)
    return chosen


def _repeats(season: Ints) -> bool:
    """Whether there are several seasons, and a usual one was seen often enough."""
    windows = np.bincount(season)
    windows = windows[windows > 0]
    return len(windows) > 1 and float(np.median(windows)) >= FEWEST


def _logs(distances: Floats) -> Floats:
    logs: Floats = np.log(np.maximum(distances, SMALLEST))
    return logs


def _beyond_chance(gains: Floats) -> bool:
    return float(gains.mean()) > GAIN * float(gains.std(ddof=1)) / math.sqrt(len(gains))
