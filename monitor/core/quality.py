"""The quality check: the shares of rows that bear no usable value, against given limits or those the reference taught."""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy import special

from monitor.core.drift.base import ColumnProfile
from monitor.core.drift.calibration import MIN_WINDOWS, Prediction, column_shares, unseen_rows
from monitor.core.finding import Finding, number, percent
from monitor.core.profile import CategoricalProfile, Profile
from monitor.core.reference import Reference
from monitor.core.results import Check, Verdict
from monitor.core.rules import QualityRules
from monitor.core.schema import Column

FLOOR = 0.01  # share of rows under which no learned limit goes: one bad row in 200 wakes nobody
SLACK = 0.5  # of the reference's share, where its windows do not tell how much the share varies
PRIOR_SPREAD = 0.3  # standard deviation of the logarithm of a usual share over a reference's windows
LEFT = 0.5  # of the values that the worst reference window had: where fewer are left, no learned limit calls it usual
NAMED = 3  # unseen categories named in a reason
WORDS = {"null": "nulls", "non_finite": "NaN or infinity", "wrong_type": "values of a wrong type", "unseen": "unseen categories"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Usual:
    """What the reference says of one share of a column: its own share over ``rows``, and the shares of its windows."""

    share: float
    rows: int
    windows: tuple[float, ...]
    window_rows: float

    def limit(self, rows: int, alpha: float) -> float:
        """The share that a window of ``rows`` exceeds with probability ``alpha`` at most; within [FLOOR, 1]."""
        if len(self.windows) >= MIN_WINDOWS:
            most = 1 - LEFT * (1 - max(self.windows))
            learned = min(Prediction.learn(self.windows, FLOOR / 2, PRIOR_SPREAD).upper(alpha), most)
            sampling = max(1 / rows - 1 / self.window_rows, 0.0)
        else:
            learned, sampling = self.share * (1 + SLACK), 1 / rows + 1 / max(self.rows, 1)
        smoothed = (self.share * self.rows + 0.5) / (self.rows + 1)
        noise = -float(special.ndtri(alpha)) * math.sqrt(smoothed * (1 - smoothed) * sampling)
        return min(max(learned + noise, FLOOR), 1.0)


def judge_quality(columns: Sequence[Column], profile: Profile, reference: Reference, rules: QualityRules, alpha: float) -> list[Finding]:
    """One finding per column and kind of share. The profile is on the reference's grid; ``alpha``: false alarms of a window."""
    known = [column.name for column in columns if column.name in reference.profile.columns]
    findings: list[Finding] = []
    for name in known:
        findings += _column(name, profile, reference, rules, alpha / max(len(known), 1))
    return findings


def _column(name: str, profile: Profile, reference: Reference, rules: QualityRules, alpha: float) -> list[Finding]:
    here, there = profile.columns[name], reference.profile.columns[name]
    gone = _gone(name, here, there, profile.rows)
    if gone is not None:
        return [gone]
    findings = []
    for kind, share in column_shares(here, there).items():
        rows = here.n if kind == "unseen" else here.total
        given = _given(kind, rules)
        limit = _usual(name, kind, reference).limit(rows, alpha / len(WORDS)) if given is None else given
        findings.append(_share(name, kind, share, limit, _names(name, profile, reference.profile) if kind == "unseen" else ""))
    return findings


def _gone(name: str, here: ColumnProfile, there: ColumnProfile, rows: int) -> Finding | None:
    if here.null != here.total or there.n == 0 or rows == 0:
        return None
    return Finding(
        check=Check.QUALITY,
        column=name,
        metric="null_share",
        verdict=Verdict.ALERT,
        reason=f"column gone: none of {rows:,} rows has a value of {name}, the reference has {there.n:,}",
        value=1.0,
        threshold=min(max(there.null / max(there.total, 1), FLOOR), 1.0),
    )


def _share(name: str, kind: str, share: float, limit: float, names: str) -> Finding:
    high = share > limit
    return Finding(
        check=Check.QUALITY,
        column=name,
        metric=f"{kind}_share",
        verdict=Verdict.ALERT if high else Verdict.OK,
        reason=f"{name}: {percent(share)} {WORDS[kind]}, limit {percent(limit)}{names}",
        value=share,
        threshold=limit,
    )


def _given(kind: str, rules: QualityRules) -> float | None:
    return {
        "null": rules.max_null_share,
        "non_finite": rules.max_non_finite_share,
        "wrong_type": rules.max_wrong_type_share,
        "unseen": rules.max_unseen_share,
    }[kind]


def _usual(name: str, kind: str, reference: Reference) -> Usual:
    column = reference.profile.columns[name]
    share = 0.0 if kind == "unseen" else column_shares(column, column).get(kind, 0.0)
    windows = reference.baseline.shares.get(name, {}).get(kind, ()) if reference.baseline else ()
    return Usual(share=share, rows=column.total, windows=windows, window_rows=max(column.total / max(len(windows), 1), 1.0))


def unseen_names(name: str, here: Profile, there: Profile) -> tuple[str, ...]:
    """The largest categories of a column of the window that the reference lacks, at most ``NAMED``."""
    column, known = here.columns[name], there.columns[name]
    if not isinstance(column, CategoricalProfile) or not isinstance(known, CategoricalProfile):
        return ()
    counts = {text: count for text, count in here.new_categories(name).items() if text not in known.new.kept}
    gone = zip(column.grid.categories, column.counts.tolist(), known.counts.tolist(), strict=True)
    counts |= {text: count for text, count, had in gone if count and not had}
    return tuple(heapq.nsmallest(NAMED, counts, key=lambda text: (-counts[text], text)))


def _names(name: str, here: Profile, there: Profile) -> str:
    column, known = here.columns[name], there.columns[name]
    if not isinstance(column, CategoricalProfile) or not isinstance(known, CategoricalProfile) or not unseen_rows(column, known):
        return ""
    names = unseen_names(name, here, there)
    more = column.new.distinct - len(names)
    if not names:
        return f", about {number(more)} of them"
    others = f" and about {number(more)} others" if column.new.other else " and others"
    return f": {', '.join(map(repr, names))}{others if more > 0 else ''}"
