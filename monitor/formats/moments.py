"""The event time of each message: as written, or the broker's; and which are not to be believed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np

from monitor.core.schema import Flags, Ints, Reason, from_micros, rfc3339, to_micros
from monitor.formats.times import NO_TIME, micros_of

ANCIENT = to_micros(datetime(2000, 1, 1, tzinfo=UTC))
"""An earlier event time is a wrong unit or a forgotten default."""
LATEST = to_micros(datetime(2200, 1, 1, tzinfo=UTC))
"""A later one is nonsense whatever the broker's clock says: producers may set that too."""

Wrong = dict[int, tuple[Reason, str]]


def event_times(values: Sequence[object] | None, path: str, stamps: Ints, max_future: timedelta) -> tuple[Ints, Wrong]:
    """Microseconds of each message, and by position why a time cannot be used.

    ``values``: what stands at ``path``, None where no time is mapped: then the broker's ``stamps`` (milliseconds, negative
    where a record has none) are the times.
    """
    known = np.clip(stamps, -1, LATEST // 1_000 + 1) * 1_000
    if values is None:
        return known, _bounded(known, np.full_like(known, LATEST)) | _where(stamps < 0, Reason.MISSING_TIME, "the broker gave no time")
    times, unreadable = micros_of(values)
    wrong = _bounded(times, np.where(stamps < 0, LATEST, np.minimum(known + max_future // timedelta(microseconds=1), LATEST)))
    for i, detail in unreadable.items():
        wrong[i] = (Reason.MISSING_TIME, f"no time at {path!r}") if values[i] is None else (Reason.BAD_TIME, detail)
    return times, wrong


def _bounded(times: Ints, latest: Ints) -> Wrong:
    late, early = times > latest, times < ANCIENT
    if not (late.any() or early.any()):
        return {}
    found = {i: (Reason.FUTURE_TIME, f"{_shown(times[i])} is later than its timestamp, our clock and max_future allow") for i in _at(late)}
    return found | {i: (Reason.ANCIENT_TIME, f"{_shown(times[i])} is before the year 2000: a wrong unit?") for i in _at(early)}


def _where(flags: Flags, reason: Reason, detail: str) -> Wrong:
    return dict.fromkeys(_at(flags), (reason, detail))


def _at(flags: Flags) -> list[int]:
    return [int(i) for i in np.flatnonzero(flags)]


def _shown(micros: np.int64) -> str:
    if micros == NO_TIME:
        return "no time"
    try:
        return rfc3339(from_micros(int(micros)))
    except OverflowError:
        return f"{micros} µs since 1970"
