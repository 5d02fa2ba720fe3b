"""Wasserstein distance, in standard deviations of the reference."""

from __future__ import annotations

import math

import numpy as np

from monitor.core.drift.base import NUMERIC, AlarmsWhen, Measure, Method, Pair, distance
from monitor.core.drift.curve import Curve
from monitor.core.drift.placed import placed_curve
from monitor.core.schema import Floats

SMALLEST_STD = 0.001  # the norm of a column that never varied, as in Evidently (wasserstein_distance_norm)


def wasserstein(reference: Curve, window: Curve, scale: float = 1.0) -> float:
    """``integral |R(x) - W(x)| dx / scale`` of two piecewise-linear cumulative curves.

    A curve is (ascending places, heights from 0 to 1), both of shape (k,). Direction: symmetric. Exact for values that
    have bins of their own, within a bin rows count as evenly spread. Not for columns with far outliers: one value of
    1e9 moves it, and an outlier in the reference makes its standard deviation, so the norm, too large to see anything.
    Source: Vallender 1974, Theory Probab. Appl. 18; the same number as ``scipy.stats.wasserstein_distance``.
    """
    places = np.union1d(reference[0], window[0])
    gaps = _height(reference, places) - _height(window, places)
    return float(np.sum(_areas(gaps[:-1], gaps[1:], np.diff(places / scale))))


def _height(curve: Curve, places: Floats) -> Floats:
    heights: Floats = np.interp(places, curve[0], curve[1], left=0.0, right=1.0)
    return heights


def _areas(left: Floats, right: Floats, widths: Floats) -> Floats:
    """The area between a line and zero, where the line may cross zero on the way."""
    size = np.abs(left) + np.abs(right)
    crossing = left * right < 0
    with np.errstate(divide="ignore", invalid="ignore"):
        bent = (left**2 + right**2) / (2 * size)
    areas: Floats = np.where(crossing, bent, size / 2) * widths
    return areas


def _measure(pair: Pair) -> Measure:
    return _normed(pair, pair.reference.std or 0.0)


def _as_evidently(pair: Pair) -> Measure:
    """Normed by the standard deviation with n instead of n - 1."""
    n = pair.reference.n
    return _normed(pair, (pair.reference.std or 0.0) * math.sqrt((n - 1) / n))


def _normed(pair: Pair, std: float) -> Measure:
    with np.errstate(over="ignore", invalid="ignore"):
        return distance(wasserstein(placed_curve(pair.reference), placed_curve(pair.window), max(std, SMALLEST_STD)))


WASSERSTEIN = Method(
    name="wasserstein",
    kinds=NUMERIC,
    alarms_when=AlarmsWhen.ABOVE,
    default_threshold=0.1,
    measure=_measure,
    as_evidently=_as_evidently,
)
