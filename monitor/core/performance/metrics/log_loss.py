"""Logarithmic loss: minus the logarithm of the probability that was given to what came true."""

from __future__ import annotations

from monitor.core.performance.binary import BinaryCounts
from monitor.core.performance.intervals import Measured, mean
from monitor.core.performance.metrics.base import Better, Metric, Scale, Undefined
from monitor.core.performance.multiclass import MulticlassCounts
from monitor.core.performance.sums import Exact


def mean_of(sums: dict[str, Exact], name: str, n: int) -> Measured:
    """The mean of a row's loss, from its sum and that of its squares. Raises Undefined without rows."""
    if not n:
        raise Undefined("no labelled row has a score")
    return mean(sums[name].mean(n), sums[f"{name}_squares"].mean(n), n, 0.0)


def _binary(counts: BinaryCounts) -> Measured:
    return mean_of(counts.sums, "log_loss", sum(counts.scores.totals))


def _multiclass(counts: MulticlassCounts) -> Measured:
    return mean_of(counts.sums, "log_loss", counts.scored)


LOG_LOSS = Metric(name="log_loss", better=Better.LOWER, scale=Scale.RELATIVE, unit="nats", binary=_binary, multiclass=_multiclass)
"""``log_loss``, exact from counts. Interval: of a mean. One row of 0 that came true costs 36."""
