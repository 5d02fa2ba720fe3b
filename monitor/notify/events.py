"""Incidents by webhook: Standard Webhooks 1.0.0 with the event in its frame, or as a CloudEvent 1.0 (HTTP binding 1.0.2)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import assert_never
from urllib.parse import quote

from monitor import __version__
from monitor.core.messages import IncidentMessage, to_body
from monitor.core.schema import rfc3339
from monitor.notify.plain import message_of
from monitor.notify.transport import Limits, demand_success, post
from monitor.notify.webhook import keys, sign
from monitor.ports import Clock, Delivery, Receipt, Receiver
from monitor.settings.secret import Secret
from monitor.settings.targets import CloudEvents, EventsSettings

MAX_BYTES = 20_000
"""Of a body; Standard Webhooks recommends less than 20 kB, and some receivers refuse more."""
SHORTER = ((600, 10), (300, 10), (150, 10), (80, 10), (80, 3), (40, 0))
"""What a body is cut to until it fits: characters of a text, and columns. A character may take six bytes of JSON."""
TYPE = "driftd.incident."
"""Before the kind: ``driftd.incident.firing``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What is posted: a body, and the headers that belong to it."""

    body: bytes
    headers: Mapping[str, str]


class EventsWebhook:
    """Posts signed events to one URL. The secret is read at each use; while it is rotated it holds both, apart by white space."""

    def __init__(self, name: str, settings: EventsSettings, secret: Secret, clock: Clock) -> None:
        self.name = name
        self._settings = settings
        self._secret = secret
        self._clock = clock
        timeout = settings.timeout.total_seconds()
        self._limits = Limits(read=timeout, total=timeout, link_local=settings.allow_link_local)

    def send(self, delivery: Delivery) -> Receipt:
        """Post it once: any 2xx is success, whatever the body. Raises Retryable or Permanent; neither tells URL or secret."""
        event = event_of(message_of(delivery), delivery, self._settings.cloudevents)
        now = self._clock.now()
        timestamp = int(now.timestamp())
        headers = {
            **event.headers,
            "user-agent": f"driftd/{__version__}",
            "webhook-id": delivery.id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": sign(keys(self._secret.read()), delivery.id, timestamp, event.body),
        }
        answer = post(self._settings.url, content=event.body, headers=headers, limits=self._limits)
        demand_success(answer, f"the webhook {self.name}", now)
        return Receipt(detail=f"answered {answer.status}")

    def close(self) -> None:
        """Nothing is held open between messages."""


def made(name: str, settings: EventsSettings, clock: Clock) -> Receiver:
    """From its settings; ``load_settings`` has refused those without a secret."""
    if settings.secret is None:
        raise ValueError("webhook without secret")
    return EventsWebhook(name, settings, settings.secret, clock)


def event_of(message: IncidentMessage, delivery: Delivery, mode: CloudEvents) -> Event:
    """The same bytes at every attempt. The event's time is when driftd decided to tell; the times in the data are the incident's."""
    at = rfc3339(delivery.created_at)
    about = {"id": delivery.id, "source": source_of(message), "type": TYPE + message.kind, "time": at, "subject": message.incident}
    match mode:
        case CloudEvents.OFF:
            body = _fitted(message, {"type": TYPE + message.kind, "timestamp": at})
            return Event(body=body, headers={"content-type": "application/json"})
        case CloudEvents.STRUCTURED:
            body = _fitted(message, {"specversion": "1.0", **about, "datacontenttype": "application/json"})
            return Event(body=body, headers={"content-type": "application/cloudevents+json; charset=utf-8"})
        case CloudEvents.BINARY:
            attributes = {f"ce-{name}": value for name, value in {"specversion": "1.0", **about}.items()}
            return Event(body=_fitted(message, None), headers={"content-type": "application/json", **attributes})
        case _:
            assert_never(mode)


def source_of(message: IncidentMessage) -> str:
    """Where an event comes from, as a URI reference: with its id it is unique."""
    return f"/driftd/models/{quote(message.model, safe='', errors='replace')}"


def _fitted(message: IncidentMessage, frame: Mapping[str, object] | None) -> bytes:
    """The message as JSON, in a frame beside ``data`` or alone, with texts and columns cut until it is short enough."""
    for texts, columns in SHORTER:
        data = to_body(_shortened(message, texts, columns))
        body = _json(data if frame is None else {**frame, "data": data})
        if len(body) <= MAX_BYTES:
            break
    return body


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _shortened(message: IncidentMessage, texts: int, columns: int) -> IncidentMessage:
    def short(text: str) -> str:
        return text if len(text) <= texts else text[: texts - 1] + "…"

    kept = tuple(replace(line, column=short(line.column), sentence=short(line.sentence)) for line in message.columns[:columns])
    return replace(
        message, model=short(message.model), sentence=short(message.sentence), cause=short(message.cause), columns=kept,
        evidence=short(message.evidence), performance=short(message.performance), reason=short(message.reason),
        more_columns=message.more_columns + len(message.columns) - len(kept),
    )  # fmt: skip
