"""Every number is multiplied: another unit, as minutes in place of hours, grams of kilograms, per cent of shares."""

from __future__ import annotations

from fractions import Fraction

from monitor.core.drift.base import ColumnProfile
from monitor.core.drill.base import Affine, Fault, FaultName, Hit, Size
from monitor.core.drill.moved import moved, whole_numbers
from monitor.core.drill.shift import plus
from monitor.core.profile import NumericProfile
from monitor.core.results import Check

MOST_DENOMINATOR = 10**6  # so that a hundredth is one, and not the float next to it


def inject(column: ColumnProfile, reference: ColumnProfile, size: float) -> Hit | None:
    """``size``: the factor, above 0."""
    if not isinstance(column, NumericProfile) or not isinstance(reference, NumericProfile):
        return None
    by = Affine(factor=Fraction(size).limit_denominator(MOST_DENOMINATOR))
    return Hit(column=moved(column, by, whole=whole_numbers(reference)), row=plus(by), numbers=by)


SCALE = Fault(
    name=FaultName.SCALE,
    sizes=(Size(value=0.01, text="/100"), Size(value=60.0, text="×60"), Size(value=1000.0, text="×1000")),
    ordered=False,
    worth=0.0,
    said="{column} in another unit ({size})",
    guard=(Check.DRIFT, ""),
    inject=inject,
)
