"""The performance check before labels have come: estimates of a window against what the reference's labels say."""

from __future__ import annotations

import math
from dataclasses import replace

from monitor.core.estimated.estimate import Estimate, unsaid
from monitor.core.finding import Finding, number
from monitor.core.labels.predicted import Predicted
from monitor.core.performance.change import change_of
from monitor.core.performance.intervals import LEVEL, Measured
from monitor.core.performance.metrics import Metric, Scale, Undefined, metric_of
from monitor.core.performance.part import PerformancePart
from monitor.core.performance.verdict import NO_PART, interval, moved
from monitor.core.profile import Profile
from monitor.core.results import Check, Verdict
from monitor.core.rules import PerformanceRules

BOUNDS = {"mcc": (-1.0, 1.0), "value": (-math.inf, math.inf), "brier": (0.0, 1.0)}
"""Of metrics whose scale does not tell them."""
NOT_BUILT = "the reference was built before driftd estimated performance: build it again"


def estimated_findings(
    predicted: Predicted, profile: Profile | None, part: PerformancePart | None, rules: PerformanceRules, alpha: float
) -> list[Finding]:
    """One finding per metric that the rules ask for, by the rule of realised ones: a change that matters, and that chance does not make.

    Chance is here how far the realised value may be from the estimate. What cannot be estimated is ``insufficient``, with the reason.
    ``part``: the reference's, with the estimator of all rows also where the window is one of a segment.
    """
    names = tuple(dict.fromkeys(rules.metrics))
    found = _estimates(predicted, profile, part, rules, names)
    return [_judge(name, found[name], len(predicted), part, rules, alpha / len(names)) for name in names]


def _estimates(
    predicted: Predicted, profile: Profile | None, part: PerformancePart | None, rules: PerformanceRules, names: tuple[str, ...]
) -> dict[str, Estimate]:
    rows, least = len(predicted), max(rules.min_labelled, 1)
    if part is None or part.estimator is None:
        return dict.fromkeys(names, unsaid(NO_PART if part is None else NOT_BUILT))
    if rows < least:
        return dict.fromkeys(names, unsaid(f"{rows:,} predictions, fewer than min_labelled {least:,}"))
    return dict(part.estimator.estimate(predicted, profile, names, rules.value))


def _judge(name: str, found: Estimate, rows: int, part: PerformancePart | None, rules: PerformanceRules, alpha: float) -> Finding:
    try:
        metric = metric_of(name, rules.value)
    except KeyError as error:
        return replace(_without(name, rows, ""), verdict=Verdict.SKIPPED, reason=str(error.args[0]))
    here = _measured(metric, found, rows)
    if here is None or part is None:
        return _without(name, rows, found.reason)
    said = f"{name} estimated without labels {interval(here)}"
    kept = Finding(
        check=Check.PERFORMANCE, column=None, metric=name, verdict=Verdict.SKIPPED, reason="", value=here.value, ci_low=here.low,
        ci_high=here.high, labelled=0, estimated=True,
    )  # fmt: skip
    try:
        change = change_of(metric, here, metric.of(part.tally), part, rules.max_drop, alpha)
    except Undefined as why:
        return replace(kept, reason=f"{said}: the reference has none: {why}")
    return replace(
        kept, verdict=Verdict.ALERT if change.alerts else Verdict.OK, threshold=change.threshold, p_value=change.p_value,
        reference_value=change.reference,
        reason=f"{said}, reference {number(change.reference)}: {moved(metric, change)}",
    )  # fmt: skip


def _measured(metric: Metric, found: Estimate, rows: int) -> Measured | None:
    """An estimate as a measured value, whose interval holds the realised one; None where nothing was said."""
    ends = found.interval(1 - LEVEL)
    if found.value is None or found.sd is None or ends is None:
        return None
    least, most = BOUNDS.get(metric.name, (0.0, 1.0 if metric.scale is Scale.ABSOLUTE and metric.name != "log_loss" else math.inf))
    return Measured(value=found.value, variance=found.sd**2, low=max(ends[0], least), high=min(ends[1], most), n=rows)


def _without(name: str, rows: int, why: str) -> Finding:
    return Finding(
        check=Check.PERFORMANCE, column=None, metric=name, verdict=Verdict.INSUFFICIENT,
        reason=f"0 of {rows:,} rows labelled: no labels yet; no estimate without them: {why}", labelled=0, estimated=False,
    )  # fmt: skip
