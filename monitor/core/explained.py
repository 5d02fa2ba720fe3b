"""Which segments explain that all rows alert: found by taking them away, which profiles can do exactly.

What is left of the window is compared with what is left of the reference. Where that is as usual again, the segments that were
taken away explain the alert. "How far" is always in multiples of the limit that all rows were held against, at the worst of the
alerting columns: 1 and less is usual. A segment is only named where it is beyond the limit itself; where none is, though all
rows are, the rows are as ever and only their mix is another (Simpson's paradox).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from monitor.core.drift import DRIFT_TESTS, AlarmsWhen, pair_of
from monitor.core.drift.base import ColumnProfile
from monitor.core.drift.calibration import METRICS, by_chance, column_distance, column_shares, season_gap
from monitor.core.drift.verdict import rhythm_of
from monitor.core.evaluate import Subject
from monitor.core.finding import BROKEN, percent
from monitor.core.profile import Profile
from monitor.core.results import ALL_ROWS, Check, Result, Verdict
from monitor.core.rules import Model
from monitor.core.segments import segment_parts

MOST_COLUMNS = 3  # alerting columns that are looked at, the furthest beyond their limits
MOST_NAMED = 3  # segments that explain an alert together; more are no explanation
MOSTLY = 0.5  # of the way beyond the limit that is gone where the segments explain most of it
CHANCE = 0.001  # how often chance may take a segment, or what is left without it, for one beyond the limit
COVERED = 0.9  # share of the window's rows in judged segments, from which "all" or "none" of them may be said


class How(StrEnum):
    """How segments explain an alert."""

    ONLY = "only"
    MOSTLY = "mostly"
    ALL = "all"
    MIX = "mix"


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """``segments``: those that explain it, the largest part first; all of the ``column`` for ``ALL`` and ``MIX``. ``share``: of rows.

    ``of``: the alerting columns that it was looked for.
    """

    how: How
    of: tuple[str, ...]
    column: str
    segments: tuple[str, ...]
    share: float

    @property
    def alone(self) -> str:
        """The one segment that explains all of it; empty where it is not one."""
        return self.segments[0] if self.how is How.ONLY and len(self.segments) == 1 else ""

    @property
    def sentence(self) -> str:
        """``only origin=JFK``, ``mostly origin=JFK (38 % of the rows)``, ``in all segments of origin``."""
        named = ", ".join(self.segments)
        match self.how:
            case How.ONLY:
                return f"only {named} ({percent(self.share)} of the rows)"
            case How.MOSTLY:
                return f"mostly {named} ({percent(self.share)} of the rows)"
            case How.ALL:
                return f"in all segments of {self.column}"
            case How.MIX:
                return f"in no segment of {self.column}, whose mix is another"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Side:
    """The rows of a segment, or what is left without some, in the window and in the reference."""

    window: Profile
    reference: Profile

    def minus(self, other: _Side) -> _Side:
        """Without a part. Raises ValueError where it is none."""
        return _Side(window=self.window.minus(other.window), reference=self.reference.minus(other.reference))


def explained_by(results: Iterable[Result], subjects: Sequence[Subject], rules: Model) -> Explanation | None:
    """What explains the alerts of all rows, of the version with the most; None where they are not, or not by segments.

    ``results``: of the ``subjects``, which are one window's versions and segments. The segment column that explains most is told.
    """
    alerts = [r for r in results if r.segment == ALL_ROWS and r.verdict is Verdict.ALERT and r.column and r.value and r.threshold]
    whole = max((s for s in subjects if s.key.segment == ALL_ROWS and _alerts_of(s, alerts)), key=lambda s: s.account.counted, default=None)
    if whole is None or whole.profile is None or whole.reference is None:
        return None
    top = sorted(_alerts_of(whole, alerts), key=lambda r: (-_beyond(r), r.column or "", r.metric))[:MOST_COLUMNS]
    top = [_from_whole(result, whole) for result in top]
    found = [e for column in rules.segments if (e := _by_column(column, top, whole, subjects, rules)) is not None]
    return min(found, key=lambda e: (list(How).index(e.how), len(e.segments), e.column), default=None)


def _alerts_of(subject: Subject, alerts: Sequence[Result]) -> list[Result]:
    return [result for result in alerts if result.version == subject.key.version]


def _from_whole(result: Result, subject: Subject) -> Result:
    """With the limit of a comparison with all of the reference. Parts of it have no seasons, so it is they that are compared here."""
    name, reference = result.column or "", subject.reference
    if reference is None or result.check is not Check.DRIFT or result.threshold is None:
        return result
    column = reference.profile.columns.get(name)
    if column is None or result.metric != METRICS[type(column)] or not column.n:
        return result
    return replace(result, threshold=result.threshold + season_gap(column, rhythm_of(name, reference), subject.key.start))


def _beyond(result: Result) -> float:
    return (result.value or 0.0) / (result.threshold or 1.0)


def _by_column(column: str, top: Sequence[Result], whole: Subject, subjects: Sequence[Subject], rules: Model) -> Explanation | None:
    """By the segments of one column. That column's own alert is no matter of its segments: in each it has one value."""
    if whole.profile is None or whole.reference is None:
        return None
    profiled = whole.profile.columns.keys() & whole.reference.profile.columns.keys()  # labels have no profile of a window
    alerts = [result for result in top if result.column != column and result.column in profiled]
    if not alerts:
        return None
    all_rows = _Side(window=whole.profile, reference=whole.reference.profile)
    try:
        return _explain(column, alerts, all_rows, dict(_segments(column, whole, subjects, rules)), rules)
    except BROKEN:  # a profile that is no part, too: nothing can be said then
        return None


