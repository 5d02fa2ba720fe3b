"""Times that come again every week: of maintenance, and those in which no retraining is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo

DAY = timedelta(days=1)
EVERY_DAY = frozenset(range(7))
INSTANT = timedelta(microseconds=1)
"""The shortest time there is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Occurrence:
    """One of the times, ``[starts, ends)`` in UTC."""

    starts: datetime
    ends: datetime
    reason: str = ""

    def overlaps(self, start: datetime, end: datetime) -> bool:
        """Whether it has a moment in common with ``[start, end)``."""
        return self.starts < end and start < self.ends


@dataclass(frozen=True, slots=True, kw_only=True)
class Recurring:
    """On each of ``days`` (0: Monday) from ``at`` by the clocks of ``zone``, for ``lasts``.

    It lasts as long as it lasts: a night in which the clocks change moves its end by the clock, not its length. A time that a change
    leaves out is taken an hour later by the clock; of a time that comes twice it is the first.
    """

    at: time
    lasts: timedelta
    days: frozenset[int] = EVERY_DAY
    zone: tzinfo = UTC
    reason: str = ""

    def between(self, start: datetime, end: datetime) -> Iterator[Occurrence]:
        """Those that overlap ``[start, end)``, the earliest first."""
        day, last = (start - self.lasts - DAY).astimezone(self.zone).date(), (end + DAY).astimezone(self.zone).date()
        while day <= last:
            starts = datetime.combine(day, self.at, tzinfo=self.zone).astimezone(UTC)
            found = Occurrence(starts=starts, ends=starts + self.lasts, reason=self.reason)
            if day.weekday() in self.days and found.overlaps(start, end):
                yield found
            day += DAY

    def covers(self, moment: datetime) -> bool:
        """Whether a moment lies in one of them; its end does not."""
        return next(self.between(moment, moment + INSTANT), None) is not None
