"""Values drawn from a profile, for tools that take rows where only counts were kept.

The i-th of n values stands at the share (i + 0.5) / n: numbers by the inverse of the profile's distribution function, evenly within a
bin; categories by largest remainders. No chance is in it. Columns are drawn apart: how they hang together is lost.
"""

from __future__ import annotations

import numpy as np

from monitor.core.profile.categorical import CategoricalProfile
from monitor.core.profile.numeric import NumericProfile
from monitor.core.schema import Floats, Ints

OTHER_CATEGORIES = "(other)"  # stands for new categories whose names were not kept


def drawn_values(column: NumericProfile | CategoricalProfile, size: int) -> tuple[float, ...] | tuple[str, ...]:
    """``size`` values of a column, none where it has none: nulls, non-finite values and wrong types are no part of it."""
    if column.n == 0:
        return ()
    if isinstance(column, NumericProfile):
        return tuple(_numbers(column, size).tolist())
    return _categories(column, size)


def _numbers(column: NumericProfile, size: int) -> Floats:
    if column.min is None or column.max is None:
        return np.empty(0)
    counts, edges = column.counts, column.grid.edges
    upto = np.cumsum(counts)
    ranks = (np.arange(size) + 0.5) / size * column.n
    bins = np.searchsorted(upto, ranks, side="right")
    share = (ranks - (upto - counts)[bins]) / counts[bins]
    low = np.clip(np.concatenate([[column.min], edges])[bins], column.min, column.max)
    high = np.clip(np.concatenate([edges, [column.max]])[bins], column.min, column.max)
    share[column.grid.atoms[bins]] = 0.0
    spread: Floats = low * (1.0 - share) + high * share  # no difference: that of 1e308 and -1e308 is no float
    return spread


def _categories(column: CategoricalProfile, size: int) -> tuple[str, ...]:
    counts = dict(zip(column.grid.categories, column.counts.tolist(), strict=True)) | dict(column.new.kept)
    if column.new.other:
        counts[OTHER_CATEGORIES] = counts.get(OTHER_CATEGORIES, 0) + column.new.other
    named = sorted(counts)
    shares = _largest_remainders(np.array([counts[name] for name in named], dtype=np.int64), size)
    return tuple(name for name, times in zip(named, shares.tolist(), strict=True) for _ in range(times))


def _largest_remainders(counts: Ints, size: int) -> Ints:
    """``size`` seats in proportion to the counts, ties to the first."""
    exact = counts / counts.sum() * size
    seats: Ints = np.floor(exact).astype(np.int64)
    missing = size - int(seats.sum())
    seats[np.argsort(seats - exact, kind="stable")[:missing]] += 1
    return seats
