"""How well a model did in one window: by estimate when it closes, by its labels as they come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import numpy as np

from monitor.core.drift.calibration import alpha_per_window, budget_shares
from monitor.core.estimated.findings import estimated_findings
from monitor.core.finding import Finding, number, percent
from monitor.core.labels.labels import Joined
from monitor.core.labels.maturity import Arrivals, expected
from monitor.core.labels.predicted import Predicted
from monitor.core.performance.classes import classes_of
from monitor.core.performance.metrics import Undefined, metric_of
from monitor.core.performance.odd import has_value
from monitor.core.performance.part import PerformancePart
from monitor.core.performance.slices import judge_worst
from monitor.core.performance.spending import BEFORE_LABELS, level_at
from monitor.core.performance.tally import Tally, tally_and_rows, tally_of
from monitor.core.performance.verdict import judge_performance, judge_tally, measured
from monitor.core.profile import Profile
from monitor.core.reference import Reference
from monitor.core.results import ALL_ROWS, Check, Result, Verdict, WindowKey
from monitor.core.rules import Model
from monitor.core.segments import segment_parts, with_share


def first_look(
    predicted: Predicted | None, profile: Profile | None, reference: Reference | None, rules: Model, alpha: float
) -> list[Finding]:
    """What can be said before labels are looked at: an estimate, or that none have come. Nothing where performance is not watched."""
    if predicted is None or rules.performance is None:
        return []
    part = None if reference is None else reference.performance
    share = alpha * budget_shares(rules)[Check.PERFORMANCE] * (BEFORE_LABELS if rules.awaits_labels else 1.0)
    found = estimated_findings(predicted, profile, part, rules.performance, share)
    return found if rules.awaits_labels else [replace(finding, labelled=None) for finding in found]


def realised(
    key: WindowKey, joined: Joined, reference: Reference | None, rules: Model, *, versions: int,
    learned: Sequence[Arrivals], age: timedelta | None,
) -> tuple[Result, ...]:  # fmt: skip
    """What the labels say of a window or segment. ``age``: how long ago it ended, in event time; ``learned``: from earlier windows.

    ``versions``: how many share the false alarms. The rows of a result are those that were kept, a sample where one is asked for.
    """
    if rules.performance is None or (key.segment != ALL_ROWS and segment_parts(key.segment)[0] not in rules.segments):
        return ()
    shared = with_share(rules, key.segment, reference, versions)
    share = int(np.count_nonzero(has_value(joined.labels))) / max(len(joined), 1)
    level = _level(shared, share, last=age is not None and age >= rules.label_delay)
    findings = judge_performance(joined, _part(reference, key.segment), shared, level)
    told = findings if key.segment != ALL_ROWS else _of_all_rows(findings, joined, reference, rules, age, learned)
    digest = None if reference is None else reference.hash
    ordered = sorted(told, key=lambda finding: finding.order)
    return tuple(finding.result(key, rows=len(joined), reference=digest) for finding in ordered)


def recounted(key: WindowKey, tally: Tally, reference: Reference | None, rules: Model, *, versions: int,
              last: bool) -> tuple[Result, ...]:
    """What the counts that are kept of a window or segment come to under these rules: all that ``realised`` says but for the worst slice
    and how it will end. ``last``: no more labels are waited for."""
    if rules.performance is None or (key.segment != ALL_ROWS and segment_parts(key.segment)[0] not in rules.segments):
        return ()
    shared = with_share(rules, key.segment, reference, versions)
    level = _level(shared, tally.labelled / max(tally.rows, 1), last=last)
    findings = sorted(judge_tally(tally, _part(reference, key.segment), shared, level), key=lambda finding: finding.order)
    digest = None if reference is None else reference.hash
    return tuple(finding.result(key, rows=tally.rows, reference=digest) for finding in findings)


def _level(shared: Model, share: float, *, last: bool) -> float:
    """The chance of a false alarm that a look may have: the smaller the ``share`` of rows with a label, the surer it must be."""
    alpha = alpha_per_window(shared.drift.budget, shared.window) * budget_shares(shared)[Check.PERFORMANCE]
    return level_at(alpha * (1 - BEFORE_LABELS), share, last=last)


def _of_all_rows(
    findings: Sequence[Finding], joined: Joined, reference: Reference | None, rules: Model, age: timedelta | None,
    learned: Sequence[Arrivals],
) -> list[Finding]:  # fmt: skip
    """What is said besides of all rows together: how each metric will end, and which slice is the worst."""
    part = None if reference is None else reference.performance
    worst = judge_worst(joined, rules, part.classes if part else ())
    return [*(_with_end(finding, rules, age, learned) for finding in findings), *([] if worst is None else [worst])]


def unreadable(key: WindowKey, rules: Model, why: str, *, counted: int) -> tuple[Result, ...]:
    """What is said of a window whose predictions or labels cannot be read."""
    metrics = rules.performance.metrics if rules.performance else ()
    found = [Finding(check=Check.PERFORMANCE, column=None, metric=name, verdict=Verdict.ERROR, reason=f"could not be judged: {why}",
                     estimated=False) for name in sorted(metrics)]
    return tuple(finding.result(key, rows=counted, reference=None) for finding in found)


def _with_end(finding: Finding, rules: Model, age: timedelta | None, learned: Sequence[Arrivals]) -> Finding:
    """Says besides what the metric is expected to be once all labels are in."""
    if age is None or finding.value is None or finding.check is not Check.PERFORMANCE:
        return finding
    if age >= rules.label_delay:
        return finding
    end = expected(finding.metric, finding.value, age, rules.label_delay, learned)
    if end is None:
        return replace(finding, reason=f"{finding.reason}; labels still come, and early ones may be of another sort")
    said = f"expected final {number(end.value)} [{number(end.low)}, {number(end.high)}] with {percent(end.share)} labelled"
    return replace(finding, reason=f"{finding.reason}; {said}")


def values_of(joined: Joined, rules: Model, reference: Reference | None) -> Mapping[str, float]:
    """The metrics that are asked for of these rows, as far as they are defined."""
    if rules.performance is None:
        return {}
    classes = () if reference is None or reference.performance is None else reference.performance.classes
    tally, rows = tally_and_rows(joined, rules.task, classes_of(joined, rules.task, rules.performance, classes))
    found = {}
    for name in rules.performance.metrics:
        with suppress(Undefined, KeyError):
            found[name] = measured(metric_of(name, rules.performance.value), tally, rows).value
    return found


def counted(joined: Joined, rules: Model, reference: Reference | None) -> Tally | None:
    """The counts of a window's or segment's rows, which can be merged with others."""
    if rules.performance is None:
        return None
    classes = () if reference is None or reference.performance is None else reference.performance.classes
    return tally_of(joined, rules.task, rules.performance, classes)


def _part(reference: Reference | None, segment: str) -> PerformancePart | None:
    if reference is None or segment == ALL_ROWS:
        return None if reference is None else reference.performance
    own = reference.of_segment(*segment_parts(segment))
    return None if own is None else own.performance
