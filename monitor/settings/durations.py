"""Durations as people write them: ``30s``, ``1h 30m``, ``14d``."""

from __future__ import annotations

import re
from datetime import timedelta

UNITS = {
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
LONGEST = timedelta(days=36_500)
DURATION_PATTERN = r"^\s*\d+(\.\d+)?\s*(ms|s|m|h|d|w)(\s*\d+(\.\d+)?\s*(ms|s|m|h|d|w))*\s*$"

_WHOLE = re.compile(DURATION_PATTERN, re.ASCII)
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)", re.ASCII)
_LONGEST_TEXT = 64


def parse_duration(value: object) -> timedelta:
    """A duration such as ``5s`` or ``1d12h``. Raises ValueError that says what was expected."""
    if isinstance(value, timedelta):
        return value
    text = value if isinstance(value, str) else ""
    if len(text) > _LONGEST_TEXT or not _WHOLE.match(text):
        raise ValueError(f"{shown(value)} is not a duration; expected a number and a unit (ms, s, m, h, d, w), e.g. 30s, 1h30m, 14d")
    try:
        total = sum((float(number) * UNITS[unit] for number, unit in _PART.findall(text)), timedelta())
    except OverflowError:
        total = LONGEST * 2
    if total > LONGEST:
        raise ValueError(f"{shown(value)} is too long; expected at most {duration_text(LONGEST)}")
    return total


def duration_text(duration: timedelta) -> str:
    """The shortest way to write a duration: ``1d12h``, ``90ms``, ``0s``."""
    rest, parts = duration, []
    for unit in ("d", "h", "m", "s", "ms"):
        count, rest = divmod(rest, UNITS[unit])
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


LONGEST_SHOWN = 80


def shown(value: object) -> str:
    """A value of the file inside a message: quoted, on one line, not endless; of a mapping or a list only what it is."""
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return "a list"
    text = printable(str(value))
    return f'"{text}"' if isinstance(value, str) else text


def printable(text: str, longest: int = LONGEST_SHOWN) -> str:
    """One line of at most ``longest`` characters (before escapes) that any terminal can show."""
    cut = text if len(text) <= longest else text[:longest] + "…"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in cut)
