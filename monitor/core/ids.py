"""Which ids were seen before: a set of 64-bit hashes in 8 bytes each."""

from __future__ import annotations

import numpy as np

from monitor.core.schema import Flags, Hashes


class IdSet:
    """Sorted runs of unique hashes, merged as a log-structured tree: adding n hashes one batch at a time costs n log n.

    Two ids share a 64-bit hash with probability n²/2^65: about 3e-8 for a million ids in one window.
    """

    def __init__(self, hashes: Hashes | None = None) -> None:
        self._runs: list[Hashes] = []
        if hashes is not None and len(hashes):
            self._runs.append(np.unique(hashes))

    def __len__(self) -> int:
        return sum(map(len, self._runs))

    def add_new(self, hashes: Hashes) -> Flags:
        """Add them all; say which rows, shape (n,), bring a hash for the first time (the earliest of equals does)."""
        unique, first = np.unique(hashes, return_index=True)
        new = np.ones(len(unique), dtype=np.bool_)
        for run in self._runs:
            at = np.searchsorted(run, unique)
            new &= run[np.minimum(at, len(run) - 1)] != unique
        flags = np.zeros(len(hashes), dtype=np.bool_)
        flags[first[new]] = True
        self._append(unique[new])
        return flags

    def _append(self, run: Hashes) -> None:
        if not len(run):
            return
        while self._runs and len(self._runs[-1]) < 2 * len(run):
            run = np.sort(np.concatenate((self._runs.pop(), run)), kind="stable")
        self._runs.append(run)
