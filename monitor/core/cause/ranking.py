"""The causes of a window's bad results: which column leads, and what is said of each."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from monitor.core.cause.causes import Cause, ColumnCause
from monitor.core.cause.effect import effect, times
from monitor.core.cause.headline import Told, headline
from monitor.core.cause.scene import Scene, key_of, scene_of
from monitor.core.cause.scope import BAD, Trouble, where_it_is
from monitor.core.cause.sentence import said
from monitor.core.cause.signatures import recognised
from monitor.core.cause.signatures.collapse import collapse
from monitor.core.cause.signatures.sign import Sign
from monitor.core.cause.sureness import sure_of
from monitor.core.decay import change_sentence, performance_sentence, worst_first
from monitor.core.evaluate import Subject
from monitor.core.explained import Explanation, explained_by
from monitor.core.incidents import Incident
from monitor.core.results import ALL_ROWS, Check, Result, WindowKey
from monitor.core.rules import Model
from monitor.core.schema import Role

USUAL = 1.0  # importance of a column that nobody weighed
MOST = 0.5  # of a column's rows
PHRASES = 3  # of one column's sentence
CONSEQUENCES = frozenset({"out_of_range_share"})  # of values that moved: told after the move itself


def explain(results: Iterable[Result], subjects: Sequence[Subject], rules: Model, *, opened: Incident | None = None) -> Cause:
    """The causes of a window's bad results: trouble with the volume leads, then features, then predictions and scores, then performance.

    ``results`` are all of the window, good ones too: they tell which versions and segments are well. ``opened``: the
    model's incident from before this window, which tells since when.
    """
    results = list(results)
    bad = [result for result in results if result.verdict in BAD]
    if not bad:
        return Cause(headline="")
    by_key = {subject.key: subject for subject in subjects}
    explanation = explained_by(bad, subjects, rules)
    parts = _parts(bad, by_key, rules, explanation)
    columns = tuple(part.cause for part in parts)
    whole = sorted((r for r in bad if r.column is None and r.check is not Check.PERFORMANCE), key=lambda r: (-times(r), r.metric))
    together = _together(parts[0], bad) if parts else ()
    where = where_it_is(Trouble(lead=parts[0].top, columns=together), results, explanation) if parts else ""
    leading, trailing = _whole(whole, by_key, told_by_columns=any(part.cause.signature and part.cause.effect >= MOST for part in parts))
    told = Told(
        volume=leading,
        columns=columns,
        whole=[*trailing, *_dropped(bad)],
        together=together,
        paired=parts[0].partner if parts else "",
        only=where,
        since=_since(opened, together, min(result.window_start for result in bad)),
        until=max(result.window_end for result in bad),
    )
    return Cause(headline=headline(told), columns=columns, only=where, performance=performance_sentence(results, rules),
                 sure=sure_of(bad, columns[0] if columns else None))


def _dropped(bad: Iterable[Result]) -> list[str]:
    """What is said of performance: a consequence, so it comes after the columns."""
    found = worst_first(result for result in bad if result.check is Check.PERFORMANCE)
    versions = len({result.version for result in found}) > 1
    return [change_sentence(result, versions=versions) for result in found]


def _since(opened: Incident | None, together: Collection[str], start: datetime) -> datetime:
    """Since the incident began, where it is about these columns already; else since this window's start."""
    return opened.since if opened is not None and set(together) <= set(opened.columns) else start


def _whole(
    bad: Iterable[Result], subjects: Mapping[WindowKey, Subject], *, told_by_columns: bool
) -> tuple[list[str], list[str]]:
    """What is said of the whole model before the columns, and after them. Rows beyond usual that are still most of them, or more,
    come after a column whose signature tells what happened to most of its rows."""
    leading, trailing = [], []
    for result in bad:
        collapsed = collapse(result, subjects.get(key_of(result)))
        if result.check is not Check.VOLUME:
            trailing.append(f"{result.metric}: {result.reason}")
        elif told_by_columns and result.metric == "rows" and result.value and collapsed is None:
            trailing.insert(0, result.reason)
        else:
            leading.append(collapsed or result.reason)
    return leading, trailing


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """A column's cause, with the result that it is told by and the column that shares its fate."""

    cause: ColumnCause
    top: Result
    partner: str = ""


