"""Incidents by webhook: Standard Webhooks 1.0.0 with the event in its frame, or as a CloudEvent 1.0 (HTTP binding 1.0.2)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import assert_never
from urllib.parse import quote

from monitor import __version__
from monitor.core.messages import IncidentMessage, from_body, to_body
from monitor.core.schema import rfc3339
from monitor.notify.plain import is_incident, message_of
from monitor.notify.transport import Limits, demand_success, post
from monitor.notify.webhook import keys, sign
from monitor.ports import Clock, Delivery, Receipt, Receiver
from monitor.settings.secret import Secret
from monitor.settings.targets import CloudEvents, EventsSettings

MAX_BYTES = 20_000
"""Of a body; Standard Webhooks recommends less than 20 kB, and some receivers refuse more."""
SHORTER = ((600, 10), (300, 10), (150, 10), (80, 10), (80, 3), (40, 0))
"""What a body is cut to until it fits: characters of a text, and columns. A character may take six bytes of JSON."""
NEVER_CUT = frozenset({"id", "incident", "url", "run_url", "since", "until", "at", "kind", "state", "severity"})
LONGEST_LIST = 100


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
        event = event_of(delivery, self._settings.cloudevents)
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


def event_of(delivery: Delivery, mode: CloudEvents) -> Event:
    """The same bytes at every attempt. The event's time is when driftd decided to tell; the times in the data are the incident's.

    Raises Permanent where the stored body is not what its kind says.
    """
    at, kind = rfc3339(delivery.created_at), type_of(delivery)
    data = _message_data(delivery) if is_incident(delivery) else _other_data(delivery)
    about = {"id": delivery.id, "source": source_of(delivery), "type": kind, "time": at, "subject": delivery.incident}
    attributes = {"specversion": "1.0", **{name: value for name, value in about.items() if value is not None}}
    match mode:
        case CloudEvents.OFF:
            return Event(body=_fitted(data, {"type": kind, "timestamp": at}), headers={"content-type": "application/json"})
        case CloudEvents.STRUCTURED:
            body = _fitted(data, {**attributes, "datacontenttype": "application/json"})
            return Event(body=body, headers={"content-type": "application/cloudevents+json; charset=utf-8"})
        case CloudEvents.BINARY:
            headers = {f"ce-{name}": value for name, value in attributes.items()}
            return Event(body=_fitted(data, None), headers={"content-type": "application/json", **headers})
        case _:
            assert_never(mode)


def type_of(delivery: Delivery) -> str:
    """``driftd.incident.firing``; of what is about no incident ``driftd.`` and its kind."""
    return f"driftd.incident.{delivery.kind}" if is_incident(delivery) else f"driftd.{delivery.kind}"


def source_of(delivery: Delivery) -> str:
    """Where an event comes from, as a URI reference: with its id it is unique."""
    model = delivery.body.get("model")
    return f"/driftd/models/{quote(model, safe='', errors='replace')}" if isinstance(model, str) else "/driftd"


Shorter = Callable[[int, int], object]
"""The data with texts of at most so many characters, and at most so many things in a list."""


def _message_data(delivery: Delivery) -> Shorter:
    message = message_of(delivery)
    return lambda texts, columns: to_body(_shortened(message, texts, columns))


def _other_data(delivery: Delivery) -> Shorter:
    return lambda texts, items: _shorter(delivery.body, texts, items)


def _fitted(data: Shorter, frame: Mapping[str, object] | None) -> bytes:
    """The data as JSON, in a frame or alone, with as much of it cut as makes it short enough."""
    for texts, items in SHORTER:
        body = _json(data(texts, items) if frame is None else {**frame, "data": data(texts, items)})
        if len(body) <= MAX_BYTES:
            break
    return body


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _shortened(message: IncidentMessage, texts: int, columns: int) -> IncidentMessage:
    """Columns that are left out are counted, as the message counts those that it never had."""
    kept = message.columns[:columns]
    whole = replace(message, columns=kept, more_columns=message.more_columns + len(message.columns) - len(kept))
    return from_body(_texts_cut(to_body(whole), texts), IncidentMessage)


def _texts_cut(body: Mapping[str, object], texts: int) -> Mapping[str, object]:
    """All texts but those that others look things up by."""
    return {name: value if name in NEVER_CUT else _shorter(value, texts, LONGEST_LIST) for name, value in body.items()}


def _shorter(value: object, texts: int, items: int) -> object:
    match value:
        case str():
            return _short(value, texts)
        case Mapping():
            return {name: inner if name in NEVER_CUT else _shorter(inner, texts, items) for name, inner in value.items()}
        case list() | tuple():
            return [_shorter(inner, texts, items) for inner in value[:items]]
        case _:
            return value
