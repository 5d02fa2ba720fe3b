"""How much memory the process may use, how much it uses, and what reading should do about it."""

from __future__ import annotations

import ctypes
import gc
import os
import sys
from collections.abc import Callable, Iterable
from enum import StrEnum
from pathlib import Path

DEFAULT_LIMIT = 2**30
CONTAINER_SHARE = 0.9
"""Of what the container may use: the rest is the kernel's, and a poll under way needs some before it is looked at again."""
FLUSH_SHARE = 0.8
"""From this share of the limit on, what was folded is written at once and freed."""
LOOK_SECONDS = 1.0
"""Resident memory is looked at so often at most."""
STATM = Path("/proc/self/statm")
CONTAINER_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
"""Where cgroups tell their limit: version 2, version 1."""
MIB = 2**20


class Advice(StrEnum):
    """What reading should do next."""

    GO_ON = "go_on"
    FLUSH = "flush"
    PAUSE = "pause"


def advise(resident: int | None, limit: int) -> Advice:
    """What this many resident bytes ask for; None (the system does not tell) asks for nothing."""
    if resident is None or resident < FLUSH_SHARE * limit:
        return Advice.GO_ON
    return Advice.FLUSH if resident < limit else Advice.PAUSE


def resident_bytes(statm: Path = STATM) -> int | None:
    """Resident memory of this process; None where the system has no such file."""
    try:
        return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return None


def limit_of(configured: int | None, container: Iterable[Path] = CONTAINER_LIMITS) -> int:
    """The limit as configured, else the default, or a share of what the container may use where that is less."""
    if configured is not None:
        return configured
    return min([DEFAULT_LIMIT, *(int(CONTAINER_SHARE * allowed) for allowed in map(_container_limit, container) if allowed is not None)])


def _container_limit(file: Path) -> int | None:
    try:
        return int(file.read_text())
    except (OSError, ValueError):  # not there, or "max"
        return None


def give_back() -> None:
    """Free what is in cycles, and hand freed pages back to the system where the C library can (glibc)."""
    gc.collect()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


class MemoryGuard:
    """Looks at resident memory once in a while. ``resident`` tells it, ``monotonic`` gives seconds."""

    def __init__(self, limit: int, *, monotonic: Callable[[], float], resident: Callable[[], int | None] = resident_bytes) -> None:
        self.limit = limit
        self._monotonic = monotonic
        self._resident = resident
        self._looked_at: float | None = None
        self._found: int | None = None

    def advice(self) -> Advice:
        """``GO_ON`` between two looks, so that one look is answered once; but at the limit every time is looked again."""
        now = self._monotonic()
        at_limit = advise(self._found, self.limit) is Advice.PAUSE
        if self._looked_at is not None and now - self._looked_at < LOOK_SECONDS and not at_limit:
            return Advice.GO_ON
        self._looked_at = now
        return self.look()

    def look(self) -> Advice:
        """Look now: after memory was given back."""
        self._found = self._resident()
        return advise(self._found, self.limit)

    def __str__(self) -> str:
        """For people: ``612 MiB resident, limit 512 MiB``."""
        found = "unknown" if self._found is None else f"{self._found / MIB:.0f} MiB"
        return f"{found} resident, limit {self.limit / MIB:.0f} MiB"
