"""The most frequent value of a column, as far as its counts tell it."""

from __future__ import annotations

from monitor.core.profile.categorical import CategoricalProfile
from monitor.core.profile.numeric import NumericProfile


def top_rows(column: NumericProfile | CategoricalProfile) -> int:
    """Rows that have it. Of numbers only those with a bin of their own can be told, and a single one; of new categories those kept."""
    if isinstance(column, CategoricalProfile):
        return max(int(column.counts.max(initial=0)), max(column.new.kept.values(), default=0))
    if column.min is not None and column.min == column.max:
        return column.n
    return int(column.counts[column.grid.atoms].max(initial=0))
