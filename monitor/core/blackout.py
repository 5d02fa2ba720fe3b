"""Hours in which no retraining is asked for, recurring by the week."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Blackout:
    """On each of ``days`` (0 is Monday), from ``at`` by the clock of ``zone``, for ``length`` of real time."""

    days: frozenset[int]
    at: time
    length: timedelta
    zone: tzinfo = UTC

    def covers(self, moment: datetime) -> bool:
        """Whether a moment lies in it; its end does not. Where the clocks change, it begins by the clock and lasts as long as ever."""
        today = moment.astimezone(self.zone).date()
        begun = (today - back * DAY for back in range(self.length // DAY + 2))
        starts = (datetime.combine(day, self.at, self.zone).astimezone(UTC) for day in begun if day.weekday() in self.days)
        return any(start <= moment < start + self.length for start in starts)
