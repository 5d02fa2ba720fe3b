"""Drift that matters: under ``drift.severity: evidence`` it alerts where performance dropped, or where nobody knows of it.

Inputs move every day, and most of it harms no model. Where an estimate or labels tell that a version's rows are predicted as well as
ever, its drift is a warning: seen, and no message. What is known of all rows says nothing of a segment, nor of another version; but a
drop in any segment makes all drift of its version matter. Nothing is taken back: what alerted once stays an alert, whatever labels say
later.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from monitor.core.decay import DROPPED, change_sentence, evidence_words, value_with_interval, worst_first
from monitor.core.results import Check, Identity, Result, Verdict, identity, latest, only_told
from monitor.core.rules import Model, Severity

ONLY = "; only a warning: "
"""Where the reason of drift begins to say why it does not alert."""

Part = tuple[str, str]
"""Version and segment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a window tells of performance. ``dropped``: by version, its worst drop. ``well``: parts that are known to do as well as ever,
    each with the result that says so."""

    dropped: Mapping[str, Result]
    well: Mapping[Part, Result]


def weighed(results: Iterable[Result], rules: Model, known: Iterable[Result] = ()) -> tuple[Result, ...]:
    """Results of a window, in their order; drift that would alert only warns where its part is known to do as well as ever.

    ``known``: what was said of the window before. What it calls an alert stays one.
    """
    results, before = tuple(results), latest(known)
    if rules.drift.severity is not Severity.EVIDENCE:
        return results
    found = _evidence((dict(before) | {identity(result): result for result in results}).values(), rules)
    told = {name for name, result in before.items() if result.verdict is Verdict.ALERT}
    return tuple(_held(result, found, told) for result in results)


def raised(results: Sequence[Result], known: Mapping[Identity, Result], rules: Model) -> tuple[Result, ...]:
    """The drift of a window that was held at a warning and that alerts now, ``results`` having shown a drop in its version.

    ``known``: what was said of the window before, the last revision of each.
    """
    if rules.drift.severity is not Severity.EVIDENCE:
        return ()
    dropped = _evidence(results, rules).dropped
    mine = {identity(result) for result in results}
    return tuple(_raised(result, dropped[result.version]) for name, result in known.items()
                 if name not in mine and result.version in dropped and _is_held(result))


def _evidence(results: Iterable[Result], rules: Model) -> Evidence:
    told = [r for r in results if r.check is Check.PERFORMANCE and not only_told(r)]
    dropped: dict[str, Result] = {}
    for result in worst_first(result for result in told if result.verdict in DROPPED):
        dropped.setdefault(result.version, result)
    asked = () if rules.performance is None else rules.performance.metrics
    well = {(r.version, r.segment): r for name in reversed(asked) for r in told if r.metric == name and r.verdict is Verdict.OK}
    return Evidence(dropped=dropped, well=well)


def _held(result: Result, found: Evidence, told: Collection[Identity]) -> Result:
    well = found.well.get((result.version, result.segment))
    if result.check is not Check.DRIFT or result.verdict is not Verdict.ALERT or identity(result) in told:
        return result
    if well is None or result.version in found.dropped:
        return result
    return replace(result, verdict=Verdict.WARN,
                   reason=f"{result.reason}{ONLY}{well.metric} {value_with_interval(well)}, {_how(well)}, no drop seen")


def _how(result: Result) -> str:
    return "estimated" if result.estimated else evidence_words(result)


def _is_held(result: Result) -> bool:
    return result.check is Check.DRIFT and result.verdict is Verdict.WARN and ONLY in result.reason


def _raised(result: Result, drop: Result) -> Result:
    """Its numbers are those of before; what changed is what they mean."""
    return replace(result, verdict=Verdict.ALERT, reason=f"{result.reason.rpartition(ONLY)[0]}; it matters: {change_sentence(drop)}")
