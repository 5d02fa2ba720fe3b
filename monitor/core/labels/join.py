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

    ``again``: positions in ``matches`` of rows that had a label before; ``places``: of each match, its id's among the block's.
    """

    matches: Matches
    have: Flags
    again: Ints
    places: Ints


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
        self._before = np.zeros(len(self._ids), dtype=np.bool_)
        self._changed = np.zeros(len(self._ids), dtype=np.bool_)

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
        self._before[hits.places[again]] = True
        labels = self._labels.take(self._winner[hits.places])
        return Found(matches=Matches(rows=hits.rows, labels=labels), have=after, again=again, places=hits.places)

    def change(self, places: Ints) -> None:
        """Labels of these ids replace an earlier one of another value."""
        self._changed[places] = True

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

    @property
    def first(self) -> int:
        """Labels that are the first of their prediction: one an id, however many rows of however many versions bear it."""
        return int(np.count_nonzero((self._owner != NOBODY) & ~self._before))

    @property
    def changed(self) -> int:
        """Labels that replace an earlier one of another value, counted as ``first`` are."""
        return int(np.count_nonzero(self._changed))


def standing(matches: Matches) -> Matches:
    """Of several labels of a row the one that counts, ordered by row; the order in which they were matched tells nothing."""
    labels = matches.labels
    order = np.lexsort((labels.partitions, labels.offsets, labels.times, matches.rows))
    rows = matches.rows[order]
    last = np.ones(len(rows), dtype=np.bool_)
    last[:-1] = rows[1:] != rows[:-1]
    return Matches(rows=rows[last], labels=labels.take(order[last]))


def revised(known: Matches, new: Matches) -> Ints:
    """Rows whose value ``new`` changes, ascending; both have labels of the same rows."""
    if not len(new.rows):
        return np.zeros(0, dtype=np.int64)
    before = standing(known)
    both = Matches(rows=np.concatenate([before.rows, new.rows]), labels=joined_labels([before.labels, new.labels]))
    after = standing(both)
    at = np.searchsorted(before.rows, after.rows)
    at[at == len(before.rows)] = 0
    there = before.rows[at] == after.rows
    old, now = before.labels.values.take(at[there]), after.labels.values.take(np.flatnonzero(there))
    changed: Ints = after.rows[there][~_same(old, now)]
    return changed


def _same(first: Values, second: Values) -> Flags:
    equal: Flags = _plain(first) == _plain(second)
    return equal


def _plain(values: Values) -> NDArray[np.object_] | Floats:
    """Numbers, or texts: every label has a value."""
    return values.values if isinstance(values, NumericValues) else np.array(values.dictionary, dtype=np.object_)[values.codes]
