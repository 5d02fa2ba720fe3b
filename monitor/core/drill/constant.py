"""One value fills rows: a stuck sensor, a default. It is the reference's most usual one, so that nothing else is odd about it."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from monitor.core.drift.base import ColumnProfile
from monitor.core.drill.base import Affine, Fault, FaultName, Hit, shares
from monitor.core.drill.moved import quantile_value
from monitor.core.drill.thinned import thinned
from monitor.core.profile import CategoricalProfile, NumericProfile
from monitor.core.results import Check


def inject(column: ColumnProfile, reference: ColumnProfile, size: float) -> Hit | None:
    """``size``: the share of the rows, those without a value among them. Of numbers it is the median, of categories the most frequent."""
    rows = round(column.total * size)
    rest = thinned(column, column.total - rows)
    if isinstance(rest, NumericProfile) and isinstance(reference, NumericProfile):
        value = quantile_value(reference, 0.5)
        return None if value is None else _number(rest, rows, value, size)
    if isinstance(rest, CategoricalProfile) and isinstance(reference, CategoricalProfile) and reference.counts.any():
        return _category(rest, rows, int(reference.counts.argmax()), size)
    return None


def _number(rest: NumericProfile, rows: int, value: float, share: float) -> Hit:
    added = NumericProfile(grid=rest.grid)
    if rows:
        q = round((Fraction(value) - Fraction(rest.grid.center)) / Fraction(rest.grid.unit))
        added.counts[rest.grid.bins_of(np.array([value]))[0]] = rows
        added.min = added.max = value
        added.total_units, added.total_squares = rows * q, rows * q * q
    return Hit(column=rest.merge(added), row=lambda _: value, share=share,
               numbers=Affine(factor=Fraction(0), offset=Fraction(value)))


def _category(rest: CategoricalProfile, rows: int, at: int, share: float) -> Hit:
    added = CategoricalProfile(grid=rest.grid)
    added.counts[at] = rows
    text = rest.grid.categories[at]
    return Hit(column=rest.merge(added), row=lambda _: text, share=share)


CONSTANT = Fault(
    name=FaultName.CONSTANT,
    sizes=shares(10, 25, 50, 100),
    ordered=True,
    worth=0.5,
    said="the usual value of {column} filled into {size} of the rows",
    guard=(Check.DRIFT, ""),
    inject=inject,
)
