"""The charts of a picture: a column's bars, and the course of a metric. Runs in the worker only."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
from matplotlib.axes import Axes

from monitor.core.decay import precise
from monitor.core.picture import Bars, Course, Point
from monitor.reports.sheet import BAD, FAINT, INK, NOW, REFERENCE_FILL, REFERENCE_LINE, RULE, Sheet, known

LABEL = 8.0
"""Size of letters at an axis, in points."""
PAD = 0.08
"""Inches between a label and what it is of."""
MOST_LABEL = 0.42
"""Of a chart's width: the names of categories take no more."""
SHARES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.5, 1.0)
"""One of them is a line across the bars of a number."""
CLOSE = 0.16
"""Inches that two labels at the right end are apart at least."""
ROOM = 0.08
"""Of the values' range: so much is free above and below a course."""
LOOSE = 4.0
"""Times the values' own range: a wider interval is cut off at the edge."""


def draw_bars(sheet: Sheet, bars: Bars, left: float, top: float, width: float, height: float) -> None:
    """Categories lie, numbers stand."""
    if bars.named:
        _lying(sheet, bars, left, top, width, height)
    else:
        _standing(sheet, bars, left, top, width, height)


def _lying(sheet: Sheet, bars: Bars, left: float, top: float, width: float, height: float) -> None:
    """A row a category: its name, both bars in one another, both shares."""
    rows = len(bars.now)
    names = [sheet.cut(tick.text, LABEL, width * MOST_LABEL) for tick in bars.ticks]
    told = [f"{_percent(before)} → {_percent(after)}" for before, after in zip(bars.reference, bars.now, strict=True)]
    before = max(sheet.width_of(name, LABEL) for name in names) + PAD
    after = max(sheet.width_of(text, LABEL) for text in told) + PAD
    axes = sheet.axes(left + before, top, width - before - after, height)
    places = np.arange(rows) + 0.5
    axes.barh(places, bars.reference, height=0.74, color=REFERENCE_FILL, edgecolor=REFERENCE_LINE, linewidth=0.8)
    axes.barh(places, bars.now, height=0.36, color=NOW)
    axes.set(ylim=(max(rows, 4), 0), xlim=(0, max(*bars.reference, *bars.now, 1e-9)))
    step = height / max(rows, 4)
    for at, (name, text) in enumerate(zip(names, told, strict=True)):
        middle = top + (at + 0.5) * step - LABEL / 72 / 2 - 0.01
        sheet.text(left + before - PAD, middle, name, LABEL, align="right")
        sheet.text(left + width, middle, text, LABEL, colour=FAINT, align="right")


