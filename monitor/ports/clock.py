"""Time, as the inside sees it."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Time comes in through here; ``now`` is aware UTC, ``monotonic`` is seconds."""

    def now(self) -> datetime: ...
    def monotonic(self) -> float: ...
