"""What is drawn of an incident: plain data, small enough for the outbox, with every text in it final."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A label below the bars; ``at`` is its place, counted in bars from the left end of the first."""

    at: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bars:
    """One column: shares of the rows with a value, within [0, 1], by bar, of the reference and of the window.

    ``sentence``: what became of it, without its name. ``named``: each bar is a category, or a value, and has its name; else they are
    intervals of a number, and ``stretched`` where they are not of one width.
    """

    column: str
    sentence: str
    reference: tuple[float, ...]
    now: tuple[float, ...]
    ticks: tuple[Tick, ...]
    named: bool = False
    stretched: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """What a window came to. ``bad``: the check alerted; ``estimated``: without labels; the interval and the limit where there are some."""

    start: datetime
    value: float
    low: float | None = None
    high: float | None = None
    threshold: float | None = None
    bad: bool = False
    estimated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """The recent windows by one metric, oldest first. ``reference``: what the reference had; None for a distance from it."""

    title: str
    points: tuple[Point, ...]
    reference: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """``title``: what happened, in one sentence; ``cause``: the likely one; ``window``: which one is shown as now.

    ``since``: the start of the first bad window of the incident. ``more_columns``: that are bad too, and not shown.
    """

    incident: str
    title: str
    cause: str
    window: str
    since: datetime
    columns: tuple[Bars, ...] = ()
    more_columns: int = 0
    course: Course | None = None
