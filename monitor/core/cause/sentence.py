"""What happened to a column in plain words, where nothing more particular was recognised."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from monitor.core.cause.scene import Scene
from monitor.core.drift.base import side_of
from monitor.core.drift.calibration import column_shares, unseen_rows
from monitor.core.drift.transform import quantiles
from monitor.core.finding import BROKEN, number, percent
from monitor.core.profile import CategoricalProfile, NumericProfile
from monitor.core.quality import unseen_names
from monitor.core.results import Check, Result

SHORTEST = 40  # characters of a category or column shown in a sentence
LONGEST = 200  # characters of a check's own reason told in a sentence
SPREAD_TOLD = 1.25  # times: from here on the standard deviation is worth telling
MEAN_TOLD = 0.1  # of the reference's standard deviation: a smaller move of the mean is not what happened
MEDIAN = 9  # its place among the quantiles
NOTHING = 1e-12  # of the spread: a value that has a bin of its own ends at the next float
KINDS = {"null": "nulls", "non_finite": "NaN or infinity", "wrong_type": "values of a wrong type"}


def said(result: Result, scene: Scene | None) -> str:
    """What happened to the result's column, without its name; the bare numbers where the profiles are not at hand."""
    bare = f"{result.metric} {number(result.value)}, limit {number(result.threshold)}"
    if result.check is Check.QUALITY:
        told = None if scene is None else _quality(result.metric, scene)
        return told or _reason(result) or bare
    if scene is None:
        return bare
    try:
        return moved(scene) or bare
    except BROKEN:
        return bare  # no values on one side, or numbers beyond arithmetic: the sentence can do without


def short(text: str) -> str:
    """A name at a length that leaves room for others; the empty one is shown as what it is."""
    return clipped(text, SHORTEST) or '""'


def clipped(text: str, longest: int) -> str:
    """At most so many characters."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def moved(scene: Scene) -> str | None:
    """How the values moved, reference → window."""
    here, there = scene.here, scene.there
    if isinstance(here, NumericProfile) and isinstance(there, NumericProfile):
        return numbers(here, there)
    if isinstance(here, CategoricalProfile) and isinstance(there, CategoricalProfile):
        return _shares(here, there, unseen_names(scene.name, scene.window, scene.reference))
    return None


def numbers(here: NumericProfile, there: NumericProfile) -> str | None:
    """The mean where it moved, else the spread, else the median."""
    if here.mean is None or there.mean is None:
        return None
    spread, before = here.std or 0.0, there.std or 0.0
    if abs(here.mean - there.mean) >= MEAN_TOLD * before > 0 or (before == 0 and here.mean != there.mean):
        return f"mean {number(there.mean)} → {number(here.mean)}"
    if max(spread, before) >= SPREAD_TOLD * min(spread, before):
        return f"standard deviation {number(before)} → {number(spread)}"
    middle = [float(quantiles(side_of(column))[MEDIAN]) for column in (there, here)]
    before, after = (0.0 if abs(value) < NOTHING * max(spread, 1.0) else value for value in middle)
    return f"median {number(before)} → {number(after)}"


def _quality(metric: str, scene: Scene) -> str | None:
    """The share before and after; None for what the profiles do not tell."""
    here, there = scene.here, scene.there
    if metric == "null_share" and here.n == 0 and here.null == here.total:
        return "gone, no row has a value"
    if metric == "unseen_share" and isinstance(here, CategoricalProfile) and isinstance(there, CategoricalProfile):
        names = ", ".join(map(short, unseen_names(scene.name, scene.window, scene.reference)))
        return f"{percent(unseen_rows(here, there) / max(here.n, 1))} in unseen categories ({names})"
    kind = metric.removesuffix("_share")
    if kind not in KINDS:
        return None
    before, after = column_shares(there, there).get(kind, 0.0), column_shares(here, there).get(kind, 0.0)
    return f"{KINDS[kind]} {percent(before)} → {percent(after)}"


def _reason(result: Result) -> str:
    """The check's own words, without the column's name, which begins the sentence already."""
    return clipped(result.reason.removeprefix(f"{result.column}: ") if result.column else result.reason, LONGEST)


def _shares(here: CategoricalProfile, there: CategoricalProfile, unseen: Sequence[str]) -> str:
    """The category whose share moved most; new ones together count as one."""
    before, after = side_of(there).shares, side_of(here).shares
    at = int(np.argmax(np.abs(after - before)))
    known = here.grid.categories
    name = short(known[at]) if at < len(known) else f"unseen categories ({', '.join(map(short, unseen))})"
    return f"{name} {percent(float(before[at]))} → {percent(float(after[at]))}"
