"""Incidents as alerts of PagerDuty, by its Events API v2: the incident's id is the key by which its events find one another.

Limits are those of PagerDuty's documentation: a summary of 1,024 characters, a key of 255, an event of 512 kB.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from monitor import __version__
from monitor.core.incidents import NotifyKind, TransitionReason
from monitor.core.messages import IncidentMessage, to_body
from monitor.core.results import Verdict
from monitor.core.schema import rfc3339
from monitor.log import redact
from monitor.notify.plain import is_incident, message_of, said
from monitor.notify.transport import Answer, Limits, demand_success, post
from monitor.ports import Clock, Delivery, Receipt, Receiver
from monitor.settings.durations import printable
from monitor.settings.secret import Secret
from monitor.settings.targets import PagerDutySettings

MAX_SUMMARY = 1024
LONGEST_WORD = 120
"""Characters of PagerDuty's reason that are repeated."""
SEVERITIES = {Verdict.WARN: "warning", Verdict.ALERT: "critical"}


class PagerDuty:
    """Posts events to one integration. Its key is read at each use, so that it can be rotated."""

    def __init__(self, name: str, settings: PagerDutySettings, key: Secret, clock: Clock) -> None:
        self.name = name
        self._url = settings.url.rstrip("/") + "/v2/enqueue"
        self._key = key
        self._clock = clock
        timeout = settings.timeout.total_seconds()
        self._limits = Limits(read=timeout, total=timeout, link_local=settings.allow_link_local)

    def send(self, delivery: Delivery) -> Receipt:
        """Post it once; what an earlier attempt has sent is the same alert again. Raises Retryable or Permanent; neither tells the key."""
        if not is_incident(delivery):
            return Receipt(detail="not sent: PagerDuty takes incidents alone")
        message = message_of(delivery)
        if message.kind is NotifyKind.UPDATE and message.reason != TransitionReason.ACKNOWLEDGED_BY_PERSON:
            return Receipt(detail="not sent: nobody is called")
        key = self._key.read()
        event = {"routing_key": key, **event_of(message, delivery)}
        headers = {"content-type": "application/json", "user-agent": f"driftd/{__version__}"}
        answer = post(self._url, content=json.dumps(event).encode(), headers=headers, limits=self._limits)
        demand_success(answer, f"PagerDuty ({self.name})", self._clock.now(), reason_of(answer, key))
        return Receipt(detail=f"answered {answer.status}")

    def close(self) -> None:
        """Nothing is held open between messages."""


def made(name: str, settings: PagerDutySettings, clock: Clock) -> Receiver:
    """From its settings; ``load_settings`` has refused those without a key."""
    if settings.routing_key is None:
        raise ValueError("pagerduty without routing_key")
    return PagerDuty(name, settings, settings.routing_key, clock)


def event_of(message: IncidentMessage, delivery: Delivery) -> Mapping[str, object]:
    """The event without the routing key. A reminder triggers again: it is added to the alert, or opens it where this is the first.

    Of changes that call nobody, only an acknowledgement is an event.
    """
    if message.kind is NotifyKind.RESOLVED:
        return {"event_action": "resolve", "dedup_key": message.incident}
    if message.kind is NotifyKind.UPDATE:
        return {"event_action": "acknowledge", "dedup_key": message.incident}
    links = [{"href": message.url, "text": "Open driftd"}] if message.url else []
    client = {"client": "driftd", **({"client_url": message.url} if message.url else {})}
    payload = _payload(message, delivery)
    return {"event_action": "trigger", "dedup_key": message.incident, "payload": payload, "links": links, **client}


def _payload(message: IncidentMessage, delivery: Delivery) -> Mapping[str, object]:
    return {
        "summary": said(message, MAX_SUMMARY),
        "source": message.model,
        "severity": SEVERITIES.get(message.severity, "info"),
        "timestamp": rfc3339(delivery.created_at),
        "component": message.model,
        "group": "driftd",
        "class": ", ".join(message.checks) or "incident",
        "custom_details": to_body(message),
    }


def reason_of(answer: Answer, key: str) -> str:
    """Why PagerDuty refuses an event, without the key; empty where it does not say."""
    if answer.status != 400:
        return ""
    try:
        told = json.loads(answer.body)
        words = [told["message"], *told.get("errors", ())]
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
        return ""
    return printable(redact("; ".join(map(str, words)).replace(key, "***")), LONGEST_WORD)
