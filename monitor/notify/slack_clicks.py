"""What a click does: one table from a button's name to what is done, by the same decisions as the commands and the API.

State is in SQL alone, and each change is a compare-and-set with its line of audit in one transaction. So whichever replica gets
a click may do it, and a click that comes twice does once what it says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Protocol

from monitor.core.audit import AuditEntry, Via
from monitor.core.incidents import Incident, IncidentState, Step, acknowledge
from monitor.core.messages import moment, span
from monitor.core.retraining import Retraining, RetrainingChange, RetrainingState
from monitor.core.silences import silence_audit, silence_for, silence_id
from monitor.errors import UsageError
from monitor.log import Action as LogAction
from monitor.log import logger
from monitor.notify import slack_buttons as shown
from monitor.notify.slack_buttons import SILENCES, Standing
from monitor.notify.slack_envelope import Click, Person
from monitor.notify.slack_message import Block
from monitor.notify.slack_rights import Deed, Rights
from monitor.ports import Message, Store

LONGEST_ID = 100
CHANGED = "it has changed meanwhile: look again"
NOT_CONFIGURED = "that is not configured here"

log = logger(__name__)


class Approver(Protocol):
    """The policy's decision that a proposed request goes out, with what goes out about it. Raises UsageError where it may not."""

    def __call__(self, retraining: Retraining, *, by: str, at: datetime) -> tuple[RetrainingChange, Sequence[Message]]:
        """``by`` approves it now."""


class ShiftAccepter(Protocol):
    """Makes the windows of an incident what is usual, resolves it, and writes the audit with it; one sentence of what was done.

    Raises UsageError where it cannot be, Retryable for the store.
    """

    def __call__(self, incident: Incident, *, by: str, at: datetime, audit: AuditEntry) -> str:
        """``by`` says now that it is the new usual."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a person wants, of what. ``at``: now, by our clock; ``clicked_at`` is the same in every copy of the click."""

    person: Person
    value: str
    at: datetime
    clicked_at: datetime

    @property
    def by(self) -> str:
        """The person as audits and incidents name them."""
        return str(self.person)

    def audit(self, deed: Deed, model: str, subject: str, detail: str = "") -> AuditEntry:
        """The line of audit."""
        return AuditEntry(at=self.at, by=self.by, via=Via.SLACK, action=str(deed), model=model, subject=subject, detail=detail)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClickDesk:
    """Who does what is wanted, and with what. ``approve`` and ``accept_shift`` are None where nothing of the kind is configured.

    ``tell`` makes the messages that go out when a person changed an incident.
    """

    store: Store
    now: Callable[[], datetime]
    rights: Rights
    tell: Callable[[Step], Sequence[Message]]
    approve: Approver | None = None
    accept_shift: ShiftAccepter | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What is said to who clicked, and what stands under the message then; None: it stays as it is."""

    said: str
    under: tuple[Block, ...] | None = None


Handler = Callable[[ClickDesk, Wish], str]
"""Does it, and says so in one sentence. Raises UsageError for what cannot be done, Retryable for the store."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionOf:
    """What stands behind a button."""

    deed: Deed
    handle: Handler


def answer(desk: ClickDesk, click: Click) -> Answer | None:
    """Do what a click asks for, or say why not. None: it is no button of ours. Raises Retryable for the store."""
    action = ACTIONS.get(click.action)
    if action is None:
        return None
    refused = desk.rights.refusal(action.deed, click.person)
    if refused is not None:
        log.warning("a click was refused", action=LogAction.SLACK_CLICKED, deed=str(action.deed), by=str(click.person), detail=refused)
        return Answer(said=f"Not done: {refused}.")
    wish = Wish(person=click.person, value=click.value, at=desk.now(), clicked_at=click.at)
    try:
        said = action.handle(desk, wish)
    except UsageError as error:
        log.info("a click did nothing", action=LogAction.SLACK_CLICKED, deed=str(action.deed), by=wish.by, detail=str(error))
        return Answer(said=f"Not done: {error}.", under=_under(desk, click, wish.at))
    log.info("a click did what it says", action=LogAction.SLACK_CLICKED, deed=str(action.deed), by=wish.by, detail=said)
    return Answer(said=said, under=_under(desk, click, wish.at))


def standing(desk: ClickDesk, id: str, at: datetime) -> Standing | None:
    """How an incident stands now, as the store has it; None where there is none."""
    incident = desk.store.incident(id)
    if incident is None:
        return None
    silences = [silence for silence in desk.store.silences(at=at) if silence.incident == id]
    asked = [request for request in desk.store.retrainings(model=incident.model) if request.incident == id]
    return Standing(
        incident=incident,
        history=tuple(desk.store.incident_events(id)),
        silence=max(silences, key=lambda silence: silence.ends_at, default=None),
        retraining=asked[-1] if asked else None,
    )


