"""A category that nobody has seen: a new shop, a new code."""

from __future__ import annotations

from dataclasses import replace

from monitor.core.drift.base import ColumnProfile
from monitor.core.drill.base import Fault, FaultName, Hit, shares
from monitor.core.drill.thinned import thinned
from monitor.core.profile import CategoricalProfile
from monitor.core.results import Check

NAME = "(a category made up by driftd drill)"


def inject(column: ColumnProfile, reference: ColumnProfile, size: float) -> Hit | None:  # noqa: ARG001  every fault is given it
    """``size``: the share of the rows that have it."""
    rows = round(column.total * size)
    rest = thinned(column, column.total - rows)
    if not isinstance(rest, CategoricalProfile):
        return None
    return Hit(column=replace(rest, new=rest.new.plus({NAME: rows}, rows)) if rows else rest, row=lambda _: NAME, share=size)


NEW_CATEGORY = Fault(
    name=FaultName.NEW_CATEGORY,
    sizes=shares(1, 5, 10, 25),
    ordered=True,
    worth=0.05,
    said="a new category in {size} of the rows of {column}",
    guard=(Check.QUALITY, "unseen_share"),
    inject=inject,
)
