"""Event times as producers write them: RFC 3339, or epoch seconds, milli-, micro- or nanoseconds told apart by size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from operator import itemgetter
from typing import cast

import numpy as np

from monitor.core.schema import Floats, Ints, to_micros

SECONDS_BELOW = 10**11
"""Epoch seconds until the year 5138; epoch milliseconds below 1973."""
MILLIS_BELOW = 10**14
"""Epoch milliseconds until the year 5138; epoch microseconds below 1973."""
MICROS_BELOW = 10**17
"""Epoch microseconds until the year 5138; epoch nanoseconds below 1973."""
NANOS_BELOW = 10**20
EXACT_BELOW = 2**53
"""As floats, larger whole numbers are rounded; as microseconds this is the year 2255, later than any time that is believed."""

NO_TIME = np.iinfo(np.int64).min
"""Stands in an array of times for one that could not be read."""

_after_year = itemgetter(4)
"""Of ``2024-…`` the first dash: it tells a date from a number in quotes, which ``fromisoformat`` may take for a date."""


def epoch_micros(number: float) -> int:
    """Microseconds of a number whose size tells its unit. Raises ValueError for NaN, infinities and what no unit explains."""
    if isinstance(number, float) and not math.isfinite(number):
        raise ValueError(f"{number!r} is no time")
    size = abs(number)
    if size < SECONDS_BELOW:
        return round(number * 1_000_000)
    if size < MILLIS_BELOW:
        return round(number * 1_000)
    if size < MICROS_BELOW:
        return round(number)
    if size < NANOS_BELOW:
        return int(number) // 1000
    raise ValueError("the number is too large for a time in s, ms, µs or ns")


def moment_micros(value: object) -> int:
    """Microseconds since the epoch of one written time; without a zone it is UTC. Raises ValueError naming what was found."""
    if isinstance(value, bool):
        raise ValueError(f"{value!r} is no time")
    if isinstance(value, int | float):
        return epoch_micros(value)
    if isinstance(value, datetime):
        return to_micros(value if value.tzinfo is not None else value.replace(tzinfo=UTC))
    if isinstance(value, str):
        return _text_micros(value.strip())
    raise ValueError(f"a {type(value).__name__} is no time; expected RFC 3339 or an epoch number")


def _text_micros(text: str) -> int:
    try:
        return epoch_micros(_number_in(text))
    except (ValueError, OverflowError):
        pass  # no number in quotes; perhaps a date
    try:
        return moment_micros(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        raise ValueError(f"{text[:40]!r} is no time; expected RFC 3339 or an epoch number") from None


def _number_in(text: str) -> float:
    return int(text) if text.isdecimal() else float(text)


def micros_of(values: Sequence[object]) -> tuple[Ints, dict[int, str]]:
    """Microseconds of many times, ``NO_TIME`` where there is none, and by position what is wrong with those."""
    kinds = set(map(type, values))
    found = None
    if kinds == {str}:
        found = _dates(cast("Sequence[str]", values))
    elif kinds == {int}:
        found = _whole_epochs(cast("Sequence[int]", values))
    elif kinds <= {int, float} and kinds:
        found = _epochs(np.array(values, dtype=np.float64))
    return _one_by_one(values) if found is None else (found, {})


def _dates(texts: Sequence[str]) -> Ints | None:
    """Texts that are all dates with a zone; None where one is something else."""
    try:
        if set(map(_after_year, texts)) != {"-"}:
            return None
        moments = list(map(datetime.fromisoformat, texts))
    except (ValueError, IndexError):
        return None
    if None in {moment.tzinfo for moment in moments}:
        return None
    try:
        seconds = np.array([moment.timestamp() for moment in moments])
    except OverflowError:  # an offset beyond the first or the last year
        return None
    return np.rint(seconds * 1e6).astype(np.int64)


def _whole_epochs(numbers: Sequence[int]) -> Ints | None:
    try:
        exact = np.array(numbers, dtype=np.int64)
    except OverflowError:
        return None
    if exact.min() < 0:
        return None
    whole = np.where(exact < SECONDS_BELOW, exact * 1_000_000, np.where(exact < MILLIS_BELOW, exact * 1_000, exact))
    return np.where(exact < MICROS_BELOW, whole, exact // 1_000)


def _epochs(numbers: Floats) -> Ints | None:
    """Numbers of seconds, milli- or microseconds; NaN, nanoseconds and what floats round are left to ``epoch_micros``."""
    sizes = np.abs(numbers)
    if not (sizes < EXACT_BELOW).all():
        return None
    return np.rint(numbers * np.where(sizes < SECONDS_BELOW, 1e6, np.where(sizes < MILLIS_BELOW, 1e3, 1.0))).astype(np.int64)


def _one_by_one(values: Sequence[object]) -> tuple[Ints, dict[int, str]]:
    micros = np.full(len(values), NO_TIME, dtype=np.int64)
    wrong: dict[int, str] = {}
    for i, value in enumerate(values):
        try:
            micros[i] = moment_micros(value)
        except (ValueError, OverflowError) as error:
            wrong[i] = str(error)
    return micros, wrong
