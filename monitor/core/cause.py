"""What probably happened: the bad results of a window as sentences, the likeliest cause first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from monitor.core.drift.base import side_of
from monitor.core.drift.calibration import column_shares, unseen_rows
from monitor.core.drift.transform import Change, quantiles, recognise
from monitor.core.evaluate import Subject
from monitor.core.finding import number, percent
from monitor.core.profile import CategoricalProfile, NumericProfile, Profile
from monitor.core.quality import unseen_names
from monitor.core.results import Check, Result, Verdict, WindowKey
from monitor.core.rules import Model
from monitor.core.schema import Role

BAD = (Verdict.ALERT, Verdict.WARN)
MAX_EFFECT = 1e9  # where the limit is zero
SHORTEST = 40  # characters of a category shown in a sentence
SPREAD_TOLD = 1.25  # times: from here on the standard deviation is worth telling
MEAN_TOLD = 0.1  # of the reference's standard deviation: a smaller move of the mean is not what happened


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnCause:
    """One column's part in it: its worst result, ``effect`` in multiples of the limit, and a sentence for people."""

    name: str
    metric: str
    value: float | None
    threshold: float | None
    effect: float
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """``headline`` is one line, empty where nothing is bad. ``columns``: features first, then by effect."""

    headline: str
    columns: tuple[ColumnCause, ...] = ()


def explain(results: Iterable[Result], subjects: Sequence[Subject], rules: Model) -> Cause:
    """The causes of a window's bad results. Whole-model trouble with the volume leads, then features, then predictions and scores."""
    bad = [result for result in results if result.verdict in BAD]
    columns = _columns(bad, subjects, rules)
    whole = sorted((r for r in bad if r.column is None), key=lambda r: (r.check is not Check.VOLUME, -_effect(r), r.metric))
    leading = [_whole(result) for result in whole if result.check is Check.VOLUME]
    trailing = [_whole(result) for result in whole if result.check is not Check.VOLUME]
    return Cause(headline=_headline([*leading, *(c.sentence for c in columns), *trailing]), columns=columns)


def _headline(sentences: list[str]) -> str:
    if not sentences:
        return ""
    more = len(sentences) - 1
    return sentences[0] if not more else f"{sentences[0]}; and {more} more"


def _whole(result: Result) -> str:
    return result.reason if result.check is Check.VOLUME else f"{result.metric}: {result.reason}"


def _effect(result: Result) -> float:
    """How many times the limit, or how many times below it: half of the fewest usual rows is as bad as twice the most."""
    value, threshold = result.value, result.threshold
    if value is None or threshold is None:
        return 1.0
    low, high = sorted((abs(value), abs(threshold)))
    return 1.0 if high == 0 else min(high / low, MAX_EFFECT) if low > high / MAX_EFFECT else MAX_EFFECT


def _columns(bad: Sequence[Result], subjects: Sequence[Subject], rules: Model) -> tuple[ColumnCause, ...]:
    by_key = {subject.key: subject for subject in subjects}
    roles = {column.name: column.role for column in rules.columns}
    worst: dict[str, list[Result]] = {}
    for result in sorted(bad, key=lambda r: (-_effect(r), r.check, r.metric, r.version, r.segment)):
        if result.column is not None:
            worst.setdefault(result.column, []).append(result)
    causes = [_column(name, found, by_key) for name, found in worst.items()]
    return tuple(sorted(causes, key=lambda c: (roles.get(c.name, Role.FEATURE) is not Role.FEATURE, -c.effect, c.name)))


def _column(name: str, found: Sequence[Result], by_key: Mapping[WindowKey, Subject]) -> ColumnCause:
    top = found[0]
    told: list[str] = []
    for result in found:
        if _key(result) != _key(top):
            continue
        said = _said(result, by_key.get(_key(result)))
        if said not in told:
            told.append(said)
    return ColumnCause(
        name=name,
        metric=top.metric,
        value=top.value,
        threshold=top.threshold,
        effect=_effect(top),
        sentence=f"{name}: {'; '.join(told)}",
    )


