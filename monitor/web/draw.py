"""Coordinates of the page's small drawings. Pure numbers; the templates write the SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from monitor.core.results import Verdict
from monitor.web.view import Cell, Measure

STRIP_WINDOWS = 60
CELL_WIDTH, CELL_GAP, STRIP_HEIGHT = 10, 2, 28
HEIGHTS = {Verdict.ALERT: 28, Verdict.ERROR: 28, Verdict.WARN: 20, Verdict.INSUFFICIENT: 12, Verdict.OK: 12, Verdict.SKIPPED: 6}
"""Worse is taller, so that the strip can be read without its colours."""

SPARK_WINDOWS = 40
SPARK_WIDTH, SPARK_HEIGHT, SPARK_MARGIN = 200.0, 36.0, 4.0
HEADROOM = 1.15
"""The top of a sparkline is this much above its highest value or limit."""
MAX_OVER_LIMIT = 8.0
"""Values beyond so many times the highest limit are drawn at the top edge: one outlier must not flatten the rest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A rectangle of a strip."""

    x: int
    y: int
    height: int
    cell: Cell


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A point of a sparkline that deserves to be seen, with what hovering says."""

    x: float
    y: float
    verdict: Verdict
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Spark:
    """``lines`` and ``limits`` are ``points`` attributes of polylines: a window without a value or a threshold is a gap."""

    lines: tuple[str, ...]
    limits: tuple[str, ...]
    marks: tuple[Mark, ...]


def strip(cells: Sequence[Cell]) -> tuple[Bar, ...]:
    """Bars for the last windows, the newest at the right edge."""
    shown = cells[-STRIP_WINDOWS:]
    offset = STRIP_WINDOWS - len(shown)
    return tuple(
        Bar(x=(offset + i) * CELL_WIDTH, y=STRIP_HEIGHT - HEIGHTS[cell.worst], height=HEIGHTS[cell.worst], cell=cell)
        for i, cell in enumerate(shown)
    )


def spark(measure: Measure) -> Spark:
    """The value of a measure over its last windows with its limit."""
    points = measure.points[-SPARK_WINDOWS:]
    scale = _Scale.of([p.value for p in points], [p.threshold for p in points], len(points))
    values = [scale.at(i, p.value) for i, p in enumerate(points)]
    limits = [scale.at(i, p.threshold) for i, p in enumerate(points)]
    marks = tuple(
        Mark(x=place[0], y=place[1], verdict=p.verdict,
             title=f"{p.start:%Y-%m-%d %H:%M}: {_said(p.value)} (limit {_said(p.threshold)}), {p.verdict}")
        for p, place in zip(points, values, strict=True) if place is not None
    )
    return Spark(lines=_lines(values), limits=_lines(limits), marks=marks)


def _said(value: float | None) -> str:
    return "none" if value is None else f"{value:.4g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scale:
    low: float
    high: float
    count: int

    @staticmethod
    def of(values: Sequence[float | None], limits: Sequence[float | None], count: int) -> _Scale:
        finite_limits = [v for v in limits if v is not None and math.isfinite(v)]
        finite = [v for v in values if v is not None and math.isfinite(v)]
        high = max([*finite, *finite_limits], default=1.0)
        if finite_limits and max(finite_limits) > 0:
            high = min(high, MAX_OVER_LIMIT * max(finite_limits))
        low = min([*finite, *finite_limits, 0.0])
        return _Scale(low=low, high=high * HEADROOM if high > low else low + 1.0, count=count)

    def at(self, index: int, value: float | None) -> tuple[float, float] | None:
        if value is None or math.isnan(value):
            return None
        width, height = SPARK_WIDTH - 2 * SPARK_MARGIN, SPARK_HEIGHT - 2 * SPARK_MARGIN
        x = SPARK_MARGIN + width * (index / (self.count - 1) if self.count > 1 else 1.0)
        share = min(max((value - self.low) / (self.high - self.low), 0.0), 1.0)
        return round(x, 1), round(SPARK_MARGIN + height * (1 - share), 1)


def _lines(places: Sequence[tuple[float, float] | None]) -> tuple[str, ...]:
    lines: list[list[str]] = [[]]
    for place in places:
        if place is None:
            lines.append([])
        else:
            lines[-1].append(f"{place[0]},{place[1]}")
    return tuple(" ".join(line) for line in lines if line)
