"""No message carries the column: renamed, or dropped by whoever sends it."""

from __future__ import annotations

from monitor.core.drift.base import ColumnProfile
from monitor.core.drill.base import ALL, Fault, FaultName, Hit
from monitor.core.profile import CategoricalProfile, NumericProfile
from monitor.core.results import Check


def inject(column: ColumnProfile, reference: ColumnProfile, size: float) -> Hit | None:  # noqa: ARG001  there is one size
    """Nothing is left."""
    gone = NumericProfile(grid=column.grid) if isinstance(column, NumericProfile) else CategoricalProfile(grid=column.grid)
    return Hit(column=gone, row=lambda _: None)


MISSING = Fault(
    name=FaultName.MISSING,
    sizes=ALL,
    ordered=False,
    worth=0.0,
    said="the column {column} missing in {size}",
    guard=(Check.QUALITY, "null_share"),
    inject=inject,
)
