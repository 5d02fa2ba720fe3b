"""Until when each partition is read: the latest time at which the broker had nothing that is still unread."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from monitor.ports import TopicPartition


class ReadTo:
    """A busy partition is never read to the end that it has now, but soon to the one that it had a moment ago: that is what counts."""

    def __init__(self) -> None:
        self._until: dict[TopicPartition, datetime] = {}
        self._goals: dict[TopicPartition, tuple[int, datetime]] = {}

    def clear(self) -> None:
        """Forget everything: other partitions, or the same from another offset."""
        self._until, self._goals = {}, {}

    def look(self, positions: Mapping[TopicPartition, int], ends: Mapping[TopicPartition, int], now: datetime) -> None:
        """Where reading stands, and where the broker says that the partitions end now."""
        for partition, end in ends.items():
            position = positions[partition]
            goal, since = self._goals.setdefault(partition, (end, now))
            if position >= end:
                self._until[partition] = now
            elif position >= goal:
                self._until[partition] = since
            if position >= min(goal, end):
                self._goals[partition] = (end, now)

    def until(self, partition: TopicPartition) -> datetime | None:
        """None while its end was never reached."""
        return self._until.get(partition)
