"""Two-sample chi-square test of homogeneity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from monitor.core.drift.base import CATEGORICAL, AlarmsWhen, Measure, Method, Pair, both_counts
from monitor.core.schema import Floats, Ints

NEVER_SEEN = 1e-6  # expected rows of a category that the reference lacks, where Evidently divides by zero: p is 0 in both
FEWEST_EXPECTED = 5.0  # rows per cell from which the chi-square limit holds (Cochran 1954, Biometrics 10)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChiSquare:
    """The statistic and its degrees of freedom; 0 degrees where one category holds everything."""

    statistic: float
    degrees: int

    @property
    def p_value(self) -> float:
        """The chance of a statistic at least this large where both samples come from one distribution."""
        return float(special.chdtrc(self.degrees, self.statistic)) if self.degrees else 1.0

    def critical(self, p: float) -> float:
        """The statistic whose p-value is ``p``."""
        return float(special.chdtri(max(self.degrees, 1), p))

    @property
    def measure(self) -> Measure:
        """As what a test says."""
        return Measure(value=self.statistic, p_value=self.p_value, critical=self.critical)


def chisquare(reference: Ints, window: Ints) -> ChiSquare:
    """``sum((seen - expected)^2 / expected)`` over both samples' categories, from counts of shape (k,).

    ``expected`` comes from both samples together: the reference is a sample too, not the truth. Direction: symmetric.
    Categories with too few expected rows are taken together. Not for large windows: with many rows every difference is
    significant, so use a distance there. Source: Pearson 1900; the number of ``scipy.stats.chi2_contingency`` uncorrected.
    """
    table, expected = tables(reference, window)
    return ChiSquare(statistic=float(np.sum((table - expected) ** 2 / expected)), degrees=table.shape[1] - 1)


def tables(reference: Ints, window: Ints) -> tuple[Floats, Floats]:
    """Seen and expected counts, both (2, k): what both samples together make of each; sparse categories are taken together."""
    table = _merged(np.stack([reference, window]).astype(np.float64))
    return table, table.sum(axis=1, keepdims=True) * table.sum(axis=0) / table.sum()


def _merged(table: Floats) -> Floats:
    """A table of counts (2, k) without empty categories, sparse ones summed into one, which joins the rarest if still sparse."""
    table = table[:, table.sum(axis=0) > 0]
    smaller = table.sum(axis=1).min() / table.sum()
    sparse = table.sum(axis=0) * smaller < FEWEST_EXPECTED
    if not sparse.any() or sparse.all():
        return table if not sparse.any() else table.sum(axis=1, keepdims=True)
    rest, kept = table[:, sparse].sum(axis=1, keepdims=True), table[:, ~sparse]
    if rest.sum() * smaller >= FEWEST_EXPECTED:
        return np.hstack([kept, rest])
    kept[:, [kept.sum(axis=0).argmin()]] += rest
    return kept


def _measure(pair: Pair) -> Measure:
    return chisquare(*both_counts(pair)).measure


def one_sample(reference: Ints, window: Ints) -> ChiSquare:
    """``sum((seen - expected)^2 / expected)`` over the window's categories with the reference as the exact truth.

    Not to be asked for without need: it takes the reference for noiseless, so with as many rows in both it alarms on half of
    all windows without drift at p .05. Direction: not symmetric. Source: Pearson 1900; the number of ``scipy.stats.chisquare``.
    """
    seen = (reference > 0) | (window > 0)
    expected = np.maximum(reference[seen] * (window.sum() / reference.sum()), NEVER_SEEN)
    return ChiSquare(statistic=float(np.sum((window[seen] - expected) ** 2 / expected)), degrees=int(seen.sum()) - 1)


def _as_evidently(pair: Pair) -> Measure:
    return one_sample(*both_counts(pair)).measure


CHISQUARE = Method(
    name="chisquare",
    kinds=CATEGORICAL,
    alarms_when=AlarmsWhen.P_BELOW,
    default_threshold=0.05,
    measure=_measure,
    as_evidently=_as_evidently,
)
