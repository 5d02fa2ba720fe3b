"""The performance check: labelled rows of a window against those of the reference.

An alert needs both: a change that matters (``max_drop``) and one that chance does not make. Chance is the sampling of the window, that of
the reference, and what the reference's own windows vary beyond sampling; a change is a one-sided test of their difference.
"""

from __future__ import annotations

from dataclasses import dataclass

from monitor.core.finding import BROKEN, Finding, number, percent
from monitor.core.labels.labels import Joined
from monitor.core.performance.calibration_shift import judge_calibration
from monitor.core.performance.change import Change, change_of
from monitor.core.performance.classes import classes_of
from monitor.core.performance.intervals import Measured
from monitor.core.performance.label_shift import LabelShift
from monitor.core.performance.metrics import Metric, Scale, Undefined, metric_of
from monitor.core.performance.metrics.calibration_error import CALIBRATION_ERROR
from monitor.core.performance.odd import tell_odds
from monitor.core.performance.part import PerformancePart
from monitor.core.performance.tally import Rows, Tally, tally_and_rows
from monitor.core.results import Check, Verdict
from monitor.core.rules import Model, PerformanceRules, StreamKind, Task
from monitor.core.schema import Role

NO_PART = "the reference says nothing of performance: build it from data with prediction, score and label"
CALIBRATION = CALIBRATION_ERROR.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A window's labelled rows and what they are compared with. ``rows``: None where only counts are at hand; ``without``: why there
    is no part, where there is none."""

    tally: Tally
    part: PerformancePart | None
    rules: PerformanceRules
    rows: Rows | None = None
    without: str = ""

    @property
    def told(self) -> str:
        """How many rows have labels, and what of them could not be used: the end of every reason."""
        odds = tell_odds(self.tally.odds)
        return f"{labelled(self.tally)}{'; left out: ' if odds else ''}{odds}"


def judge_performance(joined: Joined, part: PerformancePart | None, model: Model, alpha: float) -> list[Finding]:
    """One finding per metric, of calibration (binary models with scores) and of the labels' own drift; none where the rules ask nothing.

    ``part``: the reference's. ``alpha``: the chance of a false alarm that the window may have in this check.
    """
    if model.performance is None:
        return []
    classes = classes_of(joined, model.task, model.performance, part.classes if part else ())
    tally, rows = tally_and_rows(joined, model.task, classes)
    return judge_tally(tally, part, model, alpha, rows)


def judge_tally(tally: Tally, part: PerformancePart | None, model: Model, alpha: float, rows: Rows | None = None) -> list[Finding]:
    """The same from counts; with ``rows`` the values of metrics that counts know only nearly are exact."""
    rules = model.performance
    if rules is None:
        return []
    why = _no_part(tally, part)
    judged = Judged(tally=tally, part=None if why else part, rules=rules, rows=rows, without=why)
    names = tuple(dict.fromkeys((*rules.metrics, *([CALIBRATION] if model.task is Task.BINARY else []))))
    share = alpha / (len(names) + 1)
    found = [_judge(name, judged, share) for name in names]
    labels = _judge_labels(judged, model, share)
    return [finding for finding in (*found, labels) if finding is not None]


def _no_part(tally: Tally, part: PerformancePart | None) -> str:
    """Why the reference's part says nothing of this window; empty where it does."""
    if part is None:
        return NO_PART
    if part.tally.task is not tally.task:
        return f"the reference is that of a {part.tally.task} model"
    return f"of the reference {part.tally.fault}" if part.tally.fault else ""


def labelled(tally: Tally) -> str:
    """``63 % of 2,000 rows labelled``."""
    if not tally.labelled:
        return f"0 of {tally.rows:,} rows labelled: no labels yet"
    share = "all" if tally.labelled == tally.rows else f"{percent(tally.labelled / tally.rows)} of"
    return f"{share} {tally.rows:,} rows labelled"


# --- one metric ----------------------------------------------------------------------------------------------


def _judge(name: str, judged: Judged, alpha: float) -> Finding | None:
    try:
        return _judge_one(name, metric_of(name, judged.rules.value), judged, alpha)
    except KeyError as error:
        return _finding(name, judged, Verdict.SKIPPED, str(error.args[0]))
    except BROKEN as error:
        return _finding(name, judged, Verdict.ERROR, f"{name} failed: {error}")


def _judge_one(name: str, metric: Metric, judged: Judged, alpha: float) -> Finding | None:
    """None of calibration where nobody asked for it and nothing can be said."""
    asked, few = name in judged.rules.metrics, _too_few(judged)
    if few is not None:
        return _finding(name, judged, *few) if asked else None
    try:
        here = measured(metric, judged.tally, judged.rows)
    except Undefined as why:
        return _finding(name, judged, Verdict.INSUFFICIENT, f"{name} is not defined here: {why}; {judged.told}") if asked else None
    try:
        if judged.part is None:
            return _alone(name, judged, here, judged.without) if asked else None
        if metric is CALIBRATION_ERROR:
            return _calibration(judged, here, judged.part, alpha)
        there = metric.of(judged.part.tally)
    except Undefined as why:
        return _alone(name, judged, here, f"the reference has none: {why}") if asked else None
    return _against(metric, judged, here, change_of(metric, here, there, judged.part, judged.rules.max_drop, alpha))


def measured(metric: Metric, tally: Tally, rows: Rows | None) -> Measured:
    """From counts, moved to the exact value where there are rows. Raises Undefined."""
    found = metric.of(tally)
    exact = None if rows is None else metric.exact(rows)
    if exact is None:
        return found
    moved = exact - found.value
    low, high = min(found.low + moved, exact), max(found.high + moved, exact)
    return Measured(value=exact, variance=found.variance, low=low, high=high, n=found.n)


