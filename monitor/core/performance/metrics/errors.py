"""Means of errors of a model that predicts numbers."""

from __future__ import annotations

import math

from monitor.core.performance.intervals import Measured, mean, normal
from monitor.core.performance.metrics.base import Better, Metric, Scale, Undefined
from monitor.core.performance.regression import RegressionCounts


def _mean(value: str, square: str, least: float, counts: RegressionCounts) -> Measured:
    return mean(at(counts, value), at(counts, square), counts.n, least)


def at(counts: RegressionCounts, name: str) -> float:
    """The mean of one of the sums. Raises Undefined without rows."""
    if not counts.n:
        raise Undefined("no labelled row has a predicted number")
    return counts.sums[name].mean(counts.n)


def _rmse(counts: RegressionCounts) -> Measured:
    square = _mean("ee", "eeee", 0.0, counts)
    root = math.sqrt(square.value)
    if not root:
        return normal(0.0, 0.0, counts.n)
    low, high = math.sqrt(square.low), math.sqrt(square.high)
    return Measured(value=root, variance=square.variance / (4 * square.value), low=low, high=high, n=square.n)


MAE = Metric(
    name="mae", better=Better.LOWER, scale=Scale.RELATIVE, unit="of the label", regression=lambda counts: _mean("abs", "ee", 0.0, counts)
)
"""``mean_absolute_error``. Interval: of a mean."""

MSE = Metric(
    name="mse", better=Better.LOWER, scale=Scale.RELATIVE, unit="of the label, squared",
    regression=lambda counts: _mean("ee", "eeee", 0.0, counts),
)  # fmt: skip
"""``mean_squared_error``. Interval: of a mean; of heavy-tailed errors it is too narrow."""

RMSE = Metric(name="rmse", better=Better.LOWER, scale=Scale.RELATIVE, unit="of the label", regression=_rmse)
"""``root_mean_squared_error``. Interval: the root of that of mse."""

MAPE = Metric(
    name="mape", better=Better.LOWER, scale=Scale.RELATIVE, unit="share of the label",
    regression=lambda counts: _mean("ape", "apes", 0.0, counts),
)  # fmt: skip
"""``mean_absolute_percentage_error``, a share. Not to be used where labels may be 0: such a row counts 4.5e15 times its error."""

MEAN_ERROR = Metric(
    name="mean_error", better=Better.NEITHER, scale=Scale.OF_ERROR, unit="of the label",
    regression=lambda counts: _mean("e", "ee", -math.inf, counts),
)  # fmt: skip
"""The mean of prediction minus label: above 0 the model says too much. Either way is worse. Interval: of a mean."""
