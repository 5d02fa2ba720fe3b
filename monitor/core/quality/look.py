"""What every quality check of a column is given, and how it answers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from monitor.core.drift.base import ColumnProfile
from monitor.core.finding import Finding, percent
from monitor.core.profile import Profile
from monitor.core.quality.usual import Usual
from monitor.core.reference import Reference
from monitor.core.results import Check, Verdict
from monitor.core.rules import QualityLimit, QualityRules
from monitor.core.schema import Kind


class QualityKind(StrEnum):
    """What is judged of a column; the metric is ``{kind}_share``."""

    NULL = "null"
    NON_FINITE = "non_finite"
    WRONG_TYPE = "wrong_type"
    UNSEEN = "unseen"
    OUT_OF_RANGE = "out_of_range"
    SAME_VALUE = "same_value"


def given(kind: QualityKind, rules: QualityRules) -> QualityLimit:
    """What the rules say of a kind."""
    match kind:
        case QualityKind.NULL:
            return rules.max_null_share
        case QualityKind.NON_FINITE:
            return rules.max_non_finite_share
        case QualityKind.WRONG_TYPE:
            return rules.max_wrong_type_share
        case QualityKind.UNSEEN:
            return rules.max_unseen_share
        case QualityKind.OUT_OF_RANGE:
            return rules.max_out_of_range_share
        case QualityKind.SAME_VALUE:
            return rules.max_same_value_share
        case _:
            assert_never(kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One column of a window on the grid of the reference. ``alpha``: false alarms that one check of it may raise in a window."""

    name: str
    kind: Kind
    profile: Profile
    reference: Reference
    rules: QualityRules
    alpha: float

    @property
    def here(self) -> ColumnProfile:
        """The column in the window."""
        return self.profile.columns[self.name]

    @property
    def there(self) -> ColumnProfile:
        """The column in the reference."""
        return self.reference.profile.columns[self.name]

    def windows(self, kind: QualityKind) -> tuple[float, ...]:
        """The shares of the reference's windows, in the order of time; none where it does not tell them."""
        return self.reference.baseline.shares.get(self.name, {}).get(kind, ()) if self.reference.baseline else ()

    def usual(self, kind: QualityKind, share: float) -> Usual:
        """What the reference says of a share, its own being ``share``."""
        rows, windows = self.there.total, self.windows(kind)
        return Usual(share=share, rows=rows, windows=windows, window_rows=max(rows / max(len(windows), 1), 1.0))


def finding(name: str, kind: QualityKind, *, value: float, threshold: float, reason: str) -> Finding:
    """The answer of a check: an alert where ``value`` exceeds ``threshold``."""
    return Finding(
        check=Check.QUALITY,
        column=name,
        metric=f"{kind}_share",
        verdict=Verdict.ALERT if value > threshold else Verdict.OK,
        reason=reason,
        value=value,
        threshold=threshold,
    )


def of_rows(look: Look, kind: QualityKind, words: str, *, here: int, there: int) -> Finding:
    """A share of all rows against its given or learned limit; ``here`` and ``there``: the rows of window and reference."""
    value, limit = here / look.here.total, given(kind, look.rules)
    usual = look.usual(kind, there / max(look.there.total, 1))
    threshold = limit if isinstance(limit, float) else usual.limit(look.here.total, look.alpha)
    reason = f"{look.name}: {percent(value)} {words}, limit {percent(threshold)}"
    return finding(look.name, kind, value=value, threshold=threshold, reason=reason)
