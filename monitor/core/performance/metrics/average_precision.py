"""Average precision: the area under the steps of the precision-recall curve."""

from __future__ import annotations

import numpy as np

from monitor.core.performance.binary import BinaryCounts, BinaryRows
from monitor.core.performance.intervals import Measured, logit
from monitor.core.performance.metrics.base import Better, Metric
from monitor.core.performance.metrics.roc_auc import check
from monitor.core.schema import Flags, Floats, Ints


def _area(negative: Floats, positive: Floats) -> tuple[float, float]:
    """Value and delta-method variance, from rows by score, both of shape (m,), highest score first; with at least one positive row."""
    total = float(positive.sum())
    hits, rows = np.cumsum(positive), np.cumsum(positive + negative)
    precision = hits / rows
    value = float(positive @ precision) / total
    later = np.cumsum((positive * precision / rows)[::-1])[::-1]  # what one row more takes from the precision of lower scores
    gained = np.cumsum((positive / rows)[::-1])[::-1]
    of_positive, of_negative = (precision + gained - later - value) / total, -later / total
    return value, float(positive @ of_positive**2 + negative @ of_negative**2)


def _binary(counts: BinaryCounts) -> Measured:
    negative, positive = counts.scores.totals
    _check(negative, positive)
    value, variance = _area(*(series[::-1].astype(np.float64) for series in counts.scores.counts))
    return logit(value, variance, negative + positive)


def _check(negative: int, positive: int) -> None:
    if not positive:
        check(negative, positive)


def _exact(rows: BinaryRows) -> float:
    truth, scores = rows.scored
    _check(int(np.count_nonzero(~truth)), int(np.count_nonzero(truth)))
    values, at = np.unique(scores, return_inverse=True)
    return _area(_rows(at, ~truth, len(values)), _rows(at, truth, len(values)))[0]


def _rows(at: Ints, chosen: Flags, size: int) -> Floats:
    """How many of the chosen rows have each score, highest first, shape (size,)."""
    counts: Floats = np.bincount(at[chosen], minlength=size)[::-1].astype(np.float64)
    return counts


AVERAGE_PRECISION = Metric(name="average_precision", better=Better.HIGHER, binary=_binary, exact_binary=_exact)
"""``average_precision_score``. From counts rows of one bin are ties: within 1e-3 where scores fill 1,000 bins. It falls with the share of
positive rows, whatever the model does. Interval: delta method, logit."""
