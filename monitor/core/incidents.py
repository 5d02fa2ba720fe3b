"""Incidents: one ongoing problem of a model, from the first bad window to the last."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import assert_never

from monitor.core.incident import (
    CALLING,
    OPEN,
    SEVERITIES,
    Incident,
    IncidentEvent,
    IncidentState,
    Judged,
    MuteReason,
    Notify,
    NotifyKind,
    Step,
    TransitionReason,
)
from monitor.core.leading import Lead, leading
from monitor.core.maintenance import maintained
from monitor.core.recurring import Occurrence
from monitor.core.results import Check, Result, Verdict
from monitor.core.rules import AlertRules
from monitor.core.schema import rfc3339
from monitor.core.signals import Signal, signal
from monitor.core.stable import stable_hex
from monitor.core.summary import summary_of, union
from monitor.errors import UsageError

__all__ = [
    "CALLING",
    "OPEN",
    "SEVERITIES",
    "Incident",
    "IncidentEvent",
    "IncidentState",
    "Judged",
    "MuteReason",
    "Notify",
    "NotifyKind",
    "Step",
    "TransitionReason",
    "acknowledge",
    "expect",
    "incident_id",
    "resolve",
    "revise",
    "step",
]


def step(incident: Incident | None, judged: Judged, rules: AlertRules) -> Step:
    """Carry a model's open incident (None: there is none) over one judged window.

    A person's decision or an earlier window may have resolved ``incident``: then it counts as none. In maintenance nothing moves.
    """
    current = incident if incident is not None and incident.state in OPEN else None
    kept = maintained(rules.maintenance, judged.start, judged.end)
    if kept is not None:
        return _still(current, _moved(current, judged, rules), judged, kept)
    if current is not None and current.muted == MuteReason.MAINTENANCE:
        current = replace(current, muted=None)
    return _moved(current, judged, rules)


def revise(incident: Incident | None, before: Iterable[Result], judged: Judged, rules: AlertRules) -> Step:
    """Carry a model's open incident over one window whose results are others now, labels having come.

    ``before``: the window's results as they were; those of ``judged`` are as they are. A window counts again only where it says
    something else than before. What it adds to an incident that it counts for already is told with the next message.
    """
    current = incident if incident is not None and incident.state in OPEN else None
    kept = maintained(rules.maintenance, judged.start, judged.end)
    taken = _revised(current, tuple(before), judged, rules)
    return taken if kept is None else _still(current, taken, judged, kept)


def _still(current: Incident | None, would: Step, judged: Judged, kept: Occurrence) -> Step:
    """Nothing moves. Its history says so once for each time of maintenance in which something would have.

    ``muted`` remembers that it was said; where something is held back already, it is said by the first window of that time.
    """
    moves = current is not None and would != Step(incident=current)
    if current is None or not moves or current.muted == MuteReason.MAINTENANCE or (current.muted and kept.starts < judged.start):
        return Step(incident=current)
    still = replace(current, muted=current.muted or MuteReason.MAINTENANCE)
    detail = f"{rfc3339(kept.starts)} to {rfc3339(kept.ends)}" + (f": {kept.reason}" if kept.reason else "")
    return Step(incident=still, events=(_event(still, judged.end, current.state, TransitionReason.MAINTENANCE, detail),))


def _moved(current: Incident | None, judged: Judged, rules: AlertRules) -> Step:
    seen = signal(judged.results, current)
    match seen:
        case Signal.BAD:
            return _bad(current, judged, rules)
        case Signal.GOOD:
            return Step(incident=None) if current is None else _good(current, judged, rules)
        case Signal.HELD:
            return Step(incident=None if current is None else replace(current, good_windows=0))
        case Signal.SILENT:
            return Step(incident=current)
        case _:
            assert_never(seen)


def _revised(current: Incident | None, known: tuple[Result, ...], judged: Judged, rules: AlertRules) -> Step:
    was, now = signal(known, current), signal(judged.results, current)
    if now is Signal.BAD and was is Signal.BAD:
        fresh = _alerting(judged.results) - _alerting(known)
        if current is None:
            return _bad(None, judged, rules) if fresh else Step(incident=None)
        its_own = judged.start >= current.since  # what is older was an incident of its own
        return Step(incident=_grown(current, judged, windows=0) if fresh or its_own else current)
    match now:
        case Signal.BAD:
            return _bad(current, judged, rules)
        case Signal.GOOD if was is not Signal.GOOD and current is not None and _is_news(current, judged):
            return _good(current, judged, rules)
        case _:
            return Step(incident=current)


def _is_news(incident: Incident, judged: Judged) -> bool:
    """Whether a good window is one after the last bad one; a row of bad ones that is to open an incident ends within, too."""
    return judged.end >= incident.updated_at or (incident.state is IncidentState.PENDING and judged.start > incident.since)


def _alerting(results: Iterable[Result]) -> set[str]:
    return {result.check for result in results if result.verdict is Verdict.ALERT}


def acknowledge(incident: Incident, *, by: str, at: datetime) -> Step:
    """A person takes it on: no more reminders until it resolves, nor is told what was held back; what was told shows who. ``at`` is the
    wall clock.

    Raises UsageError unless the incident is firing.
    """
    if incident.state is not IncidentState.FIRING:
        raise UsageError(f"incident {incident.id} is {incident.state}: only a firing incident can be acknowledged")
    muted = incident.muted if incident.muted == MuteReason.MAINTENANCE else None
    after = replace(incident, state=IncidentState.ACKNOWLEDGED, acknowledged_by=by, muted=muted)
    reason = TransitionReason.ACKNOWLEDGED_BY_PERSON
    event = _event(after, at, incident.state, reason, f"by {by}")
    told = incident.notified_at is not None
    return Step(incident=after, events=(event,), notify=Notify(kind=NotifyKind.UPDATE, reason=reason) if told else None)


def resolve(incident: Incident, *, by: str, at: datetime) -> Step:
    """A person closes it; those who were told of it are told of that. ``at`` is the wall clock.

    ``resolved_at`` stays in event time: the end of the last judged window. Raises UsageError when it is resolved already.
    """
    return _closed(incident, TransitionReason.RESOLVED_BY_PERSON, by, at)


def expect(incident: Incident, *, by: str, at: datetime) -> Step:
    """As ``resolve``, and what came with it is the new usual: references merged from windows learn it (see ``core/recipes``)."""
    return _closed(incident, TransitionReason.RESOLVED_AS_EXPECTED, by, at)


def _closed(incident: Incident, reason: TransitionReason, by: str, at: datetime) -> Step:
    if incident.state not in OPEN:
        raise UsageError(f"incident {incident.id} is resolved already, at {rfc3339(incident.resolved_at or incident.updated_at)}")
    return _resolved(incident, incident.updated_at, event_at=at, reason=reason, detail=f"by {by}")


def _bad(incident: Incident | None, judged: Judged, rules: AlertRules) -> Step:
    """Open, fire, or go on."""
    if incident is None:
        opened = _grown(_opened(judged), judged)
        event = _event(opened, judged.end, None, TransitionReason.FIRST_BAD_WINDOW, opened.summary)
        return _fire(opened, judged, rules, (event,))
    grown = _grown(incident, judged, windows=0 if _may_be_apart(incident, judged, rules) else 1)
    if grown.state is IncidentState.PENDING:
        return _fire(grown, judged, rules, ())
    return _joined(incident, grown, judged, rules) or _remind(grown, judged, rules)


def _may_be_apart(incident: Incident, judged: Judged, rules: AlertRules) -> bool:
    """Whether a pending incident of performance and this window may not be in a row: labels have not told of the windows between."""
    if incident.state is not IncidentState.PENDING or Check.PERFORMANCE not in incident.checks:
        return False
    if any(result.check is Check.PERFORMANCE and result.verdict is Verdict.ALERT for result in judged.results):
        return False
    between = (judged.start - incident.updated_at) // (judged.end - judged.start)
    return incident.good_windows + between > (rules.open_within or rules.open_after) - rules.open_after


def _fire(incident: Incident, judged: Judged, rules: AlertRules, events: tuple[IncidentEvent, ...]) -> Step:
    """A pending incident fires once enough of its windows were bad."""
    if incident.bad_windows < rules.open_after:
        return Step(incident=incident, events=events)
    at = incident.updated_at
    fired = replace(incident, state=IncidentState.FIRING, fired_at=at, notified_at=at, good_windows=0)
    reason = TransitionReason.OPEN_AFTER_REACHED
    event = _event(fired, judged.end, incident.state, reason, _reached(incident, rules))
    return Step(incident=fired, events=(*events, event), notify=Notify(kind=NotifyKind.FIRING, reason=reason))


def _reached(incident: Incident, rules: AlertRules) -> str:
    if rules.open_within is None:
        return f"{incident.bad_windows} of {rules.open_after} bad windows"
    return f"{incident.bad_windows} bad of {incident.bad_windows + incident.good_windows} windows"


def _joined(before: Incident, grown: Incident, judged: Judged, rules: AlertRules) -> Step | None:
    """What another check that alerts now changes: people are told of it at once, or told nothing more; None where it changes nothing."""
    reason = _news(before, grown)
    if reason is None:
        return None
    told = grown if reason is TransitionReason.INHIBITED else replace(grown, notified_at=grown.updated_at)
    event = _event(told, judged.end, grown.state, reason, grown.summary)
    if reason is TransitionReason.INHIBITED:
        reminded = _remind(grown, judged, rules)
        return replace(reminded, events=(event, *reminded.events))
    return Step(incident=told, events=(event,), notify=Notify(kind=NotifyKind.REPEAT, reason=reason))


def _news(before: Incident, grown: Incident) -> TransitionReason | None:
    """A data fault is told whatever it joins, and what joins one is not: the fault explains it. A drop is told where drift was."""
    fresh = set(grown.checks) - set(before.checks)
    if leading(before.checks) is Lead.DATA_FAULT:
        inhibited = fresh and leading(fresh) is not Lead.DATA_FAULT
        return TransitionReason.INHIBITED if inhibited else None
    if leading(fresh) is Lead.DATA_FAULT:
        return TransitionReason.DATA_FAULT_TOO
    return TransitionReason.PERFORMANCE_DROPPED_TOO if Check.PERFORMANCE in fresh else None


def _remind(incident: Incident, judged: Judged, rules: AlertRules) -> Step:
    """People who did not answer are reminded once per interval of event time, and only by a window that is bad itself."""
    told = incident.notified_at
    if incident.state is not IncidentState.FIRING or told is None or incident.updated_at - told < rules.repeat_after:
        return Step(incident=incident)
    reason = TransitionReason.REPEAT_INTERVAL_ELAPSED
    reminded = replace(incident, notified_at=incident.updated_at)
    event = _event(reminded, judged.end, incident.state, reason, f"{incident.bad_windows} bad windows so far")
    return Step(incident=reminded, events=(event,), notify=Notify(kind=NotifyKind.REPEAT, reason=reason))


def _good(incident: Incident, judged: Judged, rules: AlertRules) -> Step:
    """A pending incident that can no longer open was nothing; a firing one resolves after some good windows in a row."""
    at = max(incident.updated_at, judged.end)
    better = replace(incident, updated_at=at, good_windows=incident.good_windows + 1)
    if incident.state is IncidentState.PENDING:
        if better.good_windows <= (rules.open_within or rules.open_after) - rules.open_after:
            return Step(incident=better)
        return _resolved(better, at, event_at=judged.end, reason=TransitionReason.RECOVERED_BEFORE_FIRING)
    if better.good_windows < rules.resolve_after:
        return Step(incident=better)
    detail = f"{better.good_windows} good windows in a row"
    return _resolved(better, at, event_at=judged.end, reason=TransitionReason.RESOLVE_AFTER_REACHED, detail=detail)


def _resolved(incident: Incident, at: datetime, *, event_at: datetime, reason: TransitionReason, detail: str = "") -> Step:
    """Close it. Who was never told of an incident is not told of its end, and ``muted`` goes on saying why."""
    told = incident.notified_at is not None
    closed = replace(incident, state=IncidentState.RESOLVED, resolved_at=at, muted=None if told else incident.muted)
    event = _event(closed, event_at, incident.state, reason, detail)
    return Step(incident=closed, events=(event,), notify=Notify(kind=NotifyKind.RESOLVED, reason=reason) if told else None)


def _opened(judged: Judged) -> Incident:
    return Incident(
        id=incident_id(judged.model, judged.start, judged.revision),
        model=judged.model,
        state=IncidentState.PENDING,
        severity=Verdict.OK,
        since=judged.start,
        updated_at=judged.end,
    )


def _grown(incident: Incident, judged: Judged, windows: int = 1) -> Incident:
    """So many more bad windows: what they add stays. The cause is what people were told when it fired.

    A window that was bad before, and is no more than that, interrupts no row of good ones.
    """
    alerting = [result for result in judged.results if result.verdict is Verdict.ALERT]
    checks = union(incident.checks, sorted({str(result.check) for result in alerting}))
    columns = union(incident.columns, judged.columns, [result.column for result in alerting if result.column is not None])
    return replace(
        incident,
        severity=max(incident.severity, Verdict.ALERT, key=SEVERITIES.index),
        since=min(incident.since, judged.start) if windows else incident.since,
        updated_at=max(incident.updated_at, judged.end),
        bad_windows=incident.bad_windows + windows,
        good_windows=incident.good_windows if incident.state is IncidentState.PENDING or not windows else 0,
        checks=checks,
        columns=columns,
        cause=incident.cause if incident.fired_at else judged.headline or incident.cause,
        summary=summary_of(checks, columns),
    )


def _event(after: Incident, at: datetime, before: IncidentState | None, reason: TransitionReason, detail: str = "") -> IncidentEvent:
    return IncidentEvent(incident=after.id, at=at, before=before, after=after.state, reason=reason, detail=detail)


def incident_id(model: str, since: datetime, revision: int = 0) -> str:
    """The same everywhere. What labels show of a window, whose own incident may be over by then, has a name of its own."""
    return "inc_" + stable_hex(model, rfc3339(since), *([f"revision {revision}"] if revision else []))
