"""Data faults: signs that what came is broken, not that the world has changed. A model must not learn from them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from monitor.core.results import Check, Result, Verdict
from monitor.core.summary import listed

if TYPE_CHECKING:
    from monitor.core.cause import Cause
    from monitor.core.incidents import Incident

FAULTY = frozenset({Check.QUALITY, Check.VOLUME})
"""Checks whose alerts are of the data alone."""

BROKEN: dict[str, str] = {
    "swapped_columns": "columns were swapped",
    "fill": "one value took the place of others",
    "recoded_categories": "categories were cut or written anew",
    "clock_shift": "a clock was moved",
    "unit_change": "its unit changed",
}
"""By signature of ``core/cause``, what it says in words. ``factor`` and ``offset`` are none: prices rise, and summers are warm."""

WARNING = "No retraining is asked for: do not retrain on a broken pipeline"


def data_fault(results: Iterable[Result], cause: Cause | None, incident: Incident | None) -> str:
    """Why this looks like a data fault, in words; empty where it does not.

    ``results`` and ``cause`` are a judged window's; ``incident`` is the one that is open, whose checks are of all its windows.
    """
    first = cause.columns[0] if cause is not None and cause.columns else None
    if first is not None and first.signature in BROKEN:
        return f"{first.name}: {BROKEN[first.signature]}"
    here = {result.check for result in results if result.verdict is Verdict.ALERT}
    before = set() if incident is None else set(incident.checks)
    checks = sorted(check for check in FAULTY if check in here or check in before)
    if not checks:
        return ""
    return f"{listed(checks)} {'alerts' if len(checks) == 1 else 'alert'}{'' if set(checks) & here else ' in this incident'}"
