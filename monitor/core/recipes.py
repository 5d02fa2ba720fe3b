"""Which stored windows a reference is merged from: the last ones, those of earlier seasons, never those of an incident."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import assert_never

from monitor.core.drift.calibration import MIN_WINDOWS
from monitor.core.results import WindowKey
from monitor.core.rules import Previous, Recipe, Rolling, Seasonal
from monitor.core.windows import window_of

STEPS = 14
"""A rolling reference moves on in so many steps of its length (14d: daily), or with every window where that is longer: learning its
limits anew takes a second for 336 windows of 50 columns."""
LEAST_SHARE = 0.5  # of the windows asked for: with fewer, half a day or half a week would stand for the whole of it


@dataclass(frozen=True, slots=True, kw_only=True)
class Disturbance:
    """An incident of a model's windows, as far as learning is concerned; times are event time.

    ``until`` is None while it is open. ``expected``: a person closed it as the new usual.
    """

    since: datetime
    until: datetime | None
    fired: bool = True
    expected: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What may be learned at one moment: all from ``begins`` on (None: from the first window on) but what lies within ``spans``.

    ``spans`` are apart from one another and ascend; None ends the last one where it is open.
    """

    spans: tuple[tuple[datetime, datetime | None], ...] = ()
    begins: datetime | None = None


def past_of(disturbances: Iterable[Disturbance], at: datetime) -> Past:
    """What can be learned for a window that starts at ``at``, the same whenever it is asked.

    An incident that ended later was open then. One that recovered before it fired was nothing by the model's own rules. Where a
    person closed one as expected, the time before it is no longer usual and is forgotten.
    """
    spans: list[tuple[datetime, datetime | None]] = []
    begins: datetime | None = None
    for found in sorted(disturbances, key=lambda d: d.since):
        if found.since >= at:
            continue
        if found.until is None or found.until > at:
            spans = _with(spans, found.since, None)
        elif found.expected:
            begins = found.since
        elif found.fired:
            spans = _with(spans, found.since, found.until)
    return Past(spans=tuple(spans), begins=begins)


def _with(spans: list[tuple[datetime, datetime | None]], since: datetime, until: datetime | None) -> list[tuple[datetime, datetime | None]]:
    """With one more, which begins last."""
    if spans and (spans[-1][1] is None or spans[-1][1] > since):
        first, last = spans[-1]
        return [*spans[:-1], (first, None if last is None or until is None else max(last, until))]
    return [*spans, (since, until)]


def asked_for(recipe: Recipe, window: timedelta) -> int:
    """How many windows the recipe is of."""
    match recipe:
        case Rolling():
            return recipe.reach // window
        case Seasonal():
            return recipe.count
        case Previous():
            return recipe.windows
        case _:
            assert_never(recipe)


def told(recipe: Recipe) -> str:
    """The recipe for people."""
    match recipe:
        case Rolling():
            return f"the windows of the last {recipe.reach}".removesuffix(", 0:00:00")
        case Seasonal():
            lag = str(recipe.lag).removesuffix(", 0:00:00")
            return f"the windows {lag} before" + (f", {recipe.count} times back" if recipe.count > 1 else "")
        case Previous():
            return "the previous window" if recipe.windows == 1 else f"the previous {recipe.windows} windows"
        case _:
            assert_never(recipe)


def least(recipe: Recipe, window: timedelta) -> int:
    """How many windows there must be for a reference: half of them, and what limits can be learned from where that is asked for."""
    asked = asked_for(recipe, window)
    return min(max(math.ceil(LEAST_SHARE * asked), MIN_WINDOWS), asked)


def slots(recipe: Recipe, at: datetime, window: timedelta, past: Past) -> tuple[datetime, ...]:
    """The starts of the windows that a window starting at ``at`` is compared with, ascending.

    Time within an incident does not count: the reference reaches back as much further, so a long incident leaves it as it was.
    """
    asked = asked_for(recipe, window)
    found: list[datetime] = []
    for start in _back(recipe, at, window, past):
        if len(found) == asked or (past.begins is not None and start < past.begins):
            break
        found.append(start)
    return tuple(reversed(found))


def _back(recipe: Recipe, at: datetime, window: timedelta, past: Past) -> Iterator[datetime]:
    """Starts outside the spans, going back without an end."""
    spans, end = list(past.spans), at
    step = recipe.lag if isinstance(recipe, Seasonal) else window
    if isinstance(recipe, Rolling):
        end = window_of(at, max(recipe.reach // window // STEPS, 1) * window)[0]
    start = end - step
    while True:
        while spans and spans[-1][0] >= start + window:
            spans.pop()
        if spans and (spans[-1][1] is None or spans[-1][1] > start):
            begun = spans.pop()[0]
            start -= step * max(math.ceil((start + window - begun) / step), 1)
            continue
        yield start
        start -= step


# --- which of them can be used -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A stored window of one version and segment, without its profile. ``grid`` is the hash, None for an empty window."""

    key: WindowKey
    rows: int
    grid: str | None
    incomplete: bool


class LeftOut(StrEnum):
    """Why a window is not learned from."""

    NO_ROWS = "without rows"
    INCOMPLETE = "incomplete"
    FEW_ROWS = "under min_rows"
    OTHER_GRID = "on another grid"
    DAMAGED = "damaged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """``starts`` can be learned from, ascending; of the others, how many could not and why."""

    starts: tuple[datetime, ...]
    left_out: Mapping[LeftOut, int]

    def told(self, recipe: Recipe, window: timedelta) -> str:
        """Why these are too few, for people."""
        why = ", ".join(f"{count:,} {reason}" for reason, count in sorted(self.left_out.items()))
        asked, needed = asked_for(recipe, window), least(recipe, window)
        said = f"warming up: {len(self.starts):,} of {asked:,} windows, {needed:,} needed"
        return f"{said} ({why})" if why else said


def choose(starts: Sequence[datetime], candidates: Iterable[Candidate], grid: str, min_rows: int) -> Choice:
    """Of the windows that start at ``starts`` those to learn from; the candidates of one start are merged, so all must be fit."""
    by_start: dict[datetime, list[Candidate]] = {}
    for candidate in candidates:
        if candidate.rows:
            by_start.setdefault(candidate.key.start, []).append(candidate)
    verdicts = {start: _unfit(by_start.get(start, ()), grid, min_rows) for start in starts}
    left_out = Counter(why for why in verdicts.values() if why is not None)
    return Choice(starts=tuple(start for start, why in verdicts.items() if why is None), left_out=left_out)


def _unfit(together: Sequence[Candidate], grid: str, min_rows: int) -> LeftOut | None:
    if not together:
        return LeftOut.NO_ROWS
    if any(candidate.incomplete for candidate in together):
        return LeftOut.INCOMPLETE
    if sum(candidate.rows for candidate in together) < max(min_rows, 1):
        return LeftOut.FEW_ROWS
    return LeftOut.OTHER_GRID if any(candidate.grid != grid for candidate in together) else None
