"""Canonical JSON: one text for one content, so that it can be hashed; and a readable form of the same content."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from monitor.core.schema import Floats, Ints
from monitor.errors import DecodeError

Document = Mapping[str, object]

_WIDTH = 140  # characters of a line of the readable form
MOST = 2**53
"""No count is larger: far beyond any number of rows, and sums of many still fit where counts are stored."""


def compact(document: object) -> str:
    """Sorted keys, no blanks, floats by ``repr``, ints as ints. Raises ValueError for NaN and infinities."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def digest(document: object) -> str:
    """SHA-256 of the canonical text, 64 hex digits."""
    return hashlib.sha256(compact(document).encode()).hexdigest()


def readable(document: object) -> str:
    """The same content for people and diffs: one key per line, lists of scalars wrapped, a newline at the end."""
    return _pretty(document, "") + "\n"


def _pretty(value: object, indent: str) -> str:
    inner = indent + "  "
    if isinstance(value, Mapping) and value:
        lines = (f"{inner}{json.dumps(key)}: {_pretty(value[key], inner)}" for key in sorted(value))
        return "{\n" + ",\n".join(lines) + f"\n{indent}}}"
    if isinstance(value, list | tuple) and value:
        items = [_pretty(item, inner) for item in value]
        return _wrapped(items, indent)
    return json.dumps(value, sort_keys=True, allow_nan=False)


def _wrapped(items: Sequence[str], indent: str) -> str:
    whole = "[" + ", ".join(items) + "]"
    if len(whole) + len(indent) <= _WIDTH and "\n" not in whole:
        return whole
    inner = indent + "  "
    lines, line = [], ""
    for item in items:
        if line and len(inner) + len(line) + len(item) + 3 > _WIDTH:
            lines.append(line)
            line = ""
        line = f"{line}, {item}" if line else item
    return f"[\n{inner}" + f",\n{inner}".join([*lines, line]) + f"\n{indent}]"


class Fields:
    """Reads a document field by field; every miss is a DecodeError that names the place."""

    __slots__ = ("_data", "_place")

    def __init__(self, data: object, place: str) -> None:
        if not isinstance(data, dict):
            raise DecodeError(f"{place}: expected an object, found {type(data).__name__}")
        self._data: dict[str, Any] = data
        self._place = place

    def fault(self, name: str, expected: str) -> DecodeError:
        """The error for a field that is not what it should be."""
        found = repr(self._data[name])[:80] if name in self._data else "nothing"
        return DecodeError(f"{self._place}.{name}: expected {expected}, found {found}")

    def whole(self, name: str, *, least: int | None = 0, most: int | None = MOST) -> int:
        """An integer from ``least`` to ``most``; of any size where ``least`` is None."""
        value = self._data.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or (least is not None and value < least):
            raise self.fault(name, "a whole number" if least is None else f"a whole number from {least}")
        if least is not None and most is not None and value > most:
            raise self.fault(name, f"a whole number up to {most}")
        return value

    def real(self, name: str) -> float:
        """A finite number."""
        value = self._data.get(name)
        if not isinstance(value, int | float) or isinstance(value, bool) or not _is_finite(value):
            raise self.fault(name, "a number")
        return float(value)

    def real_or_none(self, name: str) -> float | None:
        """A finite number or null."""
        return None if name in self._data and self._data[name] is None else self.real(name)

    def text(self, name: str) -> str:
        """A text."""
        value = self._data.get(name)
        if not isinstance(value, str):
            raise self.fault(name, "a text")
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts."""
        value = self._data.get(name)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.fault(name, "a list of texts")
        return tuple(value)

    def flag(self, name: str) -> bool:
        """True or false."""
        value = self._data.get(name)
        if not isinstance(value, bool):
            raise self.fault(name, "true or false")
        return value

    def reals(self, name: str) -> Floats:
        """A list of finite numbers."""
        values = self._numbers(name, int | float)
        if not all(map(_is_finite, values)):
            raise self.fault(name, "finite numbers")
        return np.array(values, dtype=np.float64)

    def wholes(self, name: str, size: int | None = None) -> Ints:
        """A list of counts, of ``size`` where given."""
        values = self._numbers(name, int)
        if any(not 0 <= value <= MOST for value in values) or (size is not None and len(values) != size):
            raise self.fault(name, "counts from 0" if size is None else f"{size} counts from 0")
        return np.array(values, dtype=np.int64)

    def integers(self, name: str) -> Ints:
        """A list of integers that 63 bits hold."""
        values = self._numbers(name, int)
        if any(not -(2**63) < value < 2**63 for value in values):
            raise self.fault(name, "integers of 63 bits")
        return np.array(values, dtype=np.int64)

    def scalars(self, name: str, size: int) -> tuple[str | float | None, ...]:
        """A list of ``size`` texts, finite numbers (as floats) and nulls."""
        value = self._data.get(name)
        if not isinstance(value, list) or len(value) != size or not all(map(_is_scalar, value)):
            raise self.fault(name, f"{size} texts, numbers or nulls")
        return tuple(item if isinstance(item, str) or item is None else float(item) for item in value)

    def _numbers(self, name: str, kind: Any) -> list[Any]:
        value = self._data.get(name)
        if not isinstance(value, list) or not all(isinstance(item, kind) and not isinstance(item, bool) for item in value):
            raise self.fault(name, "a list of numbers")
        return value

    def part(self, name: str) -> Fields:
        """An object inside this one."""
        if name not in self._data:
            raise self.fault(name, "an object")
        return Fields(self._data[name], f"{self._place}.{name}")

    def parts(self, name: str) -> tuple[Fields, ...]:
        """A list of objects inside this one."""
        value = self._data.get(name)
        if not isinstance(value, list):
            raise self.fault(name, "a list of objects")
        return tuple(Fields(item, f"{self._place}.{name}[{at}]") for at, item in enumerate(value))

    def has(self, name: str) -> bool:
        """Whether the field is there and not null."""
        return self._data.get(name) is not None

    def keys(self) -> tuple[str, ...]:
        """The names of the fields, sorted."""
        return tuple(sorted(self._data))

    def raw(self) -> dict[str, Any]:
        """The object as it is."""
        return self._data


def _is_scalar(value: object) -> bool:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _is_finite(value)
    return value is None or isinstance(value, str)


def _is_finite(number: float) -> bool:
    """Also of integers that no float can hold."""
    try:
        return math.isfinite(number)
    except OverflowError:
        return False


def parse(text: str, place: str) -> Fields:
    """Read JSON text. Raises DecodeError where it is none, or holds NaN or infinities."""
    try:
        return Fields(json.loads(text, parse_constant=_no_constant), place)
    except (ValueError, RecursionError) as error:
        raise DecodeError(f"{place}: not JSON: {error}") from error


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON number")
