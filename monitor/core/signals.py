"""What one judged window says about a model's health."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import TYPE_CHECKING

from monitor.core.results import DECIDED, Check, Result, Verdict, only_told

if TYPE_CHECKING:
    from monitor.core.incidents import Incident

HELD_P = 0.1
"""How often chance may hold a window of an open incident, over all its columns together (Bonferroni): a column is not well again while
chance would make such a window less often than that."""

HELD_SHARE = 0.5
"""Of the limit; below it a difference is small, however certain: a million rows are always certain."""


class Signal(StrEnum):
    """What one judged window says about a model's health; ``silent`` is no evidence either way, ``held`` not well again yet."""

    BAD = "bad"
    GOOD = "good"
    HELD = "held"
    SILENT = "silent"


def signal(results: Iterable[Result], incident: Incident | None = None) -> Signal:
    """Bad when any result alerts. Otherwise good, if something was decided.

    With an incident open, a check that caused it and could not decide this time keeps the window silent: too little
    evidence is never health. Neither is a column of the incident that is back under its limit and still far from usual:
    else one lasting change that lies about the limit would be ten incidents.
    """
    held = False
    decided: set[str] = set()
    undecided: set[str] = set()
    for result in results:
        if result.verdict is Verdict.ALERT:
            return Signal.BAD
        if only_told(result):
            continue
        held = held or (incident is not None and _held(result, incident))
        (decided if result.verdict in DECIDED and not only_estimated(result) else undecided).add(result.check)
    waiting = set() if incident is None else (undecided - decided) & set(incident.checks)
    if waiting or not decided:
        return Signal.SILENT
    return Signal.HELD if held else Signal.GOOD


def only_estimated(result: Result) -> bool:
    """Whether labels will still tell: that an estimate sees no drop does not end an incident of one that was seen."""
    return bool(result.estimated) and result.labelled is not None


def _held(result: Result, incident: Incident) -> bool:
    """Whether drift that the incident is about is still to be seen, though no longer beyond the limit."""
    if result.check is not Check.DRIFT or result.check not in incident.checks or result.column not in incident.columns:
        return False
    value, threshold, p_value = result.value, result.threshold, result.p_value
    if incident.fired_at is None or value is None or threshold is None or p_value is None:
        return False
    return p_value < HELD_P / len(incident.columns) and value >= HELD_SHARE * threshold
