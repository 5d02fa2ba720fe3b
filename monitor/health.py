"""Is the daemon alive, and is it ready: what the loops say of themselves. The probes only read it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum


class NotReady(StrEnum):
    """Why no work can be taken now. A reason is set and cleared by who knows; ``/readyz`` is 503 while any stands."""

    STARTING = "starting"
    KAFKA_UNREACHABLE = "kafka_unreachable"
    STORE_UNAVAILABLE = "store_unavailable"
    STORAGE_FULL = "storage_full"
    MEMORY_SHORT = "memory_short"
    STOPPING = "stopping"


@dataclass(slots=True, kw_only=True)
class _Heartbeat:
    max_age: float
    at: float
    done_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Standing:
    detail: str
    since: float


class Health:
    """Heartbeats of loops and reasons for not being ready; safe to use from any thread.

    It is born ``starting``. ``monotonic`` gives seconds, so that a jump of the wall clock kills nobody.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._loops: dict[str, _Heartbeat] = {}
        self._told: dict[str, str] = {}
        self._reasons: dict[NotReady, _Standing] = {NotReady.STARTING: _Standing(detail="", since=monotonic())}

    def watch(self, loop: str, max_age: timedelta) -> None:
        """Expect ``beat(loop)`` at least every ``max_age`` from now on."""
        with self._lock:
            self._loops[loop] = _Heartbeat(max_age=max_age.total_seconds(), at=self._monotonic())

    def beat(self, loop: str) -> None:
        """The loop has come round. Raises KeyError for a loop that nobody watches."""
        with self._lock:
            if loop not in self._loops:
                raise KeyError(f"no loop {loop!r} is watched, only {sorted(self._loops)}")
            self._loops[loop].at = self._monotonic()

    def progress(self, loop: str) -> None:
        """The loop has come round and its work is done, which is more than tried. Raises KeyError for a loop that nobody watches."""
        self.beat(loop)
        with self._lock:
            if loop in self._loops:
                self._loops[loop].done_at = self._monotonic()

    def stalled(self, since: float) -> list[str]:
        """The loops that have done no work since then; seconds of the clock that Health was given."""
        with self._lock:
            return [name for name, beat in sorted(self._loops.items()) if beat.done_at is None or beat.done_at <= since]

    def forget(self, loop: str) -> None:
        """The loop has ended as it should."""
        with self._lock:
            self._loops.pop(loop, None)

    def not_ready(self, reason: NotReady, detail: str = "") -> None:
        """Set a reason; ``detail`` is for people and holds no secret."""
        with self._lock:
            known = self._reasons.get(reason)
            self._reasons[reason] = _Standing(detail=detail, since=known.since if known else self._monotonic())

    def clear(self, reason: NotReady) -> None:
        """The reason stands no more; nothing happens where it did not stand."""
        with self._lock:
            self._reasons.pop(reason, None)

    def standing(self, reason: NotReady) -> tuple[str, float] | None:
        """The detail of a reason that stands, and for how many seconds it has; None where it does not."""
        with self._lock:
            known = self._reasons.get(reason)
            return (known.detail, self._monotonic() - known.since) if known else None

    def tell(self, part: str, said: str) -> None:
        """How a part does whose trouble makes nobody unready; ``said`` is for people and holds no secret."""
        with self._lock:
            self._told[part] = said

    def told(self) -> list[str]:
        """``part: what it said last``, one line each."""
        with self._lock:
            return [f"{part}: {said}" for part, said in sorted(self._told.items())]

    def live(self) -> tuple[bool, list[str]]:
        """False, and one line for each silent loop, when a heartbeat is older than allowed. Dependencies play no part."""
        with self._lock:
            now = self._monotonic()
            late = [
                f"loop {name}: no heartbeat for {now - beat.at:.0f} s, at most {beat.max_age:.0f} s allowed"
                for name, beat in sorted(self._loops.items())
                if now - beat.at > beat.max_age
            ]
        return not late, late

    def ready(self) -> tuple[bool, list[str]]:
        """False, and ``reason: detail`` lines, while any reason stands."""
        with self._lock:
            lines = [f"{reason}: {known.detail}" if known.detail else str(reason) for reason, known in sorted(self._reasons.items())]
        return not lines, lines

    def loops(self) -> dict[str, float]:
        """Seconds since the last heartbeat of each loop."""
        with self._lock:
            now = self._monotonic()
            return {name: now - beat.at for name, beat in sorted(self._loops.items())}
