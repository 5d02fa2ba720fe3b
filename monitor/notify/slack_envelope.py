"""What Slack sends over Socket Mode, as plain data: https://docs.slack.dev/apis/events-api/using-socket-mode/

Every text in it was written by somebody: names are made printable, ids must look like ids, and what a button bears is only
looked up, never believed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

import msgspec

from monitor.errors import DecodeError
from monitor.settings.durations import printable
from monitor.settings.receivers import SLACK_USER

LONGEST_NAME = 80
LONGEST_TEXT = 500
"""Characters of a command that are looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Who acted. ``guest``: of another workspace than the one in which they acted, as in a channel that two companies share."""

    id: str
    name: str
    guest: bool = False

    def __str__(self) -> str:
        return f"{self.name} ({self.id})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Click:
    """A button was pressed. ``at``: Slack's own time of the click, the same in every copy of the envelope.

    ``answer_to``: a URL for answers, a secret, good for half an hour. ``message``: what stood above the button, as Slack has it.
    """

    envelope: str
    action: str
    value: str
    person: Person
    at: datetime
    answer_to: str
    message: Mapping[str, object] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A slash command; ``text`` is what stands behind its name."""

    envelope: str
    text: str
    person: Person
    answer_to: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """The connection is good. ``connections``: how many the app has now, of ten at most."""

    connections: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Goodbye:
    """Slack is about to close the connection: ``warning``, ``refresh_requested``, ``link_disabled`` …"""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Other:
    """Something that we have no use for; it is acknowledged, or it would come again."""

    envelope: str
    kind: str


Envelope = Click | Command | Hello | Goodbye | Other


@dataclass(frozen=True, kw_only=True)
class _Frame:
    type: str
    envelope_id: str = ""
    payload: object = None
    num_connections: int = 0
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class _Team:
    id: str = ""


@dataclass(frozen=True, kw_only=True)
class _User:
    id: str
    username: str = ""
    name: str = ""
    team_id: str = ""


@dataclass(frozen=True, kw_only=True)
class _Action:
    action_id: str
    value: str = ""
    action_ts: str = ""


@dataclass(frozen=True, kw_only=True)
class _Clicked:
    user: _User
    actions: tuple[_Action, ...]
    response_url: str = ""
    team: _Team | None = None
    message: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class _Typed:
    user_id: str
    user_name: str = ""
    text: str = ""
    response_url: str = ""


T = TypeVar("T")


def read(text: str | bytes) -> Envelope:
    """One frame of the connection. Raises DecodeError, without repeating what it holds: there are secrets in it."""
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        raise DecodeError("a frame of Slack's is no JSON") from None
    frame = _as(told, _Frame)
    match frame.type:
        case "hello":
            return Hello(connections=frame.num_connections)
        case "disconnect":
            return Goodbye(reason=printable(frame.reason, LONGEST_NAME))
        case "interactive" if isinstance(frame.payload, dict) and frame.payload.get("type") == "block_actions":
            return _click(frame.envelope_id, _as(frame.payload, _Clicked))
        case "slash_commands":
            return _command(frame.envelope_id, _as(frame.payload, _Typed))
        case _:
            return Other(envelope=frame.envelope_id, kind=printable(frame.type, LONGEST_NAME))


def envelope_of(text: str | bytes) -> str | None:
    """The envelope's id alone, of a frame that cannot be read any further; None where there is none."""
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        return None
    id = told.get("envelope_id") if isinstance(told, dict) else None
    return id if isinstance(id, str) and id else None


def _click(envelope: str, payload: _Clicked) -> Click | Other:
    if not payload.actions:
        return Other(envelope=envelope, kind="block_actions")
    action, user = payload.actions[0], payload.user
    here = payload.team.id if payload.team else ""
    person = _person(user.id, user.username or user.name, guest=bool(here and user.team_id and here != user.team_id))
    return Click(envelope=envelope, action=action.action_id, value=action.value, person=person, at=_moment(action.action_ts),
                 answer_to=payload.response_url, message=payload.message)


def _command(envelope: str, payload: _Typed) -> Command:
    """Slack offers an app's command to its own workspace alone: nobody who types it is a guest."""
    return Command(envelope=envelope, text=payload.text[:LONGEST_TEXT], person=_person(payload.user_id, payload.user_name),
                   answer_to=payload.response_url)


def _person(id: str, name: str, *, guest: bool = False) -> Person:
    if not SLACK_USER.fullmatch(id):
        raise DecodeError("a frame of Slack's bears no id of a person")
    return Person(id=id, name=printable(name, LONGEST_NAME) or "somebody", guest=guest)


def _moment(ts: str) -> datetime:
    """Seconds since 1970 with six digits behind the point; the beginning of that time where Slack tells none."""
    try:
        return datetime.fromtimestamp(float(ts), UTC)
    except (ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(0, UTC)


def _as(told: object, kind: type[T]) -> T:
    try:
        return msgspec.convert(told, kind)
    except msgspec.ValidationError as error:
        raise DecodeError(f"a frame of Slack's is not what it should be: {error}") from None
    except UnicodeEncodeError:
        raise DecodeError("a frame of Slack's holds half a character") from None
