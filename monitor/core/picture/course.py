"""How the leading metric came along: recent windows by performance where it is judged, else by the leading column's distance."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from monitor.core.cause import Cause
from monitor.core.decay import DROPPED, worst_first
from monitor.core.picture.picture import Course, Point
from monitor.core.picture.text import line
from monitor.core.results import ALL_ROWS, DECIDED, Check, Result, Verdict, latest, only_told

COURSE_WINDOWS = 40
"""Windows that are shown: as many points can be told apart."""
DIGITS = 5
LONGEST_TITLE = 80


def shown_result(results: Iterable[Result], cause: Cause, metrics: Sequence[str] = ()) -> Result | None:
    """The result whose metric is shown: of performance the worst drop, where nothing dropped the first of the ``metrics`` that are asked
    for. None where there is none with a value."""
    known = [r for r in latest(results).values() if r.value is not None and math.isfinite(r.value) and r.verdict in DECIDED]
    judged = [r for r in known if r.check is Check.PERFORMANCE and r.segment == ALL_ROWS and not only_told(r)]
    dropped = worst_first(result for result in judged if result.verdict in DROPPED)
    if judged:
        asked = {metric: at for at, metric in enumerate(metrics)}
        return dropped[0] if dropped else min(judged, key=lambda r: (asked.get(r.metric, len(asked)), -r.rows))
    first = cause.columns[0] if cause.columns else None
    if first is None:
        return None
    bad = [r for r in known if r.column == first.name and r.metric == first.metric]
    drift = [r for r in known if r.column == first.name and r.check is Check.DRIFT]
    return max([r for r in bad if r.value == first.value] or drift or bad, key=_prominence, default=None)


def within(lead: Result, results: Iterable[Result], history: Iterable[Result], since: datetime) -> Result:
    """Where the last window did not drop, of its results the one by the metric that dropped in an earlier window of the incident."""
    if lead.check is not Check.PERFORMANCE or lead.verdict in DROPPED:
        return lead
    dropped = {_name(r): r.window_start for r in latest(history).values() if r.verdict is Verdict.ALERT and r.window_start >= since}
    judged = [r for r in latest(results).values() if r.segment == ALL_ROWS and _name(r) in dropped and r.value is not None]
    return max(judged, key=lambda r: (dropped[_name(r)], r.metric), default=lead)


def _prominence(result: Result) -> tuple[bool, bool, int]:
    return result.verdict is Verdict.ALERT, result.segment == ALL_ROWS, result.rows


def course_of(lead: Result, history: Iterable[Result]) -> Course | None:
    """The windows by the metric of one result; None where fewer than two have a value."""
    same = [r for r in latest(history).values() if _name(r) == _name(lead) and r.value is not None and math.isfinite(r.value)]
    points = tuple(_point(result) for result in sorted(same, key=lambda result: result.window_start)[-COURSE_WINDOWS:])
    if len(points) < 2:
        return None
    return Course(title=_title(lead, points), points=points, reference=_short(lead.reference_value))


def _name(result: Result) -> tuple[str, ...]:
    return result.version, result.segment, result.check, result.column or "", result.metric


def _point(result: Result) -> Point:
    return Point(
        start=result.window_start,
        value=_short(result.value) or 0.0,
        low=_short(result.ci_low),
        high=_short(result.ci_high),
        threshold=_short(result.threshold),
        bad=result.verdict is Verdict.ALERT,
        estimated=bool(result.estimated),
    )


def _title(lead: Result, points: Sequence[Point]) -> str:
    """``accuracy by day``; a distance tells of which column."""
    what = lead.metric if lead.column is None else f"{lead.column}: {lead.metric}"
    where = "" if lead.segment == ALL_ROWS else f" in {lead.segment}"
    if lead.check is Check.DRIFT:
        what += ", distance from the reference"
    return line(f"{what}{where}", LONGEST_TITLE) + f", last {len(points)} {_unit(lead.window_end - lead.window_start)}s"


def _unit(size: timedelta) -> str:
    names = {timedelta(days=1): "day", timedelta(hours=1): "hour", timedelta(days=7): "week"}
    return names.get(size, "window")


def _short(number: float | None) -> float | None:
    """With the digits that can be seen; None for what cannot be drawn."""
    return None if number is None or not math.isfinite(number) else float(f"{number:.{DIGITS}g}")