def _too_few(judged: Judged) -> tuple[Verdict, str] | None:
    """Why nothing can be said of these labels; None where something can."""
    tally, least = judged.tally, max(judged.rules.min_labelled, 1)
    if tally.fault:
        return Verdict.SKIPPED, tally.fault
    if tally.usable >= least:
        return None
    if not tally.labelled:
        return Verdict.INSUFFICIENT, labelled(tally)
    usable = f"{tally.usable:,} of {tally.rows:,} rows have a usable label, fewer than min_labelled {least:,}"
    odds = tell_odds(tally.odds)
    return Verdict.INSUFFICIENT, f"{usable}{'; left out: ' if odds else ''}{odds}"


def _against(metric: Metric, judged: Judged, here: Measured, change: Change) -> Finding:
    said = f"{metric.name} {interval(here)}, reference {number(change.reference)}: {moved(metric, change)}"
    return Finding(
        check=Check.PERFORMANCE, column=None, metric=metric.name, verdict=Verdict.ALERT if change.alerts else Verdict.OK,
        reason=f"{said}; {judged.told}", value=here.value, threshold=change.threshold, p_value=change.p_value,
        ci_low=here.low, ci_high=here.high, labelled=judged.tally.labelled, estimated=False,
    )  # fmt: skip


def moved(metric: Metric, change: Change) -> str:
    """``0.09 lower, max_drop 0.03``: the change in the scale of ``max_drop``, and why it is none where it is none."""
    which = "higher" if change.difference > 0 else "lower"
    relative = metric.scale is not Scale.ABSOLUTE and change.unit > 0
    of = " of the reference's mean absolute error" if metric.scale is Scale.OF_ERROR else ""
    size = abs(change.difference) / change.unit if relative else abs(change.difference)
    told = f"{percent(size)}{of} {which}" if relative else f"{number(size)} {which}"
    most = percent(change.max_drop) if relative else number(change.max_drop)
    if not change.difference:
        return "no change"
    if change.worse <= 0:
        return f"{told}, which is better"
    if change.alerts or change.worse <= change.allowed:
        return f"{told}, {'' if change.alerts else 'within '}max_drop {most}"
    return f"{told}, more than max_drop {most}, but chance may make as much (p {number(change.p_value)})"


def interval(found: Measured) -> str:
    """``0.71 [0.69, 0.73]``."""
    return f"{number(found.value)} [{number(found.low)}, {number(found.high)}]"


def _alone(name: str, judged: Judged, here: Measured, why: str) -> Finding:
    return Finding(
        check=Check.PERFORMANCE, column=None, metric=name, verdict=Verdict.SKIPPED, reason=f"{name} {interval(here)}: {why}; {judged.told}",
        value=here.value, ci_low=here.low, ci_high=here.high, labelled=judged.tally.labelled, estimated=False,
    )  # fmt: skip


def _finding(name: str, judged: Judged, verdict: Verdict, reason: str) -> Finding:
    return Finding(check=Check.PERFORMANCE, column=None, metric=name, verdict=verdict, reason=reason, labelled=judged.tally.labelled,
                   estimated=False)


# --- calibration and labels ----------------------------------------------------------------------------------


def _calibration(judged: Judged, here: Measured, part: PerformancePart, alpha: float) -> Finding:
    """Where it was not asked for it warns: what changed is what a score means, not who is told apart."""
    found = judge_calibration(judged.tally, part, here, judged.rules.max_drop, alpha)
    bad = Verdict.ALERT if CALIBRATION in judged.rules.metrics else Verdict.WARN
    said = f"{CALIBRATION} {interval(here)}, {number(found.expected)} expected of the reference's calibration and so few rows"
    why = f"{number(abs(found.worse))} {'more' if found.worse > 0 else 'less'}, max_drop {number(judged.rules.max_drop)}"
    return Finding(
        check=Check.PERFORMANCE, column=None, metric=CALIBRATION, verdict=bad if found.alerts else Verdict.OK,
        reason=f"{said}: {why}; {judged.told}", value=here.value, threshold=found.threshold, p_value=found.p_value,
        ci_low=here.low, ci_high=here.high, labelled=judged.tally.labelled, estimated=False,
    )  # fmt: skip


def _judge_labels(judged: Judged, model: Model, alpha: float) -> Finding | None:
    """Whether the labels come in other shares; None where too few have come, or the reference has none."""
    name, part = label_name(model), judged.part
    if not name or part is None or _too_few(judged) is not None or not part.tally.usable:
        return None
    try:
        return _shifted(name, judged, LabelShift(judged.tally, part.tally, part.windows.labels, part.windows.rows), model, alpha)
    except BROKEN as error:
        return Finding(check=Check.DRIFT, column=name, metric="drift", verdict=Verdict.ERROR, reason=f"drift of {name} failed: {error}")


def _shifted(name: str, judged: Judged, shift: LabelShift, model: Model, alpha: float) -> Finding:
    threshold, p_value, source = shift.judge(model.drift.min_effect, alpha)
    high = shift.value > threshold
    said = f"{shift.metric} {number(shift.value)}, limit {number(threshold)} {source}{shift.told}"
    return Finding(
        check=Check.DRIFT, column=name, metric=shift.metric, verdict=Verdict.ALERT if high else Verdict.OK,
        reason=f"{name} {'differs more than usual' if high else 'is as usual'}: {said}; {judged.told}",
        value=shift.value, threshold=threshold, p_value=p_value, labelled=judged.tally.labelled,
    )  # fmt: skip


def label_name(model: Model) -> str:
    """The label's column, as the labels stream maps it; empty where none does."""
    columns = [column for stream in model.streams if stream.kind is StreamKind.LABELS for column in stream.columns]
    return next((column.name for column in columns if column.role is Role.LABEL), "")


