"""Deliveries about an incident, as they come out of the outbox."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from monitor.core.incidents import Incident, IncidentState, Notify, NotifyKind, TransitionReason
from monitor.core.messages import ColumnLine, IncidentMessage, Occasion, message_body, to_body
from monitor.core.results import Account, Verdict
from monitor.ports import Delivery

START = datetime(2013, 7, 1, tzinfo=UTC)
NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
DAY = timedelta(days=1)
URL = "https://driftd.example.com"
INCIDENT = Incident(
    id="inc_0123456789abcdef", model="flight-delay", state=IncidentState.FIRING, severity=Verdict.ALERT, since=START,
    updated_at=START + DAY, bad_windows=1, checks=("drift",), columns=("dep_delay", "p_late"),
    cause="dep_delay: ×60, as seconds in place of minutes", summary="drift alert on dep_delay, p_late",
)  # fmt: skip
REASONS = {
    NotifyKind.FIRING: TransitionReason.OPEN_AFTER_REACHED,
    NotifyKind.REPEAT: TransitionReason.REPEAT_INTERVAL_ELAPSED,
    NotifyKind.UPDATE: TransitionReason.ACKNOWLEDGED_BY_PERSON,
    NotifyKind.RESOLVED: TransitionReason.RESOLVE_AFTER_REACHED,
}
LINES = (ColumnLine(column="dep_delay", sentence="dep_delay: mean 12.6 → 756"), ColumnLine(column="p_late", sentence="p_late: 0.3 → 0.6"))


def delivery(
    kind: NotifyKind = NotifyKind.FIRING, *, incident: Incident = INCIDENT, id: str = "msg_1", thread: str | None = None,
    at: datetime = NOW, url: str | None = URL,
) -> Delivery:  # fmt: skip
    """One message about an incident."""
    occasion = Occasion(
        incident=incident, notify=Notify(kind=kind, reason=REASONS[kind]), headline=incident.cause, columns=LINES, page_url=url,
        performance="roc_auc 0.78 → 0.71 [0.70, 0.72], of labels", account=Account(counted=900, late=3),
    )  # fmt: skip
    return Delivery(
        id=id, receiver="r", kind=kind, incident=incident.id, body=message_body(occasion), attempts=0, created_at=at, thread=thread
    )


def telling(message: IncidentMessage, id: str = "msg_1") -> Delivery:
    """A delivery of a message as it is."""
    return Delivery(id=id, receiver="r", kind=message.kind, incident=message.incident, body=to_body(message), attempts=0, created_at=NOW)


BROKEN = replace(delivery(), body={"kind": "firing"})
"""A stored body that is no message about an incident."""

def other(body: Mapping[str, object], kind: str = "another", incident: str | None = None) -> Delivery:
    """A delivery of something that is about no incident."""
    return Delivery(id="msg_o", receiver="r", kind=kind, incident=incident, body=body, attempts=0, created_at=NOW)


TEXTS = st.text(max_size=700) | st.sampled_from(["\r\nBcc: x@y.example", "\x00" * 600, "<script>alert(1)</script>", "𝕏" * 600, '"\\' * 300])


@st.composite
def messages(draw: st.DrawFn) -> IncidentMessage:
    """Whatever may come out of logs, settings and judging, through the builder that all messages go through."""
    from monitor.core.messages import incident_message

    kind = draw(st.sampled_from(NotifyKind))
    incident = replace(
        INCIDENT, cause=draw(TEXTS), summary=draw(TEXTS), severity=draw(st.sampled_from([Verdict.WARN, Verdict.ALERT])),
        checks=draw(st.sampled_from([(), ("drift",), ("drift", "quality", "performance", "volume")])),
        condition=draw(st.none() | st.just("receiver_failing:slack")), model=draw(st.sampled_from(["flight-delay", "*", "a" * 100])),
    )  # fmt: skip
    lines = draw(st.lists(st.builds(ColumnLine, column=TEXTS, sentence=TEXTS), max_size=12))
    return incident_message(Occasion(
        incident=incident, notify=Notify(kind=kind, reason=REASONS[kind]), headline=draw(TEXTS), evidence=draw(TEXTS), columns=tuple(lines),
        performance=draw(TEXTS), account=draw(st.none() | st.just(Account(counted=10**9))), page_url=draw(st.none() | st.just(URL)),
    ))  # fmt: skip
