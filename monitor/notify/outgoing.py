"""What goes into the outbox when an incident changes or retraining is asked for: one message a receiver, with a stable id."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

from monitor.core.decay import sentence_within
from monitor.core.incidents import NotifyKind, Step
from monitor.core.messages import ColumnLine, Occasion, incident_dedupe, message_body, to_body
from monitor.core.results import Account
from monitor.core.retraining import Retraining
from monitor.core.retraining_messages import (
    RETRAINING_STATUS,
    Case,
    note_dedupe,
    retraining_body,
    retraining_dedupe,
    retraining_note,
    retraining_request,
)
from monitor.core.verdict_message import RETRAINING_VERDICT, retraining_verdict, verdict_dedupe
from monitor.ports import PICTURE, RETRAINING, Message

if TYPE_CHECKING:  # the commands change incidents too, and need no statistics for it
    from monitor.core.cause import Cause
    from monitor.core.helped import Answer
    from monitor.core.picture import Picture

def incident_messages(
    step: Step, cause: Cause | None, accounts: Iterable[Account], receivers: Iterable[str], *, page_url: str | None = None,
    retraining: str = "",
) -> tuple[Message, ...]:
    """What people are told after a step: nothing, or one message for each receiver.

    ``cause`` is the judged window's (None: a person's change); ``accounts`` are those of its versions and segments.
    ``retraining``: why none is asked for, where people should know.
    """
    if step.incident is None or step.notify is None:
        return ()
    told = None if step.notify.kind is NotifyKind.RESOLVED else cause  # the end is told with the cause of the beginning
    occasion = Occasion(
        incident=step.incident,
        notify=step.notify,
        headline="" if told is None else told.headline,
        evidence="" if told is None else told.evidence,
        columns=() if told is None else tuple(ColumnLine(column=column.name, sentence=column.sentence) for column in told.columns),
        performance="" if told is None else sentence_within(told.performance, step.incident.checks),
        sure="" if told is None else told.sure,
        account=_whole(accounts),
        retraining="" if told is None else retraining,
        page_url=page_url,
    )
    body = message_body(occasion)
    return tuple(
        Message(
            receiver=receiver,
            kind=step.notify.kind,
            dedupe=incident_dedupe(receiver, step.incident, step.notify),
            incident=step.incident.id,
            body=body,
        )
        for receiver in receivers
    )


def picture_message(step: Step, picture: Picture, receiver: str) -> Message:
    """A picture for the incident's thread. Raises ValueError where the step tells nobody anything."""
    if step.incident is None or step.notify is None:
        raise ValueError("a picture of nothing that is told")
    body: dict[str, object] = msgspec.to_builtins(picture)
    dedupe = f"{incident_dedupe(receiver, step.incident, step.notify)}:{PICTURE}"
    return Message(receiver=receiver, kind=PICTURE, dedupe=dedupe, incident=step.incident.id, body=body)


def retraining_message(retraining: Retraining, case: Case, receiver: str) -> Message:
    """The request to retrain, for the receiver that retrains the model. It belongs to no incident's thread and order."""
    dedupe = retraining_dedupe(receiver, retraining)
    body = retraining_body(retraining_request(retraining, case))
    return Message(receiver=receiver, kind=RETRAINING, dedupe=dedupe, incident=None, body=body)


def retraining_notes(retraining: Retraining, receivers: Iterable[str], *, page_url: str | None = None) -> tuple[Message, ...]:
    """What people are told of a request as it stands now, in the thread of its incident where it has one."""
    body = to_body(retraining_note(retraining, page_url=page_url))
    return tuple(
        Message(receiver=to, kind=RETRAINING_STATUS, dedupe=note_dedupe(to, retraining), incident=retraining.incident, body=body)
        for to in receivers
    )


def verdict_messages(
    retraining: Retraining, found: Answer, metric: str, receivers: Iterable[str], *, page_url: str | None = None
) -> tuple[Message, ...]:
    """Whether a new version does better: one message for each receiver, in the thread of the incident that asked for it."""
    body = to_body(retraining_verdict(retraining, found, metric=metric, page_url=page_url))
    return tuple(
        Message(receiver=receiver, kind=RETRAINING_VERDICT, dedupe=verdict_dedupe(receiver, retraining), incident=retraining.incident,
                body=body)
        for receiver in receivers
    )


def _whole(accounts: Iterable[Account]) -> Account | None:
    """The accounts of a window's versions, added up; None where there is none."""
    known = list(accounts)
    return sum(known, Account()) if known else None
