"""When the daily digest is told, and to whom."""

from __future__ import annotations

import re
from datetime import UTC, time, tzinfo
from typing import Annotated

from pydantic import AfterValidator, Field, GetJsonSchemaHandler, WithJsonSchema
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from monitor.core.rules import Switch
from monitor.settings.block import Block, Text, Texts
from monitor.settings.durations import shown
from monitor.settings.hours import Zone

_CLOCK = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])", re.ASCII)


def _clock(value: str) -> str:
    if not _CLOCK.fullmatch(value):
        raise ValueError(f"{shown(value)} is not a time of day; expected hours and minutes in quotes, e.g. \"08:00\"")
    return value


_SCHEMA = {"type": "string", "pattern": f"^{_CLOCK.pattern}$", "examples": ["08:00"]}
ClockText = Annotated[Text, AfterValidator(_clock), WithJsonSchema(_SCHEMA)]


class OffOr:
    """Lets the JSON schema accept ``off`` in place of a block."""

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema = handler(core)
        kept = [part for part in schema.pop("anyOf", [schema]) if part.get("type") != "null"]
        return {**schema, "anyOf": [{"const": "off"}, *kept]}


def off_or_block(value: object) -> object:
    """``off`` is None: nothing of it."""
    return None if value == Switch.OFF else value


class DigestSettings(Block):
    """Once a day what was not worth a message of its own: warnings, incidents held back, messages given up. `off`: never."""

    at: ClockText = Field(default="08:00", description="The time of day, in quotes.")
    timezone: Zone | None = Field(default=None, description="By which clocks, e.g. Europe/Berlin; left out: UTC.")
    receivers: Texts = Field(default=(), description="Names of receivers; left out: all that tell people.")

    @property
    def clock(self) -> time:
        """The time of day."""
        return time.fromisoformat(self.at.zfill(len("08:00")))

    @property
    def zone(self) -> tzinfo:
        """The time zone."""
        return self.timezone or UTC
