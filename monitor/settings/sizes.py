"""Sizes of memory as people write them: ``512MiB``, ``1GiB``, ``800MB``."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import PlainValidator, WithJsonSchema

from monitor.settings.durations import shown

UNITS = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
SMALLEST, LARGEST = 256 * 2**20, 2**40
"""An idle daemon takes about 130 MiB."""
SIZE_PATTERN = r"^\s*\d+(\.\d+)?\s*(KB|MB|GB|KiB|MiB|GiB)\s*$"

_WHOLE = re.compile(r"\s*(\d{1,15}(?:\.\d{1,15})?)\s*(KB|MB|GB|KiB|MiB|GiB)\s*", re.ASCII)


def parse_size(value: object) -> int:
    """Bytes of a size such as ``512MiB``. Raises ValueError that says what was expected."""
    match = _WHOLE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"{shown(value)} is not a size; expected a number and a unit (MB, GB, MiB, GiB), e.g. 512MiB")
    found = int(float(match[1]) * UNITS[match[2]])
    if not SMALLEST <= found <= LARGEST:
        raise ValueError(f"{shown(value)} is out of range; expected 256MiB to 1024GiB")
    return found


_SCHEMA = {"type": "string", "pattern": SIZE_PATTERN, "examples": ["512MiB", "1GiB"]}

Size = Annotated[int, PlainValidator(parse_size), WithJsonSchema(_SCHEMA)]
