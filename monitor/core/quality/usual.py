"""Limits of shares, learned from a reference."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

from scipy import special

from monitor.core.drift.calibration import MIN_WINDOWS, Prediction

FLOOR = 0.01  # share of rows under which no learned limit goes: one bad row in 200 wakes nobody
SLACK = 0.5  # of the reference's share, where its windows do not tell how much the share varies
PRIOR_SPREAD = 0.3  # standard deviation of the logarithm of a usual share over a reference's windows
LEFT = 0.5  # of the values that the worst reference window had: where fewer are left, no learned limit calls it usual
REMEMBERED = 4096  # limits: a reference's windows say the same at every window that is judged


@dataclass(frozen=True, slots=True, kw_only=True)
class Usual:
    """What the reference says of one share of a column: its own share over ``rows``, and the shares of its windows."""

    share: float
    rows: int
    windows: tuple[float, ...]
    window_rows: float

    def limit(self, rows: int, alpha: float) -> float:
        """The share that a window of ``rows`` exceeds with probability ``alpha`` at most; within [FLOOR, 1]."""
        if len(self.windows) >= MIN_WINDOWS:
            learned, sampling = _learned(self.windows, alpha), max(1 / rows - 1 / self.window_rows, 0.0)
        else:
            learned, sampling = self.share * (1 + SLACK), 1 / rows + 1 / max(self.rows, 1)
        smoothed = (self.share * self.rows + 0.5) / (self.rows + 1)
        noise = -float(special.ndtri(alpha)) * math.sqrt(smoothed * (1 - smoothed) * sampling)
        return min(max(learned + noise, FLOOR), 1.0)


@lru_cache(maxsize=REMEMBERED)
def _learned(windows: tuple[float, ...], alpha: float) -> float:
    most = 1 - LEFT * (1 - max(windows))
    return min(Prediction.learn(windows, FLOOR / 2, PRIOR_SPREAD).upper(alpha), most)
