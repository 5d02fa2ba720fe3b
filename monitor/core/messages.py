"""What is told to people and to machines, before any receiver's form: plain data that goes through the outbox as JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeVar
from urllib.parse import quote

import msgspec

from monitor.core.conditions import EVERY_MODEL
from monitor.core.incidents import Incident, Notify, NotifyKind, TransitionReason
from monitor.core.results import Account, Verdict
from monitor.core.schema import rfc3339
from monitor.errors import DecodeError

MAX_COLUMNS = 10
"""Columns that a message describes; the others are counted. People read the first three."""

MAX_TEXT = 600
"""Characters of one text in a body; column names and categories come from logs and may be of any length."""

MAX_PERSON = 100
"""Characters of the name of a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnLine:
    """What became of one column: ``dep_delay: mean 12.6 → 756``, reference → now; the sentence may be empty."""

    column: str
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """Everything that a message about an incident is made of.

    ``evidence``: what the headline's signature was recognised by. ``columns``: the largest cause first. ``performance``: what is known
    of it, in one sentence. ``sure``: how sure it is, in words. ``account``: of the judged window; None where a person made the change.
    ``retraining``: why none is asked for, where people should know. ``page_url``: where the daemon's pages are.
    """

    incident: Incident
    notify: Notify
    headline: str = ""
    evidence: str = ""
    columns: tuple[ColumnLine, ...] = ()
    performance: str = ""
    sure: str = ""
    account: Account | None = None
    retraining: str = ""
    page_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentMessage:
    """One message about an incident, the same for every receiver.

    ``since`` is the start of the first bad window, ``until`` the end of the last judged one, ``lasted`` the seconds between
    (all event time). ``account``: where the rows of that last window went. ``sure``: how sure it is. ``condition`` is set where it is
    about driftd's own way: then no window has a part in it, and the times are the wall clock's.
    """

    kind: NotifyKind
    reason: str
    incident: str
    model: str
    severity: Verdict
    sentence: str
    cause: str
    since: datetime
    until: datetime
    lasted: float
    bad_windows: int
    checks: tuple[str, ...]
    columns: tuple[ColumnLine, ...]
    more_columns: int
    account: Account | None
    url: str | None
    condition: str = ""
    evidence: str = ""
    performance: str = ""
    retraining: str = ""
    sure: str = ""
    acknowledged_by: str = ""


def incident_message(occasion: Occasion) -> IncidentMessage:
    """The message about an incident on one occasion."""
    incident, notify = occasion.incident, occasion.notify
    lines = occasion.columns or tuple(ColumnLine(column=column, sentence="") for column in incident.columns)
    return IncidentMessage(
        kind=notify.kind,
        reason=notify.reason,
        incident=incident.id,
        model=cut(_named(incident)),
        severity=incident.severity,
        sentence=cut(_sentence(occasion)),
        cause="" if incident.condition else cut(occasion.headline or incident.cause),
        since=incident.since,
        until=_until(incident),
        lasted=(_until(incident) - incident.since).total_seconds(),
        bad_windows=incident.bad_windows,
        checks=incident.checks,
        columns=tuple(ColumnLine(column=cut(line.column), sentence=cut(line.sentence)) for line in lines[:MAX_COLUMNS]),
        more_columns=max(len(lines) - MAX_COLUMNS, 0),
        account=occasion.account,
        url=occasion.page_url if incident.model == EVERY_MODEL else model_url(occasion.page_url, incident.model),
        condition=incident.condition or "",
        evidence=cut(occasion.evidence),
        performance=cut(occasion.performance),
        sure=cut(occasion.sure),
        retraining=cut(occasion.retraining),
        acknowledged_by=cut(incident.acknowledged_by or "", MAX_PERSON),
    )


def with_earlier(message: IncidentMessage, earlier: IncidentMessage) -> IncidentMessage:
    """What an earlier message told of columns, cause and performance, where this one says nothing of them: of an end, and of what a
    person did."""
    if any(line.sentence for line in message.columns) or message.performance or message.incident != earlier.incident:
        return message
    return replace(
        message,
        cause=earlier.cause or message.cause,
        columns=earlier.columns or message.columns,
        more_columns=earlier.more_columns if earlier.columns else message.more_columns,
        account=message.account or earlier.account,
        evidence=message.evidence or earlier.evidence,
        performance=earlier.performance,
        sure=message.sure or earlier.sure,
    )


def message_body(occasion: Occasion) -> Mapping[str, object]:
    """``incident_message`` as JSON-able data for the outbox."""
    return to_body(incident_message(occasion))


