"""The first pass over reference data: what the grid is derived from, in bounded memory."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from monitor.core.profile import BOOLEANS, CategoricalGrid, Grid, fit_categorical, fit_numeric
from monitor.core.profile.categorical import category_text
from monitor.core.profile.extent import with_ends
from monitor.core.profile.fit import MAX_BY_VALUE
from monitor.core.profile.grid import ColumnGrid, NumericGrid
from monitor.core.profile.sample import splitmix64
from monitor.core.rules import GivenRange
from monitor.core.schema import Batch, CategoricalValues, Floats, Hashes, Kind, NumericValues, State, Values

SAMPLE_ROWS = 500_000  # rows that the quantiles are taken from; all rows when there are fewer
NO_RANGES: Mapping[str, GivenRange] = MappingProxyType({})
MAX_COUNTED = 100_000  # categories that are counted; those that first come later are not


class Survey:
    """Takes in all rows once; ``grid`` tells what came of it. The ends of ``ranges`` (by column) are edges of it."""

    def __init__(self, kinds: Mapping[str, Kind], *, ranges: Mapping[str, GivenRange] = NO_RANGES, sample_rows: int = SAMPLE_ROWS) -> None:
        self._kinds = dict(kinds)
        self._ranges = dict(ranges)
        self._numeric = {name: Distinct() for name, kind in kinds.items() if kind is Kind.NUMERIC}
        self._categories: dict[str, dict[str, int]] = {name: {} for name, kind in kinds.items() if kind is Kind.CATEGORICAL}
        self._sample = Sample(len(self._numeric), sample_rows)

    def add(self, batch: Batch) -> None:
        """Take in a batch; ``offsets`` are row numbers."""
        floats = {name: _finite(batch.columns[name]) for name in self._numeric}
        for name, values in floats.items():
            self._numeric[name].add(values[np.isfinite(values)])
        for name, counts in self._categories.items():
            _tally(counts, batch.columns[name])
        if floats and len(batch):
            self._sample.add(splitmix64(0, batch.offsets), np.column_stack(list(floats.values())))

    def grid(self) -> Grid:
        """The grid of all columns."""
        sampled = dict(zip(self._numeric, self._sample.columns(), strict=True))
        return Grid({name: self._column(name, kind, sampled.get(name)) for name, kind in self._kinds.items()})

    def _column(self, name: str, kind: Kind, sampled: Floats | None) -> ColumnGrid:
        if kind is Kind.BOOLEAN:
            return CategoricalGrid(categories=BOOLEANS)
        if sampled is None:
            return fit_categorical(self._categories[name])
        grid = _numeric(self._numeric[name], sampled)
        return with_ends(grid, *self._ranges[name].ends) if name in self._ranges else grid


def _numeric(seen: Distinct, sampled: Floats) -> NumericGrid:
    if seen.low is None:
        return fit_numeric(sampled)
    finite = sampled[np.isfinite(sampled)]
    extremes = np.array([seen.low, seen.high])  # so that a sample without any finite value has some
    return fit_numeric(finite if len(finite) else extremes, low=seen.low, high=seen.high, distinct=seen.values)


class Distinct:
    """The exact extremes of a column, and its distinct values while there are few (``values`` is None from the 257th on)."""

    def __init__(self) -> None:
        self.low: float | None = None
        self.high: float | None = None
        self.values: Floats | None = np.empty(0)

    def add(self, values: Floats) -> None:
        """Take in finite values."""
        if not len(values):
            return
        low, high = float(values.min()), float(values.max())
        self.low = low if self.low is None else min(self.low, low)
        self.high = high if self.high is None else max(self.high, high)
        if self.values is not None:
            together = np.union1d(self.values, values)
            self.values = together if len(together) <= MAX_BY_VALUE else None


class Sample:
    """The rows with the smallest hashes, at most ``size``, as columns of floats."""

    def __init__(self, width: int, size: int) -> None:
        self._size = size
        self._hashes: list[Hashes] = []
        self._rows: list[Floats] = []
        self._kept = 0
        self._width = width

    def add(self, hashes: Hashes, rows: Floats) -> None:
        """Take in rows, shape (n, width)."""
        self._hashes.append(hashes)
        self._rows.append(rows)
        self._kept += len(hashes)
        if self._kept > 2 * self._size:
            self._shrink()

    def columns(self) -> list[Floats]:
        """The chosen rows, column by column."""
        self._shrink()
        if not self._rows:
            return [np.empty(0) for _ in range(self._width)]
        return list(self._rows[0].T)

    def _shrink(self) -> None:
        if not self._rows:
            return
        hashes, rows = np.concatenate(self._hashes), np.concatenate(self._rows)
        if len(hashes) > self._size:
            chosen = np.argpartition(hashes, self._size)[: self._size]
            hashes, rows = hashes[chosen], rows[chosen]
        self._hashes, self._rows, self._kept = [hashes], [rows], len(hashes)


def _finite(values: Values) -> Floats:
    """Numbers, NaN where there is none."""
    if not isinstance(values, NumericValues):
        raise TypeError("a numeric column was read as categories")
    if values.states is None:
        return values.values
    return np.where(values.states == State.VALUE, values.values, np.nan)


def _tally(counts: dict[str, int], values: Values) -> None:
    if not isinstance(values, CategoricalValues):
        raise TypeError("a categorical column was read as numbers")
    tally = np.bincount(values.codes + 2, minlength=len(values.dictionary) + 2)[2:].tolist()
    for text, count in zip(values.dictionary, tally, strict=True):
        text = category_text(text)
        if count and (text in counts or len(counts) < MAX_COUNTED):
            counts[text] = counts.get(text, 0) + count
