"""Times that come again, as they are written: days and a time of the day, by whose clocks, for how long."""

from __future__ import annotations

import difflib
import re
import zoneinfo
from dataclasses import dataclass
from datetime import UTC, time, timedelta, tzinfo
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import PlainValidator, WithJsonSchema

from monitor.core.recurring import Recurring
from monitor.settings.durations import duration_text, shown

SECOND, WEEK = timedelta(seconds=1), timedelta(days=7)
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
SHORT = 3  # letters that tell weekdays apart
_EVERY = re.compile(r"\s*(?:([a-z,\s-]+?)\s+)?([0-9]{1,2}):([0-9]{2})\s*", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Every:
    """A time of the day on some days of the week (0: Monday)."""

    days: frozenset[int]
    at: time

    def fault(self, lasts: timedelta) -> str | None:
        """Why what begins then cannot last so long: it would begin again before it ends, all week long."""
        longest = WEEK / len(self.days)
        if SECOND <= lasts < longest:
            return None
        return f"{duration_text(lasts)} is out of range; expected at least 1s and less than {duration_text(longest)}"

    def recurring(self, lasts: timedelta, zone: tzinfo | None, reason: str = "") -> Recurring:
        """What the core obeys; ``zone`` None: UTC."""
        return Recurring(days=self.days, at=self.at, lasts=lasts, zone=zone or UTC, reason=reason)


def _every(value: object) -> Every:
    if isinstance(value, Every):
        return value
    match = _EVERY.fullmatch(value) if isinstance(value, str) else None
    days = _days(match[1] or "") if match else None
    if match is None or days is None:
        said = "expected days and a time, e.g. mon-fri 08:00, sat,sun 00:00, or a time alone, e.g. 08:00"
        raise ValueError(f"{shown(value)} is not understood; {said}")
    try:
        return Every(days=days, at=time(int(match[2]), int(match[3])))
    except ValueError:
        raise ValueError(f"{shown(value)} is no time of the day; expected 00:00 to 23:59") from None


def _days(text: str) -> frozenset[int] | None:
    """All of them where none is named; None where one is not known."""
    found: set[int] = set()
    for part in text.lower().split(",") if text.strip() else ["mon-sun"]:
        first, _, last = (word.strip() for word in part.partition("-"))
        begin, end = _day(first), _day(last or first)
        if begin is None or end is None:
            return None
        found |= {day % 7 for day in range(begin, end + 1 + 7 * (end < begin))}
    return frozenset(found)


def _day(word: str) -> int | None:
    """By its whole name, or its first letters."""
    return next((number for number, name in enumerate(WEEKDAYS) if word in (name, name[:SHORT])), None)


def _zone(value: object) -> tzinfo:
    if isinstance(value, tzinfo):
        return value
    try:
        return ZoneInfo(value if isinstance(value, str) else "")
    except (KeyError, ValueError, OSError):  # not found, no safe name, a folder
        close = difflib.get_close_matches(str(value), zoneinfo.available_timezones(), n=1)
        meant = f'; did you mean "{close[0]}"?' if close else "; expected one like Europe/Berlin or UTC"
        raise ValueError(f"{shown(value)} is no time zone{meant}") from None


EveryTime = Annotated[
    Every, PlainValidator(_every), WithJsonSchema({"type": "string", "examples": ["02:00", "sat 02:00", "mon-fri 08:00"]})
]
Zone = Annotated[tzinfo, PlainValidator(_zone), WithJsonSchema({"type": "string", "examples": ["UTC", "Europe/Berlin"]})]
