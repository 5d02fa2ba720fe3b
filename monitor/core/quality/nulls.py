"""Nulls, and the column that is gone."""

from __future__ import annotations

from monitor.core.finding import Finding
from monitor.core.quality.look import Look, QualityKind, of_rows
from monitor.core.quality.usual import FLOOR
from monitor.core.results import Check, Verdict


def judge_nulls(look: Look) -> Finding | None:
    """Rows without a value."""
    return of_rows(look, QualityKind.NULL, "nulls", here=look.here.null, there=look.there.null) if look.here.total else None


def judge_gone(look: Look) -> Finding | None:
    """An alert where no row has a value, or no message the column, and the reference has some; it stands for all other checks."""
    here, there = look.here, look.there
    if here.null != here.total or there.n == 0 or look.profile.rows == 0:
        return None
    return Finding(
        check=Check.QUALITY,
        column=look.name,
        metric=f"{QualityKind.NULL}_share",
        verdict=Verdict.ALERT,
        reason=f"column gone: none of {look.profile.rows:,} rows has a value of {look.name}, the reference has {there.n:,}",
        value=1.0,
        threshold=min(max(there.null / max(there.total, 1), FLOOR), 1.0),
    )
