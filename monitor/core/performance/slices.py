"""Metrics by slice of a window, and the slice where the model does worst.

Of many slices the worst one looks worse than it is: it was chosen for its bad luck too (the winner's curse). Two things guard against it.
The interval of each slice's gap is simultaneous (Bonferroni over all that were looked at), and the worst slice is the one that is surely
worst: the largest lower end of a gap, not the largest gap. And the gap that is told is shrunk towards that of all slices by as much as
their spread is chance (empirical Bayes: Efron and Morris, 1975, J. Am. Stat. Assoc. 70).

A window is searched at each of its revisions, so a search is bounded: of many labelled rows a sample is looked at, and of many slices
those with the most rows of it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy import special

from monitor.core.finding import BROKEN, Finding, number
from monitor.core.labels.labels import Joined
from monitor.core.performance.classes import Classes, classes_of
from monitor.core.performance.intervals import LEVEL, Measured
from monitor.core.performance.metrics import Better, Metric, Undefined, metric_of
from monitor.core.performance.odd import has_value
from monitor.core.performance.tally import tally_and_rows
from monitor.core.performance.verdict import interval, measured
from monitor.core.results import WORST_SLICE, Check, Verdict
from monitor.core.rules import Model, PerformanceRules
from monitor.core.schema import Floats, Ints

MOST_SLICES = 500  # looked at, those with the most labelled rows
MOST_ROWS = 30_000  # labelled rows looked at; rows are ordered by the hash of their id, so the first ones are a fair sample
MOST_COUNTED = 1_500_000  # rows counted in one search, each slice with all others: half a second to a second of one core
TOGETHER = " & "  # between the segments of a pair

Place = tuple[tuple[str, str], ...]
"""Segment columns with their values: one of them, or two."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """Rows of one segment, or of two at once. ``rest``: the metric of all other rows. ``gap``: how much worse the slice is, with its
    simultaneous interval; ``shrunk``: what remains of it without the luck of being chosen."""

    place: Place
    here: Measured
    rest: Measured
    gap: float
    gap_low: float
    gap_high: float
    shrunk: float

    @property
    def name(self) -> str:
        """``origin=JFK & carrier=AA``."""
        return TOGETHER.join(f"{column}={value}" for column, value in self.place)


def slices_of(joined: Joined, model: Model, metric: Metric, known: Sequence[str] = ()) -> tuple[Slice, ...]:
    """Every slice with ``min_labelled`` usable rows in it and outside it for which the metric is defined, the surely worst first.

    ``known``: the classes of the reference. Empty for a metric of which nobody says which way is worse.
    """
    rules = model.performance
    if rules is None or metric.better is Better.NEITHER:
        return ()
    classes = classes_of(joined, model.task, rules, known)
    joined = _sampled(joined)
    found = [one for place, at in _places(joined, rules.min_labelled) if (one := _pair(joined, model, metric, classes, at, place))]
    ordered = sorted(_judged(found, metric), key=lambda one: (-one.gap_low, one.name))
    return tuple(ordered)


def judge_worst(joined: Joined, model: Model, known: Sequence[str] = ()) -> Finding | None:
    """The worst slice by the metric that stands for the model: the first one that is configured and has a worse side. None without
    one, or without segment columns."""
    rules = model.performance
    if rules is None:
        return None
    name = next((name for name in rules.metrics if _has_worse(name, rules)), None)
    try:
        return None if name is None else judge_slices(joined, model, name, known)
    except BROKEN as error:
        return Finding(check=Check.PERFORMANCE, column=None, metric=f"{WORST_SLICE}{name})", verdict=Verdict.ERROR, estimated=False,
                       reason=f"the worst slice could not be looked for: {error}")


def _has_worse(name: str, rules: PerformanceRules) -> bool:
    try:
        return metric_of(name, rules.value).better is not Better.NEITHER
    except KeyError:  # told where the metric itself is judged
        return False


def judge_slices(joined: Joined, model: Model, name: str, known: Sequence[str] = ()) -> Finding | None:
    """What the worst slice is, as ``worst_slice(roc_auc)``: its value is the metric there. It never alarms: a slice that was always
    hard is no decay, and segments have verdicts of their own. None without segment columns."""
    if model.performance is None or not joined.rows.segments:
        return None
    found = slices_of(joined, model, metric_of(name, model.performance.value), known)
    metric = f"{WORST_SLICE}{name})"
    if not found:
        least = model.performance.min_labelled
        return Finding(check=Check.PERFORMANCE, column=None, metric=metric, verdict=Verdict.INSUFFICIENT, estimated=False,
                       reason=f"no slice has {least:,} labelled rows, and {least:,} outside it, that tell {name}")
    worst = found[0]
    told = _told(name, worst, len(found)) + _of_sample(joined)
    return Finding(
        check=Check.PERFORMANCE, column=None, metric=metric, verdict=Verdict.OK, reason=told,
        value=worst.here.value, ci_low=worst.here.low, ci_high=worst.here.high, labelled=worst.here.n, estimated=False,
    )  # fmt: skip


def _told(name: str, worst: Slice, looked: int) -> str:
    if worst.gap_low <= 0:
        return f"none of {looked} slices is surely worse than the rest; furthest is {worst.name} with {name} {interval(worst.here)}"
    return (f"{worst.name} is the worst of {looked} slices: {name} {interval(worst.here)}, elsewhere {number(worst.rest.value)}; "
            f"surely {number(worst.gap_low)} worse, {number(worst.shrunk)} once the luck of the choice is taken off")


def _of_sample(joined: Joined) -> str:
    has = int(np.count_nonzero(has_value(joined.labels)))
    return f" (of a sample of {MOST_ROWS:,} of {has:,} labelled rows)" if has > MOST_ROWS else ""


# --- which slices --------------------------------------------------------------------------------------------


def _sampled(joined: Joined) -> Joined:
    """The labelled rows, as many as are looked at."""
    return joined.take(np.flatnonzero(has_value(joined.labels))[:MOST_ROWS])


def _places(joined: Joined, least: int) -> Iterator[tuple[Place, Ints]]:
    """The largest slices of one and of two segment columns, with the positions of their rows."""
    columns = {name: (values.codes.astype(np.int64), values.dictionary) for name, values in sorted(joined.rows.segments.items())}
    found: list[tuple[Place, Ints]] = []
    for name, (codes, texts) in columns.items():
        found += [(((name, texts[code]),), rows) for code, rows in _grouped(codes, least)]
    for one, two in combinations(columns, 2):
        (first, texts), (second, others) = columns[one], columns[two]
        size = len(others)
        both = np.where((first >= 0) & (second >= 0), first * size + second, -1)
        found += [(((one, texts[code // size]), (two, others[code % size])), rows) for code, rows in _grouped(both, least)]
    most = min(MOST_SLICES, MOST_COUNTED // max(len(joined), 1))
    yield from sorted(found, key=lambda one: (-len(one[1]), one[0]))[:most]


def _grouped(codes: Ints, least: int) -> list[tuple[int, Ints]]:
    """Codes from 0 that at least so many rows have, with the positions of these."""
    order = np.argsort(codes, kind="stable")
    values, first = np.unique(codes[order], return_index=True)
    return [(code, rows) for code, rows in zip(values.tolist(), np.split(order, first[1:]), strict=True)
            if code >= 0 and len(rows) >= max(least, 1)]


# --- how they compare ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pair:
    place: Place
    here: Measured
    rest: Measured


def _pair(joined: Joined, model: Model, metric: Metric, classes: Classes, at: Ints, place: Place) -> _Pair | None:
    """A slice beside the other rows; None where either has too few labels, or no such metric."""
    others = np.ones(len(joined), dtype=np.bool_)
    others[at] = False
    found = []
    for rows in (joined.take(at), joined.take(others)):
        tally, usable = tally_and_rows(rows, model.task, classes)
        if model.performance is None or tally.usable < max(model.performance.min_labelled, 1):
            return None
        try:
            found.append(measured(metric, tally, usable))
        except Undefined:
            return None
    return _Pair(place=place, here=found[0], rest=found[1])


def _judged(pairs: Sequence[_Pair], metric: Metric) -> list[Slice]:
    if not pairs:
        return []
    sign = -1.0 if metric.better is Better.HIGHER else 1.0
    gaps = np.array([sign * (pair.here.value - pair.rest.value) for pair in pairs])
    variances = np.maximum(np.array([pair.here.variance + pair.rest.variance for pair in pairs]), math.ulp(1.0))
    half = -float(special.ndtri((1 - LEVEL) / (2 * len(pairs)))) * np.sqrt(variances)
    shrunk = _shrunk(gaps, variances)
    return [
        Slice(place=pair.place, here=pair.here, rest=pair.rest, gap=float(gaps[i]), gap_low=float(gaps[i] - half[i]),
              gap_high=float(gaps[i] + half[i]), shrunk=float(shrunk[i]))
        for i, pair in enumerate(pairs)
    ]  # fmt: skip


def _shrunk(gaps: Floats, variances: Floats) -> Floats:
    """Towards no gap, by the share of the slices' spread that is chance (method of moments)."""
    between = max(float(np.mean(gaps**2 - variances)), 0.0)
    found: Floats = gaps * between / (between + variances)
    return found
