"""Maintenance: times that people have announced, in which windows are odd and incidents stand still. All in event time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from monitor.core.recurring import Occurrence, Recurring


@dataclass(frozen=True, slots=True, kw_only=True)
class OneOff:
    """Once, ``[starts, ends)``; aware datetimes."""

    starts: datetime
    ends: datetime
    reason: str = ""

    def between(self, start: datetime, end: datetime) -> Iterator[Occurrence]:
        """It, where it overlaps ``[start, end)``."""
        found = Occurrence(starts=self.starts, ends=self.ends, reason=self.reason)
        if found.overlaps(start, end):
            yield found


Maintenance = OneOff | Recurring


def maintained(entries: Iterable[Maintenance], start: datetime, end: datetime) -> Occurrence | None:
    """The earliest time of maintenance that overlaps ``[start, end)``; None where there is none."""
    found = (each for entry in entries for each in entry.between(start, end))
    return min(found, key=lambda each: (each.starts, each.ends), default=None)
