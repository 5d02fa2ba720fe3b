"""Every number is larger by a part of the reference's standard deviation: an offset, another sensor, prices after a raise."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

from monitor.core.drift.base import ColumnProfile
from monitor.core.drill.base import Affine, Fault, FaultName, Hit, Size
from monitor.core.drill.moved import moved, whole_numbers
from monitor.core.profile import NumericProfile
from monitor.core.profile.sample import Scalar
from monitor.core.results import Check


def inject(column: ColumnProfile, reference: ColumnProfile, size: float) -> Hit | None:
    """``size`` in standard deviations of the reference. Whole numbers move by whole numbers: where that is 0 there is no such shift."""
    if not isinstance(column, NumericProfile) or not isinstance(reference, NumericProfile):
        return None
    whole = whole_numbers(reference)
    offset = offset_of(reference, size, whole=whole)
    if offset is None:
        return None
    by = Affine(offset=offset)
    return Hit(column=moved(column, by, whole=whole), row=plus(by), numbers=by)


def offset_of(reference: NumericProfile, size: float, *, whole: bool) -> Fraction | None:
    """So far numbers move: a whole number of the units that moments are counted in, so that those stay exact. None where it is none."""
    std = reference.std
    if std is None or not math.isfinite(std):
        return None
    unit = Fraction(1) if whole else Fraction(reference.grid.unit)
    steps = round(Fraction(size * std) / unit)
    return steps * unit if steps or size == 0 else None


def plus(by: Affine) -> Callable[[Scalar], Scalar]:
    """What becomes of a sampled value."""
    factor, offset = by.floats
    return lambda value: factor * value + offset if isinstance(value, float) else value


SHIFT = Fault(
    name=FaultName.SHIFT,
    sizes=tuple(Size(value=size, text=f"{size:g} sd") for size in (0.1, 0.2, 0.3, 0.5, 1.0)),
    ordered=True,
    worth=0.5,
    said="a shift of {column} by {size}",
    guard=(Check.DRIFT, ""),
    inject=inject,
)
