"""Muting: whether people are told of what an incident has come to. States and verdicts are never changed by it.

What is held back is remembered in ``Incident.muted`` and told by the next bad window that nothing mutes, once. Who was told of an
incident is told of its end, whatever is silenced; who was never told of it is not.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from monitor.core.incidents import (
    CALLING,
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
from monitor.core.results import Verdict
from monitor.core.rules import Model, Switch
from monitor.core.schema import rfc3339
from monitor.core.silences import About, Silence

HOLDING = (MuteReason.SILENCED, MuteReason.OLD_WINDOW)
"""Reasons for which something waits to be told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Why a message is held back; ``detail`` for people."""

    reason: MuteReason
    detail: str = ""


def wish(taken: Step, opened: Incident | None) -> Notify | None:
    """What people would be told if nothing muted it: what the step says, or else what was held back before and still stands.

    ``opened``: the incident as it was before the step. Only a window that is bad itself brings back what was held back.
    """
    after = taken.incident
    if taken.notify is not None or after is None or opened is None or after.id != opened.id:
        return taken.notify
    if opened.muted not in HOLDING or after.state is not IncidentState.FIRING or after.bad_windows <= opened.bad_windows:
        return None
    return Notify(kind=NotifyKind.REPEAT, reason=TransitionReason.TOLD_LATE)


def mute(taken: Step, opened: Incident | None, at: datetime, hold: Hold | None) -> Step:
    """The step as people are told of it. ``at``: the end of the judged window. ``hold``: what mutes it, None where nothing does.

    An incident's first message is always FIRING, whatever brought it about. The end of an incident is never held back.
    """
    wanted, after = wish(taken, opened), taken.incident
    if wanted is None or after is None or wanted.kind not in CALLING:
        return taken
    before = opened if opened is not None and opened.id == after.id else None
    return _told(taken, after, before, wanted, at) if hold is None else _held(taken, after, before, at, hold)


def _told(taken: Step, after: Incident, before: Incident | None, wanted: Notify, at: datetime) -> Step:
    kind = NotifyKind.FIRING if before is None or before.notified_at is None else wanted.kind
    told = replace(after, notified_at=after.updated_at, muted=None)
    if before is None or before.muted not in HOLDING:
        return replace(taken, incident=told, notify=Notify(kind=kind, reason=wanted.reason))
    late = _line(told, at, TransitionReason.TOLD_LATE, f"before it was held back: {before.muted}")
    return Step(incident=told, events=(*taken.events, late), notify=Notify(kind=kind, reason=TransitionReason.TOLD_LATE))


def _held(taken: Step, after: Incident, before: Incident | None, at: datetime, hold: Hold) -> Step:
    """A reminder that is held back leaves no line of its own: while one thing mutes it, its history says so once."""
    told_at, muted = (None, None) if before is None else (before.notified_at, before.muted)
    held = replace(after, notified_at=told_at, muted=hold.reason)
    events = tuple(event for event in taken.events if event.reason is not TransitionReason.REPEAT_INTERVAL_ELAPSED)
    news = taken.notify is not None and taken.notify.reason is not TransitionReason.REPEAT_INTERVAL_ELAPSED
    if news or muted != hold.reason:
        events = (*events, _line(held, at, TransitionReason.HELD_BACK, _said(hold)))
    return Step(incident=held, events=events)


def _line(incident: Incident, at: datetime, reason: TransitionReason, detail: str) -> IncidentEvent:
    return IncidentEvent(incident=incident.id, at=at, before=incident.state, after=incident.state, reason=reason, detail=detail)


def _said(hold: Hold) -> str:
    return f"{hold.reason}: {hold.detail}" if hold.detail else str(hold.reason)


# --- conditions ----------------------------------------------------------------------------------------------


def mute_condition(opened: Step, hold: Hold | None) -> Step:
    """A condition that begins, as people are told of it; its one line of history says where they are not."""
    incident = opened.incident
    if hold is None or incident is None:
        return opened
    (event,) = opened.events
    line = replace(event, detail=f"{event.detail} ({TransitionReason.HELD_BACK}: {_said(hold)})")
    return Step(incident=replace(incident, notified_at=None, muted=hold.reason), events=(line,))


def told_late(incident: Incident, now: datetime) -> Step:
    """A condition that was held back and still stands. ``now``: the wall clock."""
    told = replace(incident, notified_at=now, updated_at=now, muted=None)
    line = _line(told, now, TransitionReason.TOLD_LATE, f"before it was held back: {incident.muted}")
    return Step(incident=told, events=(line,), notify=Notify(kind=NotifyKind.FIRING, reason=TransitionReason.TOLD_LATE))


# --- what mutes ----------------------------------------------------------------------------------------------


def by_silence(silence: Silence) -> Hold:
    """It is silenced."""
    why = f", {silence.reason}" if silence.reason else ""
    return Hold(reason=MuteReason.SILENCED, detail=f"until {rfc3339(silence.ends_at)} by {silence.by}{why} ({silence.id})")


def by_age(end: datetime, now: datetime, most: timedelta | None) -> Hold | None:
    """The window ended too long ago. ``most`` is None where no window is too old."""
    if most is None or now - end <= most:
        return None
    return Hold(reason=MuteReason.OLD_WINDOW, detail=f"it ended at {rfc3339(end)}")


def most_age(model: Model, *, revised: bool = False) -> timedelta | None:
    """How long after its end people are told of a window; of a ``revised`` one, which waited for labels, so much longer.

    By itself as long as the youngest reminder may take that is not of the past: the window, its lateness and ``repeat_after``.
    """
    match model.alerts.max_age:
        case Switch.OFF:
            return None
        case None:
            most = model.window + model.allowed_lateness + model.alerts.repeat_after
        case given:
            most = given
    return most + (model.label_delay if revised else timedelta())


def told_of(judged: Judged) -> frozenset[About]:
    """What a message about this window tells of: each check that alerts in it, with its column."""
    return frozenset(About(check=result.check, column=result.column) for result in judged.results if result.verdict is Verdict.ALERT)


def untold(incident: Incident | None) -> bool:
    """Whether nobody has heard of it, being held back."""
    return incident is not None and incident.notified_at is None and incident.muted in HOLDING
