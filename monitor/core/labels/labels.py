"""Labels as they were read, and as they stand beside the predictions that they belong to."""

from __future__ import annotations

from dataclasses import dataclass

from monitor.core.labels.predicted import Predicted
from monitor.core.schema import Flags, Hashes, Ints, Values


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """Labels of one model, each with a value; arrays of shape (n,).

    ``ids``: 64-bit hashes of the predictions' ids. ``times``: event time in microseconds. Of several labels of one id the one with the
    latest time counts; of equal times that with the largest offset, then of the largest partition.
    """

    ids: Hashes
    values: Values
    times: Ints
    offsets: Ints
    partitions: Ints

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, where: Flags | Ints) -> Labels:
        """The labels chosen by a mask or by positions."""
        return Labels(ids=self.ids[where], values=self.values.take(where), times=self.times[where], offsets=self.offsets[where],
                      partitions=self.partitions[where])


@dataclass(frozen=True, slots=True, kw_only=True)
class Matches:
    """Labels found for rows of one window: ``rows`` are positions in its predictions, shape (n,), beside ``labels``."""

    rows: Ints
    labels: Labels


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """A window's predictions, ordered by id, and the label of each; arrays of shape (n,).

    ``labels``: null where none has come. ``times``: event time of the label in microseconds, 0 where there is none.
    """

    rows: Predicted
    labels: Values
    times: Ints

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, where: Flags | Ints) -> Joined:
        """The rows chosen by a mask or by positions."""
        return Joined(rows=self.rows.take(where), labels=self.labels.take(where), times=self.times[where])
