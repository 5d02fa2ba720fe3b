from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from http.client import HTTPConnection

import httpx
import pytest
from standardwebhooks.webhooks import Webhook

from monitor.demo.webhook_server import MAX_BODY, WebhookCall, WebhookServer

SECRET = "whsec_" + base64.b64encode(bytes(range(24))).decode()
BODY = json.dumps({"type": "retraining.requested", "data": {"model": "flight-delay"}})


@pytest.fixture
def server() -> Iterator[WebhookServer]:
    seen: list[WebhookCall] = []
    server = WebhookServer(SECRET, seen.append)
    yield server
    server.close()
    assert seen == server.calls


def post(server: WebhookServer, body: str, signature: str) -> int:
    headers = {"webhook-id": "msg_1", "webhook-timestamp": "1700000000", "webhook-signature": signature}
    return httpx.post(server.url, content=body, headers=headers, trust_env=False).status_code


def signed(body: str) -> str:
    return Webhook(SECRET).sign("msg_1", datetime.fromtimestamp(1_700_000_000, UTC), body)


def test_a_webhook_signed_by_the_reference_library_is_accepted(server: WebhookServer) -> None:
    assert post(server, BODY, signed(BODY)) == 202
    assert server.calls[0].signed
    assert server.calls[0].id == "msg_1"
    assert server.calls[0].fields()["type"] == "retraining.requested"


def test_one_valid_signature_among_several_is_enough(server: WebhookServer) -> None:
    assert post(server, BODY, f"v1,b2xk {signed(BODY)}") == 202


def test_a_changed_body_is_refused(server: WebhookServer) -> None:
    assert post(server, BODY.replace("flight", "freight"), signed(BODY)) == 401
    assert not server.calls[0].signed


def test_a_body_that_is_no_object_has_no_fields(server: WebhookServer) -> None:
    assert post(server, "[1]", signed("[1]")) == 202
    assert post(server, "nonsense", signed("nonsense")) == 202
    assert [call.fields() for call in server.calls] == [{}, {}]


def test_an_endless_body_is_refused_by_its_announced_length(server: WebhookServer) -> None:
    url = httpx.URL(server.url)
    connection = HTTPConnection(url.host, url.port or 0, timeout=5)
    connection.putrequest("POST", url.path)
    connection.putheader("content-length", str(MAX_BODY + 1))
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()
    assert server.calls == []
