"""Whether a new version does better than the one that it was trained to replace.

Where both ran side by side, the windows that have both are compared: what the world did is in both. Where the new one took the old one's
place, its windows are compared with the last ones of the old: other days, so what windows vary by is part of the error.

It looks again with every window. A look at a share ``s`` of the planned windows is surer by ``1 / √s``, so that all looks together keep to
``ALPHA`` (see ``performance/spending``); the interval that is told is that of the look, so it leaves out 0 exactly where it says "helped".
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import reduce

from scipy import special

from monitor.core.finding import number
from monitor.core.performance.change import MOST_DEGREES, unit_of
from monitor.core.performance.intervals import Measured
from monitor.core.performance.metrics import Better, Metric, Undefined, metric_of
from monitor.core.performance.part import Between, PerformancePart
from monitor.core.performance.spending import level_at
from monitor.core.performance.tally import Tally
from monitor.core.retraining import Helped

ALPHA = 0.05
"""The chance, over all looks, that a version that is no better is said to have helped."""
LEAST_WINDOWS = 3
"""Of each side: with fewer, one odd window would be the verdict."""
PLANNED = timedelta(days=14)
"""Two weeks: every weekday twice. After so many windows it is said what can be said."""
LEAST_PLANNED = 7
"""Windows, where two weeks hold fewer."""
WITHIN = timedelta(days=30)
"""From the new version's first window on, or as long as ``LONGEST`` times the planned windows; labels are waited for besides."""
LONGEST = 2


class Basis(StrEnum):
    """What the new version's windows were compared with."""

    SIDE_BY_SIDE = "side by side with it"
    AFTER_THE_REQUEST = "against its windows after the request, which are other days"
    OF_THE_REQUEST = "against the windows that made the request, which are other days and were chosen for being bad"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What one window tells of one version: the counts of its labelled rows, or an ``estimate`` where there are none."""

    start: datetime
    tally: Tally | None = None
    estimate: Measured | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked. ``asked_at``: the request's; the old version's windows before it made the request. ``planned``: windows.

    ``part``: what the old version was judged by. ``max_drop``: as in ``PerformanceRules``. ``labels``: whether labels come.
    ``last``: nothing more is waited for, after ``within``.
    """

    old: str
    new: str
    metric: Metric
    asked_at: datetime
    min_labelled: int
    planned: int
    max_drop: float = 0.0
    part: PerformancePart | None = None
    labels: bool = True
    last: bool = False
    within: timedelta = WITHIN


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """``helped`` is None while it cannot be told; ``final``: it will not be looked at again.

    ``missing``: labelled rows that are still needed of the side that has fewer. ``difference``: new minus old, in the metric's own unit,
    with the interval of this look. ``sentence``: for people.
    """

    helped: Helped | None = None
    final: bool = False
    sentence: str = ""
    missing: int = 0
    windows: int = 0
    basis: Basis | None = None
    estimated: bool = False
    difference: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Side:
    """One version over its windows: ``value`` of all rows together; ``values`` and ``sampling`` (variances) of each window."""

    value: float
    variance: float
    usable: int
    windows: int
    values: tuple[float, ...] = ()
    sampling: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Match:
    """The windows that are compared."""

    basis: Basis
    old: Sequence[Told]
    new: Sequence[Told]


def planned_windows(window: timedelta) -> int:
    """How many windows of the new version are looked at before it is said what can be said."""
    return max(math.ceil(PLANNED / window), LEAST_PLANNED)


def waits_for(window: timedelta) -> timedelta:
    """How long a verdict is waited for, from the new version's first window on."""
    return max(WITHIN, LONGEST * planned_windows(window) * window)


def leading_metric(names: Iterable[str], value: Mapping[str, float] | None = None) -> Metric | None:
    """The first of a model's metrics that has a better side; None where none has."""
    for name in names:
        try:
            metric = metric_of(name, value)
        except KeyError:
            continue
        if metric.better is not Better.NEITHER:
            return metric
    return None


def answer(old: Iterable[Told], new: Iterable[Told], question: Question) -> Answer:
    """What the windows of both versions tell so far, each ordered by start. Pure: the same windows give the same answer."""
    before, after = list(old), list(new)
    labelled = [_usable(told) for told in before], [_usable(told) for told in after]
    if sum(labelled[0]) and sum(labelled[1]):
        realised = _matched([t for t, n in zip(before, labelled[0], strict=True) if n],
                            [t for t, n in zip(after, labelled[1], strict=True) if n], question)
        return _answered(realised, question, estimated=False)
    if question.labels and not question.last:
        return _not_yet(question, "labels of both versions are waited for", missing=question.min_labelled)
    estimates = _matched([t for t in before if t.estimate], [t for t in after if t.estimate], question)
    return _answered(estimates, question, estimated=True)