def _segments(column: str, whole: Subject, subjects: Sequence[Subject], rules: Model) -> Iterator[tuple[str, _Side]]:
    """The segments of a column in which enough rows came to say anything."""
    for subject in subjects:
        there = subject.compared_with
        if subject.key.version != whole.key.version or segment_parts(subject.key.segment)[0] != column:
            continue
        if subject.profile is not None and there is not None and subject.profile.rows >= max(rules.min_rows, 1):
            yield subject.key.segment, _Side(window=subject.profile, reference=there.profile)


def _explain(column: str, alerts: Sequence[Result], whole: _Side, parts: dict[str, _Side], rules: Model) -> Explanation | None:
    rows, of = whole.window.rows, _columns(alerts)
    far = {name: _how_far(alerts, part) for name, part in parts.items()}
    beyond = sorted((name for name in far if far[name] > 1), key=lambda name: (-far[name] * parts[name].window.rows, name))
    covered = sum(part.window.rows for part in parts.values()) >= COVERED * rows
    if covered and not beyond and _mix_moved(column, whole, rules.drift.min_effect.tvd):
        return Explanation(of=of, how=How.MIX, column=column, segments=tuple(sorted(parts)), share=1.0)
    if covered and len(beyond) == len(parts) > 1:
        return Explanation(of=of, how=How.ALL, column=column, segments=tuple(sorted(parts)), share=1.0)
    return _taken_away(column, alerts, whole, [(name, parts[name]) for name in beyond], rules)


def _taken_away(
    column: str, alerts: Sequence[Result], whole: _Side, beyond: Sequence[tuple[str, _Side]], rules: Model
) -> Explanation | None:
    """Take away one segment after the other, the largest part first, until the rest is as usual, or most of it is gone."""
    rest, names, mostly, of = whole, [], None, _columns(alerts)
    least = 1 + (1 - MOSTLY) * (_how_far(alerts, whole) - 1)
    for name, part in beyond[:MOST_NAMED]:
        rest = rest.minus(part)
        names.append(name)
        if rest.window.rows < max(rules.min_rows, 1) or not rest.reference.rows:
            break
        far, share = _how_far(alerts, rest), 1 - rest.window.rows / whole.window.rows
        if far <= 1:
            return Explanation(of=of, how=How.ONLY, column=column, segments=tuple(names), share=share)
        if mostly is None and far <= least:
            mostly = Explanation(of=of, how=How.MOSTLY, column=column, segments=tuple(names), share=share)
    return mostly


def _columns(alerts: Sequence[Result]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(result.column or "" for result in alerts))


def _mix_moved(column: str, whole: _Side, floor: float) -> bool:
    here, there = whole.window.columns[column], whole.reference.columns[column]
    return column_distance(there, here) > floor


# --- how far ---------------------------------------------------------------------------------------------------


def _how_far(alerts: Sequence[Result], side: _Side) -> float:
    """The worst of the alerting columns, in multiples of its limit; 0 where none of them can be measured."""
    return max((_measure(result, side) / _limit(result, side) for result in alerts), default=0.0)


def _limit(result: Result, side: _Side) -> float:
    """The result's limit, or what chance alone makes of the distance between so few rows, where that is more."""
    name, limit = result.column or "", result.threshold or 1.0
    here, there = side.window.columns[name], side.reference.columns[name]
    if result.metric != METRICS[type(there)] or not (here.n and there.n):
        return limit
    return max(limit, by_chance(there, here, CHANCE))


def _measure(result: Result, side: _Side) -> float:
    """The value that the result has, measured on other rows. Raises ValueError for a metric that cannot be, or without values."""
    name = result.column or ""
    here, there = side.window.columns[name], side.reference.columns[name]
    if result.check is Check.QUALITY:
        shares = column_shares(here, there)
        if (kind := result.metric.removesuffix("_share")) not in shares:
            raise ValueError(f"{result.metric} is no share")
        return shares[kind]
    return _distance(result.metric, here, there)


def _distance(metric: str, here: ColumnProfile, there: ColumnProfile) -> float:
    if metric == METRICS[type(there)]:
        return column_distance(there, here)
    method = DRIFT_TESTS.get(metric)
    if method is None or method.alarms_when is not AlarmsWhen.ABOVE:
        raise ValueError(f"{metric} is no distance")
    return method.measure(pair_of(there, here)).value
