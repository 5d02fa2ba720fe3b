"""When people are not told: the age of windows, and times of maintenance."""

from __future__ import annotations

import difflib
import re
import zoneinfo
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import Field, PlainValidator, WithJsonSchema

from monitor.contract import parse_moment
from monitor.core.maintenance import Maintenance, OneOff, Recurring
from monitor.core.rules import Switch
from monitor.settings.block import Block, Duration, Text, within
from monitor.settings.durations import DURATION_PATTERN, duration_text, parse_duration, shown

SECOND = timedelta(seconds=1)
DAY, WEEK, YEAR = timedelta(days=1), timedelta(days=7), timedelta(days=366)
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
SHORT = 3  # letters that tell weekdays apart
_EVERY = re.compile(r"\s*(?:([A-Za-z]+)\s+)?([0-9]{1,2}):([0-9]{2})\s*", re.ASCII)
_AGE = within(SECOND, 5 * YEAR)


def _max_age(value: object) -> timedelta | Switch | None:
    if value in ("auto", None):
        return None
    if value == Switch.OFF:
        return Switch.OFF
    try:
        given = parse_duration(value)
    except ValueError:
        raise ValueError(f"{shown(value)} is not understood; expected auto, off or a duration, e.g. 2d") from None
    return _AGE(given)


def _moment(value: object) -> datetime:
    if isinstance(value, datetime):
        return value
    try:
        return parse_moment(value if isinstance(value, str) else "")
    except ValueError:
        raise ValueError(f"{shown(value)} is no time; expected one like 2026-12-24 or 2026-12-24T06:00:00Z (without a zone: UTC)") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Every:
    """A time of each day, or of one day of the week (0: Monday)."""

    at: time
    weekday: int | None = None


def _every(value: object) -> Every:
    if isinstance(value, Every):
        return value
    match = _EVERY.fullmatch(value) if isinstance(value, str) else None
    day = (match[1] or "").lower() if match else ""
    found = [n for n, name in enumerate(WEEKDAYS) if day and (name == day or name[:SHORT] == day)]
    if match is None or (day and not found):
        raise ValueError(f"{shown(value)} is not understood; expected a time, or a weekday and a time, e.g. 02:00 or sat 02:00")
    try:
        return Every(at=time(int(match[2]), int(match[3])), weekday=found[0] if found else None)
    except ValueError:
        raise ValueError(f"{shown(value)} is no time of the day; expected 00:00 to 23:59") from None


def _zone(value: object) -> tzinfo:
    if isinstance(value, tzinfo):
        return value
    try:
        return ZoneInfo(value if isinstance(value, str) else "")
    except (KeyError, ValueError, OSError):  # not found, no safe name, a folder
        close = difflib.get_close_matches(str(value), zoneinfo.available_timezones(), n=1)
        meant = f'; did you mean "{close[0]}"?' if close else "; expected one like Europe/Berlin or UTC"
        raise ValueError(f"{shown(value)} is no time zone{meant}") from None


MaxAge = Annotated[
    timedelta | Switch | None,
    PlainValidator(_max_age),
    WithJsonSchema({"anyOf": [{"enum": ["auto", "off"]}, {"type": "string", "pattern": DURATION_PATTERN, "examples": ["2d"]}]}),
]
Moment = Annotated[datetime, PlainValidator(_moment), WithJsonSchema({"type": "string", "examples": ["2026-12-24T06:00:00Z"]})]
EveryTime = Annotated[Every, PlainValidator(_every), WithJsonSchema({"type": "string", "examples": ["02:00", "sat 02:00"]})]
Zone = Annotated[tzinfo, PlainValidator(_zone), WithJsonSchema({"type": "string", "examples": ["UTC", "Europe/Berlin"]})]


class MaintenanceSettings(Block):
    """A time in which windows move no incident: once (from, until), or again and again (every, for); event time."""

    starts: Moment | None = Field(default=None, alias="from", description="Begins then, once.")
    until: Moment | None = Field(default=None, description="Ends then.")
    every: EveryTime | None = Field(default=None, description="Begins each day at this time, e.g. 02:00, or once a week, e.g. sat 02:00.")
    lasts: Duration | None = Field(default=None, alias="for", description="How long it lasts each time.")
    timezone: Zone | None = Field(default=None, description="By which clocks every is meant, e.g. Europe/Berlin; left out: UTC.")
    reason: Text | None = Field(default=None, description="Why, for the history of incidents.")

    def faults(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """What its keys contradict, with the key."""
        once, again = self.starts is not None or self.until is not None, self.every is not None or self.lasts is not None
        if once == again:
            yield (), f"expected from and until, or every and for; found {'both' if once else 'neither'}"
        elif once:
            yield from self._once()
        else:
            yield from self._again()

    def _once(self) -> Iterator[tuple[tuple[str, ...], str]]:
        if self.starts is None or self.until is None:
            yield (), "expected from and until"
        elif self.until <= self.starts:
            yield ("until",), "is not after from"
        if self.timezone is not None:
            yield ("timezone",), "not used with from and until, which say their zone themselves"

    def _again(self) -> Iterator[tuple[tuple[str, ...], str]]:
        if self.every is None or self.lasts is None:
            yield (), "expected every and for"
            return
        period = DAY if self.every.weekday is None else WEEK
        if not SECOND <= self.lasts < period:
            yield ("for",), f"{duration_text(self.lasts)} is out of range; expected at least 1s and less than {duration_text(period)}"

    def maintenance(self) -> Maintenance:
        """What the core obeys; only where there are no ``faults``."""
        reason = self.reason or ""
        if self.every is not None and self.lasts is not None:
            return Recurring(at=self.every.at, weekday=self.every.weekday, lasts=self.lasts, zone=self.timezone or UTC, reason=reason)
        if self.starts is None or self.until is None:
            raise ValueError("a time of maintenance without its ends")
        return OneOff(starts=self.starts, ends=self.until, reason=reason)
