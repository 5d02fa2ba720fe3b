"""An estimate of a metric, made without labels, and how far the metric may be from it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy.special import ndtri


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a metric will probably be once labels come. ``sd``: how far it usually is from ``value``: the chance in which rows turn out
    right, and what the reference does not tell. Both are None where nothing can be said, and ``reason`` says why.
    """

    value: float | None = None
    sd: float | None = None
    reason: str = ""

    def interval(self, alpha: float) -> tuple[float, float] | None:
        """What holds the realised value but for a share ``alpha`` of windows, by the normal distribution."""
        if self.value is None or self.sd is None:
            return None
        reach = float(-ndtri(alpha / 2)) * self.sd
        return self.value - reach, self.value + reach


def unsaid(reason: str) -> Estimate:
    """Nothing but why."""
    return Estimate(reason=reason)


def said(value: float, variance: float) -> Estimate:
    """An estimate, unless one of the two is no finite number."""
    if not (math.isfinite(value) and math.isfinite(variance)):
        return unsaid("the scores are too large or too small to compute with")
    return Estimate(value=value, sd=math.sqrt(max(variance, 0.0)))


def with_error(windows: int) -> float:
    """A spread learned from few windows is itself uncertain, by 1 / sqrt(2 w) of it: it is taken one standard error larger."""
    return 1 + math.sqrt(1 / (2 * windows))