def _parts(
    bad: Sequence[Result], subjects: Mapping[WindowKey, Subject], rules: Model, explanation: Explanation | None
) -> list[_Part]:
    roles = {column.name: column.role for column in rules.columns}
    found: dict[str, list[Result]] = {}
    moved: dict[WindowKey, dict[str, None]] = {}
    for result in bad:
        if result.column is not None:
            found.setdefault(result.column, []).append(result)
            moved.setdefault(key_of(result), {}).setdefault(result.column)
    scenes = _Scenes(subjects=subjects, moved={key: tuple(names) for key, names in moved.items()})
    parts = [_part(name, _where_told(name, own, explanation), scenes, rules.importance.get(name, USUAL)) for name, own in found.items()]
    return sorted(parts, key=lambda p: (roles.get(p.cause.name, Role.FEATURE) is not Role.FEATURE, -p.cause.score, p.cause.name))


def _where_told(name: str, bad: Sequence[Result], explanation: Explanation | None) -> Sequence[Result]:
    """The results that a column is told by: those of the one segment that explains it, else those of all rows, else all."""
    alone = explanation.alone if explanation is not None and name in explanation.of else ""
    told = [result for result in bad if result.segment == alone] or [result for result in bad if result.segment == ALL_ROWS]
    return told or bad


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scenes:
    """What was judged, and the columns with bad results, by window."""

    subjects: Mapping[WindowKey, Subject]
    moved: Mapping[WindowKey, tuple[str, ...]]

    def of(self, result: Result) -> Scene | None:
        """The scene of a result's column."""
        key = key_of(result)
        return None if result.column is None else scene_of(result.column, self.subjects.get(key), self.moved.get(key, ()))


def _part(name: str, bad: Sequence[Result], scenes: _Scenes, importance: float) -> _Part:
    """Told by its largest effect; of several windows alike by that of all rows."""
    effects = [(effect(result, scenes.of(result)), result) for result in bad]
    effects.sort(key=lambda pair: (pair[1].metric in CONSEQUENCES, -pair[0], *_order(pair[1])))
    size, top = effects[0]
    scene = scenes.of(top)
    signature, sign = (None if scene is None else recognised(scene)) or ("", None)
    told = _phrases([result for _, result in effects if key_of(result) == key_of(top)], scene, sign)
    cause = ColumnCause(
        name=name,
        metric=top.metric,
        value=top.value,
        threshold=top.threshold,
        effect=max(size, 0.0 if sign is None else sign.share),
        importance=importance,
        sentence=f"{name}: {'; '.join(told[:PHRASES])}",
        signature=signature,
        evidence="" if sign is None else sign.evidence,
    )
    return _Part(cause=cause, top=top, partner="" if sign is None else sign.partner)


def _order(result: Result) -> tuple[bool, str, str, str, str]:
    return result.segment != ALL_ROWS, result.check, result.metric, result.version, result.segment


def _phrases(results: Sequence[Result], scene: Scene | None, sign: Sign | None) -> list[str]:
    """What the signature says, then the results that it does not explain; each phrase once."""
    left = results if sign is None else [result for result in results if result.metric in sign.apart]
    phrases = [] if sign is None else [sign.said]
    return list(dict.fromkeys([*phrases, *(said(result, scene) for result in left)]))


def _together(first: _Part, bad: Iterable[Result]) -> frozenset[str]:
    """The columns that are bad in the window of the part that leads."""
    key = key_of(first.top)
    return frozenset(r.column for r in bad if r.column is not None and key_of(r) == key)
