"""Incidents by webhook: packages of others verify the signature, bodies are short enough, CloudEvents are as their binding says."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import standardwebhooks
import svix.webhooks
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.clock import SystemClock
from monitor.core.incidents import NotifyKind
from monitor.core.messages import IncidentMessage, from_body
from monitor.errors import Permanent
from monitor.notify import events
from monitor.notify.events import MAX_BYTES, event_of
from monitor.notify.webhook import Webhook
from monitor.ports import Receiver
from monitor.settings.secret import Secret
from monitor.settings.targets import CloudEvents, EventsSettings
from tests.edges.told import BROKEN, NOW, TEXTS, delivery, messages, other, telling
from tests.webhook_server import WebhookReceiver

KEY = "whsec_" + base64.b64encode(b"0123456789abcdef01234567").decode()
OTHER = "whsec_" + base64.b64encode(b"another key, of some length").decode()
ORACLES = (standardwebhooks.Webhook, svix.webhooks.Webhook)


@pytest.fixture
def server() -> Iterator[WebhookReceiver]:
    receiver = WebhookReceiver()
    yield receiver
    receiver.close()


def webhook(server: WebhookReceiver, secret: str = KEY, **more: object) -> Receiver:
    return events.made("events", EventsSettings(url=server.url, secret=secret, **more), SystemClock())  # type: ignore[arg-type]


@pytest.mark.parametrize("oracle", ORACLES)
@pytest.mark.parametrize("mode", CloudEvents)
def test_the_packages_of_others_verify_the_signature_in_every_mode(server: WebhookReceiver, oracle: type, mode: CloudEvents) -> None:
    assert webhook(server, cloudevents=mode).send(delivery()).detail == "answered 202"
    (request,) = server.requests
    oracle(KEY).verify(request.body, dict(request.headers))
    for wrong in (OTHER, KEY[:-4] + "AAAA"):
        with pytest.raises(standardwebhooks.WebhookVerificationError):
            oracle(wrong).verify(request.body, dict(request.headers))
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        oracle(KEY).verify(request.body + b" ", dict(request.headers))


@pytest.mark.parametrize("oracle", ORACLES)
def test_the_packages_of_others_verify_the_request_to_retrain_too(server: WebhookReceiver, oracle: type) -> None:
    Webhook(name="retraining:m", url=server.url, secret=Secret(text=KEY), clock=SystemClock()).send(delivery())
    (request,) = server.requests
    oracle(KEY).verify(request.body, dict(request.headers))


@pytest.mark.parametrize("oracle", ORACLES)
def test_while_a_secret_is_rotated_both_keys_verify(server: WebhookReceiver, oracle: type) -> None:
    webhook(server, secret=f"{KEY}\n{OTHER}").send(delivery())
    (request,) = server.requests
    for key in (KEY, OTHER):
        oracle(key).verify(request.body, dict(request.headers))


def test_a_secret_file_is_read_at_each_use(server: WebhookReceiver, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(KEY + "\n")
    sender = events.made("events", EventsSettings(url=server.url, secret=Secret(file=file)), SystemClock())
    sender.send(delivery())
    file.write_text(OTHER + "\n")
    sender.send(delivery())
    for key, request in zip((KEY, OTHER), server.requests, strict=True):
        standardwebhooks.Webhook(key).verify(request.body, dict(request.headers))


def test_the_frame_is_that_of_standard_webhooks(server: WebhookReceiver) -> None:
    webhook(server).send(delivery(NotifyKind.RESOLVED, id="msg_7"))
    (request,) = server.requests
    body = json.loads(request.body)
    assert list(body) == ["type", "timestamp", "data"]
    assert (body["type"], body["timestamp"]) == ("driftd.incident.resolved", "2026-05-04T12:00:00Z")
    message = from_body(body["data"], IncidentMessage)
    assert (message.incident, message.model, message.url) == (
        "inc_0123456789abcdef", "flight-delay", "https://driftd.example.com/models/flight-delay",
    )  # fmt: skip
    assert message.columns[0].sentence == "dep_delay: mean 12.6 → 756"
    assert request.headers["webhook-id"] == "msg_7"
    assert request.headers["content-type"] == "application/json"


ATTRIBUTES = {
    "specversion": "1.0", "id": "msg_7", "source": "/driftd/models/flight-delay", "type": "driftd.incident.firing",
    "time": "2026-05-04T12:00:00Z", "subject": "inc_0123456789abcdef",
}  # fmt: skip


def test_a_structured_cloud_event_holds_its_attributes_in_the_body(server: WebhookReceiver) -> None:
    webhook(server, cloudevents="structured").send(delivery(id="msg_7"))
    (request,) = server.requests
    body = json.loads(request.body)
    data = body.pop("data")
    assert body == {**ATTRIBUTES, "datacontenttype": "application/json"}
    assert from_body(data, IncidentMessage).kind is NotifyKind.FIRING
    assert request.headers["content-type"] == "application/cloudevents+json; charset=utf-8"
    assert [name for name in request.headers if name.startswith("ce-")] == []
    assert request.headers["webhook-id"] == body["id"]


def test_a_binary_cloud_event_holds_its_attributes_in_headers(server: WebhookReceiver) -> None:
    webhook(server, cloudevents="binary").send(delivery(id="msg_7"))
    (request,) = server.requests
    assert {name: value for name, value in request.headers.items() if name.startswith("ce-")} == {
        f"ce-{name}": value for name, value in ATTRIBUTES.items()
    }
    assert from_body(json.loads(request.body), IncidentMessage).kind is NotifyKind.FIRING
    assert request.headers["content-type"] == "application/json"


def test_the_body_is_the_same_at_every_attempt(server: WebhookReceiver) -> None:
    for _ in range(2):
        webhook(server).send(delivery())
    assert server.requests[0].body == server.requests[1].body


@settings(max_examples=200)
@given(messages(), st.sampled_from(CloudEvents))
def test_a_body_is_always_short_enough_and_whole_json(message: IncidentMessage, mode: CloudEvents) -> None:
    event = event_of(telling(message), mode)
    assert len(event.body) <= MAX_BYTES
    body = json.loads(event.body)
    data = from_body(body if mode is CloudEvents.BINARY else body["data"], IncidentMessage)
    assert len(data.columns) + data.more_columns == len(message.columns) + message.more_columns
    assert all(value.isascii() and value.isprintable() for value in event.headers.values())


def test_what_is_cut_says_so() -> None:
    from dataclasses import replace

    from monitor.core.messages import ColumnLine

    message = replace(from_body(delivery().body, IncidentMessage), columns=(ColumnLine(column="𝕏" * 600, sentence="𝕏" * 600),) * 10)
    data = from_body(json.loads(event_of(telling(message), CloudEvents.BINARY).body), IncidentMessage)
    assert data.columns[0].column.endswith("…")
    assert (len(data.columns), data.more_columns) == (10, 0)


def test_a_stored_body_that_is_no_incident_is_given_up(server: WebhookReceiver) -> None:
    with pytest.raises(Permanent, match="stored body is no IncidentMessage"):
        webhook(server).send(BROKEN)
    assert server.requests == []


def test_settings_without_a_secret_make_no_receiver(server: WebhookReceiver) -> None:
    with pytest.raises(ValueError, match="without secret"):
        events.made("events", EventsSettings(url=server.url), SystemClock())


def test_the_time_of_the_attempt_is_signed(server: WebhookReceiver) -> None:
    webhook(server).send(delivery(at=NOW))
    sent = int(server.requests[0].headers["webhook-timestamp"])
    assert abs(sent - datetime.now(UTC).timestamp()) < 60


NOTE = {"id": "ret_1", "model": "m/ö", "state": "proposed", "sentence": "a retraining waits for approval", "hint": "…", "url": None}


@pytest.mark.parametrize("mode", CloudEvents)
def test_what_is_about_no_incident_is_an_event_of_its_own_kind(server: WebhookReceiver, mode: CloudEvents) -> None:
    webhook(server, cloudevents=mode).send(other(NOTE))
    (request,) = server.requests
    body = json.loads(request.body)
    assert (body if mode is CloudEvents.BINARY else body["data"]) == NOTE
    if mode is CloudEvents.OFF:
        assert body["type"] == "driftd.another"
    else:
        about = {n.removeprefix("ce-"): v for n, v in request.headers.items()} if mode is CloudEvents.BINARY else body
        assert (about["type"], about["source"], "subject" in about) == ("driftd.another", "/driftd/models/m%2F%C3%B6", False)


LEAVES = st.none() | st.integers(0, 9) | TEXTS


@given(st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=30) | st.dictionaries(st.text(max_size=9), inner, max_size=9)))
def test_bodies_of_other_kinds_are_short_enough_too(value: object) -> None:
    event = event_of(other({"sentence": "x" * 30_000, "many": [value] * 300}), CloudEvents.OFF)
    assert len(json.loads(event.body)["data"]["many"]) <= 300
    assert len(json.loads(event.body)["data"]["sentence"]) <= 600
