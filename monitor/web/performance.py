"""What the page shows of performance, as plain data: per metric the realised and estimated values of the windows; the worst segments."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from monitor.core.decay import (
    beyond,
    evidence_words,
    labelled_share,
    precise,
    share_words,
    step_of,
    value_with_interval,
)
from monitor.core.results import ALL_ROWS, BAD, WORST_SLICE, Check, Result, Verdict, identity, latest
from monitor.core.rules import PerformanceRules

CHARTS = 12
"""Charts of a model, those of the metrics that the configuration names first."""
WORST_SEGMENTS = 5
JUDGED = (*BAD, Verdict.OK)
MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One window of one metric. ``realised`` and ``estimated``: the last revision of each that has a value; ``last`` the last of all.

    ``reference``: what the reference had.
    """

    start: datetime
    end: datetime
    realised: Result | None
    estimated: Result | None
    last: Result
    reference: float | None

    @property
    def gap(self) -> float | None:
        """Realised less estimated: by how much the estimate was too low."""
        if self.realised is None or self.estimated is None or self.realised.value is None or self.estimated.value is None:
            return None
        return self.realised.value - self.estimated.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One metric of one version over the last windows, oldest first, never empty. ``version`` is empty where there is but one."""

    metric: str
    version: str
    outcomes: tuple[Outcome, ...]

    @property
    def last(self) -> Outcome:
        """The newest window."""
        return self.outcomes[-1]

    @property
    def realised(self) -> Outcome | None:
        """The newest window with labels enough for a value."""
        return next((each for each in reversed(self.outcomes) if each.realised is not None), None)

    @property
    def verdict(self) -> Verdict:
        """Of the newest window that could be judged; where none could, of the newest."""
        judged = next((each for each in reversed(self.outcomes) if each.last.verdict in JUDGED), self.last)
        return judged.last.verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """The worst metric of one segment in the newest window that labels tell of, else that is estimated.

    ``beyond``: how many times the allowed change.
    """

    result: Result
    beyond: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Slices:
    """The worst segments, the worst first; how many others are judged; and how many say too little."""

    worst: tuple[Slice, ...]
    others: int
    unknown: int


def curves(results: Iterable[Result], rules: PerformanceRules) -> tuple[Curve, ...]:
    """Over all rows, first the metrics that the configuration names, in its order; of several versions first that of the newest window."""
    series: dict[tuple[str, str], dict[datetime, list[Result]]] = defaultdict(lambda: defaultdict(list))
    for result in results:
        if result.check is Check.PERFORMANCE and result.segment == ALL_ROWS and not result.metric.startswith(WORST_SLICE):
            series[result.metric, result.version][result.window_start].append(result)
    several = len({version for _, version in series}) > 1
    found = [
        Curve(metric=metric, version=version if several else "", outcomes=tuple(_outcome(windows[at]) for at in sorted(windows)))
        for (metric, version), windows in series.items()
    ]
    found.sort(key=lambda curve: curve.version)
    found.sort(key=lambda curve: curve.last.start, reverse=True)
    return tuple(sorted(found, key=lambda curve: (_place(curve.metric, rules), curve.metric)))


def _outcome(revisions: Sequence[Result]) -> Outcome:
    ordered = sorted(revisions, key=lambda result: result.revision)
    last = ordered[-1]
    valued = [result for result in ordered if result.value is not None]
    references = (result.reference_value for result in reversed(ordered) if result.reference_value is not None)
    return Outcome(
        start=last.window_start,
        end=last.window_end,
        realised=next((result for result in reversed(valued) if not result.estimated), None),
        estimated=next((result for result in reversed(valued) if result.estimated), None),
        last=last,
        reference=next(references, None),
    )


def _place(metric: str, rules: PerformanceRules) -> int:
    return rules.metrics.index(metric) if metric in rules.metrics else len(rules.metrics)


def slices(results: Iterable[Result]) -> Slices:
    """The segments of the results, the worst first."""
    parts: dict[tuple[str, str], list[Result]] = defaultdict(list)
    for result in latest(results).values():
        if result.check is Check.PERFORMANCE and result.segment != ALL_ROWS:
            parts[result.segment, result.version].append(result)
    known = [_worst(told) for found in parts.values() if (told := [r for r in found if r.value is not None])]
    known.sort(key=lambda each: (each.result.verdict not in BAD, -each.beyond, each.result.segment, each.result.version))
    worst = tuple(known[:WORST_SEGMENTS])
    return Slices(worst=worst, others=len(known) - len(worst), unknown=len(parts) - len(known))


def _worst(results: Sequence[Result]) -> Slice:
    told = [result for result in results if not result.estimated] or results
    newest = max(result.window_start for result in told)
    result = max((r for r in told if r.window_start == newest), key=lambda r: (r.verdict in BAD, beyond(r), r.metric))
    return Slice(result=result, beyond=beyond(result))


def slice_words(results: Iterable[Result]) -> str:
    """What the newest search for the worst slice found; empty where none did."""
    found = [r for r in latest(results).values() if r.metric.startswith(WORST_SLICE) and r.segment == ALL_ROWS and r.value is not None]
    return max(found, key=lambda result: (result.window_start, result.version)).reason if found else ""


def standing_findings(found: Sequence[Result], known: Iterable[Result]) -> tuple[Result, ...]:
    """Findings without those that a later revision, among them or among ``known``, has taken the place of."""
    newest = latest(sorted([*known, *found], key=lambda result: result.revision))
    return tuple(each for each in found if newest[identity(each)].revision == each.revision)


def realised_words(outcome: Outcome) -> str:
    """``0.79 [0.77, 0.81], 63 % of 2,000 rows labelled, estimated 0.80 before``; empty where no label tells."""
    result = outcome.realised
    if result is None:
        return ""
    share = labelled_share(result)
    labels = "" if share is None else f", {share_words(share)} of {result.rows:,} rows labelled"
    estimate = outcome.estimated
    before = "" if estimate is None or estimate.value is None else f", estimated {precise(estimate.value, step_of(result))} before"
    return f"{value_with_interval(result)}{labels}{before}"


def gap_words(outcome: Outcome) -> str:
    """``realised − estimated −0.01``; empty where one of them is not known."""
    if outcome.realised is None or outcome.gap is None:
        return ""
    text = precise(abs(outcome.gap), step_of(outcome.realised))
    sign = "±" if float(text.replace(",", "")) == 0 else "+" if outcome.gap > 0 else MINUS
    return f"realised {MINUS} estimated {sign}{text}"


def newest_words(curve: Curve) -> str:
    """What is known of a window that is newer than every realised one; empty where there is none."""
    newest = curve.last
    if newest.realised is not None:
        return ""
    if newest.estimated is not None:
        return f"{value_with_interval(newest.estimated)}, {evidence_words(newest.estimated)}"
    return f"cannot be said yet: {newest.last.reason}"


def limit_words(outcome: Outcome) -> str:
    """``reference 0.82, limit 0.79``, as far as they are known."""
    result = outcome.realised or outcome.estimated or outcome.last
    step = step_of(result)
    known = (("reference", outcome.reference), ("limit", result.threshold))
    return ", ".join(f"{name} {precise(value, step)}" for name, value in known if value is not None)


def glance(curve: Curve) -> str:
    """A curve in a few words: ``accuracy 0.79 [0.77, 0.81], realised, 63 % labelled``."""
    shown = curve.realised or curve.last
    result = shown.realised or shown.estimated
    return f"{curve.metric}: no value yet" if result is None else f"{curve.metric} {value_with_interval(result)}, {evidence_words(result)}"
