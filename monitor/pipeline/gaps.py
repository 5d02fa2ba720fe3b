"""What one stream of one model has lost, from the moment it is noticed until event time is known again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from monitor.core.gaps import Gap
from monitor.ports import GapEnd, TopicPartition


class GapBook:
    """New gaps and the ends of open ones, for the next checkpoint. ``known``: stored gaps that are still open."""

    def __init__(self) -> None:
        self._open: set[TopicPartition] = set()
        self._new: list[Gap] = []
        self._ends: list[GapEnd] = []

    def restore(self, known: Iterable[Gap]) -> None:
        """Begin from what the store has; what was not written is forgotten."""
        self._open = {_place(gap) for gap in known}
        self._new, self._ends = [], []

    def note(self, gap: Gap) -> None:
        """Something was lost."""
        self._new.append(gap)
        self._open.add(_place(gap))

    def waiting(self, partition: TopicPartition) -> bool:
        """Whether a gap of the partition waits for its first row."""
        return partition in self._open

    def seen(self, model: str, partition: TopicPartition, until: datetime) -> None:
        """The first row after the gaps of a partition."""
        self._open.discard(partition)
        self._new = [replace(gap, until=until) if gap.until is None and _place(gap) == partition else gap for gap in self._new]
        self._ends.append(GapEnd(model=model, partition=partition, until=until))

    def drain(self) -> tuple[list[Gap], list[GapEnd]]:
        """Hand over what is to be written."""
        new, ends = self._new, self._ends
        self._new, self._ends = [], []
        return new, ends


def _place(gap: Gap) -> TopicPartition:
    return TopicPartition(gap.topic, gap.partition)