# --- which windows -------------------------------------------------------------------------------------------


def _matched(old: Sequence[Told], new: Sequence[Told], question: Question) -> _Match:
    """Those that both have, if they tell enough; else the new version's against the old one's before it."""
    starts = {told.start for told in old} & {told.start for told in new}
    both = [told for told in old if told.start in starts], [told for told in new if told.start in starts]
    if len(starts) >= LEAST_WINDOWS and all(_is_enough(side, question) for side in both):
        return _Match(basis=Basis.SIDE_BY_SIDE, old=both[0], new=both[1])
    first = min((told.start for told in new), default=None)
    alone = [told for told in old if first is not None and told.start < first]
    if not alone:
        return _Match(basis=Basis.SIDE_BY_SIDE, old=both[0], new=both[1])
    fair = [told for told in alone if told.start >= question.asked_at]
    if len(fair) >= LEAST_WINDOWS and _is_enough(fair, question):
        return _Match(basis=Basis.AFTER_THE_REQUEST, old=fair, new=new)
    return _Match(basis=Basis.OF_THE_REQUEST, old=alone, new=new)


def _is_enough(side: Sequence[Told], question: Question) -> bool:
    tallies = [told.tally for told in side if told.tally is not None]
    return sum(tally.usable for tally in tallies) >= question.min_labelled if tallies else True


def _usable(told: Told) -> int:
    return 0 if told.tally is None or told.tally.fault else told.tally.usable


# --- what they say -------------------------------------------------------------------------------------------


def _answered(match: _Match, question: Question, *, estimated: bool) -> Answer:
    few = _too_few(match, question, estimated=estimated)
    if few is not None:
        return few
    try:
        old, new = (_side(windows, question.metric, estimated=estimated) for windows in (match.old, match.new))
    except Undefined as why:
        return _not_yet(question, f"{question.metric.name} is not defined yet: {why}")
    share = min(new.windows / question.planned, 1.0)
    over = question.last or share >= 1
    deviation, degrees = _deviation(match.basis, old, new, question)
    reach = -float(special.stdtrit(degrees, level_at(ALPHA, share, last=over))) * deviation
    difference = new.value - old.value
    found = Answer(windows=new.windows, basis=match.basis, estimated=estimated, difference=difference, low=difference - reach,
                   high=difference + reach)
    said = _said(question, found)
    gain = difference if question.metric.better is Better.HIGHER else -difference
    if gain + reach < 0:
        return replace(found, helped=Helped.DID_NOT, final=True, sentence=f"retraining did not help, it is worse: {said}")
    # windows that were chosen for being bad are no fair measure: there the new one must be back at the reference in the end, too
    short = _short_of_reference(new, question) if match.basis is Basis.OF_THE_REQUEST else ""
    said = f"{said}; {short}" if short else said
    if gain - reach > 0 and not short and (over or match.basis is not Basis.OF_THE_REQUEST):
        return replace(found, helped=Helped.HELPED, final=True, sentence=f"retraining helped: {said}")
    if over:
        return replace(found, helped=Helped.DID_NOT, final=True, sentence=f"retraining did not help: {said}")
    return replace(found, sentence=f"not yet to be told after {new.windows} of {question.planned} windows: {said}")


def _short_of_reference(new: _Side, question: Question) -> str:
    """How the new version still falls short of the reference, by more than ``max_drop``; empty where it does not."""
    if question.part is None:
        return "and there is no reference to hold it against"
    try:
        reference = question.metric.of(question.part.tally)
    except Undefined as why:
        return f"and the reference has none: {why}"
    worse = reference.value - new.value if question.metric.better is Better.HIGHER else new.value - reference.value
    if worse <= question.max_drop * unit_of(question.metric, reference, question.part):
        return ""
    return f"its {number(new.value)} is still short of the reference's {number(reference.value)}, by more than max_drop"


