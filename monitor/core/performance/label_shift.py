"""Label drift (prior shift): whether what comes true comes in other shares than in the reference."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from scipy import special

from monitor.core.drift.calibration import MIN_WINDOWS, NOISE_SHARE, ROOT, Limit, Prediction, calmness
from monitor.core.drift.chisquare import chisquare
from monitor.core.drift.noise import KsNoise, Noise, TvdNoise
from monitor.core.drift.tvd import tvd
from monitor.core.finding import percent
from monitor.core.performance.binary import BinaryCounts
from monitor.core.performance.bins import Sparse
from monitor.core.performance.multiclass import MulticlassCounts
from monitor.core.performance.tally import Tally
from monitor.core.rules import MinEffect
from monitor.core.schema import Ints


def labels_of(tally: Tally) -> Sparse | Mapping[str, int]:
    """Rows by label: by number, or by class."""
    match tally.counts:
        case BinaryCounts(labels=(negative, positive)):
            return {"negative": negative, "positive": positive}
        case MulticlassCounts(labels=labels):
            return labels
        case counts:
            return counts.labels


def side_by_side(one: Sparse | Mapping[str, int], other: Sparse | Mapping[str, int]) -> tuple[Ints, Ints]:
    """Both as counts of the same labels, in one order, shape (k,) each."""
    if isinstance(one, Sparse) and isinstance(other, Sparse):
        return one.merge(_nothing(other)).counts[0], other.merge(_nothing(one)).counts[0]
    if isinstance(one, Sparse) or isinstance(other, Sparse):
        raise ValueError("labels of two tasks cannot be compared")
    names = names_of(one, other)
    return np.array([one.get(name, 0) for name in names]), np.array([other.get(name, 0) for name in names])


def names_of(one: Sparse | Mapping[str, int], other: Sparse | Mapping[str, int]) -> tuple[str, ...]:
    """The classes of both, in the order of the counts; none of numbers."""
    return () if isinstance(one, Sparse) or isinstance(other, Sparse) else tuple(sorted({*one, *other}))


def _nothing(like: Sparse) -> Sparse:
    return Sparse(bins=like.bins, counts=np.zeros_like(like.counts))


def distance(one: Ints, other: Ints, *, ordered: bool) -> float:
    """Kolmogorov and Smirnov's D of numbers, total variation of classes; both have rows."""
    here, there = one / one.sum(), other / other.sum()
    return float(np.abs(np.cumsum(here - there)).max()) if ordered else tvd(there, here)


def left_out(total: Tally, windows: Sequence[Tally]) -> tuple[float, ...]:
    """How far each window's labels are from those of the rest of ``total``; windows that are all there is are left out."""
    found = []
    for window in windows:
        here, all_ = side_by_side(labels_of(window), labels_of(total))
        rest = all_ - here
        if rest.sum() and here.sum():
            found.append(distance(here, rest, ordered=isinstance(labels_of(total), Sparse)))
    return tuple(found)


class LabelShift:
    """A window's labels beside the reference's. ``distances`` and ``rows``: of the reference's own windows."""

    def __init__(self, window: Tally, reference: Tally, distances: Sequence[float], rows: Sequence[int]) -> None:
        self._here, self._there = side_by_side(labels_of(window), labels_of(reference))
        self._ordered = isinstance(labels_of(reference), Sparse)
        self._distances = tuple(distances)
        self._rows = tuple(rows)
        self.metric = "ks" if self._ordered else "tvd"
        self.value = distance(self._here, self._there, ordered=self._ordered)
        self._names = names_of(labels_of(window), labels_of(reference))

    def judge(self, floors: MinEffect, alpha: float) -> tuple[float, float, str]:
        """The value from which it alerts, the p-value, and where the limit is from: the reference's windows, or chance alone."""
        floor = floors.ks if self._ordered else floors.tvd
        n, m = int(self._here.sum()), int(self._there.sum())
        noise: Noise = KsNoise() if self._ordered else TvdNoise.of(self._there / m)
        if len(self._distances) >= MIN_WINDOWS and self._rows:
            limit = self._learned(noise, m)
            threshold = max(limit.threshold(alpha, n), floor)
            return threshold, limit.p_value(self.value, alpha, n), "learned from the reference's windows"
        unit = math.sqrt(1 / n + 1 / m)
        p = float(special.kolmogorov(self.value / unit)) if self._ordered else chisquare(self._there, self._here).p_value
        return max(noise.quantile(alpha) * unit, floor), p, "of chance"

    def _learned(self, noise: Noise, m: int) -> Limit:
        rows = max(float(np.median(self._rows)), 1.0)
        unit = math.sqrt(1 / rows + 1 / m)
        prediction = Prediction.learn(self._distances, NOISE_SHARE * noise.mean * unit, power=ROOT)
        return Limit(prediction=prediction, noise=noise, rows=rows, reference_rows=m, calm=calmness(prediction.seen, noise, unit))

    @property
    def told(self) -> str:
        """The class whose share moved most, with both shares; empty of numbers."""
        if not self._names:
            return ""
        here, there = self._here / self._here.sum(), self._there / self._there.sum()
        at = len(here) - 1 - int(np.abs(here - there)[::-1].argmax())  # of two classes the positive one
        return f"; {self._names[at]} is {percent(float(here[at]))} of the labels, {percent(float(there[at]))} in the reference"
