"""When people are not told: the age of windows, and times of maintenance."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import Field, PlainValidator, WithJsonSchema

from monitor.contract import parse_moment
from monitor.core.maintenance import Maintenance, OneOff
from monitor.core.rules import Switch
from monitor.settings.block import Block, Duration, Text, within
from monitor.settings.durations import DURATION_PATTERN, parse_duration, shown
from monitor.settings.hours import EveryTime, Zone

SECOND = timedelta(seconds=1)
_AGE = within(SECOND, timedelta(days=5 * 366))


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


MaxAge = Annotated[
    timedelta | Switch | None,
    PlainValidator(_max_age),
    WithJsonSchema({"anyOf": [{"enum": ["auto", "off"]}, {"type": "string", "pattern": DURATION_PATTERN, "examples": ["2d"]}]}),
]
Moment = Annotated[datetime, PlainValidator(_moment), WithJsonSchema({"type": "string", "examples": ["2026-12-24T06:00:00Z"]})]


class MaintenanceSettings(Block):
    """A time in which windows move no incident: once (from, until), or again and again (every, for); event time."""

    starts: Moment | None = Field(default=None, alias="from", description="Begins then, once.")
    until: Moment | None = Field(default=None, description="Ends then.")
    every: EveryTime | None = Field(default=None, description="Begins at this time of each day, e.g. 02:00, or of some, e.g. sat 02:00.")
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
        fault = self.every.fault(self.lasts)
        if fault is not None:
            yield ("for",), fault

    def maintenance(self) -> Maintenance:
        """What the core obeys; only where there are no ``faults``."""
        reason = self.reason or ""
        if self.every is not None and self.lasts is not None:
            return self.every.recurring(self.lasts, self.timezone, reason)
        if self.starts is None or self.until is None:
            raise ValueError("a time of maintenance without its ends")
        return OneOff(starts=self.starts, ends=self.until, reason=reason)