def _key(result: Result) -> WindowKey:
    return WindowKey(
        model=result.model, version=result.version, segment=result.segment, start=result.window_start, end=result.window_end
    )


# --- sentences -----------------------------------------------------------------------------------------------


def _said(result: Result, subject: Subject | None) -> str:
    """What happened to the result's column, without its name; the bare numbers where the profiles are not at hand."""
    bare = f"{result.metric} {number(result.value)}, limit {number(result.threshold)}"
    if subject is None or subject.profile is None or subject.reference is None:
        return bare
    name, here, there = result.column or "", subject.profile, subject.reference.profile
    if name not in here.columns or name not in there.columns:
        return bare
    if result.check is Check.QUALITY:
        return _quality(result.metric, name, here, there)
    try:
        return _drift(name, here, there) or bare
    except (ArithmeticError, ValueError):
        return bare  # no values on one side, or numbers beyond arithmetic: the sentence can do without


def _quality(metric: str, name: str, window: Profile, reference: Profile) -> str:
    here, there = window.columns[name], reference.columns[name]
    if metric == "null_share" and here.n == 0 and here.null == here.total:
        return "gone, no row has a value"
    if metric == "unseen_share" and isinstance(here, CategoricalProfile) and isinstance(there, CategoricalProfile):
        names = ", ".join(map(_short, unseen_names(name, window, reference)))
        return f"{percent(unseen_rows(here, there) / max(here.n, 1))} in unseen categories ({names})"
    kind = metric.removesuffix("_share")
    words = {"null": "nulls", "non_finite": "NaN or infinity", "wrong_type": "values of a wrong type"}.get(kind, kind)
    before, after = column_shares(there, there).get(kind, 0.0), column_shares(here, there).get(kind, 0.0)
    return f"{words} {percent(before)} → {percent(after)}"


def _drift(name: str, window: Profile, reference: Profile) -> str | None:
    here, there = window.columns[name], reference.columns[name]
    if isinstance(here, NumericProfile) and isinstance(there, NumericProfile):
        moved = _numbers(here, there)
        return moved and moved + _transform(here, there)
    if isinstance(here, CategoricalProfile) and isinstance(there, CategoricalProfile):
        return _shares(here, there, unseen_names(name, window, reference))
    return None


def _numbers(here: NumericProfile, there: NumericProfile) -> str | None:
    """The mean where it moved, else the spread, else the median."""
    if here.mean is None or there.mean is None:
        return None
    spread, before = here.std or 0.0, there.std or 0.0
    if abs(here.mean - there.mean) >= MEAN_TOLD * before > 0 or (before == 0 and here.mean != there.mean):
        return f"mean {number(there.mean)} → {number(here.mean)}"
    if max(spread, before) >= SPREAD_TOLD * min(spread, before):
        return f"standard deviation {number(before)} → {number(spread)}"
    middle = [float(quantiles(side_of(column))[9]) for column in (there, here)]
    return f"median {number(middle[0])} → {number(middle[1])}"


def _transform(here: NumericProfile, there: NumericProfile) -> str:
    found = recognise(side_of(there), side_of(here))
    if found is None:
        return ""
    if found.change is Change.OFFSET:
        return f" (every value about {'+' if found.amount > 0 else '−'}{number(abs(found.amount))})"
    times = f"×{number(found.amount)}" if found.amount >= 1 else f"÷{number(1 / found.amount)}"
    return f" (about {times}: a unit change?)" if found.known else f" (about {times})"


def _shares(here: CategoricalProfile, there: CategoricalProfile, unseen: Sequence[str]) -> str:
    """The category whose share moved most; new ones together count as one."""
    before, after = side_of(there).shares, side_of(here).shares
    at = int(np.argmax(np.abs(after - before)))
    known = here.grid.categories
    name = _short(known[at]) if at < len(known) else f"unseen categories ({', '.join(map(_short, unseen))})"
    return f"{name} {percent(float(before[at]))} → {percent(float(after[at]))}"


def _short(text: str) -> str:
    return text if len(text) <= SHORTEST else f"{text[: SHORTEST - 1]}…"
