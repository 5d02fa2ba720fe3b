"""The share of nulls as a drift signal."""

from __future__ import annotations

import numpy as np

from monitor.core.drift.base import CATEGORICAL, NUMERIC, AlarmsWhen, ColumnProfile, Measure, Method, Pair, Side
from monitor.core.drift.z import two_sided, z_score


def presence_pair(reference: ColumnProfile, window: ColumnProfile) -> Pair:
    """Rows that are null and rows that are not, of both sides."""
    return Pair(reference=_presence(reference), window=_presence(window))


def _presence(column: ColumnProfile) -> Side:
    return Side(counts=np.array([column.null, column.total - column.null]))


def _measure(pair: Pair) -> Measure:
    """``|w - r|``: how the share of null rows moved, within [0, 1], with the p-value of two proportions beside it.

    Direction: symmetric: nulls that end may be a default filled in. Nulls and missing fields alone; NaN where a decoder tells it
    apart, infinities and wrong types have checks of their own. A column that is all null is compared too. Not for windows under
    some 500 rows: chance alone gives ``sqrt(p (1 - p) / n)``. Source: the total variation distance of two categories; the
    p-value after Fleiss 1981 (z). It has no namesake in Evidently, whose tests drop nulls first.
    """
    moved = abs(float(pair.window.shares[0] - pair.reference.shares[0]))
    (a, b), (c, d) = pair.reference.counts.tolist(), pair.window.counts.tolist()
    return Measure(value=moved, p_value=two_sided(z_score((a, b), (c, d))), critical=lambda threshold: threshold)


MISSING = Method(
    name="missing",
    kinds=NUMERIC | CATEGORICAL,
    alarms_when=AlarmsWhen.ABOVE,
    default_threshold=0.03,  # of the rows, the floor of a category's move (significance.TVD_FLOOR)
    measure=_measure,
    pair=presence_pair,
    needs_values=False,
)
