"""NaN and infinities among numbers."""

from __future__ import annotations

from monitor.core.finding import Finding
from monitor.core.profile import NumericProfile
from monitor.core.quality.look import Look, QualityKind, of_rows


def judge_finite(look: Look) -> Finding | None:
    """Rows whose number is not finite; None for other columns."""
    here, there = look.here, look.there
    if not isinstance(here, NumericProfile) or not isinstance(there, NumericProfile) or not here.total:
        return None
    return of_rows(look, QualityKind.NON_FINITE, "NaN or infinity", here=here.non_finite, there=there.non_finite)
