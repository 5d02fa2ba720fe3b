"""Brier's score: the mean square of the distance between score and truth."""

from __future__ import annotations

from monitor.core.performance.metrics.base import Better, Metric, Scale
from monitor.core.performance.metrics.log_loss import mean_of

BRIER = Metric(
    name="brier", better=Better.LOWER, scale=Scale.RELATIVE, binary=lambda counts: mean_of(counts.sums, "brier", sum(counts.scores.totals))
)
"""``brier_score_loss``, exact from counts. Interval: of a mean. It is an error, so ``max_drop`` is its relative
rise, though it is within [0, 1]."""
