"""Coarse groups of a column's bins: what a window's profile tells of its rows, and a row of itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from monitor.core.profile import CategoricalProfile, NumericProfile
from monitor.core.profile.categorical import category_text
from monitor.core.profile.grid import CategoricalGrid, ColumnGrid, NumericGrid
from monitor.core.schema import CategoricalValues, Floats, Ints, NumericValues, State, Values

MOST_CATEGORIES = 20  # with a group of their own but the last, which all rarer ones share
CUTS = (0.005, 0.01, 0.025, *(at / 20 for at in range(1, 20)), 0.975, 0.99, 0.995)
"""Shares of the reference below the groups of a numeric column: twentieths, finer at both ends, where inputs move to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Groups:
    """``of_bin``: the group of each bin or category of the grid, shape (bins,), numbered from 0 without gaps.

    Two groups follow: of categories that the grid lacks (always empty of a numeric column), and of what is no value.
    """

    of_bin: Ints

    @property
    def size(self) -> int:
        """How many, with the two that every column has."""
        return int(self.of_bin.max(initial=-1)) + 3

    def counts(self, column: NumericProfile | CategoricalProfile) -> Floats:
        """Rows of a profile's column in each group, shape (size,)."""
        counts = np.bincount(self.of_bin, weights=column.counts, minlength=self.size).astype(np.float64)
        if isinstance(column, CategoricalProfile):
            counts[-2] = column.new.rows
        counts[-1] = column.total - column.n
        return counts

    @property
    def of_code(self) -> Ints:
        """The group of each code that ``codes_of`` gives, shape (bins + 2,)."""
        return np.append(self.of_bin, [self.size - 2, self.size - 1])


def codes_of(values: Values | None, grid: ColumnGrid, rows: int) -> Ints:
    """Of so many rows the bin, or one code more for what the grid lacks, or two for what is no value; shape (rows,)."""
    size = grid.bins if isinstance(grid, NumericGrid) else len(grid.categories)
    if isinstance(values, NumericValues) and isinstance(grid, NumericGrid):
        fit = np.isfinite(values.values) if values.states is None else values.states == State.VALUE
        return np.where(fit, grid.bins_of(np.where(fit, values.values, 0.0)), size + 1)
    if isinstance(values, CategoricalValues) and isinstance(grid, CategoricalGrid):
        known = [grid.positions.get(category_text(text), size) for text in values.dictionary]
        return np.array([*known, size + 1], dtype=np.int64)[np.where(values.codes < 0, len(known), values.codes)]
    return np.full(rows, size + 1, dtype=np.int64)


def groups_of(counts: Ints, grid: ColumnGrid) -> Groups:
    """Of a column with so many rows in each bin: neighbours of a numeric one, the frequent categories of another."""
    if isinstance(grid, NumericGrid):
        return Groups(of_bin=_neighbours(counts))
    order = np.argsort(-counts, kind="stable")
    ranks = np.empty(len(counts), dtype=np.int64)
    ranks[order] = np.arange(len(counts))
    return Groups(of_bin=np.minimum(ranks, MOST_CATEGORIES - 1))


def _neighbours(counts: Ints) -> Ints:
    """The group of a bin is that of the share of rows below its middle; groups are numbered without gaps."""
    middles = (np.cumsum(counts) - counts / 2) / max(int(counts.sum()), 1)
    return np.unique(np.searchsorted(CUTS, middles), return_inverse=True)[1].astype(np.int64)
