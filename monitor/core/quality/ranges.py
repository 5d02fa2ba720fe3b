"""Numbers outside of the range that is given, or that the reference spans."""

from __future__ import annotations

import math

from scipy import special

from monitor.core.finding import Finding, number, percent
from monitor.core.profile import NumericProfile
from monitor.core.profile.extent import Extent, extent_of
from monitor.core.quality.look import Look, QualityKind, finding, given
from monitor.core.quality.usual import Usual


def judge_range(look: Look) -> Finding | None:
    """Values outside among the finite ones. None for other columns, and where neither rules nor reference tell a range."""
    here, there = look.here, look.there
    if not isinstance(here, NumericProfile) or not isinstance(there, NumericProfile) or not here.n:
        return None
    asked = look.rules.ranges.get(look.name)
    if asked is not None:
        return _judge(look, Extent.of(here.grid, *asked.ends), here, there, learned=False)
    extent = extent_of(there)
    return None if extent is None else _judge(look, extent, here, there, learned=True)


def _judge(look: Look, extent: Extent, here: NumericProfile, there: NumericProfile, *, learned: bool) -> Finding:
    rows, limit = extent.outside(here), given(QualityKind.OUT_OF_RANGE, look.rules)
    if isinstance(limit, float):
        threshold = limit
    else:
        share = extent.outside(there) / max(there.n, 1)
        usual = look.usual(QualityKind.OUT_OF_RANGE, share) if learned else Usual(share=share, rows=there.n, windows=(), window_rows=1.0)
        beyond = beyond_extremes(here.n, there.n, extent.trimmed, look.alpha) if learned else 0.0
        threshold = max(usual.limit(here.n, look.alpha), beyond)
    value = min(rows / here.n, 1.0)
    least = "" if extent.exact or not rows else "at least "
    reason = f"{look.name}: {least}{percent(value)} outside {_told(extent)}, limit {percent(threshold)}"
    return finding(look.name, QualityKind.OUT_OF_RANGE, value=value, threshold=threshold, reason=reason)


def beyond_extremes(rows: int, reference_rows: int, trimmed: int, alpha: float) -> float:
    """The share of a window's rows that lies, with probability ``alpha`` at most, more often beyond the reference's extremes by chance.

    How many of ``rows`` new values lie beyond the (trimmed + 1)th values at both ends of ``reference_rows`` is negative binomial
    with 2 (trimmed + 1) successes, whatever the distribution (an upper bound: exact is the negative hypergeometric).
    Source: Gumbel and von Schelling 1950, Ann. Math. Stat. 21 (the number of exceedances).
    """
    if not reference_rows:
        return 1.0
    most = float(special.nbdtrik(1 - alpha, 2 * (trimmed + 1), reference_rows / (rows + reference_rows)))
    return min(math.ceil(most) / rows, 1.0) if math.isfinite(most) else 1.0


def _told(extent: Extent) -> str:
    if extent.low == -math.inf:
        return f"the range up to {number(extent.high)}"
    if extent.high == math.inf:
        return f"the range from {number(extent.low)}"
    return f"the range {number(extent.low)} to {number(extent.high)}"
