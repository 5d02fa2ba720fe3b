"""Silences: a person wants to hear nothing of something for a while."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from monitor.core.audit import AuditEntry, Via
from monitor.core.incidents import OPEN, Incident
from monitor.core.schema import rfc3339
from monitor.core.stable import stable_hex
from monitor.errors import UsageError

ANY_MODEL = "*"
LONGEST = timedelta(days=366)
"""What is to be silent for longer is no silence but another configuration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """From ``starts_at`` until ``ends_at`` (wall clock) nobody is told of what it matches. ``model``: ``*`` for all of them.

    ``check`` and ``column``: None matches all. ``incident``: only this one; None: any. Ended early, ``ends_at`` is moved and
    ``ended_by`` is set.
    """

    id: str
    model: str
    check: str | None = None
    column: str | None = None
    incident: str | None = None
    starts_at: datetime
    ends_at: datetime
    by: str
    reason: str = ""
    ended_by: str | None = None

    def in_force(self, now: datetime) -> bool:
        """Whether it holds at this moment."""
        return self.starts_at <= now < self.ends_at

    def covers(self, incident: Incident, about: About) -> bool:
        """Whether it matches one thing that a message about this incident tells of. What it leaves open matches all."""
        if self.incident is not None and self.incident != incident.id:
            return False
        return self.model in (ANY_MODEL, incident.model) and self.check in (None, about.check) and self.column in (None, about.column)


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """One thing that a message tells of: a check that alerts on a column, or on the whole model (None)."""

    check: str
    column: str | None = None


def silencing(silences: Iterable[Silence], incident: Incident, told: Collection[About], now: datetime) -> Silence | None:
    """The silence that holds a message back, of several the one that ends last; None where people are told.

    A message is held back when every thing that it tells of is covered by a silence that is in force, be they different ones. A silence
    of a column does not cover what is about the whole model, and one thing that none covers is enough for the message to go out.
    """
    holding = [silence for silence in silences if silence.in_force(now)]
    if not told or not all(any(silence.covers(incident, each) for silence in holding) for each in told):
        return None
    return max((s for s in holding if any(s.covers(incident, each) for each in told)), key=lambda s: (s.ends_at, s.id))


def silence_for(incident: Incident, *, until: datetime, by: str, at: datetime, reason: str = "") -> Silence:
    """A person wants to hear no more of one incident until then, but for its end. ``at`` and ``until`` are the wall clock's.

    Raises UsageError where it is over already, or ``until`` has passed.
    """
    if incident.state not in OPEN:
        raise UsageError(f"incident {incident.id} is {incident.state}: there is nothing to silence")
    return new_silence(model=incident.model, incident=incident.id, until=until, by=by, at=at, reason=reason)


def new_silence(*, model: str, until: datetime, by: str, at: datetime, check: str | None = None, column: str | None = None,
                incident: str | None = None, reason: str = "") -> Silence:
    """A silence from now on. Raises UsageError where ``until`` has passed, or is too far away."""
    if until <= at:
        raise UsageError(f"a silence until {rfc3339(until)} is over already: it is {rfc3339(at)}")
    if until - at > LONGEST:
        raise UsageError(f"a silence until {rfc3339(until)} is too long; expected at most {LONGEST.days} days")
    words = _matched(check, column, incident)
    return Silence(id=silence_id(" ".join((model, *words)), by, at), model=model, check=check, column=column, incident=incident,
                   starts_at=at, ends_at=until, by=by, reason=reason)


def silence_id(model: str, by: str, at: datetime) -> str:
    """The same wish said twice at one moment is one silence."""
    return "sil_" + stable_hex(model, by, rfc3339(at))


def silence_audit(silence: Silence, *, by: str, at: datetime, via: Via, action: str) -> AuditEntry:
    """What a person did with a silence: made it, or ended it."""
    matched = _matched(silence.check, silence.column, silence.incident)
    said = ", ".join([silence.id, *matched, f"until {rfc3339(silence.ends_at)}", *([silence.reason] if silence.reason else [])])
    return AuditEntry(at=at, by=by, via=via, action=action, model=silence.model, subject=silence.incident or silence.id, detail=said)


def _matched(check: str | None, column: str | None, incident: str | None) -> list[str]:
    pairs = (("check", check), ("column", column), ("incident", incident))
    return [f"{name} {value}" for name, value in pairs if value is not None]
