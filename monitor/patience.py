"""Waiting and trying again while the log or the store is away, and telling the probes why."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from monitor.errors import MemoryShort, Retryable, StoreFull, StoreUnavailable
from monitor.health import Health, NotReady
from monitor.log import Action, logger
from monitor.pipeline import Reader
from monitor.ports import Clock
from monitor.stopping import Stop

log = logger(__name__)

LOOP = "intake"
LOOP_MAX_AGE = timedelta(seconds=60)
"""A loop that has not come round for so long is wedged: ``/livez`` fails. Where the settings say nothing else."""
FIRST_BACK_OFF, MAX_BACK_OFF = 0.5, 5.0
"""Seconds to wait while the log or the store is away: doubled each time, up to the second."""

OF_OURS = frozenset({NotReady.STORE_UNAVAILABLE, NotReady.STORAGE_FULL, NotReady.MEMORY_SHORT})
AWAY = OF_OURS | {NotReady.KAFKA_UNREACHABLE}
"""The reasons that are set here; one of them at a time."""

T = TypeVar("T")


class Patience:
    """Does the reader's work. ``trouble`` says what does not answer, None where all is well."""

    def __init__(self, *, reader: Reader, health: Health, clock: Clock, stop: Stop, max_age: timedelta = LOOP_MAX_AGE) -> None:
        self._reader = reader
        self._health = health
        self._clock = clock
        self._stop = stop
        self._back_off = FIRST_BACK_OFF
        self._well_at = clock.monotonic()
        self.trouble: str | None = None
        self._verified_at = reader.written_at
        health.watch(LOOP, max_age)

    @property
    def away(self) -> float:
        """For how many seconds something has not answered; 0 where all is well."""
        return 0.0 if self.trouble is None else self._clock.monotonic() - self._well_at

    def attempt(self, work: Callable[[], T]) -> T | None:
        """What the work gives; None, after a pause, where the log or the store did not answer."""
        try:
            done = work()
        except Retryable as error:
            self._troubled(_reason(error), str(error))
            self._stop.wait(self._back_off)
            self._back_off = min(self._back_off * 2, MAX_BACK_OFF)
            done = None
        else:
            self._back_off = FIRST_BACK_OFF
            if self._reader.unreachable is not None:
                self._troubled(NotReady.KAFKA_UNREACHABLE, self._reader.unreachable)
            else:
                self._well()
        self._came_round()
        return done

    def _came_round(self) -> None:
        """Progress is a checkpoint since the last one, with the broker's word for how far its topics go; an idle loop writes one too."""
        if self.trouble is None and self._reader.written_at > self._verified_at:
            self._verified_at = self._reader.written_at
            self._health.progress(LOOP)
        else:
            self._health.beat(LOOP)

    def _troubled(self, reason: NotReady, why: str) -> None:
        if self.trouble is None:
            self._well_at = self._clock.monotonic()
        if self.trouble != why:
            log.warning("cannot go on for now", action=Action.INTAKE_UNREACHABLE, reason=reason, detail=why)
        self.trouble = why
        for other in AWAY - {reason}:
            self._health.clear(other)
        if self._reader.partitions:  # all but a topic that does not exist is read
            self._health.clear(NotReady.STARTING)
        self._health.not_ready(reason, why)

    def _well(self) -> None:
        if self.trouble is not None:
            log.info("going on", action=Action.INTAKE_BACK)
        self.trouble = None
        for reason in OF_OURS:
            self._health.clear(reason)
        if self._reader.partitions:  # a replica that got none of them stands by, and is as ready as the others
            self._health.clear(NotReady.KAFKA_UNREACHABLE)
            self._health.clear(NotReady.STARTING)


def _reason(error: Retryable) -> NotReady:
    """What is missing."""
    if isinstance(error, MemoryShort):
        return NotReady.MEMORY_SHORT
    if isinstance(error, StoreFull):
        return NotReady.STORAGE_FULL
    return NotReady.STORE_UNAVAILABLE if isinstance(error, StoreUnavailable) else NotReady.KAFKA_UNREACHABLE
