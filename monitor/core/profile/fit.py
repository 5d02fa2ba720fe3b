"""Derives the grid of a column from reference values.

Measured (notes in docs): 200 quantile bins with tails and atoms give the verdicts of tests on raw rows in 100, 100, 100 and
99.5 per cent of 432 cases for PSI, Jensen-Shannon, Kolmogorov-Smirnov and Wasserstein.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np

from monitor.core.profile.grid import CategoricalGrid, NumericGrid, next_floats
from monitor.core.schema import Floats

BINS = 200  # reference-quantile bins
TAIL_EDGES = 6  # extra edges per side inside, at the quantiles HALF_BIN * 4^-k
HALF_BIN = 0.5 / BINS  # share of the mass from which a value is an atom
TAIL_RATIO = 4.0  # each tail edge is this many times further out
MAX_BY_VALUE = 256  # distinct reference values up to which a column is counted by value
MAX_CATEGORIES = 1000  # categories of a grid; rarer ones count as new
UNIT_BITS = 36  # the unit of the moments is 2^-36 of the column's scale: an error of 7e-12 scales per value
BULK = 0.005  # the scale is the width between the quantiles BULK and 1 - BULK
MIN_EXPONENT, MAX_EXPONENT = -1074, 971  # powers of two that a float can be a unit of


def fit_numeric(
    values: Floats, *, low: float | None = None, high: float | None = None, distinct: Floats | None = None
) -> NumericGrid:
    """The grid of reference ``values`` (not finite ones are left out).

    Where ``values`` is only a sample, ``low`` and ``high`` are the exact extremes of all, and ``distinct`` are all distinct
    values when there are at most ``MAX_BY_VALUE`` (None: more, or not known; then those of the sample decide only if it is all).
    """
    ordered = np.sort(values[np.isfinite(values)]) + 0.0
    if not len(ordered):
        return NumericGrid(edges=np.empty(0))
    first = float(ordered[0]) if low is None else min(low, float(ordered[0]))
    last = float(ordered[-1]) if high is None else max(high, float(ordered[-1]))
    center = _quantile(ordered, 0.5)
    unit = _unit(ordered, first, last)
    uniques = np.unique(ordered) if distinct is None else np.unique(distinct + 0.0)
    whole = distinct is not None or (low is None and high is None)
    if whole and len(uniques) <= MAX_BY_VALUE:
        return NumericGrid(edges=_around(uniques), by_value=True, center=center, unit=unit)
    edges = np.concatenate([_inside(ordered), _around(_atoms(ordered)), _beyond(ordered, first, last)])
    return NumericGrid(edges=np.unique(edges[np.isfinite(edges)]), center=center, unit=unit)


def fit_categorical(counts: Mapping[str, int] | Iterable[str]) -> CategoricalGrid:
    """The grid of reference categories: the ``MAX_CATEGORIES`` most frequent, ties by text."""
    if not isinstance(counts, Mapping):
        return CategoricalGrid(categories=tuple(sorted(set(counts))))
    kept = sorted(counts, key=lambda text: (-counts[text], text))[:MAX_CATEGORIES]
    return CategoricalGrid(categories=tuple(sorted(kept)))


def _quantile(ordered: Floats, share: float) -> float:
    """The value at a share of the sorted values: one of them, so that nothing can overflow."""
    return float(ordered[min(int(share * len(ordered)), len(ordered) - 1)])


def _inside(ordered: Floats) -> Floats:
    shares = [i / BINS for i in range(1, BINS)]
    tails = [HALF_BIN * TAIL_RATIO**-k for k in range(TAIL_EDGES)]
    shares += tails + [1.0 - tail for tail in tails]
    return np.array([_quantile(ordered, share) for share in shares])


def _around(values: Floats) -> Floats:
    """Edges that give each value the bin ``[v, nextafter(v))``; none beyond the largest float."""
    edges = np.unique(np.concatenate([values, next_floats(values)]))
    finite: Floats = edges[np.isfinite(edges)]
    return finite


def _atoms(ordered: Floats) -> Floats:
    uniques, counts = np.unique(ordered, return_counts=True)
    atoms: Floats = uniques[counts > HALF_BIN * len(ordered)]
    return atoms


def _beyond(ordered: Floats, first: float, last: float) -> Floats:
    """Six edges beyond each end: the end itself, then a quarter of the scale and on in geometric steps."""
    scale = _scale(ordered, first, last)
    with np.errstate(over="ignore"):  # an infinite edge is left out later
        steps = scale * TAIL_RATIO ** np.arange(-1.0, TAIL_EDGES - 2)
        return np.concatenate([[first], next_floats(np.array([last])), first - steps, last + steps])


def _scale(ordered: Floats, first: float, last: float) -> float:
    """How wide the bulk of the values lies; the full width where the bulk is one value; its size where all are one value."""
    for low, high in ((_quantile(ordered, BULK), _quantile(ordered, 1.0 - BULK)), (first, last)):
        if high > low:
            return min(high / 2 - low / 2, 2.0**1022) * 2 if high - low == math.inf else high - low
    return abs(first) or 1.0


def _unit(ordered: Floats, first: float, last: float) -> float:
    """A power of two, about 2^-36 of the scale; at most 1 for whole numbers, so that their means are exact."""
    exponent = math.frexp(_scale(ordered, first, last))[1] - UNIT_BITS
    if bool((np.floor(ordered) == ordered).all()):
        exponent = min(exponent, 0)
    return math.ldexp(1.0, max(MIN_EXPONENT, min(exponent, MAX_EXPONENT)))
