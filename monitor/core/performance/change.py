"""The change of a metric against the reference: how much worse, how much of that matters, and what chance makes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import assert_never

from scipy import special

from monitor.core.performance.intervals import Measured
from monitor.core.performance.metrics import METRICS, Better, Metric, Scale
from monitor.core.performance.part import Between, PerformancePart

MOST_DEGREES = 1e9  # of Student's distribution: the normal one


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """``difference``: value minus ``reference``. ``worse``: the same with its sign turned so that more is worse.

    ``allowed``: ``max_drop`` times ``unit``. ``threshold``: the value from which it alerts.
    """

    reference: float
    difference: float
    worse: float
    unit: float
    max_drop: float
    allowed: float
    threshold: float
    p_value: float
    alerts: bool


def change_of(metric: Metric, here: Measured, there: Measured, part: PerformancePart, max_drop: float, alpha: float) -> Change:
    """Of the window's value against the reference's. Raises Undefined where ``max_drop`` is a share of something the reference lacks."""
    between = part.windows.between(metric.name)
    deviation = math.sqrt(here.variance + there.variance + between.variance)
    degrees = _degrees(here.variance + there.variance, between)
    difference, unit = here.value - there.value, unit_of(metric, there, part)
    worse, sides = _worse(metric.better, difference)
    p_value = _p_value(worse, deviation, degrees, sides)
    limit = max(max_drop * unit, _critical(alpha / sides, degrees) * deviation)
    down = metric.better is Better.HIGHER or (metric.better is Better.NEITHER and difference < 0)
    return Change(
        reference=there.value, difference=difference, worse=worse, unit=unit, max_drop=max_drop, allowed=max_drop * unit,
        threshold=there.value - limit if down else there.value + limit, p_value=p_value,
        alerts=worse > max_drop * unit and p_value <= alpha,
    )  # fmt: skip


def _worse(better: Better, difference: float) -> tuple[float, int]:
    """How much worse, and how many sides the test has."""
    match better:
        case Better.HIGHER:
            return -difference, 1
        case Better.LOWER:
            return difference, 1
        case Better.NEITHER:
            return abs(difference), 2
        case _:
            assert_never(better)


def unit_of(metric: Metric, there: Measured, part: PerformancePart) -> float:
    """What ``max_drop`` is a share of. Raises Undefined."""
    match metric.scale:
        case Scale.ABSOLUTE:
            return 1.0
        case Scale.RELATIVE:
            return abs(there.value)
        case Scale.OF_ERROR:
            return METRICS["mae"].of(part.tally).value
        case _:
            assert_never(metric.scale)


def _degrees(sampling: float, between: Between) -> float:
    """Welch and Satterthwaite: the sampling variance is as good as known, the rest comes from few windows with their degrees.

    No fewer than those, where a window is so much larger than the reference's that hardly any of their variance is in it.
    """
    if not between.whole:
        return MOST_DEGREES
    ratio = min(max((sampling + between.variance) / between.whole, 1.0), MOST_DEGREES)
    return min(ratio**2 * between.degrees, MOST_DEGREES)


def _p_value(worse: float, deviation: float, degrees: float, sides: int) -> float:
    if not deviation:  # neither the window nor the reference errs at all
        return 1.0 if worse <= 0 else 0.0
    return min(sides * float(special.stdtr(degrees, -worse / deviation)), 1.0)


def _critical(alpha: float, degrees: float) -> float:
    return -float(special.stdtrit(degrees, alpha))


