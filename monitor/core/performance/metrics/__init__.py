"""Metrics by name. A new one is one file and one line here."""

from __future__ import annotations

import re
from collections.abc import Mapping

from monitor.core.performance.metrics.accuracy import ACCURACY
from monitor.core.performance.metrics.average_precision import AVERAGE_PRECISION
from monitor.core.performance.metrics.balanced_accuracy import BALANCED_ACCURACY
from monitor.core.performance.metrics.base import Better, Metric, Scale, Undefined
from monitor.core.performance.metrics.brier import BRIER
from monitor.core.performance.metrics.calibration_error import CALIBRATION_ERROR
from monitor.core.performance.metrics.error_quantiles import QUANTILES
from monitor.core.performance.metrics.errors import MAE, MAPE, MEAN_ERROR, MSE, RMSE
from monitor.core.performance.metrics.f1 import F1, F1_MACRO, F1_WEIGHTED
from monitor.core.performance.metrics.log_loss import LOG_LOSS
from monitor.core.performance.metrics.mcc import MCC
from monitor.core.performance.metrics.one_class import one_class
from monitor.core.performance.metrics.precision_recall import PRECISION, RECALL
from monitor.core.performance.metrics.r2 import R2
from monitor.core.performance.metrics.roc_auc import ROC_AUC
from monitor.core.performance.metrics.value import VALUE, value_metric
from monitor.core.rules import Task

METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        ACCURACY, AVERAGE_PRECISION, BALANCED_ACCURACY, BRIER, CALIBRATION_ERROR, F1, F1_MACRO, F1_WEIGHTED, LOG_LOSS, MAE, MAPE, MCC,
        MEAN_ERROR, MSE, PRECISION, *QUANTILES, R2, RECALL, RMSE, ROC_AUC, value_metric({}),
    )
}  # fmt: skip
"""All but those of one class, whose names are not known here: ``recall[JFK]``."""

_OF_CLASS = re.compile(r"(f1|precision|recall)\[(.+)\]", re.DOTALL)


def metric_of(name: str, value: Mapping[str, float] | None = None) -> Metric:
    """The metric by its name; ``value`` is what a prediction is worth. Raises KeyError naming all there are."""
    if name == VALUE:
        return value_metric(value or {})
    named = _OF_CLASS.fullmatch(name)
    if named:
        return one_class(name, named[1], named[2])
    if name not in METRICS:
        raise KeyError(f"{name!r} is not a metric; there are {', '.join(sorted(METRICS))}")
    return METRICS[name]


def metric_names(task: Task) -> tuple[str, ...]:
    """What can be asked of a model, sorted. With more than two classes also ``f1[class]``, ``precision[class]`` and ``recall[class]``."""
    return tuple(sorted(name for name, metric in METRICS.items() if task in metric.tasks))


__all__ = ["METRICS", "Better", "Metric", "Scale", "Undefined", "metric_names", "metric_of"]
