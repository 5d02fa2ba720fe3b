"""The quality checks of columns by name, and their answers for a window."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from monitor.core.finding import BROKEN, Finding
from monitor.core.profile import Profile
from monitor.core.quality.finite import judge_finite
from monitor.core.quality.look import Look, QualityKind, given
from monitor.core.quality.nulls import judge_gone, judge_nulls
from monitor.core.quality.ranges import judge_range
from monitor.core.quality.same import judge_same
from monitor.core.quality.types import judge_types
from monitor.core.quality.unseen import judge_unseen
from monitor.core.reference import Reference
from monitor.core.results import Check, Verdict
from monitor.core.rules import QualityRules, Switch
from monitor.core.schema import Column

Judge = Callable[[Look], Finding | None]
"""One check of one column; None where it does not apply to it."""

QUALITY_CHECKS: Mapping[QualityKind, Judge] = MappingProxyType({
    QualityKind.NULL: judge_nulls,
    QualityKind.NON_FINITE: judge_finite,
    QualityKind.WRONG_TYPE: judge_types,
    QualityKind.UNSEEN: judge_unseen,
    QualityKind.OUT_OF_RANGE: judge_range,
    QualityKind.SAME_VALUE: judge_same,
})


def judge_quality(columns: Sequence[Column], profile: Profile, reference: Reference, rules: QualityRules, alpha: float) -> list[Finding]:
    """One finding per column and check that applies. The profile is on the reference's grid; ``alpha``: false alarms of a window."""
    share = share_of(columns, reference, alpha)
    return [finding for column in columns for finding in judge_column(column, profile, reference, rules, share)]


def share_of(columns: Sequence[Column], reference: Reference, alpha: float) -> float:
    """The false alarms that one check of one column may raise in a window, where all of them may raise ``alpha``."""
    return alpha / max(sum(column.name in reference.profile.columns for column in columns) * len(QUALITY_CHECKS), 1)


def judge_column(column: Column, profile: Profile, reference: Reference, rules: QualityRules, share: float) -> list[Finding]:
    """One finding per check that applies; none of a column that the reference does not know. ``share``: as in ``share_of``."""
    if column.name not in reference.profile.columns:
        return []
    look = Look(name=column.name, kind=column.kind, profile=profile, reference=reference, rules=rules, alpha=share)
    asked = [kind for kind in QUALITY_CHECKS if given(kind, look.rules) is not Switch.OFF]
    gone = judge_gone(look) if QualityKind.NULL in asked else None
    if gone is not None:
        return [gone]
    return [found for kind in asked if (found := _judged(look, kind)) is not None]


def _judged(look: Look, kind: QualityKind) -> Finding | None:
    """One check's trouble with numbers stays its own."""
    try:
        return QUALITY_CHECKS[kind](look)
    except BROKEN as error:
        reason = f"{kind}_share of {look.name} failed: {error}"
        return Finding(check=Check.QUALITY, column=look.name, metric=f"{kind}_share", verdict=Verdict.ERROR, reason=reason)
