"""Which ids were seen before: a set of 64-bit hashes in 8 bytes each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from monitor.core.schema import Flags, Hashes

LONGEST_RUN = 2**21
"""Runs are merged up to so many ids (16 MB): a merge needs its run once more for a moment, however large the set is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """Rows of a batch, shape (n,): ``new`` ones are to be counted; of those, the set has the id of the ``kept`` ones from now on."""

    new: Flags
    kept: Flags


class IdSet:
    """Sorted runs of unique hashes, merged as a log-structured tree: adding n hashes one batch at a time costs n log n.

    Two ids share a 64-bit hash with probability n²/2^65: about 3e-8 for a million ids in one window.
    """

    def __init__(self, hashes: Hashes | None = None) -> None:
        self._runs: list[Hashes] = []
        if hashes is not None and len(hashes):
            self._runs.append(_sorted(hashes))

    def __len__(self) -> int:
        return sum(map(len, self._runs))

    def add(self, hashes: Hashes, room: int) -> Added:
        """Tell which rows bring an id for the first time (the earliest of equals does), and keep the first ``room`` of those ids.

        A row whose id is neither known nor kept is new each time: which rows are depends on their order alone, not on batches.
        """
        unique, first = np.unique(hashes, return_index=True)
        fresh = np.flatnonzero(self._unknown(unique))
        kept = np.zeros(len(hashes), dtype=np.bool_)
        if len(fresh) <= room:
            kept[first[fresh]] = True
            self._append(unique[fresh])
            return Added(new=kept, kept=kept)
        earliest = np.sort(fresh[np.argsort(first[fresh])[: max(room, 0)]])
        kept[first[earliest]] = True
        self._append(unique[earliest])
        return Added(new=kept | np.isin(hashes, unique[np.setdiff1d(fresh, earliest, assume_unique=True)]), kept=kept)

    def _unknown(self, unique: Hashes) -> Flags:
        new = np.ones(len(unique), dtype=np.bool_)
        for run in self._runs:
            at = np.searchsorted(run, unique)
            new &= run[np.minimum(at, len(run) - 1)] != unique
        return new

    def _append(self, run: Hashes) -> None:
        if not len(run):
            return
        while self._runs and len(self._runs[-1]) < 2 * len(run) and len(self._runs[-1]) + len(run) <= LONGEST_RUN:
            run = np.concatenate((self._runs.pop(), run))
            run.sort(kind="stable")  # two sorted runs: linear
        self._runs.append(run)


def _sorted(hashes: Hashes) -> Hashes:
    """Ascending and distinct, in one copy where they are distinct already."""
    ordered = np.sort(hashes)
    repeated = ordered[1:] == ordered[:-1]
    return np.unique(ordered) if repeated.any() else ordered
