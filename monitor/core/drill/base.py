"""What a drill is made of: faults of given sizes, and what one of them makes of a column."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

from monitor.core.drift.base import ColumnProfile
from monitor.core.profile.sample import Scalar
from monitor.core.results import Check


class FaultName(StrEnum):
    """The kinds of fault that are injected."""

    SHIFT = "shift"
    SCALE = "scale"
    NULLS = "nulls"
    CONSTANT = "constant"
    MISSING = "missing"
    NEW_CATEGORY = "new_category"
    RECASE = "recase"
    TRUNCATE = "truncate"
    VOLUME = "volume"
    LABEL_FLIP = "label_flip"


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How large a fault is: a number that the fault understands, and how people say it."""

    value: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Affine:
    """``factor * x + offset``, exact. A factor of 0 is a constant."""

    factor: Fraction = Fraction(1)
    offset: Fraction = Fraction(0)

    @property
    def floats(self) -> tuple[float, float]:
        """Factor and offset as numbers to compute with."""
        return float(self.factor), float(self.offset)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """What a fault makes of a column. ``row``: of the value of one sampled row; ``share``: of the rows that it hits, at random.

    ``numbers``: what becomes of the numbers of those rows; None: they are missing.
    """

    column: ColumnProfile
    row: Callable[[Scalar], Scalar]
    share: float = 1.0
    numbers: Affine | None = None


Injection = Callable[[ColumnProfile, ColumnProfile, float], Hit | None]
"""Of a column in a window, the same in the reference, and a size; None where such a column has no such fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A kind of fault. ``inject`` is None where it is no column's.

    ``ordered``: whether a larger size is the same fault, only worse; ``worth``: the size from which people would want it seen.
    ``said``: the fault in words, with ``{size}`` and ``{column}``. ``guard``: the check and metric (empty: any) that should see it.
    """

    name: FaultName
    sizes: tuple[Size, ...]
    ordered: bool
    worth: float
    said: str
    guard: tuple[Check, str]
    inject: Injection | None = None


def shares(*percents: int) -> tuple[Size, ...]:
    """Sizes that are shares of the rows."""
    return tuple(Size(value=percent / 100, text=f"{percent} %") for percent in percents)


ALL = (Size(value=1.0, text="all rows"),)
