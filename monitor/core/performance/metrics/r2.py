"""The share of the labels' variance that the predictions explain."""

from __future__ import annotations

import math
from fractions import Fraction

from monitor.core.performance.intervals import LEAST_ROWS, Measured, normal
from monitor.core.performance.metrics.base import Better, Metric, Undefined
from monitor.core.performance.regression import RegressionCounts
from monitor.core.profile.moments import to_float

FAR = 1e3  # standard deviations of the labels from 0 from which fourth powers of floats tell nothing of their spread


def _r2(counts: RegressionCounts) -> Measured:
    """Raises Undefined where all labels are equal, or as good as, and without rows."""
    if not counts.n:
        raise Undefined("no labelled row has a predicted number")
    e, y, yy, yyy, yyyy, eey, eeyy, eeee = (
        counts.sums[name].fraction / counts.n for name in ("ee", "y", "yy", "yyy", "yyyy", "eey", "eeyy", "eeee")
    )
    spread = yy - y**2
    if spread <= 0:
        raise Undefined(f"all {counts.n:,} labels are equal")
    ratio = e / spread
    squares = yyyy - 4 * yyy * y + 6 * yy * y**2 - 3 * y**4  # fourth moment of the labels around their mean
    mixed = eeyy - 2 * eey * y + e * y**2
    variance = (eeee - 2 * ratio * mixed + ratio**2 * squares) / spread**2
    if y**2 > Fraction(FAR) ** 2 * spread or variance < 0:
        variance = 4 * ratio**2  # of normal errors that do not hang on the labels
    value, off = to_float(1 - ratio), to_float(variance / counts.n)
    if not math.isfinite(value) or not math.isfinite(off):
        raise Undefined("beside the errors the labels vary so little that no number holds it")
    return normal(value, max(off, LEAST_ROWS / counts.n**2), counts.n, (-math.inf, 1.0))


R2 = Metric(name="r2", better=Better.HIGHER, unit="share of the variance", regression=_r2)
"""``r2_score``. It falls where labels vary less, whatever the model does. Interval: delta method."""
