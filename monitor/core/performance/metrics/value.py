"""What the predictions were worth, per labelled row."""

from __future__ import annotations

from collections.abc import Mapping

from monitor.core.performance.binary import BinaryCounts
from monitor.core.performance.intervals import Measured, mean
from monitor.core.performance.metrics.base import NO_PREDICTIONS, Better, Metric, Scale, Undefined

VALUE = "value"


def value_metric(value: Mapping[str, float]) -> Metric:
    """``sum of value * rows / rows`` over the cells tp, fp, fn and tn; a cell without a value is worth 0. Interval: of a mean."""

    def worth(counts: BinaryCounts) -> Measured:
        cells = {cell: (getattr(counts, cell), value.get(cell, 0.0)) for cell in ("tp", "fp", "fn", "tn")}
        n = sum(rows for rows, _ in cells.values())
        if not value:
            raise Undefined("performance.value does not say what a prediction is worth")
        if not n:
            raise Undefined(NO_PREDICTIONS)
        total, squares = sum(rows * each for rows, each in cells.values()), sum(rows * each**2 for rows, each in cells.values())
        return mean(total / n, squares / n, n)

    return Metric(name=VALUE, better=Better.HIGHER, scale=Scale.RELATIVE, unit="per labelled row", binary=worth)
