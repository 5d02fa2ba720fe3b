"""What a check found, before it is tied to a window; and how numbers are said in its reason."""

from __future__ import annotations

import math
from dataclasses import dataclass

from monitor.core.results import Check, Result, Verdict, WindowKey

BROKEN = (ArithmeticError, ValueError)  # what numbers do to arithmetic: no values, or too large ones; one column's trouble stays its own
NUMBERS = ("value", "threshold", "p_value", "ci_low", "ci_high", "reference_value")  # of a finding, that must be finite
LARGEST_PLAIN = 1e9  # from here on numbers are written with an exponent


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One answer of a check. ``column`` is None where it is about all rows; the last five are as in ``Result``."""

    check: Check
    column: str | None
    metric: str
    verdict: Verdict
    reason: str
    value: float | None = None
    threshold: float | None = None
    p_value: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    labelled: int | None = None
    estimated: bool | None = None
    reference_value: float | None = None

    @property
    def order(self) -> tuple[str, str, str]:
        """The place of its result: by check, column (whole-model first) and metric."""
        return self.check.value, self.column or "", self.metric

    def result(self, key: WindowKey, *, rows: int, reference: str | None) -> Result:
        """As the result of a window. A value that is no finite number becomes an ``error``, never a number."""
        broken = [name for name in NUMBERS if not _sound(getattr(self, name))]
        return Result(
            model=key.model,
            version=key.version,
            segment=key.segment,
            window_start=key.start,
            window_end=key.end,
            check=self.check,
            column=self.column,
            metric=self.metric,
            value=None if "value" in broken else self.value,
            threshold=None if "threshold" in broken else self.threshold,
            p_value=None if "p_value" in broken else self.p_value,
            verdict=Verdict.ERROR if broken else self.verdict,
            reason=f"{', '.join(broken)} of {self.metric} is no finite number" if broken else self.reason,
            rows=rows,
            reference=reference,
            ci_low=None if "ci_low" in broken else self.ci_low,
            ci_high=None if "ci_high" in broken else self.ci_high,
            labelled=self.labelled,
            estimated=self.estimated,
            reference_value=None if "reference_value" in broken else self.reference_value,
        )


def _sound(value: float | None) -> bool:
    return value is None or math.isfinite(value)


def number(value: float | None) -> str:
    """Three digits, thousands with commas: ``12.6``, ``0.00123``, ``45,312``."""
    if value is None:
        return "none"
    size = abs(value)
    if 1000 <= size < LARGEST_PLAIN:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def percent(share: float) -> str:
    """A share as ``17 %``, ``2.51 %`` or ``0.05 %``."""
    points = 100 * share
    return f"{points:.0f} %" if abs(points) >= 10 or points == round(points) else f"{points:.3g} %"
