"""Scores of one class as counts per bin: what a calibration is fitted to, chunk by chunk, in bounded memory."""

from __future__ import annotations

import numpy as np

from monitor.core.estimated.additive import NO_WINDOW
from monitor.core.profile.sample import splitmix64
from monitor.core.schema import Flags, Floats, Hashes, Ints

FOLDS = 3  # parts of the rows of which each judges the calibration that the others teach; NannyML has three too
STEPS = 128  # bins per unit of log-odds: a bin is at most 1/512 wide, and far finer where scores are close to 0 or 1
REACH = 16  # log-odds from which scores share a bin: 1e-7 of either end
BINS = 2 * REACH * STEPS + 1
COARSE = 64  # bins that are one where windows are counted apart
COARSE_BINS = -(-BINS // COARSE)
UNITS = 2.0**32  # whole numbers per score, so that sums are the same in every order
MOST_WINDOWS = 2000  # that are counted apart, the first that come


def score_bins(scores: Floats) -> Ints:
    """The bin of each score, all of them within [0, 1]."""
    with np.errstate(divide="ignore"):
        odds = np.log(scores) - np.log1p(-scores)
    bins: Ints = np.floor((np.clip(odds, -REACH, REACH) + REACH) * STEPS).astype(np.int64)
    return bins


def folds_of(ids: Hashes) -> Ints:
    """The fold of each row, by its id."""
    return (splitmix64(FOLDS, ids.view(np.int64)) % np.uint64(FOLDS)).astype(np.int64)


class ScoreCounts:
    """Rows, those that came true and the sum of scores, shape (FOLDS, BINS) each; and by window on coarser bins."""

    __slots__ = ("hits", "rows", "units", "windows")

    def __init__(self) -> None:
        self.rows: Ints = np.zeros((FOLDS, BINS), dtype=np.int64)
        self.hits: Ints = np.zeros((FOLDS, BINS), dtype=np.int64)
        self.units: Ints = np.zeros((FOLDS, BINS), dtype=np.int64)
        self.windows: dict[int, Ints] = {}  # by start: rows and hits, shape (2, COARSE_BINS)

    def add(self, scores: Floats, hits: Flags, folds: Ints, starts: Ints | None) -> None:
        """Count rows with a score within [0, 1]; ``starts``: of their windows, None where rows have no time."""
        bins = score_bins(scores)
        at, size = folds * BINS + bins, FOLDS * BINS
        self.rows += np.bincount(at, minlength=size).reshape(FOLDS, BINS)
        self.hits += np.bincount(at[hits], minlength=size).reshape(FOLDS, BINS)
        units = np.bincount(at, weights=np.rint(scores * UNITS), minlength=size)  # whole numbers below 2^53: exact
        self.units += units.astype(np.int64).reshape(FOLDS, BINS)
        if starts is not None:
            self._add_windows(bins // COARSE, hits, starts)

    def _add_windows(self, bins: Ints, hits: Flags, starts: Ints) -> None:
        for start in np.unique(starts).tolist():
            if start == NO_WINDOW or (start not in self.windows and len(self.windows) >= MOST_WINDOWS):
                continue
            rows = starts == start
            counts = self.windows.setdefault(start, np.zeros((2, COARSE_BINS), dtype=np.int64))
            counts[0] += np.bincount(bins[rows], minlength=COARSE_BINS)
            counts[1] += np.bincount(bins[rows & hits], minlength=COARSE_BINS)

    @property
    def scores(self) -> Floats:
        """The mean score of each bin that has rows, 0 in others; shape (BINS,)."""
        rows = self.rows.sum(axis=0)
        scores: Floats = self.units.sum(axis=0) / UNITS / np.maximum(rows, 1)
        return scores