def incident_dedupe(receiver: str, incident: Incident, notify: Notify) -> str:
    """What makes a message about an incident unique: told again (by a replay, another replica), it is the same one."""
    match notify.kind:
        case NotifyKind.FIRING:  # an incident's first message, whenever it comes
            which = ""
        case NotifyKind.REPEAT:  # labels of older windows add bad ones and do not move ``updated_at``
            which = f":{rfc3339(incident.updated_at)}:{incident.bad_windows}"
        case NotifyKind.RESOLVED:
            which = f":{rfc3339(incident.updated_at)}"
        case NotifyKind.UPDATE:
            which = f":{rfc3339(incident.updated_at)}:{incident.state}"
    return f"{receiver}:{incident.id}:{notify.kind}{which}"


def to_body(message: object) -> dict[str, object]:
    """A message as JSON-able data."""
    body: dict[str, object] = msgspec.to_builtins(message)
    return body


T = TypeVar("T")


def from_body(body: Mapping[str, object], kind: type[T]) -> T:
    """The message that a stored body holds. Raises DecodeError naming the field that is wrong."""
    try:
        return msgspec.convert(dict(body) if isinstance(body, Mapping) else body, kind, str_keys=True)
    except (msgspec.ValidationError, UnicodeEncodeError) as error:
        raise DecodeError(f"stored body is no {kind.__name__}: {error}") from None


def span(duration: timedelta) -> str:
    """A duration as people say it: the two largest units, ``7 d 3 h``, ``45 min``; under a minute ``0 min``."""
    minutes = int(duration.total_seconds()) // 60
    parts = ((minutes // 1440, "d"), (minutes // 60 % 24, "h"), (minutes % 60, "min"))
    said = [f"{count} {unit}" for count, unit in parts if count]
    return " ".join(said[:2]) or "0 min"


def model_url(page_url: str | None, model: str) -> str | None:
    """The model's page, where the address of the pages is configured."""
    return None if page_url is None else f"{page_url.rstrip('/')}/models/{quote(model, safe='', errors='replace')}"


def moment(at: datetime) -> str:
    """A time as people read it: ``2013-07-01 00:00 UTC``."""
    return at.strftime("%Y-%m-%d %H:%M UTC")


WORSE = {
    TransitionReason.PERFORMANCE_DROPPED_TOO: ", and performance dropped",
    TransitionReason.DATA_FAULT_TOO: ", and the data are faulty",
}
"""What a reminder adds where something new made it due."""


def _sentence(occasion: Occasion) -> str:
    """What happened, in one sentence."""
    incident = occasion.incident
    windows = f"{incident.bad_windows} bad {'window' if incident.bad_windows == 1 else 'windows'}"
    lasted, who = span(_until(incident) - incident.since), _named(incident)
    match occasion.notify.kind:
        case NotifyKind.FIRING:
            return f"{who}: {incident.summary}, since {moment(incident.since)}"
        case NotifyKind.REPEAT:
            worse = WORSE.get(occasion.notify.reason, "")
            return f"{who}: still going on after {lasted} ({windows}){worse}: {incident.summary}"
        case NotifyKind.UPDATE:
            return f"{who}: {incident.summary}, since {moment(incident.since)}; {_change(occasion)}"
        case NotifyKind.RESOLVED if incident.condition:
            return f"{who}: over after {lasted}: {incident.summary}"
        case NotifyKind.RESOLVED:
            return f"{who}: resolved after {lasted} ({windows}; {occasion.notify.reason})"


def _change(occasion: Occasion) -> str:
    """What a person did."""
    by = occasion.incident.acknowledged_by
    if occasion.notify.reason is TransitionReason.ACKNOWLEDGED_BY_PERSON and by:
        return f"acknowledged by {cut(by, MAX_PERSON)}"
    return str(occasion.notify.reason)


def _named(incident: Incident) -> str:
    """Whom it is about."""
    return "driftd itself" if incident.model == EVERY_MODEL else incident.model


def _until(incident: Incident) -> datetime:
    """Event time up to which an incident's duration is told."""
    return incident.resolved_at or incident.updated_at


def finite(number: float | None) -> float | None:
    """JSON has no NaN and no infinity: of few windows an interval may have no end."""
    return number if number is not None and math.isfinite(number) else None


def cut(text: str, most: int = MAX_TEXT) -> str:
    """Short enough, and writable as UTF-8: a log may hold lone surrogates."""
    text = text.encode("utf-8", "replace").decode()
    return text if len(text) <= most else text[: most - 1] + "…"
