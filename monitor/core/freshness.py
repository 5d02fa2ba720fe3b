"""Freshness: how old the newest row of a model is, where it is known that nothing newer waits to be read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from monitor.core.messages import moment, span


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One partition: the latest event time read, and the latest wall time at which everything in it had been read."""

    max_time: datetime | None
    read_until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Newest:
    """The newest row: its event time, and its age at the time up to which all partitions are read."""

    time: datetime
    age: timedelta


def newest_of(partitions: Iterable[Reading]) -> Newest | None:
    """None while it cannot be said: no row has come yet, or some partition was never read to its end.

    What lies unread came after ``read_until`` of its partition, so a backlog makes nothing old: the age stands still, and falls as
    newer rows are read.
    """
    found = list(partitions)
    times = [reading.max_time for reading in found if reading.max_time is not None]
    read = [reading.read_until for reading in found if reading.read_until is not None]
    if not times or len(read) < len(found):
        return None
    return Newest(time=max(times), age=min(read) - max(times))


def stale(newest: Newest | None, limit: timedelta, model: str) -> str | None:
    """What people are told where the newest row is older than ``limit``; else None."""
    if newest is None or newest.age <= limit:
        return None
    return (f"the newest row of {model} is {span(newest.age)} old (event time {moment(newest.time)}), freshness is {span(limit)}; "
            "its topic is read to the end, and holds nothing newer")
