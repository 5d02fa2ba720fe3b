"""A column that varied and now has one value in nearly all rows: a stuck sensor, a default that fills in."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
from scipy import special

from monitor.core.drift.calibration import FREAK_SHARE, MIN_WINDOWS
from monitor.core.finding import Finding, percent
from monitor.core.profile import NumericProfile
from monitor.core.profile.top import top_rows
from monitor.core.quality.look import Look, QualityKind, finding, given

LEFT = 0.1  # of the usual variation (rows beside the most frequent value): where less is left, the column is stuck
UNTOLD = 0.5  # of the reference's variation, where its windows do not tell that of a window
BULK = 0.5  # share of the values in one bin from which on it may be a single one, and the sample is asked


def judge_same(look: Look) -> Finding | None:
    """The share of the most frequent value among all values. None without values, and for a column that never varied."""
    here, there = look.here, look.there
    rows = there.n - top_rows(there)
    if not here.n or rows <= 0:
        return None
    limit = given(QualityKind.SAME_VALUE, look.rules)
    threshold = limit if isinstance(limit, float) else (here.n - 1 - most_varied(look)) / here.n
    value = max(top_rows(here), sampled_rows(look)) / here.n
    reason = f"{look.name}: the most frequent value has {percent(value)} of the values, limit {percent(threshold)}"
    if value > threshold:
        reason = f"{look.name}: stuck: {percent(value)} of the values are one and the same, limit {percent(threshold)}"
    return finding(look.name, QualityKind.SAME_VALUE, value=value, threshold=threshold, reason=reason)


def most_varied(look: Look) -> int:
    """So many rows beside the most frequent value are still stuck; -1 where chance alone may leave none, or nobody can tell."""
    expected = look.here.n * usual_variation(look)
    if expected <= 0 or math.exp(-expected) > look.alpha:
        return -1
    chance = float(special.pdtrik(look.alpha, expected))  # Poisson: above the binomial for rare rows, so on the safe side
    return min(int(LEFT * expected), int(chance)) if math.isfinite(chance) else -1


def usual_variation(look: Look) -> float:
    """The share of values beside the most frequent in the least varied window of the reference, freaks left out."""
    windows = sorted(1 - share for share in look.windows(QualityKind.SAME_VALUE))
    if len(windows) >= MIN_WINDOWS:
        return windows[int(FREAK_SHARE * len(windows))]
    if look.reference.baseline is not None:
        return 0.0  # built by an older driftd, or of very few windows: a rhythm could not be told
    return UNTOLD * (1 - top_rows(look.there) / look.there.n)


def sampled_rows(look: Look) -> int:
    """Rows of the number that the window's sample has most often, estimated; for numbers that have no bin of their own."""
    here, sample = look.here, look.profile.sample
    if not isinstance(here, NumericProfile) or not sample.rows or int(here.counts.max()) < BULK * here.n:
        return 0
    numbers = Counter(sample.numbers(look.name).tolist())
    if not numbers:
        return 0
    value, seen = max(numbers.items(), key=lambda item: item[1])
    most = int(here.counts[here.grid.bins_of(np.array([value]))[0]])
    return min(int(seen / numbers.total() * here.n), most)
