"""One window or segment that is judged again with one column changed, without judging the others again.

By the same functions as ``evaluate``: what a column tells by itself is looked at again, and then all columns are told together, for the
verdict of one may hang on the others (Benjamini and Hochberg).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from monitor.core.drift.verdict import Look, look_at, told_together
from monitor.core.drift.verdict import share_of as drift_share
from monitor.core.evaluate import Subject, judge_together, plan_of, unjudged_of
from monitor.core.finding import Finding
from monitor.core.profile import NumericProfile, Profile
from monitor.core.quality.checks import judge_column
from monitor.core.quality.checks import share_of as quality_share
from monitor.core.reference import Reference
from monitor.core.results import ALL_ROWS, Verdict, WindowKey
from monitor.core.rules import Model
from monitor.core.schema import Column
from monitor.core.segments import segment_parts, with_share

Alert = tuple[str, str, str, str, str]
"""Version, segment, check, column ("" for all of them) and metric of what alerts."""


class Shadow:
    """A window or segment whose columns can be judged; see ``shadow_of``."""

    def __init__(self, subject: Subject, profile: Profile, reference: Reference, rules: Model) -> None:
        self.profile = profile
        self.reference = reference
        self._key = subject.key
        self._rules = rules
        plan = plan_of(subject, reference, rules)
        self._plan = plan
        self._together = judge_together(plan, profile, reference, rules.drift)
        self._drift = drift_share(plan.columns, reference, plan.single(len(self._together)))
        self._quality = quality_share(plan.columns, reference, plan.quality)
        self.columns = {column.name: column for column in plan.columns if column.name in profile.columns}
        self._looks = {column.name: self._look(column, profile, reference) for column in plan.columns}
        self._alone = {column.name: _alerts(self._qualities(column, profile, reference), self._key) for column in plan.columns}
        self.quiet = self._all(self._looks, self._together)

    def alerts(self, name: str, profile: Profile, reference: Reference) -> frozenset[Alert]:
        """What alerts of the columns where ``profile`` differs from the window's in one, and ``reference`` from what it was in the same."""
        column = self.columns[name]
        looks = self._looks | {name: self._look(column, profile, reference)}
        together = self._together
        if together and isinstance(profile.columns[name], NumericProfile):
            together = judge_together(self._plan, profile, reference, self._rules.drift)
        changed = _alerts(self._qualities(column, profile, reference), self._key)
        return self._all(looks, together) - self._alone[name] | changed

    def _look(self, column: Column, profile: Profile, reference: Reference) -> Look:
        return look_at(column, profile, reference, self._rules.drift, self._drift, self._start)

    @property
    def _start(self) -> datetime:
        return self._key.start

    def _qualities(self, column: Column, profile: Profile, reference: Reference) -> Sequence[Finding]:
        return judge_column(column, profile, reference, self._rules.quality, self._quality)

    def _all(self, looks: dict[str, Look], together: Sequence[Finding]) -> frozenset[Alert]:
        drift = _alerts([*together, *told_together(looks, self._drift)], self._key)
        return drift.union(*self._alone.values())


def _alerts(findings: Sequence[Finding], key: WindowKey) -> frozenset[Alert]:
    """Those that alert as results: a value that is no number is an error."""
    bad = (found for found in findings if found.verdict is Verdict.ALERT)
    return frozenset((key.version, key.segment, *found.order) for found in bad
                     if found.result(key, rows=0, reference=None).verdict is Verdict.ALERT)


def shadow_of(subject: Subject, rules: Model) -> Shadow | None:
    """None where the columns cannot be judged."""
    if subject.key.segment != ALL_ROWS and segment_parts(subject.key.segment)[0] not in rules.segments:
        return None
    shared = with_share(rules, subject.key.segment, subject.reference, subject.versions)
    reference, profile = subject.compared_with, subject.profile
    if reference is None or profile is None or unjudged_of(subject, shared):
        return None
    return Shadow(subject, profile, reference, shared)