def _too_few(match: _Match, question: Question, *, estimated: bool) -> Answer | None:
    """What is still missing before anything can be said."""
    for version, side in ((question.new, match.new), (question.old, match.old)):
        usable = sum(_usable(told) for told in side)
        missing = 0 if estimated else max(question.min_labelled - usable, 0)
        kind = "estimated" if estimated else "labelled"
        if len(side) < LEAST_WINDOWS or missing:
            has = f"version {version} has {len(side)} {kind} {_windows(len(side))} to compare"
            rows = "" if estimated else f" with {usable:,} usable labels"
            needed = f"{LEAST_WINDOWS} needed" if estimated else f"{LEAST_WINDOWS} with {question.min_labelled:,} needed"
            return _not_yet(question, f"{has}{rows}, {needed}", missing=missing)
    return None


def _not_yet(question: Question, why: str, missing: int = 0) -> Answer:
    if question.last:
        return Answer(final=True, sentence=f"whether retraining helped could not be told within {question.within.days}d: {why}",
                      missing=missing)
    return Answer(sentence=f"not yet to be told: {why}", missing=missing)


def _said(question: Question, found: Answer) -> str:
    """``roc_auc +0.021 [0.012, 0.03] over 6 windows, realised; version 2 instead of 1, side by side with it``."""
    interval = f"{found.difference:+.3g} [{number(found.low)}, {number(found.high)}]"
    how = "estimated without labels" if found.estimated else "realised"
    what = f"{question.metric.name} {interval} over {found.windows} {_windows(found.windows)}, {how}"
    return f"{what}; version {question.new} instead of {question.old}, {found.basis}"


def _windows(count: int) -> str:
    return "window" if count == 1 else "windows"


# --- numbers -------------------------------------------------------------------------------------------------


def _side(windows: Sequence[Told], metric: Metric, *, estimated: bool) -> _Side:
    """All rows of a version together. Raises Undefined where they have no such metric."""
    if estimated:
        found = [told.estimate for told in windows if told.estimate is not None]
        values, variances = tuple(each.value for each in found), tuple(each.variance for each in found)
        # what an estimate errs by is alike in all windows, so it does not shrink with their number
        return _Side(value=math.fsum(values) / len(values), variance=math.fsum(variances) / len(variances), usable=0,
                     windows=len(found), values=values, sampling=variances)
    tallies = [told.tally for told in windows if told.tally is not None]
    whole = metric.of(reduce(Tally.merge, tallies))
    each_of = [each for each in (_measured(metric, tally) for tally in tallies) if each is not None]
    return _Side(value=whole.value, variance=whole.variance, usable=sum(tally.usable for tally in tallies), windows=len(tallies),
                 values=tuple(each.value for each in each_of), sampling=tuple(each.variance for each in each_of))


def _measured(metric: Metric, tally: Tally) -> Measured | None:
    try:
        return metric.of(tally)
    except Undefined:
        return None


def _deviation(basis: Basis, old: _Side, new: _Side, question: Question) -> tuple[float, float]:
    """Standard error of the difference, and its degrees of freedom.

    Two samples err each on its own; that of one set of rows, scored by both, would err less. Of other days, what windows vary by beyond
    sampling is learned from both sides' windows and from the reference's, and the fewer these are the less sure it is.
    """
    sampling = old.variance + new.variance
    if basis is Basis.SIDE_BY_SIDE:
        return math.sqrt(sampling), MOST_DEGREES
    spread = 1 / old.windows + 1 / new.windows
    between = _between(old, new, question)
    whole, variance = between.whole * spread, sampling + between.variance * spread
    ratio = min(max(variance / whole, 1.0), MOST_DEGREES) if whole else MOST_DEGREES
    return math.sqrt(variance), min(ratio**2 * between.degrees, MOST_DEGREES)


def _between(old: _Side, new: _Side, question: Question) -> Between:
    """How the metric varies from window to window: of both sides around their own means, and of the reference, weighted by degrees."""
    degrees = max(len(old.values) + len(new.values) - 2, 0)
    squares = math.fsum(_squares(old.values)) + math.fsum(_squares(new.values))
    sampling = (*old.sampling, *new.sampling)
    own = math.fsum(sampling) / len(sampling) if sampling else 0.0
    known = question.part.windows.between(question.metric.name) if question.part is not None else Between()
    if math.isinf(known.degrees):
        whole = squares / degrees if degrees else 0.0
        return Between(variance=max(whole - own, 0.0), whole=whole, degrees=max(degrees, 1))
    total = degrees + known.degrees
    whole = (squares + known.whole * known.degrees) / total
    beyond = (squares - own * degrees + known.variance * known.degrees) / total
    return Between(variance=max(beyond, 0.0), whole=whole, degrees=total)


def _squares(values: Sequence[float]) -> list[float]:
    mean = math.fsum(values) / len(values) if values else 0.0
    return [(value - mean) ** 2 for value in values]
