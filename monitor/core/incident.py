"""An incident as it stands: its states, why it changed, and what is to be told of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from monitor.core.results import Result, Verdict


class IncidentState(StrEnum):
    """The life of an incident."""

    PENDING = "pending"
    FIRING = "firing"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


class TransitionReason(StrEnum):
    """Why an incident changed, or why a message about it goes out."""

    FIRST_BAD_WINDOW = "first bad window"
    OPEN_AFTER_REACHED = "open_after reached"
    RECOVERED_BEFORE_FIRING = "recovered before firing"
    RESOLVE_AFTER_REACHED = "resolve_after reached"
    REPEAT_INTERVAL_ELAPSED = "repeat interval elapsed"
    PERFORMANCE_DROPPED_TOO = "performance dropped too"
    DATA_FAULT_TOO = "data fault too"
    INHIBITED = "inhibited by a data fault"
    MAINTENANCE = "stands still in maintenance"
    HELD_BACK = "held back"
    TOLD_LATE = "told late"
    ACKNOWLEDGED_BY_PERSON = "acknowledged by a person"
    RESOLVED_BY_PERSON = "resolved by a person"
    RESOLVED_AS_EXPECTED = "resolved by a person as expected"
    CONDITION_STANDS = "the condition stands"
    CONDITION_PASSED = "the condition has passed"


class MuteReason(StrEnum):
    """Why people are not told of what an incident has come to. In ``maintenance`` it comes to nothing, so nothing is held back."""

    SILENCED = "silenced"
    OLD_WINDOW = "old window"
    MAINTENANCE = "maintenance"


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """``since`` is the start of the first bad window; every other time is the end of a judged window (event time).

    ``condition`` is set where it is about driftd's own way rather than about windows (see ``core/conditions``): then every time
    is the wall clock's. ``muted``: the MuteReason for which nobody was told so far of what it has come to; None: nothing is held back.
    """

    id: str
    model: str
    state: IncidentState
    severity: Verdict
    since: datetime
    updated_at: datetime
    fired_at: datetime | None = None
    resolved_at: datetime | None = None
    notified_at: datetime | None = None
    bad_windows: int = 0
    good_windows: int = 0
    checks: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    cause: str = ""
    summary: str = ""
    acknowledged_by: str | None = None
    condition: str | None = None
    muted: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentEvent:
    """One line of an incident's history."""

    incident: str
    at: datetime
    before: IncidentState | None
    after: IncidentState
    reason: TransitionReason
    detail: str = ""


class NotifyKind(StrEnum):
    """The kinds of message about an incident."""

    FIRING = "firing"
    REPEAT = "repeat"
    RESOLVED = "resolved"
    UPDATE = "update"
    """Its state changed: what people were sent shows it, and nobody is called."""


CALLING = frozenset({NotifyKind.FIRING, NotifyKind.REPEAT})
"""What calls people, who may not have heard of the incident so far; so it can be held back. An end, and who acknowledged, do not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notify:
    """People are to be told, and why."""

    kind: NotifyKind
    reason: TransitionReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One judged window of a model over all its versions and segments. ``columns`` are the causes, the largest first.

    ``revision``: the latest of its results, where labels made them others.
    """

    model: str
    start: datetime
    end: datetime
    results: tuple[Result, ...]
    headline: str = ""
    columns: tuple[str, ...] = ()
    revision: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What a window or a person did to an incident. ``incident`` is None where there was and is none."""

    incident: Incident | None
    events: tuple[IncidentEvent, ...] = ()
    notify: Notify | None = None


SEVERITIES = (Verdict.OK, Verdict.WARN, Verdict.ALERT)
"""From nothing to worst: an incident's severity only grows."""

OPEN = frozenset({IncidentState.PENDING, IncidentState.FIRING, IncidentState.ACKNOWLEDGED})
