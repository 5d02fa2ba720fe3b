"""Volume collapse: next to no rows come where usually many do."""

from __future__ import annotations

from monitor.core.evaluate import Subject
from monitor.core.finding import number, percent
from monitor.core.results import Check, Result
from monitor.core.volume import usual_range

COLLAPSED = 0.2  # of the typical rows
ANY_ALPHA = 0.5  # the typical number of rows does not depend on it


def collapse(result: Result, subject: Subject | None) -> str | None:
    """What a bad volume result comes to in words, where few of the usual rows are left; None else, and where none came at all."""
    if result.check is not Check.VOLUME or result.metric != "rows" or not result.value:
        return None
    if subject is None or subject.reference is None:
        return None
    usual = usual_range(subject.reference, result.window_end - result.window_start, ANY_ALPHA)
    if usual is None or result.value > COLLAPSED * usual.typical:
        return None
    return f"volume collapse: {result.value:,.0f} rows, {percent(result.value / usual.typical)} of the usual {number(usual.typical)}"
