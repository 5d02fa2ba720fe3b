"""Coordinates of the page's charts of performance. Pure numbers; the template writes the SVG."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from monitor.core.decay import evidence_words, value_with_interval
from monitor.core.finding import number
from monitor.core.results import Result, Verdict
from monitor.web.performance import Curve, Outcome

WIDTH, HEIGHT, MARGIN = 320.0, 120.0, 8.0
SHOWN, SHOWN_REALISED = 40, 20
"""Windows of a chart; where the newest of them have no labels yet, so many of those that do are kept in."""
PADDING = 0.08
"""Of the range of values, above and below."""
LEAST_RANGE = 0.01
"""Values that are all alike are drawn on a scale of so much, or of so large a part of them."""
LARGEST = 1e100
"""Values beyond are not drawn."""
HALF_STEP = 0.4
"""Of the way to the next window: how far the interval of a window without neighbours reaches."""

Place = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dot:
    """One value, hollow where it is estimated, with what hovering says."""

    x: float
    y: float
    verdict: Verdict
    hollow: bool
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """``band``: ``points`` of the polygons of the intervals; the others of polylines. Windows that do not touch make a gap.

    ``top`` and ``bottom``: the values at the edges, in words. ``first`` and ``last``: the starts of the windows at the sides.
    """

    band: tuple[str, ...]
    realised: tuple[str, ...]
    estimated: tuple[str, ...]
    reference: tuple[str, ...]
    limit: tuple[str, ...]
    dots: tuple[Dot, ...]
    top: str
    bottom: str
    first: datetime
    last: datetime


def chart(curve: Curve) -> Chart:
    """A metric over its last windows, with its intervals, what the reference had, and its limit."""
    outcomes = recent(curve.outcomes)
    scale = _Scale.of(outcomes)
    runs = _runs(outcomes)

    def line(value: Callable[[Outcome], float | None]) -> tuple[str, ...]:
        return _lines([[scale.at(i, value(outcomes[i])) for i in run] for run in runs])

    return Chart(
        band=tuple(_band(part, outcomes, scale) for run in runs for part in _with_interval(run, outcomes)),
        realised=line(lambda o: _value(o.realised)),
        estimated=line(lambda o: _value(o.estimated)),
        reference=line(lambda o: o.reference),
        limit=line(lambda o: _limit(o)),
        dots=tuple(dot for i, outcome in enumerate(outcomes) for dot in _dots(i, outcome, scale)),
        top=number(scale.high),
        bottom=number(scale.low),
        first=outcomes[0].start,
        last=outcomes[-1].start,
    )


def recent(outcomes: Sequence[Outcome]) -> Sequence[Outcome]:
    """The last windows; where labels come later than so many windows take, the last that have some and the last of all."""
    realised = [outcome for outcome in outcomes if outcome.realised is not None][-SHOWN_REALISED:]
    newest = outcomes[-SHOWN:]
    kept = {outcome.start for outcome in realised}
    missing = sum(outcome.start < newest[0].start for outcome in realised)
    kept |= {outcome.start for outcome in newest[missing:]}
    return [outcome for outcome in outcomes if outcome.start in kept]


def _runs(outcomes: Sequence[Outcome]) -> list[list[int]]:
    """Positions of windows that touch, together."""
    runs: list[list[int]] = []
    for i, outcome in enumerate(outcomes):
        if i and outcome.start <= outcomes[i - 1].end:
            runs[-1].append(i)
        else:
            runs.append([i])
    return runs


def _with_interval(run: Sequence[int], outcomes: Sequence[Outcome]) -> list[list[int]]:
    """The parts of a run whose windows have an interval."""
    parts: list[list[int]] = [[]]
    for i in run:
        if _interval(outcomes[i]) is None:
            parts.append([])
        else:
            parts[-1].append(i)
    return [part for part in parts if part]


def _band(part: Sequence[int], outcomes: Sequence[Outcome], scale: _Scale) -> str:
    """The polygon of the intervals of windows that touch: along their upper ends, and back along the lower."""
    ends = [(float(i), interval) for i in part if (interval := _interval(outcomes[i])) is not None]
    if len(ends) == 1:
        (i, alone), = ends
        ends = [(max(i - HALF_STEP, 0.0), alone), (min(i + HALF_STEP, max(scale.count - 1.0, 0.0)), alone)]
    upper = [scale.at(i, high) for i, (_, high) in ends]
    lower = [scale.at(i, low) for i, (low, _) in reversed(ends)]
    return " ".join(f"{place[0]},{place[1]}" for place in (*upper, *lower) if place is not None)


def _dots(i: int, outcome: Outcome, scale: _Scale) -> Iterable[Dot]:
    for result, hollow in ((outcome.estimated, True), (outcome.realised, False)):
        place = scale.at(i, _value(result))
        if result is not None and place is not None:
            title = f"{outcome.start:%Y-%m-%d %H:%M}: {value_with_interval(result)}, {evidence_words(result)}, {result.verdict}"
            yield Dot(x=place[0], y=place[1], verdict=result.verdict, hollow=hollow, title=title)


def _value(result: Result | None) -> float | None:
    return None if result is None else _drawable(result.value)


def _drawable(value: float | None) -> float | None:
    """None also for what no scale can hold."""
    return value if value is not None and abs(value) <= LARGEST else None


def _limit(outcome: Outcome) -> float | None:
    told = [_drawable(each.threshold) for each in (outcome.realised, outcome.estimated, outcome.last) if each is not None]
    return next((limit for limit in told if limit is not None), None)


def _interval(outcome: Outcome) -> tuple[float, float] | None:
    low, high = (None, None) if outcome.realised is None else map(_drawable, (outcome.realised.ci_low, outcome.realised.ci_high))
    return None if low is None or high is None else (low, high)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scale:
    low: float
    high: float
    count: int

    @staticmethod
    def of(outcomes: Sequence[Outcome]) -> _Scale:
        """All values and lines are within; intervals as far as they do not halve the rest."""
        told = (v for o in outcomes for v in (_value(o.realised), _value(o.estimated), _drawable(o.reference), _limit(o)))
        found = [value for value in told if value is not None]
        low, high = min(found, default=0.0), max(found, default=1.0)
        reach = max(high - low, LEAST_RANGE * max(abs(low), abs(high), 1.0))
        ends = [end for o in outcomes for end in (_interval(o) or ())]
        low, high = min([low, *(max(end, low - reach / 2) for end in ends)]), max([high, *(min(end, high + reach / 2) for end in ends)])
        margin = max((high - low) * PADDING, reach * PADDING)
        return _Scale(low=low - margin, high=high + margin, count=len(outcomes))

    def at(self, index: float, value: float | None) -> Place | None:
        value = _drawable(value)
        if value is None:
            return None
        x = MARGIN + (WIDTH - 2 * MARGIN) * (index / (self.count - 1) if self.count > 1 else 0.5)
        share = min(max((value - self.low) / (self.high - self.low), 0.0), 1.0)
        return round(x, 1), round(HEIGHT * (1 - share), 1)


def _lines(runs: Iterable[Sequence[Place | None]]) -> tuple[str, ...]:
    """Polylines through the places that there are; a missing one is a gap."""
    lines: list[list[str]] = []
    for run in runs:
        lines.append([])
        for place in run:
            if place is None:
                lines.append([])
            else:
                lines[-1].append(f"{place[0]},{place[1]}")
    return tuple(" ".join(line) for line in lines if line)
