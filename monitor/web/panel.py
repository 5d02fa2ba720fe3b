"""A model's panel of performance: what is read of the store for it, and the words and charts that its template writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from monitor.core.decay import evidence_words, precise, step_of, value_with_interval
from monitor.core.results import ALL_ROWS, Check, Result, Verdict
from monitor.core.rules import Model
from monitor.ports import LabelAccount, Store
from monitor.web.chart import Chart, chart
from monitor.web.performance import (
    CHARTS,
    Curve,
    Slice,
    curves,
    gap_words,
    glance,
    limit_words,
    newest_words,
    realised_words,
    slice_words,
    slices,
)

ROWS_READ = 2000
"""Results read for the charts, and as many for the segments: each window has one a metric and revision."""
ROWS_GLANCED = 200
"""Results read for the one line of the overview."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricRow:
    """One metric: its chart and what is said beneath. Empty words are left out."""

    curve: Curve
    drawn: Chart
    glance: str
    realised: str
    gap: str
    newest: str
    limits: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceRow:
    """One segment in words; ``version`` is empty where there is but one."""

    segment: str
    version: str
    metric: str
    value: str
    reference: str
    labels: str
    start: datetime
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """All that is shown of a model's performance; ``others`` and ``unknown`` count segments, as in ``Slices``.

    ``slice``: what the search for the worst slice found, ``labels``: where they went, both in words.
    """

    metrics: tuple[MetricRow, ...]
    more: int
    worst: tuple[SliceRow, ...]
    others: int
    unknown: int
    slice: str
    labels: str


def performance_panel(store: Store, model: Model) -> Panel | None:
    """The panel; None for a model whose performance is not to be judged."""
    if model.performance is None:
        return None
    results = _results(store, model, newest=ROWS_READ)
    found = curves(results, model.performance)
    told = slices(_of_segments(store, model, found))
    several = len({each.result.version for each in told.worst}) > 1
    return Panel(
        metrics=tuple(map(_metric_row, found[:CHARTS])),
        more=max(len(found) - CHARTS, 0),
        worst=tuple(_slice_row(each, several) for each in told.worst),
        others=told.others,
        unknown=told.unknown,
        slice=slice_words(results),
        labels=account_words(store.label_account(model.name)),
    )


def performance_glance(store: Store, model: Model) -> str:
    """The first metric in a few words; empty where there is none."""
    if model.performance is None:
        return ""
    found = curves(_results(store, model, newest=ROWS_GLANCED), model.performance)
    return glance(found[0]) if found else ""


def account_words(account: LabelAccount) -> str:
    """``1,300 labels received = 1,263 matched + 30 waiting + 7 expired; 12 predictions never got one``; what is zero is left out."""
    parts = ("matched", "revised", "repeated", "waiting", "expired")
    said = " + ".join(f"{getattr(account, name):,} {name}" for name in parts if getattr(account, name)) or "nothing"
    never = f"; {account.unlabelled:,} predictions never got one" if account.unlabelled else ""
    return f"{account.received:,} labels received = {said}{never}"


def _results(store: Store, model: Model, *, newest: int) -> Sequence[Result]:
    return store.results(model=model.name, check=Check.PERFORMANCE, segment=ALL_ROWS, newest=newest)


def _of_segments(store: Store, model: Model, found: Sequence[Curve]) -> Sequence[Result]:
    """Since the newest window that has labels, or where none has, the newest of all: the segments are told of that."""
    if not model.segments or not found:
        return ()
    since = max((curve.realised or curve.last).start for curve in found)
    return store.results(model=model.name, check=Check.PERFORMANCE, since=since, newest=ROWS_READ)


def _metric_row(curve: Curve) -> MetricRow:
    shown = curve.realised or curve.last
    return MetricRow(
        curve=curve,
        drawn=chart(curve),
        glance=glance(curve),
        realised=realised_words(shown),
        gap=gap_words(shown),
        newest=newest_words(curve),
        limits=limit_words(shown),
        why=shown.last.reason if shown.realised is not None else "",
    )


def _slice_row(each: Slice, several: bool) -> SliceRow:
    result = each.result
    return SliceRow(
        segment=result.segment,
        version=result.version if several else "",
        metric=result.metric,
        value=value_with_interval(result),
        reference="–" if result.reference_value is None else precise(result.reference_value, step_of(result)),
        labels=evidence_words(result),
        start=result.window_start,
        verdict=result.verdict,
    )
