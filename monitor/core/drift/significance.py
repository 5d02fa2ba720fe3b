"""The verdict for a reference without windows of its own: significance over all columns, behind floors of effect.

Fit for traffic that is alike from window to window, and all that can be said without having seen the rhythm.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from monitor.core.drift.base import Pair
from monitor.core.drift.chisquare import CHISQUARE
from monitor.core.drift.ks import KS
from monitor.core.drift.tvd import tvd
from monitor.core.drift.wasserstein import WASSERSTEIN

KS_FLOOR = 0.05  # D below it is not worth a message, however significant
TVD_FLOOR = 0.03  # share of rows that changed category
WASSERSTEIN_FLOOR = 0.1  # standard deviations; far moves of few rows that D does not see


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How a column differs: an effect with its floor, and whether chance could have made it."""

    metric: str
    value: float
    floor: float
    p_value: float


def difference(pair: Pair) -> Difference:
    """D for numbers (or Wasserstein where only that is large), total variation for categories, with a two-sample p-value.

    Raises ValueError where a side has no values.
    """
    if pair.reference.edges is None:
        p = CHISQUARE.measure(pair).p_value or 0.0
        return Difference(metric="tvd", value=tvd(pair.reference.shares, pair.window.shares), floor=TVD_FLOOR, p_value=p)
    ks, moved = KS.measure(pair), WASSERSTEIN.measure(pair).value
    p = ks.p_value or 0.0
    if ks.value < KS_FLOOR and moved >= WASSERSTEIN_FLOOR:
        return Difference(metric="wasserstein", value=moved, floor=WASSERSTEIN_FLOOR, p_value=p)
    return Difference(metric="ks", value=ks.value, floor=KS_FLOOR, p_value=p)


def significant(p_values: Sequence[float], alpha: float) -> float:
    """The p-value up to which to reject, by Benjamini and Hochberg (1995, J. R. Stat. Soc. B 57); -1 where none is.

    Under no drift at all the chance of any rejection is ``alpha`` at most.
    """
    ordered = sorted(p_values)
    passing = [p for i, p in enumerate(ordered, start=1) if p <= alpha * i / len(ordered)]
    return passing[-1] if passing else -1.0


def drifted(differences: Mapping[str, Difference], alpha: float) -> frozenset[str]:
    """The columns that differ beyond chance and beyond their floors."""
    cut = significant([found.p_value for found in differences.values()], alpha)
    return frozenset(name for name, found in differences.items() if found.p_value <= cut and found.value >= found.floor)
