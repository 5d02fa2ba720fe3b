"""Categories that are written another way: in another case, or cut off by a field that is too short."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial

import numpy as np

from monitor.core.drift.base import ColumnProfile
from monitor.core.drill.base import ALL, Fault, FaultName, Hit
from monitor.core.profile import CategoricalGrid, CategoricalProfile
from monitor.core.profile.categorical import NewCategories
from monitor.core.profile.grid import BOOLEANS
from monitor.core.profile.sample import WRONG_TYPE, Scalar
from monitor.core.results import Check

Recoding = Callable[[CategoricalGrid], Callable[[str], str]]

REMEMBERED = 64  # grids whose categories are translated once


def other_case(grid: CategoricalGrid) -> Callable[[str], str]:
    """Lower case; upper case where all is lower already."""
    return str.lower if any(text != text.lower() for text in grid.categories) else str.upper


def half_length(grid: CategoricalGrid) -> Callable[[str], str]:
    """The first half of the characters of the longest category, one at least."""
    kept = max(max(map(len, grid.categories), default=0) // 2, 1)
    return lambda text: text[:kept]


@lru_cache(maxsize=REMEMBERED)
def _translated(recoding: Recoding, grid: CategoricalGrid) -> tuple[str, ...]:
    return tuple(map(recoding(grid), grid.categories))


def inject(recoding: Recoding, column: ColumnProfile, reference: ColumnProfile, size: float) -> Hit | None:  # noqa: ARG001  one size
    """Of all rows. None for booleans, and where no category is written another way. New categories without a name stay as they are."""
    if not isinstance(column, CategoricalProfile) or not isinstance(reference, CategoricalProfile):
        return None
    grid, texts = column.grid, _translated(recoding, column.grid)
    if grid.categories == BOOLEANS or texts == grid.categories:
        return None
    write = recoding(grid)
    counts = np.zeros(len(texts), dtype=np.int64)
    fresh: dict[str, int] = {}
    named = [*zip(texts, column.counts.tolist(), strict=True), *((write(text), count) for text, count in column.new.kept.items())]
    for text, count in named:
        at = grid.positions.get(text)
        if at is not None:
            counts[at] += count
        elif count:
            fresh[text] = fresh.get(text, 0) + count
    new = NewCategories().plus(fresh, sum(fresh.values()) + column.new.other)
    return Hit(column=CategoricalProfile(grid=grid, counts=counts, null=column.null, wrong_type=column.wrong_type, new=new),
               row=partial(_row, write))


def _row(write: Callable[[str], str], value: Scalar) -> Scalar:
    return write(value) if isinstance(value, str) and value != WRONG_TYPE else value


RECASE = Fault(
    name=FaultName.RECASE,
    sizes=ALL,
    ordered=False,
    worth=0.0,
    said="the categories of {column} written in another case in {size}",
    guard=(Check.QUALITY, "unseen_share"),
    inject=partial(inject, other_case),
)
TRUNCATE = Fault(
    name=FaultName.TRUNCATE,
    sizes=ALL,
    ordered=False,
    worth=0.0,
    said="the categories of {column} cut to half their length in {size}",
    guard=(Check.QUALITY, "unseen_share"),
    inject=partial(inject, half_length),
)
