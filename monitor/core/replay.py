"""What other rules would have said of the same windows: verdicts and incidents that differ."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import groupby

from monitor.core.incidents import Incident, Judged, step
from monitor.core.results import Check, Result, Verdict, WindowKey, identity, latest, only_told
from monitor.core.rules import AlertRules, Model
from monitor.core.severity import weighed


class Side(StrEnum):
    """Under which rules an incident opens."""

    BEFORE = "before"
    AFTER = "after"
    BOTH = "both"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One verdict that differs. ``before`` and ``after`` are None where the rules of that side have no such result."""

    before: Result | None
    after: Result | None

    @property
    def result(self) -> Result:
        """What it is about: the new side, where there is one."""
        found = self.after or self.before
        if found is None:
            raise ValueError("a change has at least one side")
        return found

    @property
    def verdicts(self) -> tuple[Verdict | None, Verdict | None]:
        """Before and after."""
        return (self.before.verdict if self.before else None, self.after.verdict if self.after else None)


def changes(before: Iterable[Result], after: Iterable[Result]) -> list[Change]:
    """The verdicts that differ, by window, version, segment, check, column and metric."""
    old, new = latest(before), latest(after)
    pairs = (Change(before=old.get(key), after=new.get(key)) for key in sorted({*old, *new}))
    return [change for change in pairs if change.verdicts[0] is not change.verdicts[1]]


def as_known(stored: Iterable[Result], judged: Iterable[Result], recounted: Iterable[Result], rules: Model) -> list[Result]:
    """All results under new rules, labels known from the start. ``stored``: under the old ones; ``judged``: without performance;
    ``recounted``: performance from counts. What nothing is kept of to judge it by again stands as it was, as far as it is still asked for.
    """
    again = list(recounted)
    counted = {key_of(result) for result in again}
    asked = () if rules.performance is None else rules.performance.metrics
    stands = [r for r in latest(stored).values() if r.check is Check.PERFORMANCE
              and ((only_told(r) and rules.performance is not None) or (r.metric in asked and key_of(r) not in counted))]
    by_start: dict[datetime, list[Result]] = {}
    for result in sorted([*judged, *again, *stands], key=identity):
        by_start.setdefault(result.window_start, []).append(result)
    return [result for found in by_start.values() for result in weighed(found, rules)]


def key_of(result: Result) -> WindowKey:
    """The window or segment that a result is of."""
    return WindowKey(model=result.model, version=result.version, segment=result.segment, start=result.window_start, end=result.window_end)


def incidents(results: Iterable[Result], rules: AlertRules) -> list[Incident]:
    """The incidents that fire on these results of one model, as they stand after the last one. What people did is no part of it."""
    found: dict[str, Incident] = {}
    current: Incident | None = None
    for judged in _windows(sorted(latest(results).values(), key=identity)):
        taken = step(current, judged, rules).incident
        if taken is not None:
            current = found[taken.id] = taken
    return [incident for incident in found.values() if incident.fired_at is not None]


def _windows(results: Sequence[Result]) -> Iterator[Judged]:
    for start, group in groupby(results, key=lambda result: result.window_start):
        found = tuple(group)
        yield Judged(model=found[0].model, start=start, end=found[0].window_end, results=found)


def sides(before: Iterable[Incident], after: Iterable[Incident]) -> list[tuple[Side, Incident]]:
    """Incidents by their beginning, each with the rules that it opens under."""
    old, new = {i.id: i for i in before}, {i.id: i for i in after}
    found = [(Side.BOTH if i.id in old else Side.AFTER, i) for i in new.values()]
    found += [(Side.BEFORE, i) for i in old.values() if i.id not in new]
    return sorted(found, key=lambda pair: (pair[1].since, pair[1].id))
