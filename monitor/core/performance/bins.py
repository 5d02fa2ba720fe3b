"""Histograms on fixed grids that hang on nothing: one for scores, finer towards 0 and 1, and one for numbers of any size.

A grid from a reference would be better filled, but tallies of two references could not be merged. So bins are cut by octave, a power
of two of the distance to 0 (of scores also to 1), and 256 to an octave: a score of .001 and one of .999 are told from their
neighbours as well as one of .4. Only bins with rows are kept.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from monitor.core.profile.canonical import Fields
from monitor.core.schema import Floats, Ints

PER_OCTAVE = 256
SCORE_OCTAVES = 40  # scores within 2^-41 of 0 or 1 share a bin
MIDDLE = 1 + SCORE_OCTAVES * PER_OCTAVE  # the bin of .5
SCORE_BINS = 2 * MIDDLE + 1
FIRST_EXPONENT = 1074  # frexp's exponents of floats begin at -1073
NUMBER_BINS = 1 + (FIRST_EXPONENT + 1024 + 1) * PER_OCTAVE  # of either sign, and 0


def score_bins(scores: Floats) -> Ints:
    """The bin of each score within [0, 1], from 0 (score 0) to ``SCORE_BINS - 1`` (score 1), ascending; shape (n,)."""
    low = scores < 0.5
    mantissas, exponents = np.frexp(np.where(low, scores, 1 - scores))
    near = 1 + (SCORE_OCTAVES + exponents) * PER_OCTAVE + ((mantissas - 0.5) * (2 * PER_OCTAVE)).astype(np.int64)
    near = np.where((mantissas == 0) | (exponents < -SCORE_OCTAVES), 0, near)
    found: Ints = np.where(low, near, 2 * MIDDLE - near)
    return found


def score_middles(bins: Ints) -> Floats:
    """The score in the middle of each bin, shape (m,)."""
    near = np.where(bins <= MIDDLE, bins, 2 * MIDDLE - bins)
    place = np.maximum(near - 1, 0)
    middles = np.ldexp(0.5 + (place % PER_OCTAVE + 0.5) / (2 * PER_OCTAVE), place // PER_OCTAVE - SCORE_OCTAVES)
    middles = np.where(near == 0, 0.0, np.where(near == MIDDLE, 0.5, middles))
    found: Floats = np.where(bins <= MIDDLE, middles, 1 - middles)
    return found


def number_bins(values: Floats) -> Ints:
    """The bin of each finite number, negative for negative ones, 0 for 0, ascending; shape (n,)."""
    mantissas, exponents = np.frexp(np.abs(values))
    near = 1 + (exponents + FIRST_EXPONENT) * PER_OCTAVE + ((mantissas - 0.5) * (2 * PER_OCTAVE)).astype(np.int64)
    found: Ints = np.where(values == 0, 0, np.where(values < 0, -near, near))
    return found


def number_middles(bins: Ints) -> Floats:
    """The number in the middle of each bin, within 1/1024 of those in it; shape (m,)."""
    place = np.maximum(np.abs(bins) - 1, 0)
    middles = np.ldexp(0.5 + (place % PER_OCTAVE + 0.5) / (2 * PER_OCTAVE), place // PER_OCTAVE - FIRST_EXPONENT)
    found: Floats = np.sign(bins) * middles
    return found


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sparse:
    """Counts of the bins that have rows: ``bins`` ascending, shape (m,), ``counts`` of each series, shape (series, m)."""

    bins: Ints
    counts: Ints

    @staticmethod
    def empty(series: int) -> Sparse:
        """No rows."""
        return Sparse(bins=np.empty(0, dtype=np.int64), counts=np.empty((series, 0), dtype=np.int64))

    @staticmethod
    def of(*series: Ints) -> Sparse:
        """From the bin of every row, series by series."""
        bins, at = np.unique(np.concatenate(series), return_inverse=True)
        ends = np.cumsum([len(one) for one in series])[:-1]
        counts = [np.bincount(part, minlength=len(bins)) for part in np.split(at, ends)]
        return Sparse(bins=bins.astype(np.int64), counts=np.array(counts, dtype=np.int64).reshape(len(series), len(bins)))

    @property
    def totals(self) -> tuple[int, ...]:
        """Rows of each series."""
        return tuple(self.counts.sum(axis=1).tolist())

    def merge(self, other: Sparse) -> Sparse:
        """Both together."""
        bins = np.union1d(self.bins, other.bins)
        counts = np.zeros((len(self.counts), len(bins)), dtype=np.int64)
        counts[:, np.searchsorted(bins, self.bins)] += self.counts
        counts[:, np.searchsorted(bins, other.bins)] += other.counts
        return Sparse(bins=bins, counts=counts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sparse) and np.array_equal(self.bins, other.bins) and np.array_equal(self.counts, other.counts)

    __hash__ = None  # type: ignore[assignment]  # arrays have none

    def document(self) -> dict[str, object]:
        """As plain JSON values; bins as differences to the one before, which are small."""
        return {"steps": np.diff(self.bins, prepend=0).tolist(), "counts": [series.tolist() for series in self.counts]}


def sparse_of(fields: Fields, series: int, ends: tuple[int, int]) -> Sparse:
    """A histogram of a document; its bins lie within ``ends``. Raises DecodeError."""
    bins = np.cumsum(fields.integers("steps"))
    rows = fields.raw().get("counts")
    if not isinstance(rows, list) or len(rows) != series:
        raise fields.fault("counts", f"{series} lists of counts")
    parts = Fields({str(i): row for i, row in enumerate(rows)}, "tally.counts")
    counts = np.array([parts.wholes(str(i), len(bins)) for i in range(series)], dtype=np.int64).reshape(series, len(bins))
    if len(bins) and ((np.diff(bins) <= 0).any() or bins[0] < ends[0] or bins[-1] > ends[1] or (counts.sum(axis=0) == 0).any()):
        raise fields.fault("steps", f"ascending bins from {ends[0]} to {ends[1]}, each with rows")
    return Sparse(bins=bins.astype(np.int64), counts=counts)
