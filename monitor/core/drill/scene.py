"""All versions and segments of one window, into which faults are injected."""

from __future__ import annotations

from collections.abc import Sequence

from monitor.core.drill.base import Fault
from monitor.core.drill.inject import also_in, injected
from monitor.core.drill.outcome import Seen
from monitor.core.drill.shadow import Alert, shadow_of
from monitor.core.drill.volume import with_rows
from monitor.core.evaluate import Subject, evaluate
from monitor.core.results import ALL_ROWS, DECIDED, Check, Result, Verdict
from monitor.core.rules import Model


class Scene:
    """One window. ``results``: what is said of it without any fault."""

    def __init__(self, subjects: Sequence[Subject], rules: Model) -> None:
        self._subjects = subjects
        self._rules = rules
        self._shadows = [shadow for subject in subjects if (shadow := shadow_of(subject, rules)) is not None]
        self.results = [result for subject in subjects for result in evaluate(subject, rules)]
        self._quiet = alerts_of(self.results)
        self.columns = sorted({name for shadow in self._shadows for name in shadow.columns})

    def with_fault(self, name: str, fault: Fault, size: float) -> Seen | None:
        """Whether a fault of a column is seen: anything alerts, of whatever column, that does not without it.

        None where the column can have no such fault. Of a segment column its own segments stay as they are: its rows would be in others.
        """
        hit = False
        for shadow in self._shadows:
            if name not in shadow.columns:
                continue
            profile = injected(shadow.profile, shadow.reference.profile, name, fault, size)
            if profile is None:
                continue
            hit = True
            if shadow.alerts(name, profile, also_in(shadow.reference, name, fault, size)) - shadow.quiet:
                return Seen.LEFT_OUT if self._noisy(name) else Seen.CAUGHT
        if not hit:
            return None if self._can(name) else Seen.UNTOLD
        return Seen.LEFT_OUT if self._noisy(name) else Seen.MISSED

    def with_rows(self, factor: float) -> Seen:
        """Whether it is seen that so many times as many rows come; segments are not asked, which have no volume of their own."""
        if any(check == Check.VOLUME for _, _, check, _, _ in self._quiet):
            return Seen.LEFT_OUT
        whole = (subject for subject in self._subjects if subject.key.segment == ALL_ROWS)
        found = [result for subject in whole for result in evaluate(with_rows(subject, factor), self._rules)]
        if not any(r.check is Check.VOLUME and r.metric == "rows" and r.verdict in DECIDED for r in found):
            return Seen.UNTOLD
        return Seen.CAUGHT if alerts_of(found) - self._quiet else Seen.MISSED

    def _can(self, name: str) -> bool:
        """Whether a column is judged here at all."""
        return any(name in shadow.columns for shadow in self._shadows)

    def _noisy(self, name: str) -> bool:
        return any(column == name for _, _, _, column, _ in self._quiet)


def alerts_of(results: Sequence[Result]) -> frozenset[Alert]:
    """What alerts of a window."""
    return frozenset((r.version, r.segment, str(r.check), r.column or "", r.metric) for r in results if r.verdict is Verdict.ALERT)