def _under(desk: ClickDesk, click: Click, at: datetime) -> tuple[Block, ...] | None:
    """What is to stand under the message: of its incident, or of the request that it proposes."""
    if not _is_id(click.value):
        return None
    asked, offered = desk.store.retraining(click.value), desk.rights.offered()
    if shown.is_proposal(click.message):
        return None if asked is None else tuple(shown.proposal_blocks(asked, offered))
    id = click.value if asked is None else asked.incident
    now = None if id is None else standing(desk, id, at)
    return None if now is None else tuple(shown.standing_blocks(now, offered))


def _acknowledge(desk: ClickDesk, wish: Wish) -> str:
    before = _found(desk, wish.value)
    if before.state is IncidentState.ACKNOWLEDGED:
        raise UsageError(f"{before.acknowledged_by} has acknowledged it already")
    _demand_open(before)
    step = acknowledge(before, by=wish.by, at=wish.at)
    after, (event,) = step.incident, step.events
    audit = wish.audit(Deed.ACKNOWLEDGE, before.model, before.id)
    if after is None or not desk.store.save_incident(after, event, tuple(desk.tell(step)), audit=audit, seen=before):
        raise UsageError(CHANGED)
    return "Acknowledged: no reminders until it is over."


def _silence(desk: ClickDesk, wish: Wish, button: str) -> str:
    incident = _found(desk, wish.value)
    _demand_open(incident)
    length = SILENCES[button]
    made = silence_for(incident, until=wish.at + length, by=wish.by, at=wish.at, reason=f"{span(length)}, by a button in Slack")
    silence = replace(made, id=silence_id(f"{button} {incident.id}", wish.by, wish.clicked_at))  # the same in every copy of the click
    audit = silence_audit(silence, by=wish.by, at=wish.at, via=Via.SLACK, action=str(Deed.SILENCE))
    if not desk.store.add_silence(silence, audit):
        raise UsageError("this very click has silenced it already")
    return f"Silenced until {moment(silence.ends_at)}: nothing but the end of this incident is told until then."


def _expect(desk: ClickDesk, wish: Wish) -> str:
    if desk.accept_shift is None:
        raise UsageError(NOT_CONFIGURED)
    incident = _found(desk, wish.value)
    _demand_open(incident)
    if incident.condition is not None:
        raise UsageError("it is about driftd itself: there is nothing that could become usual")
    audit = wish.audit(Deed.EXPECT, incident.model, incident.id)
    return desk.accept_shift(incident, by=wish.by, at=wish.at, audit=audit)


def _approve(desk: ClickDesk, wish: Wish) -> str:
    if desk.approve is None:
        raise UsageError(NOT_CONFIGURED)
    request = desk.store.retraining(wish.value) if _is_id(wish.value) else None
    if request is None:
        raise UsageError("there is no such request to retrain here")
    if request.state is not RetrainingState.PROPOSED:
        who = f", approved by {request.approved_by}" if request.approved_by else ""
        raise UsageError(f"the request is {request.state} already{who}")
    change, messages = desk.approve(request, by=wish.by, at=wish.at)
    audit = wish.audit(Deed.APPROVE, request.model, request.id)
    if not desk.store.save_retraining(change.retraining, change.event, messages, audit):
        raise UsageError(CHANGED)
    return f"Approved: {request.model} is asked to be retrained."


def _found(desk: ClickDesk, id: str) -> Incident:
    incident = desk.store.incident(id) if _is_id(id) else None
    if incident is None:
        raise UsageError("there is no such incident here; perhaps its database is another one now")
    return incident


def _demand_open(incident: Incident) -> None:
    if incident.state is IncidentState.RESOLVED:
        raise UsageError(f"it is over since {moment(incident.resolved_at or incident.updated_at)}")


def _is_id(text: str) -> bool:
    """Whether a text may be asked for at all: no database takes NUL or half a character."""
    return 0 < len(text) <= LONGEST_ID and text.isascii() and text.isprintable()


ACTIONS: Mapping[str, ActionOf] = {
    shown.ACKNOWLEDGE.action: ActionOf(deed=Deed.ACKNOWLEDGE, handle=_acknowledge),
    shown.SILENCE_HOUR.action: ActionOf(deed=Deed.SILENCE, handle=partial(_silence, button=shown.SILENCE_HOUR.action)),
    shown.SILENCE_DAY.action: ActionOf(deed=Deed.SILENCE, handle=partial(_silence, button=shown.SILENCE_DAY.action)),
    shown.EXPECT.action: ActionOf(deed=Deed.EXPECT, handle=_expect),
    shown.APPROVE.action: ActionOf(deed=Deed.APPROVE, handle=_approve),
}
