"""What every drift test is made of: two sides of a column to compare, a measure, and a description."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from monitor.core.profile import CategoricalProfile, NumericProfile
from monitor.core.profile.grid import single_valued
from monitor.core.rules import Formula
from monitor.core.schema import Flags, Floats, Ints, Kind

NUMERIC = frozenset({Kind.NUMERIC})
CATEGORICAL = frozenset({Kind.CATEGORICAL, Kind.BOOLEAN})

ColumnProfile = NumericProfile | CategoricalProfile


class NotApplicable(ValueError):
    """A test that cannot be asked of this column; says what it needs and what to ask for instead."""


class AlarmsWhen(StrEnum):
    """On which side of its threshold a test alarms."""

    ABOVE = "above"
    P_BELOW = "p_below"


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of two samples of a column, as counts per bin, shape (k,). Nulls and non-finite values are no part of it.

    ``edges`` (shape (k - 1,)), ``low``, ``high``, ``mean`` and ``std`` only for numeric columns; a numeric side has at least one value.
    """

    counts: Ints
    edges: Floats | None = None
    low: float = 0.0
    high: float = 0.0
    mean: float | None = None
    std: float | None = None

    @property
    def n(self) -> int:
        """Values counted."""
        return int(self.counts.sum())

    @property
    def shares(self) -> Floats:
        """The share of each bin, shape (k,). Raises ValueError without values."""
        if self.n == 0:
            raise ValueError("no values to compare")
        return self.counts / self.n

    @property
    def alike(self) -> Flags:
        """Which bins hold one single value, shape (k,): rows in them are tied. In others they count as evenly spread."""
        return np.ones(len(self.counts), dtype=np.bool_) if self.edges is None else single_valued(self.edges)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A column in the reference and in the window, on the same bins."""

    reference: Side
    window: Side


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """What a test says. ``value`` and ``critical`` are comparable: the test alarms where value reaches critical.

    ``critical`` maps a threshold of the test to the scale of ``value``: the threshold itself for a distance,
    the statistic at that p-value for a test of significance.
    """

    value: float
    p_value: float | None
    critical: Callable[[float], float]


def both_counts(pair: Pair) -> tuple[Ints, Ints]:
    """Counts of reference and window. Raises ValueError where a side has no values."""
    if not pair.reference.n or not pair.window.n:
        raise ValueError("no values to compare")
    return pair.reference.counts, pair.window.counts


def distance(value: float) -> Measure:
    """A measure without a p-value, compared with its threshold as it is."""
    return Measure(value=value, p_value=None, critical=lambda threshold: threshold)


def pair_of(reference: ColumnProfile, window: ColumnProfile) -> Pair:
    """The two sides of a column. Raises ValueError where a side has no values or the kinds differ."""
    return Pair(reference=side_of(reference), window=side_of(window))


def side_of(column: ColumnProfile) -> Side:
    """A column's counts as one side; all categories that the grid does not know are one more bin."""
    if isinstance(column, CategoricalProfile):
        return Side(counts=np.append(column.counts, column.new.rows))
    if column.min is None or column.max is None:
        raise ValueError("no values to compare")
    return Side(counts=column.counts, edges=column.grid.edges, low=column.min, high=column.max, mean=column.mean, std=column.std)


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A drift test by name: what it is for, when it alarms, and how it measures.

    ``as_evidently``: the number that Evidently's test of this name says, as near as a profile tells it; None where none is.
    ``pair``: what of the two profiles is compared. ``needs_values``: a side whose rows are all null cannot be compared.
    """

    name: str
    kinds: frozenset[Kind]
    alarms_when: AlarmsWhen
    default_threshold: float
    measure: Callable[[Pair], Measure]
    as_evidently: Callable[[Pair], Measure] | None = None
    pair: Callable[[ColumnProfile, ColumnProfile], Pair] = pair_of
    needs_values: bool = True

    def by(self, formula: Formula) -> Callable[[Pair], Measure]:
        """How to measure. Raises ValueError where there is no such formula."""
        if formula is Formula.DRIFTD:
            return self.measure
        if self.as_evidently is None:
            raise ValueError(f"a profile does not tell {self.name} as Evidently computes it")
        return self.as_evidently
