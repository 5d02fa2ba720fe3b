"""``driftd check --send-test NAME``: a message that says it is a test, and its end, through one receiver."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from monitor.errors import Permanent, Retryable, UsageError

if TYPE_CHECKING:
    from monitor.core.incidents import NotifyKind
    from monitor.ports import Clock, Delivery
    from monitor.settings import Settings

MODEL = "driftd-test"
SUMMARY = "a test message of driftd check --send-test; nothing is wrong"


def send_test(settings: Settings, name: str, clock: Clock) -> Iterator[str]:
    """One line for each message that was sent. Raises UsageError for an unknown receiver, and where it cannot be reached.

    Whoever retrains is never sent one: it would start a training.
    """
    from monitor.core.incidents import NotifyKind
    from monitor.notify import receivers_of

    people = settings.people_receivers()
    receiver = next((one for one in receivers_of(settings, clock) if one.name == name and name in people), None)
    if receiver is None:
        raise UsageError(f"there is no receiver {name!r} that tells people; known are {sorted(people)}")
    thread, id = None, f"test_{int(clock.now().timestamp())}"
    for kind in (NotifyKind.FIRING, NotifyKind.RESOLVED):
        try:
            receipt = receiver.send(_delivery(kind, id, name, thread, clock, settings.http.public_url))
        except (Retryable, Permanent) as error:
            raise UsageError(f"{name}: {kind}: {error}") from None
        thread = thread or receipt.thread
        yield f"{kind}: {receipt.detail}"


def _delivery(kind: NotifyKind, id: str, receiver: str, thread: str | None, clock: Clock, page: str | None) -> Delivery:
    from monitor.core.incidents import Incident, IncidentState, Notify, NotifyKind, TransitionReason
    from monitor.core.messages import Occasion, message_body
    from monitor.core.results import Verdict
    from monitor.ports import Delivery

    now = clock.now()
    over = kind is NotifyKind.RESOLVED
    incident = Incident(id=f"inc_{id}", model=MODEL, state=IncidentState.RESOLVED if over else IncidentState.FIRING, severity=Verdict.WARN,
                        since=now, updated_at=now, cause=SUMMARY, summary=SUMMARY)
    reason = TransitionReason.RESOLVED_BY_PERSON if over else TransitionReason.OPEN_AFTER_REACHED
    body = message_body(Occasion(incident=incident, notify=Notify(kind=kind, reason=reason), page_url=page))
    return Delivery(id=f"msg_{id}_{kind}", receiver=receiver, kind=kind, incident=incident.id, body=body, attempts=0, created_at=now,
                    thread=thread)
