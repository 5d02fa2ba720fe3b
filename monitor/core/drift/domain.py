"""The domain classifier's limit: how well a model may tell a window's rows from the reference's before that means something.

The value is the area under the ROC curve on rows that the model was not fitted on: one half where nothing differs. Chance alone spreads
it like the Mann–Whitney statistic, sqrt((n + m + 1) / (12 n m)) (Hanley and McNeil, 1982, Radiology 143), and a little more, for the
folds share their rows. On real traffic no window is like the rest: so windows of the reference are told from its other rows in the same
way, and a new one may differ about as much as those did.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from monitor.core.drift.sampled import Samples
from monitor.core.profile.sample import Scalar

WIDENED = 1.4  # times Mann–Whitney's standard deviation: 1.30 to 1.32 in 1,800 simulations without drift, 200 and 85 of 5,200 rows too
FLOOR = 0.55  # an area below it is not worth a message, however significant
MIN_ROWS = 30  # of a window, to be told apart
MIN_PARTS = 8  # windows of the reference from which a limit is learned
MOST_PARTS = 20  # that are told apart, evenly spaced over the reference
HALF = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Usual:
    """The reference's windows told from its other rows: areas, and the rows of each."""

    areas: tuple[float, ...] = ()
    rows: tuple[int, ...] = ()


NOT_LEARNED = Usual()


@dataclass(frozen=True, slots=True, kw_only=True)
class AreaLimit:
    """Where an area begins to mean something: ``middle`` plus so many ``spread``; Student's t with ``freedom``, None: normal."""

    middle: float
    spread: float
    freedom: int | None

    def threshold(self, alpha: float) -> float:
        """The area that chance and custom exceed with probability ``alpha``; at least the floor, at most 1."""
        times = -special.ndtri(alpha) if self.freedom is None else -special.stdtrit(self.freedom, alpha)
        return min(max(float(self.middle + times * self.spread), FLOOR), 1.0)

    def p_value(self, area: float) -> float:
        """The chance of at least this area."""
        times = (area - self.middle) / self.spread
        return float(special.ndtr(-times) if self.freedom is None else special.stdtr(self.freedom, -times))


def chance(one: int, other: int) -> float:
    """The standard deviation of the area between two samples of the same rows."""
    return WIDENED * math.sqrt((one + other + 1) / (12 * one * other))


def learn_area_limit(usual: Usual, reference_rows: int, window_rows: int) -> AreaLimit:
    """The limit for a window's sample of so many rows."""
    noise = chance(reference_rows, window_rows)
    if len(usual.areas) < MIN_PARTS:
        return AreaLimit(middle=HALF, spread=noise, freedom=None)
    by_chance = np.mean([chance(reference_rows - rows, rows) ** 2 for rows in usual.rows])
    custom = max(float(np.var(usual.areas, ddof=1) - by_chance), 0.0)
    spread = math.sqrt(custom * (1 + 1 / len(usual.areas)) + noise**2)
    return AreaLimit(middle=max(float(np.mean(usual.areas)), HALF), spread=spread, freedom=len(usual.areas) - 1 if custom else None)


def parts_of(samples: Samples) -> list[list[int]]:
    """Positions of the reference's rows by window, of windows with enough of them: none where there are too few such windows."""
    by_start: dict[Scalar, list[int]] = {}
    for at, start in enumerate(samples.starts):
        if start is not None:
            by_start.setdefault(start, []).append(at)
    parts = [by_start[start] for start in sorted(by_start, key=str) if len(by_start[start]) >= MIN_ROWS]
    if len(parts) < MIN_PARTS:
        return []
    chosen = np.linspace(0, len(parts) - 1, min(len(parts), MOST_PARTS)).round().astype(int)
    return [parts[at] for at in chosen.tolist()]


def comparable_rows(parts: Sequence[Sequence[int]], window_rows: int) -> int:
    """How many rows of the window are looked at: no more than its kind had when the limit was learned, since more rows tell more."""
    return min(window_rows, int(np.median([len(part) for part in parts]))) if parts else window_rows