def _standing(sheet: Sheet, bars: Bars, left: float, top: float, width: float, height: float) -> None:
    """Both outlines over each other, one share as a measure."""
    count = len(bars.now)
    highest = max(*bars.reference, *bars.now, 1e-9)
    axes = sheet.axes(left, top, width, height)
    edges = np.arange(count + 1)
    measure = max((share for share in SHARES if share <= highest * 0.95), default=None)
    if measure is not None:
        axes.axhline(measure, color=RULE, linewidth=0.8, zorder=0)
        left_is_free = _highest(bars, 0, count // 3) < _highest(bars, count - count // 3, count)
        axes.text(0 if left_is_free else count, measure, f"{_percent(measure)} of rows", fontsize=LABEL - 1, color=FAINT, va="bottom",
                  ha="left" if left_is_free else "right", zorder=6)
    axes.stairs(bars.reference, edges, fill=True, color=REFERENCE_FILL, zorder=1)
    axes.stairs(bars.now, edges, fill=True, color=NOW, alpha=0.45, zorder=2)
    axes.stairs(bars.reference, edges, color=REFERENCE_LINE, linewidth=1.2, zorder=3)
    axes.stairs(bars.now, edges, color=NOW, linewidth=1.6, zorder=4)
    axes.axhline(0, color=INK, linewidth=0.8, zorder=5)
    axes.set(xlim=(0, count), ylim=(0, highest * 1.12))
    _below(sheet, [(tick.at / count, tick.text) for tick in bars.ticks], left, top + height, width)
    if bars.stretched:
        sheet.text(left + width, top - 0.02, "stretched scale", LABEL - 1, colour=FAINT, align="right")


def _highest(bars: Bars, start: int, end: int) -> float:
    return max((*bars.reference[start:end], *bars.now[start:end]), default=0.0)


def _below(sheet: Sheet, labels: Sequence[tuple[float, str]], left: float, top: float, width: float) -> None:
    """Labels under an axis, each as a share of its width; kept within it."""
    end = -1.0
    for share, text in labels:
        half = sheet.width_of(text, LABEL) / 2
        middle = min(max(left + share * width, left + half), left + width - half)
        if middle - half < end + PAD:
            continue
        end = middle + half
        sheet.text(middle, top + 0.05, text, LABEL, colour=FAINT, align="center")


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.095 or share == 0 else f"{100 * share:.1f} %" if share >= 0.001 else "<0.1 %"


# --- the course ----------------------------------------------------------------------------------------------


def key_of(course: Course) -> str:
    """What the marks of its points mean, as far as they differ."""
    kinds = {point.estimated for point in course.points}
    said = ["○ estimated"] if True in kinds else []
    said += ["● by labels"] if len(kinds) > 1 else []
    said += ["◆ alert"] if any(point.bad for point in course.points) else []
    said += ["band: interval"] if any(point.low is not None for point in course.points) else []
    return "   ".join(said)


def draw_course(sheet: Sheet, course: Course, left: float, top: float, width: float, height: float, since: datetime) -> None:
    """The windows as points on a line, their intervals as a band, limit and reference as lines with their names."""
    points = course.points
    last = points[-1]
    spread = (last.high - last.low) / 2 if last.high is not None and last.low is not None else None
    ends = [("now", last.value, BAD if last.bad else NOW)]
    ends += [("limit", last.threshold, BAD)] if last.threshold is not None else []
    ends += [("reference", course.reference, FAINT)] if course.reference is not None else []
    told = [(value, f"{name} {precise(value, spread)}", colour) for name, value, colour in ends]
    margin = max(sheet.width_of(text, LABEL) for _, text, _ in told) + 2 * PAD
    low, high = limits(course)
    scale = _ticks(low, high)
    before = max(sheet.width_of(text, LABEL) for _, text in scale) + PAD
    axes = sheet.axes(left + before, top, width - before - margin, height)
    axes.set(xlim=_span(points), ylim=(low, high))
    for value, text in scale:
        axes.axhline(value, color=RULE, linewidth=0.6, zorder=0)
        beside = top + height * (high - value) / (high - low) - LABEL / 72 / 2
        sheet.text(left + before - PAD, beside, text, LABEL, colour=FAINT, align="right")
    _incident(axes, points, since)
    _lines(axes, course)
    _right_end(sheet, told, left + width - margin + PAD, top, height, (low, high))
    times = _seconds(points)
    start, end = _span(points)
    _below(sheet, [((times[at] - start) / (end - start), text) for at, text in _dates(points)], left + before, top + height,
           width - before - margin)


def _lines(axes: Axes, course: Course) -> None:
    points = course.points
    times = _seconds(points)
    values = [point.value for point in points]
    lows = [np.nan if point.low is None else point.low for point in points]
    highs = [np.nan if point.high is None else point.high for point in points]
    thresholds = [np.nan if point.threshold is None else point.threshold for point in points]
    axes.fill_between(times, lows, highs, color=NOW, alpha=0.18, linewidth=0, zorder=2)
    if course.reference is not None:
        axes.axhline(course.reference, color=REFERENCE_LINE, linewidth=1.2, zorder=3)
    axes.plot(times, thresholds, color=BAD, linewidth=1.2, linestyle=(0, (4, 2)), drawstyle="steps-mid", zorder=3)
    axes.plot(times, values, color=NOW, linewidth=1.5, zorder=4)
    for point, time in zip(points, times, strict=True):
        colour = BAD if point.bad else NOW
        axes.plot([time], [point.value], marker="D" if point.bad else "o", markersize=5.5 if point.bad else 4, markeredgecolor=colour,
                  markerfacecolor="white" if point.estimated else colour, markeredgewidth=1.2, linestyle="none", zorder=5, clip_on=False)


def _incident(axes: Axes, points: Sequence[Point], since: datetime) -> None:
    """A tint from the incident's first window on."""
    start, end = _span(points)
    half = _half(points)
    begun = max(since.timestamp() - half, start)
    if begun < end:
        axes.axvspan(begun, end, color=BAD, alpha=0.07, linewidth=0, zorder=0)
        axes.text((begun + end) / 2, axes.get_ylim()[1], known("incident"), fontsize=LABEL - 1, color=BAD, ha="center", va="bottom")


def _right_end(
    sheet: Sheet, told: Sequence[tuple[float, str, str]], left: float, top: float, height: float, span: tuple[float, float]
) -> None:
    """The names of lines where they end, moved apart where they would overlap."""
    low, high = span
    ordered = sorted(told, key=lambda label: -label[0])
    places = [top + height * min(max((high - value) / (high - low), 0.0), 1.0) - LABEL / 72 / 2 for value, _, _ in ordered]
    for at in range(1, len(places)):
        places[at] = max(places[at], places[at - 1] + CLOSE)
    over = max(places[-1] - (top + height - LABEL / 72 / 2), 0.0)
    for at in reversed(range(len(places))):
        places[at] -= over
        over = max(over - (0.0 if at == 0 else max(places[at] + over - places[at - 1] - CLOSE, 0.0)), 0.0)
    for place, (_, text, colour) in zip(places, ordered, strict=True):
        sheet.text(left, place, text, LABEL, colour=colour)


def limits(course: Course) -> tuple[float, float]:
    """The lowest and the highest place of the axis: all values and lines, intervals as far as they are not far wider."""
    values = [point.value for point in course.points]
    lines = [point.threshold for point in course.points if point.threshold is not None]
    lines += [] if course.reference is None else [course.reference]
    low, high = min(values + lines), max(values + lines)
    size = (high - low) or abs(high) / 10 or 1.0
    intervals = [end for point in course.points for end in (point.low, point.high) if end is not None]
    within = [end for end in intervals if low - LOOSE * size <= end <= high + LOOSE * size]
    low, high = min(low, *within, high), max(low, *within, high)
    room = ROOM * ((high - low) or size)
    return low - room, high + room


def _ticks(low: float, high: float) -> list[tuple[float, str]]:
    """Three or four round values."""
    least = (high - low) / 4
    power = 10.0 ** np.floor(np.log10(least))
    step = float(next(nice * power for nice in (1.0, 2.0, 2.5, 5.0, 10.0) if nice * power >= least * (1 - 1e-9)))
    first, last = int(np.ceil(low / step)), int(np.floor(high / step))
    places = max(-int(np.floor(np.log10(step) + 1e-9)) + (round(step / power, 6) == 2.5), 0)
    return [(at * step, f"{at * step + 0.0:,.{places}f}" if 1e-5 < step < 1e9 else f"{at * step:.3g}") for at in range(first, last + 1)]


def _seconds(points: Sequence[Point]) -> list[float]:
    return [point.start.timestamp() for point in points]


def _half(points: Sequence[Point]) -> float:
    """Half of the smallest step from one window to the next, in seconds."""
    return float(np.diff(_seconds(points)).min()) / 2 if len(points) > 1 else 1.0


def _span(points: Sequence[Point]) -> tuple[float, float]:
    times = _seconds(points)
    return times[0] - _half(points), times[-1] + _half(points)


def _dates(points: Sequence[Point]) -> list[tuple[int, str]]:
    """Up to five windows by their starts, the last one among them."""
    every = max((len(points) - 1) // 4, 1)
    chosen = list(range(len(points) - 1, -1, -every))[::-1]
    return [(at, _date(points[at].start, points)) for at in chosen]


def _date(at: datetime, points: Sequence[Point]) -> str:
    if points[-1].start - points[0].start >= timedelta(days=4):
        return f"{at:%-d %b}"
    return f"{at:%-d %b %H:%M}" if (at.hour, at.minute) != (0, 0) else f"{at:%-d %b}"
