"""Some rows have no value: a join that fails, a field that became optional."""

from __future__ import annotations

from dataclasses import replace

from monitor.core.drift.base import ColumnProfile
from monitor.core.drill.base import Fault, FaultName, Hit, shares
from monitor.core.drill.thinned import thinned
from monitor.core.results import Check


def inject(column: ColumnProfile, reference: ColumnProfile, size: float) -> Hit | None:  # noqa: ARG001  every fault is given it
    """``size``: the share of the rows, those without a value among them."""
    rows = round(column.total * size)
    rest = thinned(column, column.total - rows)
    return Hit(column=replace(rest, null=rest.null + rows), row=lambda _: None, share=size)


NULLS = Fault(
    name=FaultName.NULLS,
    sizes=shares(1, 5, 10, 25, 50),
    ordered=True,
    worth=0.05,
    said="nulls in {size} of the rows of {column}",
    guard=(Check.QUALITY, "null_share"),
    inject=inject,
)
