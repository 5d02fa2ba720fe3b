"""Where it is: in one version or one segment only, while the others of the same window are well."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from monitor.core.cause.scene import key_of
from monitor.core.cause.sentence import short
from monitor.core.explained import Explanation, How
from monitor.core.results import ALL_ROWS, Result, Verdict, WindowKey
from monitor.core.segments import segment_parts

BAD = frozenset({Verdict.ALERT, Verdict.WARN})
UNLIKE = 0.5  # of the bad one's value: others that come nearer are not well, they are only not proven ill


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What is bad: the result that leads, and the columns that are bad in its window."""

    lead: Result
    columns: Collection[str]

    @property
    def key(self) -> WindowKey:
        """The window of the result that leads."""
        return key_of(self.lead)


def where_it_is(trouble: Trouble, results: Iterable[Result], explanation: Explanation | None) -> str:
    """Named segments that explain it, else what the results tell, else that it is in all segments; of a segment at least its name."""
    results, lead = list(results), trouble.lead
    if explanation is None or not {*explanation.of} & {*trouble.columns}:
        return only(trouble, results) or ("" if lead.segment == ALL_ROWS else f"in {short(lead.segment)}")
    if explanation.how in (How.ALL, How.MIX) and (found := only(trouble, results)):
        return found
    of_version = only(trouble, [result for result in results if result.segment == lead.segment])
    return ", ".join(filter(None, [of_version, explanation.sentence]))


def only(trouble: Trouble, results: Iterable[Result]) -> str:
    """``only app_version=4.2``, ``only version 7``, both, or nothing: where others are bad too, or nobody can tell."""
    of_columns = [result for result in results if result.column in trouble.columns]
    judged: dict[WindowKey, list[Result]] = {}
    for result in of_columns:
        judged.setdefault(key_of(result), []).append(result)
    found = [_version(trouble, judged), _segment(trouble, judged)]
    places = " and ".join(place for place in found if place)
    return f"only {places}" if places else ""


def _version(trouble: Trouble, judged: Mapping[WindowKey, Sequence[Result]]) -> str:
    key = trouble.key
    others = [rs for other, rs in judged.items() if other.segment == key.segment and other.version != key.version]
    return f"version {short(key.version)}" if _well(others, trouble.lead) else ""


def _segment(trouble: Trouble, judged: Mapping[WindowKey, Sequence[Result]]) -> str:
    """The segment that it is in; of several columns that tell apart, the one whose bad segment stands out most."""
    key = trouble.key
    of_version = {other.segment: rs for other, rs in judged.items() if other.version == key.version and other.segment != ALL_ROWS}
    found: list[tuple[float, str]] = []
    for column in sorted({segment_parts(segment)[0] for segment in of_version}):
        values = {segment: rs for segment, rs in of_version.items() if segment_parts(segment)[0] == column}
        ill = [segment for segment, rs in values.items() if any(r.verdict in BAD for r in rs)]
        if len(ill) != 1 or key.segment not in (ALL_ROWS, ill[0]):
            continue
        same = [r for r in values[ill[0]] if _alike(r, trouble.lead) and r.verdict in BAD]
        if same and _well([rs for segment, rs in values.items() if segment != ill[0]], same[0]):
            found.append((-abs(same[0].value or 0.0), ill[0]))
    return short(min(found)[1]) if found else ""


def _alike(result: Result, lead: Result) -> bool:
    return (result.column, result.check, result.metric) == (lead.column, lead.check, lead.metric)


def _well(others: Sequence[Sequence[Result]], lead: Result) -> bool:
    """Whether at least one other was judged by the same check, none is bad, and none comes near the value of the one that leads."""
    same = [r for results in others for r in results if _alike(r, lead) and r.verdict is Verdict.OK]
    bad = any(r.verdict in BAD for results in others for r in results)
    return bool(same) and not bad and all(abs(r.value or 0.0) <= UNLIKE * abs(lead.value or 0.0) for r in same)
