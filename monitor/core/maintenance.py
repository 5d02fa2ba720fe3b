"""Maintenance: times that people have announced, in which windows are odd and incidents stand still. All in event time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class OneOff:
    """Once, ``[starts, ends)``; aware datetimes."""

    starts: datetime
    ends: datetime
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recurring:
    """Every week on ``weekday`` (0: Monday), or every day where that is None: from ``at`` by the clocks of ``zone``, for ``lasts``.

    It lasts as long as it lasts: a night in which the clocks change moves its end by the clock, not its length. A time that a change
    leaves out is taken an hour later by the clock; of a time that comes twice it is the first.
    """

    at: time
    lasts: timedelta
    zone: tzinfo
    weekday: int | None = None
    reason: str = ""


Maintenance = OneOff | Recurring


@dataclass(frozen=True, slots=True, kw_only=True)
class Occurrence:
    """One time of maintenance, ``[starts, ends)`` in UTC."""

    starts: datetime
    ends: datetime
    reason: str = ""

    def overlaps(self, start: datetime, end: datetime) -> bool:
        """Whether it has a moment in common with ``[start, end)``."""
        return self.starts < end and start < self.ends


def maintained(entries: Iterable[Maintenance], start: datetime, end: datetime) -> Occurrence | None:
    """The earliest time of maintenance that overlaps ``[start, end)``; None where there is none."""
    found = (each for entry in entries for each in _near(entry, start, end) if each.overlaps(start, end))
    return min(found, key=lambda each: (each.starts, each.ends), default=None)


def _near(entry: Maintenance, start: datetime, end: datetime) -> Iterator[Occurrence]:
    """All that could overlap, and some more."""
    if isinstance(entry, OneOff):
        yield Occurrence(starts=entry.starts, ends=entry.ends, reason=entry.reason)
        return
    day, last = (start - entry.lasts - DAY).astimezone(entry.zone).date(), (end + DAY).astimezone(entry.zone).date()
    while day <= last:
        if entry.weekday in (None, day.weekday()):
            starts = datetime.combine(day, entry.at, tzinfo=entry.zone).astimezone(UTC)
            yield Occurrence(starts=starts, ends=starts + entry.lasts, reason=entry.reason)
        day += DAY
