"""The area under the ROC curve: how often a positive row has a higher score than a negative one."""

from __future__ import annotations

import math

import numpy as np

from monitor.core.performance.binary import BinaryCounts, BinaryRows
from monitor.core.performance.bins import Sparse
from monitor.core.performance.intervals import Measured, logit
from monitor.core.performance.metrics.base import Better, Metric, Undefined
from monitor.core.performance.multiclass import MAX_SCORED, MulticlassCounts, MulticlassRows
from monitor.core.schema import Flags, Floats


def area(scores: Sparse) -> tuple[float, float]:
    """The area and DeLong's variance, from negative and positive rows by score. Raises Undefined with rows of one class only."""
    negative, positive = scores.counts.astype(np.float64)
    few, many = float(positive.sum()), float(negative.sum())
    check(int(many), int(few))
    wins = (np.cumsum(negative) - negative / 2) / many  # of a positive row of each bin
    losses = (few - np.cumsum(positive) + positive / 2) / few  # of a negative row
    value = float(positive @ wins) / few
    spread = float(positive @ (wins - value) ** 2) / max(few - 1, 1) / few
    return value, spread + float(negative @ (losses - value) ** 2) / max(many - 1, 1) / many


def check(negative: int, positive: int) -> None:
    """Raises Undefined where there are no scores, or rows of one class only."""
    if not negative and not positive:
        raise Undefined("no labelled row has a score")
    if not negative or not positive:
        which = "positive" if positive else "negative"
        raise Undefined(f"one class only: all {negative + positive:,} labelled rows with a score are {which}")


def exact_area(truth: Flags, scores: Floats) -> float:
    """Mann and Whitney's statistic, ties a half. Raises Undefined with rows of one class only."""
    positive = int(np.count_nonzero(truth))
    negative = len(truth) - positive
    check(negative, positive)
    values, at = np.unique(scores, return_inverse=True)
    won = np.bincount(at, weights=truth, minlength=len(values))
    lost = np.bincount(at, minlength=len(values)) - won
    return float(won @ (np.cumsum(lost) - lost / 2)) / (positive * negative)


def _binary(counts: BinaryCounts) -> Measured:
    value, variance = area(counts.scores)
    return logit(value, variance, sum(counts.scores.totals))


def _exact(rows: BinaryRows) -> float:
    return exact_area(*rows.scored)


def _multiclass(counts: MulticlassCounts) -> Measured:
    """The mean of one class against the rest. Its variance is that of areas that err alike, which is not too small."""
    if len(counts.scores) > MAX_SCORED or (counts.scored and not counts.scores):
        raise Undefined(f"not kept for more than {MAX_SCORED} classes")
    if not counts.scored:
        raise Undefined("no labelled row has a score")
    parts = [area(_whole(scores, counts.scored)) for scores in counts.scores.values()]
    deviation = sum(math.sqrt(variance) for _, variance in parts) / len(parts)
    return logit(sum(value for value, _ in parts) / len(parts), deviation**2, counts.scored)


def _whole(scores: Sparse, rows: int) -> Sparse:
    if sum(scores.totals) != rows:
        raise Undefined("a class was not known to a part of the rows")
    return scores


def _exact_multiclass(rows: MulticlassRows) -> float:
    truth, scores = rows.scored
    if len(rows.names) > MAX_SCORED:
        raise Undefined(f"not kept for more than {MAX_SCORED} classes")
    if not len(truth):
        raise Undefined("no labelled row has a score")
    return sum(exact_area(truth == i, scores[:, i]) for i in range(len(rows.names))) / len(rows.names)


ROC_AUC = Metric(
    name="roc_auc", better=Better.HIGHER, binary=_binary, multiclass=_multiclass, exact_binary=_exact, exact_multiclass=_exact_multiclass
)
"""``roc_auc_score``; with more than two classes ``multi_class="ovr", average="macro"``. From counts rows of one bin are ties: within 1e-3
where scores fill 1,000 bins. Interval: DeLong, logit."""
