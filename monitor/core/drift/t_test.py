"""t-tests of the mean, from moments."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy import special

from monitor.core.drift.base import NUMERIC, AlarmsWhen, Measure, Method, NotApplicable, Pair, Side

FEWEST_VALUES = 2  # of which a standard deviation can be had
RESOLUTION = 2.0**-52  # of a mean: a smaller standard error cannot be told from none


@dataclass(frozen=True, slots=True, kw_only=True)
class Student:
    """A t statistic and its degrees of freedom."""

    t: float
    degrees: float

    @property
    def p_value(self) -> float:
        """The chance of a t at least as far from 0."""
        return 2 * float(special.stdtr(self.degrees, -abs(self.t)))

    def critical(self, p: float) -> float:
        """The distance from 0 whose two-sided p-value is ``p``."""
        return -float(special.stdtrit(self.degrees, p / 2))


def welch(reference: Side, window: Side) -> Student:
    """``(mean - mean) / sqrt(s²/n + s²/m)``, degrees after Satterthwaite; raises NotApplicable under two values.

    Direction: symmetric but for its sign. Sees the mean alone: not a wider, skewed or two-humped window with the same mean. Not
    for heavy tails, where one outlier hides every shift, nor for large windows, where every difference is significant.
    Source: Welch 1947, Biometrika 34; the number of ``scipy.stats.ttest_ind(…, equal_var=False)``.
    """
    (n, mean, variance), (m, other, spread) = _moments(reference), _moments(window)
    a, b = variance / n, spread / m
    degrees = (a + b) ** 2 / (a**2 / (n - 1) + b**2 / (m - 1)) if a + b > 0 else float(n + m - 2)
    return Student(t=(other - mean) / _error(math.sqrt(a + b), mean, other), degrees=degrees)


def pooled(reference: Side, window: Side) -> Student:
    """The t-test that takes both variances for equal, as Evidently does; ``scipy.stats.ttest_ind`` without more."""
    (n, mean, variance), (m, other, spread) = _moments(reference), _moments(window)
    together = ((n - 1) * variance + (m - 1) * spread) / (n + m - 2)
    return Student(t=(other - mean) / _error(math.sqrt(together * (1 / n + 1 / m)), mean, other), degrees=float(n + m - 2))


def _moments(side: Side) -> tuple[int, float, float]:
    if side.mean is None or side.std is None:
        raise NotApplicable(f"needs {FEWEST_VALUES} values on each side")
    return side.n, side.mean, side.std * side.std


def _error(error: float, *means: float) -> float:
    """Not less than what tells two means apart, so that constants which differ have a large t and equal ones have 0."""
    least = RESOLUTION * max(map(abs, means)) or 1.0
    error = max(error, least)
    if not math.isfinite(error):
        raise ValueError("no float holds the variance")
    return error


def _measure(pair: Pair) -> Measure:
    return _found(welch(pair.reference, pair.window))


def _as_evidently(pair: Pair) -> Measure:
    return _found(pooled(pair.reference, pair.window))


def _found(student: Student) -> Measure:
    return Measure(value=abs(student.t), p_value=student.p_value, critical=student.critical)


T_TEST = Method(
    name="t_test",
    kinds=NUMERIC,
    alarms_when=AlarmsWhen.P_BELOW,
    default_threshold=0.05,
    measure=_measure,
    as_evidently=_as_evidently,
)
