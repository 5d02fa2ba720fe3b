"""Conditions: what stands in driftd's own way. Each that stands for a while is an incident, told once, like a model's drift is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from monitor.core.incidents import (
    Incident,
    IncidentEvent,
    IncidentState,
    Notify,
    NotifyKind,
    Step,
    TransitionReason,
    incident_id,
)
from monitor.core.results import Verdict
from monitor.core.stable import stable_hex

EVERY_MODEL = "*"
"""The model of a condition that concerns all of them."""


class Condition(StrEnum):
    """What may stand in the way. That the store is away is none of them: nothing could be written of it; the heartbeat stops instead."""

    KAFKA_UNREACHABLE = "kafka_unreachable"
    NO_EVENT_TIME = "no_event_time"
    JUDGING_FAILED = "judging_failed"
    RECEIVER_FAILING = "receiver_failing"
    STALE_DATA = "stale_data"


HOLD = timedelta(minutes=2)
"""A condition that nobody has confirmed for so long has passed: long enough for another replica that still sees it."""
CONFIRM = timedelta(seconds=30)
"""A standing condition is confirmed this often."""
LONGEST_SUBJECT = 120
"""Characters of a subject in a condition's name; what is longer is told apart by a digest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """A condition as it is seen now. ``subject`` tells two of one kind apart: a receiver, a stream. ``said``: one sentence for people."""

    condition: Condition
    model: str = EVERY_MODEL
    subject: str = ""
    said: str

    @property
    def name(self) -> str:
        """What an incident keeps of it: ``receiver_failing:slack``."""
        if len(self.subject) > LONGEST_SUBJECT:  # a store would cut a longer one its own way, and never find it again
            return f"{self.condition}:{self.subject[:LONGEST_SUBJECT]}~{stable_hex(self.subject)}"
        return f"{self.condition}:{self.subject}" if self.subject else str(self.condition)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moves:
    """What is to be written: incidents that begin, those that still stand, and those that are over.

    ``held``: those that stand and of which nobody was told, being silenced.
    """

    opened: tuple[Step, ...] = ()
    confirmed: tuple[str, ...] = ()
    passed: tuple[Step, ...] = ()
    held: tuple[Incident, ...] = ()


def moves(standing: Sequence[Incident], seen: Iterable[Trouble], now: datetime) -> Moves:
    """From the open incidents of conditions and what is seen now. ``now``: the wall clock, which may have been set back meanwhile."""
    troubles = {(trouble.name, trouble.model): trouble for trouble in seen}
    known = {(incident.condition, incident.model): incident for incident in standing}
    return Moves(
        opened=tuple(_open(trouble, now) for key, trouble in troubles.items() if key not in known),
        confirmed=tuple(i.id for key, i in known.items() if key in troubles and abs(now - i.updated_at) >= CONFIRM),
        held=tuple(i for key, i in known.items() if key in troubles and i.state is IncidentState.FIRING and i.muted is not None),
        passed=tuple(_pass(i, now) for key, i in known.items() if key not in troubles and abs(now - i.updated_at) >= HOLD),
    )


def _open(trouble: Trouble, now: datetime) -> Step:
    incident = Incident(
        id=incident_id(f"{trouble.name} of {trouble.model}", now),
        model=trouble.model,
        state=IncidentState.FIRING,
        severity=Verdict.ALERT,
        since=now,
        updated_at=now,
        fired_at=now,
        notified_at=now,
        checks=(str(trouble.condition),),
        cause=trouble.said,
        summary=trouble.said,
        condition=trouble.name,
    )
    reason = TransitionReason.CONDITION_STANDS
    event = IncidentEvent(incident=incident.id, at=now, before=None, after=incident.state, reason=reason, detail=trouble.said)
    return Step(incident=incident, events=(event,), notify=Notify(kind=NotifyKind.FIRING, reason=reason))


def _pass(incident: Incident, now: datetime) -> Step:
    closed = replace(incident, state=IncidentState.RESOLVED, updated_at=now, resolved_at=now)
    reason = TransitionReason.CONDITION_PASSED
    event = IncidentEvent(incident=incident.id, at=now, before=incident.state, after=closed.state, reason=reason)
    told = incident.notified_at is not None
    return Step(incident=closed, events=(event,), notify=Notify(kind=NotifyKind.RESOLVED, reason=reason) if told else None)
