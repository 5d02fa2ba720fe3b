"""Energy distance."""

from __future__ import annotations

import math

import numpy as np

from monitor.core.drift.base import NUMERIC, AlarmsWhen, Measure, Method, Pair, distance
from monitor.core.drift.curve import Curve
from monitor.core.drift.placed import placed_curve


def energy_distance(reference: Curve, window: Curve) -> float:
    """``sqrt(2 * integral (R(x) - W(x))² dx)`` of two piecewise-linear cumulative curves.

    A curve is (ascending places, heights from 0 to 1), both of shape (k,). In roots of the column's own units, so a threshold
    must be chosen for each column: .1 is much for shares and nothing for milliseconds. Direction: symmetric. Exact for values that
    have bins of their own; within a bin rows count as evenly spread. Not for columns with far outliers. Source: Székely and
    Rizzo 2013, J. Stat. Plan. Inference 143; the number of ``scipy.stats.energy_distance``.
    """
    places = np.union1d(reference[0], window[0])
    gaps = np.interp(places, *reference, left=0.0, right=1.0) - np.interp(places, *window, left=0.0, right=1.0)
    left, right = gaps[:-1], gaps[1:]
    return math.sqrt(2 * float(np.sum((left**2 + left * right + right**2) / 3 * np.diff(places))))


def _measure(pair: Pair) -> Measure:
    with np.errstate(over="ignore", invalid="ignore"):
        return distance(energy_distance(placed_curve(pair.reference), placed_curve(pair.window)))


ED = Method(
    name="ed",
    kinds=NUMERIC,
    alarms_when=AlarmsWhen.ABOVE,
    default_threshold=0.1,
    measure=_measure,
    as_evidently=_measure,
)
