"""Event time: tumbling windows, lateness, and the watermark over partitions (words as in Beam and Flink)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from monitor.core.schema import MICROSECOND, Flags, Ints, from_micros, to_micros


def window_starts(times: Ints, size: timedelta) -> Ints:
    """The start of the window of each time; windows are aligned to the epoch. Microseconds, shape (n,)."""
    step = size // MICROSECOND
    return times - np.mod(times, step)


def window_of(moment: datetime, size: timedelta) -> tuple[datetime, datetime]:
    """Start and end of the window that holds ``moment``."""
    start = from_micros(int(window_starts(np.array([to_micros(moment)], dtype=np.int64), size)[0]))
    return start, start + size


def next_window(moment: datetime, size: timedelta) -> datetime:
    """The first start of a window at or after ``moment``."""
    start, end = window_of(moment, size)
    return start if start == moment else end


@dataclass(frozen=True, slots=True, kw_only=True)
class Lateness:
    """Which rows of a batch came too late, and the latest event time of the partition after it."""

    late: Flags
    max_time: int | None


def judge_lateness(times: Ints, *, size: timedelta, allowed: timedelta, max_time: int | None) -> Lateness:
    """A row is late when its window ended, by more than ``allowed``, before the latest time seen ahead of it in its partition.

    It depends on the order within the partition alone, never on where batches were cut. ``times``: microseconds, shape (n,).
    """
    if len(times) == 0:
        return Lateness(late=np.zeros(0, dtype=np.bool_), max_time=max_time)
    floor = np.iinfo(np.int64).min if max_time is None else max_time
    ahead = np.maximum.accumulate(np.concatenate(([floor], times)))
    closes = window_starts(times, size) + (size + allowed) // MICROSECOND
    return Lateness(late=closes <= ahead[:-1], max_time=int(ahead[-1]))


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionTime:
    """How far one partition has come. ``caught_up``: its owner, alive now, has read it to the end.

    ``seen_at``: wall time of its last record, or where it never had one since when it has been watched.
    """

    max_time: datetime | None
    seen_at: datetime | None
    caught_up: bool


def watermark(partitions: Iterable[PartitionTime], *, now: datetime, idle_after: timedelta) -> datetime | None:
    """Event time that every partition has reached; None while that cannot be said.

    A caught-up partition without a record for ``idle_after`` holds nobody back, and one that never had any is given as long. When all
    are idle, event time goes on at the pace of the wall clock from where each partition stood, so that silence closes windows too, and
    a stream that replays an old year never jumps to today.
    """
    active: list[datetime] = []
    idle: list[datetime] = []
    for p in partitions:
        if p.max_time is None or p.seen_at is None:
            if not p.caught_up or (p.seen_at is not None and now - p.seen_at <= idle_after):
                return None
        elif p.caught_up and now - p.seen_at > idle_after:
            idle.append(p.max_time + (now - p.seen_at))
        else:
            active.append(p.max_time)
    if active:
        return min(active)
    return max(idle, default=None)


def sealable_until(mark: datetime, *, size: timedelta, allowed: timedelta) -> datetime:
    """The end of the last window that takes no more rows at this watermark."""
    return window_of(mark - allowed, size)[0]
