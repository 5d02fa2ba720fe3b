"""A part of a column's rows, chosen at random: every count falls by the same share, to whole rows."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np

from monitor.core.drift.base import ColumnProfile
from monitor.core.profile import CategoricalProfile, NumericProfile
from monitor.core.profile.categorical import NewCategories
from monitor.core.schema import Ints

BESIDE = ("null", "nan", "pos_inf", "neg_inf", "wrong_type")


def scaled_counts(counts: Ints, rows: int) -> Ints:
    """Counts of the same shares that are ``rows`` together, shape (k,). No count is a row or more off: what one is rounded by, the next
    ones get."""
    total = int(counts.sum())
    if total in (0, rows):
        return counts
    ends = np.rint(np.cumsum(counts) * (rows / total)).astype(np.int64)
    scaled: Ints = np.diff(ends, prepend=0)
    return scaled


def thinned(column: ColumnProfile, rows: int) -> ColumnProfile:
    """A column of ``rows`` rows alike, more or fewer than it has; moments keep mean and spread, min and max stay as bounds."""
    if rows == column.total:
        return column
    return _numbers(column, rows) if isinstance(column, NumericProfile) else _categories(column, rows)


def _numbers(column: NumericProfile, rows: int) -> NumericProfile:
    parts = scaled_counts(np.array([*column.counts, *(getattr(column, side) for side in BESIDE)], dtype=np.int64), rows)
    counts, sides = parts[: column.grid.bins], parts[column.grid.bins :].tolist()
    n = int(counts.sum())
    units, squares = scaled_moments(column, n)
    return NumericProfile(
        grid=column.grid, counts=counts, min=column.min if n else None, max=column.max if n else None, total_units=units,
        total_squares=squares, **dict(zip(BESIDE, sides, strict=True)),
    )  # fmt: skip


def scaled_moments(column: NumericProfile, n: int) -> tuple[int, int]:
    """The sums of ``q`` and ``q * q`` of ``n`` values with the column's mean and spread."""
    if not n or not column.n:
        return 0, 0
    share = Fraction(n, column.n)
    return sound_moments(n, share * column.total_units, share * column.total_squares)


def sound_moments(n: int, total: Fraction, squares: Fraction) -> tuple[int, int]:
    """Whole numbers that ``n`` values can have as their sum and sum of squares (Cauchy and Schwarz); ``n`` is at least 1."""
    units = round(total)
    return units, max(round(squares), -(-(units * units) // n))


def _categories(column: CategoricalProfile, rows: int) -> CategoricalProfile:
    kept = list(column.new.kept.items())
    counts = [*column.counts, *(count for _, count in kept), column.new.other, column.null, column.wrong_type]
    parts = scaled_counts(np.array(counts, dtype=np.int64), rows)
    [known, new, other, null, wrong] = [parts[start:stop] for start, stop in pairwise(_ends(len(column.counts), len(kept)))]
    names = {text: count for (text, _), count in zip(kept, new.tolist(), strict=True) if count}
    return CategoricalProfile(grid=column.grid, counts=known, null=int(null[0]), wrong_type=int(wrong[0]),
                              new=NewCategories(rows=int(new.sum() + other[0]), kept=names))


def _ends(known: int, new: int) -> tuple[int, ...]:
    return 0, known, known + new, known + new + 1, known + new + 2, known + new + 3
