"""The ids of settled windows, kept in memory between rounds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from monitor.core.schema import Hashes
from monitor.ports import KeptKey, KeptWindow

MOST_BYTES = 96 * 2**20
"""Of all models together, 8 bytes an id: twelve million predictions that wait. Beyond, ids are read anew in each round."""


SHARE = 8
"""At most an eighth of what the process may use, for reading pauses where that is full."""


def bytes_within(limit: int) -> int:
    """How many ids may be kept in a process that may use so many bytes."""
    return min(MOST_BYTES, limit // SHARE)


class IdStore(Protocol):
    """Where the ids are read."""

    def settled_ids(self, model: str, key: KeptKey) -> Hashes:
        """The ids of a settled window, ascending; empty where it is not there (any more)."""


class KeptIds:
    """A settled window takes no more predictions and loses none, so its ids are those that were read once; whether it is still there is
    for the round to know.

    What has found room stays until its window is gone: each round asks for every window in the same order, and one that left for the
    next would always be gone when it is asked for.
    """

    def __init__(self, store: IdStore, most: int = MOST_BYTES) -> None:
        self._store = store
        self._most = most
        self._ids: dict[tuple[str, KeptKey], Hashes] = {}
        self.held = 0

    def of(self, model: str, window: KeptWindow) -> Hashes:
        """Ascending; empty where the window is not there any more. Raises DecodeError where they are damaged."""
        kept = self._ids.get((model, window.key))
        if kept is not None:
            return kept
        ids = self._store.settled_ids(model, window.key)
        if len(ids) == window.rows and self.held + ids.nbytes <= self._most:
            self._ids[model, window.key] = ids
            self.held += ids.nbytes
        return ids

    def only(self, model: str, windows: Sequence[KeptWindow]) -> None:
        """Forget what is not of these windows of the model, or not of as many rows."""
        rows = {window.key: window.rows for window in windows}
        gone = [place for place, ids in self._ids.items() if place[0] == model and rows.get(place[1]) != len(ids)]
        for place in gone:
            self.held -= self._ids.pop(place).nbytes
