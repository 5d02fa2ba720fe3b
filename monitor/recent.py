"""How many of the last minutes' messages could not be read."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable

RECENT_SECONDS = 300.0
"""What ``driftd_quarantine_share`` looks back on."""


class Recent:
    """Messages of the last ``RECENT_SECONDS``, and how many of them could not be read. Safe to use from any thread."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._counts: deque[tuple[float, int, int]] = deque()

    def add(self, received: int, bad: int) -> None:
        """So many came just now."""
        with self._lock:
            self._counts.append((self._monotonic(), received, bad))
            self._forget()

    def share(self) -> float:
        """NaN where none came: nothing is known then, which is not the same as nothing bad."""
        with self._lock:
            self._forget()
            received = sum(count for _, count, _ in self._counts)
            return sum(bad for _, _, bad in self._counts) / received if received else math.nan

    def _forget(self) -> None:
        while self._counts and self._counts[0][0] < self._monotonic() - RECENT_SECONDS:
            self._counts.popleft()
