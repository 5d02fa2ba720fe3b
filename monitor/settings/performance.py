"""What is asked of a model's performance against what the model gives: metrics, streams, classes."""

from __future__ import annotations

from collections.abc import Iterator

from monitor.core.labels.spelling import spelled
from monitor.core.performance.metrics import metric_names, metric_of
from monitor.core.performance.metrics.value import VALUE
from monitor.core.rules import PerformanceRules, Task
from monitor.settings.document import Loc
from monitor.settings.durations import shown
from monitor.settings.model import ModelSettings
from monitor.settings.problems import suggestion

Fault = tuple[Loc, str]

OF_SCORES = frozenset({"roc_auc", "average_precision", "log_loss", "brier", "calibration_error"})
"""Metrics that compare labels with scores; all others compare them with predictions."""


def _is_metric(name: str, task: Task) -> bool:
    try:
        return task in metric_of(name).tasks
    except KeyError:
        return False


def performance_rules(model: ModelSettings) -> PerformanceRules | None:
    """What the core obeys; None where the model has no performance section."""
    asked = model.performance
    if asked is None:
        return None
    value = {} if asked.value is None else asked.value.given
    return PerformanceRules(
        metrics=(*asked.metrics, VALUE) if value and VALUE not in asked.metrics else asked.metrics,
        max_drop=asked.max_drop,
        label_delay=asked.label_delay,
        min_labelled=asked.min_labelled,
        label_sample=asked.label_sample,
        positive=spelled(asked.positive or "", model.task),
        value=value,
    )


def metric_faults(model: ModelSettings) -> Iterator[Fault]:
    """Metrics that there are not, and what only a binary model has."""
    asked = model.performance
    if asked is None:
        return
    for i, name in enumerate(asked.metrics):
        if not _is_metric(name, model.task):
            known = suggestion(name, metric_names(model.task))
            yield ("performance", "metrics", i), f"{shown(name)} is not a metric of a {model.task} model{known}"
        elif name in asked.metrics[:i]:
            yield ("performance", "metrics", i), f"{shown(name)} is given twice; expected it only once"
    if asked.value is None and VALUE in asked.metrics and model.task is Task.BINARY:
        at = asked.metrics.index(VALUE)
        yield ("performance", "metrics", at), f"{shown(VALUE)} needs the worth of a prediction; expected performance.value"
    if asked.value is not None and not asked.value.given:
        yield ("performance", "value"), "expected at least one of tp, fp, fn, tn"
    for key in ("positive", "value"):
        if model.task is not Task.BINARY and getattr(asked, key) is not None:
            yield ("performance", key), f"not used with a {model.task} model; only a binary one has a positive class"


def evidence_faults(model: ModelSettings) -> Iterator[Fault]:
    """What the streams lack: without labels, performance can at best be estimated."""
    asked, streams = model.performance, model.streams
    if asked is None:
        return
    for i, name in enumerate(asked.metrics):
        for key in _lacking(name, model):
            yield ("performance", "metrics", i), f"{shown(name)} needs a {key}; expected streams.predictions.{key}"
    if streams.labels is not None and not streams.predictions.id:
        yield ("performance",), "needs an id to join labels by; expected streams.predictions.id"
    if streams.labels is None and model.task is not Task.REGRESSION and not streams.predictions.score:
        yield ("performance",), "needs labels, or a score to estimate from; expected streams.labels or streams.predictions.score"


def _lacking(metric: str, model: ModelSettings) -> Iterator[str]:
    """What a metric needs and the predictions do not give. A score tells a class too: the likeliest."""
    predictions = model.streams.predictions
    if not _is_metric(metric, model.task):
        return
    if metric in OF_SCORES and not predictions.score:
        yield "score"
    if metric not in OF_SCORES and not predictions.prediction and (model.task is Task.REGRESSION or not predictions.score):
        yield "prediction"


def label_faults(model: ModelSettings) -> Iterator[Fault]:
    """What the stream of labels shares with others that it must not."""
    predictions, labels = model.streams.predictions, model.streams.labels
    if labels is None:
        return
    if labels.topic == predictions.topic:
        yield ("streams", "labels", "topic"), f"{shown(labels.topic)} carries the predictions already; expected a topic of the labels' own"
    for key in ("id", "time"):
        if labels.label == getattr(labels, key):
            yield ("streams", "labels", "label"), f"{shown(labels.label)} is the {key} already; expected another place"
