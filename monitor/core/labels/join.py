"""The join: one block of labels is looked for in windows of predictions, by the hashes of their ids."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.core.labels.chunks import joined_labels
from monitor.core.labels.labels import Labels, Matches
from monitor.core.schema import Flags, Floats, Hashes, Ints, NumericValues, Values

NOBODY = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a window gains. ``have``: which of its rows have a label then, shape (n,).

    ``first``: labels that are the first of their prediction; ``again``: positions in ``matches`` of rows that had one before.
    """

    matches: Matches
    have: Flags
    first: int
    again: Ints


@dataclass(frozen=True, slots=True, kw_only=True)
class Hits:
    """Where a window and a block have the same id: positions in the window's ids beside those in the block's distinct ids."""

    rows: Ints
    places: Ints

    def __len__(self) -> int:
        return len(self.rows)


class Block:
    """Labels in search of their predictions. Windows are to be asked in the order of their starts.

    An id belongs to the earliest window that has it, and there to every row that bears it. Of several labels of an id only the one that
    counts is matched (see ``Labels``). Looking costs the smaller of both sides a search in the larger one.
    """

    def __init__(self, labels: Labels) -> None:
        self._labels = labels
        order = np.lexsort((labels.partitions, labels.offsets, labels.times, labels.ids))
        ids = labels.ids[order]
        last = np.ones(len(ids), dtype=np.bool_)
        last[:-1] = ids[1:] != ids[:-1]
        self._ids: Hashes = ids[last]
        self._winner: Ints = order[last]
        self._owner = np.full(len(self._ids), NOBODY, dtype=np.int64)

    def look(self, start: int, ids: Hashes) -> Hits:
        """What a window that starts at ``start`` (microseconds) has of the block and no earlier one took; ``ids`` ascend."""
        rows, places = self._equal(ids)
        owner = self._owner[places]
        free = (owner == NOBODY) | (owner == start)
        return Hits(rows=rows[free], places=places[free])

    def give(self, start: int, hits: Hits, have: Flags) -> Found:
        """The labels are the window's from now on. ``have``: which of its rows have a label already, shape (n,)."""
        self._owner[hits.places] = start
        again = np.flatnonzero(have[hits.rows])
        after = have.copy()
        after[hits.rows] = True
        first = len(np.unique(hits.places)) - len(np.unique(hits.places[again]))
        labels = self._labels.take(self._winner[hits.places])
        return Found(matches=Matches(rows=hits.rows, labels=labels), have=after, first=first, again=again)

    def _equal(self, ids: Hashes) -> tuple[Ints, Ints]:
        """Positions in ``ids`` and in the distinct ids of the block that are equal."""
        if len(ids) <= len(self._ids):
            at = np.searchsorted(self._ids, ids)
            at[at == len(self._ids)] = 0
            rows = np.flatnonzero(self._ids[at] == ids)
            return rows, at[rows]
        low, high = np.searchsorted(ids, self._ids), np.searchsorted(ids, self._ids, side="right")
        found = np.flatnonzero(high > low)
        times = (high - low)[found]
        within = np.arange(times.sum()) - np.repeat(np.cumsum(times) - times, times)  # 0, 1 … for each id
        return np.repeat(low[found], times) + within, np.repeat(found, times)

    @property
    def matched(self) -> Flags:
        """Which labels belong to a prediction that was found, those that do not count included; shape (n,)."""
        if not len(self._ids):
            return np.zeros(0, dtype=np.bool_)
        owned: Flags = self._owner[np.searchsorted(self._ids, self._labels.ids)] != NOBODY
        return owned


def standing(matches: Matches) -> Matches:
    """Of several labels of a row the one that counts, ordered by row; the order in which they were matched tells nothing."""
    labels = matches.labels
    order = np.lexsort((labels.partitions, labels.offsets, labels.times, matches.rows))
    rows = matches.rows[order]
    last = np.ones(len(rows), dtype=np.bool_)
    last[:-1] = rows[1:] != rows[:-1]
    return Matches(rows=rows[last], labels=labels.take(order[last]))


def revised(known: Matches, new: Matches) -> int:
    """How many of ``new`` change the value that stands; both have labels of the same rows."""
    if not len(new.rows):
        return 0
    before = standing(known)
    both = Matches(rows=np.concatenate([before.rows, new.rows]), labels=joined_labels([before.labels, new.labels]))
    after = standing(both)
    at = np.searchsorted(before.rows, after.rows)
    at[at == len(before.rows)] = 0
    there = before.rows[at] == after.rows
    old, now = before.labels.values.take(at[there]), after.labels.values.take(np.flatnonzero(there))
    return int(np.count_nonzero(~_same(old, now)))


def _same(first: Values, second: Values) -> Flags:
    equal: Flags = _plain(first) == _plain(second)
    return equal


def _plain(values: Values) -> NDArray[np.object_] | Floats:
    """Numbers, or texts: every label has a value."""
    return values.values if isinstance(values, NumericValues) else np.array(values.dictionary, dtype=np.object_)[values.codes]
