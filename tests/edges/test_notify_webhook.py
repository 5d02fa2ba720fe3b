"""The retraining webhook against a real HTTP server: signature, faults, deadlines."""

from __future__ import annotations

import base64
import json
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
import standardwebhooks

from monitor.clock import SystemClock
from monitor.demo import scripted_http as http
from monitor.errors import Permanent, Retryable
from monitor.notify.transport import Answer, Limits, demand_success, post, retry_after
from monitor.notify.webhook import Webhook, keys, sign
from monitor.ports import Delivery
from monitor.settings.secret import Secret
from tests.webhook_server import WebhookReceiver

KEY = "whsec_" + base64.b64encode(b"0123456789abcdef01234567").decode()
OTHER = "whsec_" + base64.b64encode(b"another key, of some length").decode()
BODY = {"type": "driftd.retraining.requested", "timestamp": "2013-07-04T00:00:00Z", "data": {"id": "ret_1", "model": "µ & <co>"}}
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def server() -> Iterator[WebhookReceiver]:
    receiver = WebhookReceiver()
    yield receiver
    receiver.close()


def delivery(id: str = "msg_1") -> Delivery:
    return Delivery(id=id, receiver="retraining:m", kind="retraining", incident=None, body=BODY, attempts=0, created_at=NOW)


def webhook(server: WebhookReceiver, secret: str = KEY, timeout: float = 5.0) -> Webhook:
    return Webhook(name="retraining:m", url=server.url, secret=Secret(text=secret), clock=SystemClock(), timeout=timeout)


def test_the_receiver_verifies_the_signature_with_the_standardwebhooks_package(server: WebhookReceiver) -> None:
    assert webhook(server).send(delivery()).detail == "answered 202"
    (request,) = server.requests
    assert standardwebhooks.Webhook(KEY).verify(request.body, dict(request.headers)) == BODY
    assert request.headers["webhook-id"] == "msg_1"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["user-agent"].startswith("driftd/")
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(OTHER).verify(request.body, dict(request.headers))
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(KEY).verify(request.body + b" ", dict(request.headers))


def test_while_a_secret_is_rotated_both_keys_verify(server: WebhookReceiver) -> None:
    webhook(server, secret=f"{KEY}\n{OTHER}").send(delivery())
    (request,) = server.requests
    for key in (KEY, OTHER):
        assert standardwebhooks.Webhook(key).verify(request.body, dict(request.headers)) == BODY


def test_a_secret_file_is_read_at_each_use(server: WebhookReceiver, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(KEY + "\n")
    sender = Webhook(name="w", url=server.url, secret=Secret(file=file), clock=SystemClock())
    sender.send(delivery())
    file.write_text(OTHER + "\n")
    sender.send(delivery())
    first, second = server.requests
    standardwebhooks.Webhook(KEY).verify(first.body, dict(first.headers))
    standardwebhooks.Webhook(OTHER).verify(second.body, dict(second.headers))


def test_a_signature_is_that_of_the_specifications_example() -> None:
    # https://github.com/standard-webhooks/standard-webhooks: the test vector of the reference libraries
    secret, body = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", b'{"test": 2432232314}'
    signed = sign(keys(secret), "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("plain words", (b"plain", b"words")),
        ("whsec_YWJj", (b"abc",)),
        ("whsec_YWI=", (b"ab",)),
        ("whsec_YWI", (b"ab",)),
        (f"{KEY}\n  {OTHER} ", (b"0123456789abcdef01234567", b"another key, of some length")),
    ],
)
def test_keys_are_read_from_a_secrets_text(text: str, found: tuple[bytes, ...]) -> None:
    assert keys(text) == found


@pytest.mark.parametrize("text", ["", "whsec_", "whsec_not*base64", "whsec_ä"])
def test_a_secret_that_cannot_sign_waits_to_be_mended(text: str) -> None:
    with pytest.raises(Retryable, match="secret") as caught:
        keys(text)
    assert "not*base64" not in str(caught.value)


@pytest.mark.fault(17)
def test_the_id_stays_and_the_timestamp_is_of_the_attempt(server: WebhookReceiver) -> None:
    server.script(http.drops_after_work)
    with pytest.raises(Retryable):
        webhook(server).send(delivery())
    webhook(server).send(delivery())
    assert server.processed == ["msg_1", "msg_1"]
    assert abs(int(server.requests[1].headers["webhook-timestamp"]) - time.time()) < 60


@pytest.mark.fault(16)
@pytest.mark.parametrize("status", [500, 502, 503, 504, 429, 408])
def test_a_receiver_in_trouble_is_tried_again(server: WebhookReceiver, status: int) -> None:
    server.script(http.answers(status, b"<html>oops</html>", content_type="text/html"))
    with pytest.raises(Retryable, match=f"retraining:m answered {status}"):
        webhook(server).send(delivery())


@pytest.mark.fault(16)
@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 413, 422])
def test_a_receiver_that_says_no_is_not_tried_again(server: WebhookReceiver, status: int) -> None:
    server.script(http.answers(status, b"no"))
    with pytest.raises(Permanent, match=f"answered {status}"):
        webhook(server).send(delivery())


@pytest.mark.fault(16)
def test_gone_is_said_as_such(server: WebhookReceiver) -> None:
    server.script(http.answers(410))
    with pytest.raises(Permanent, match="wants no more messages"):
        webhook(server).send(delivery())


@pytest.mark.fault(16)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_a_failure_and_its_target_sees_nothing(server: WebhookReceiver, status: int) -> None:
    target = WebhookReceiver()
    try:
        server.script(http.redirects(target.url, status))
        with pytest.raises(Permanent, match=f"{status}, a redirect, which is not followed"):
            webhook(server).send(delivery())
        assert target.requests == []
    finally:
        target.close()


@pytest.mark.fault(16)
@pytest.mark.parametrize(
    ("said", "seconds"),
    [("30", 30.0), ("0", 0.0), (" 7 ", 7.0), ("soon", None), ("-5", None), ("1.5", None), ("", None)],
)
def test_retry_after_in_seconds_is_honoured_and_nonsense_is_not(server: WebhookReceiver, said: str, seconds: float | None) -> None:
    server.script(http.answers(429, retry_after=said))
    with pytest.raises(Retryable) as caught:
        webhook(server).send(delivery())
    assert caught.value.retry_after == seconds


def test_retry_after_as_a_date_is_held_against_the_receivers_clock() -> None:
    later = format_datetime(NOW + timedelta(seconds=90), usegmt=True)
    skewed = format_datetime(NOW + timedelta(seconds=60), usegmt=True)
    assert retry_after(Answer(status=503, headers={"retry-after": later}, body=b"", complete=True), NOW) == 90.0
    assert retry_after(Answer(status=503, headers={"retry-after": later, "date": skewed}, body=b"", complete=True), NOW) == 30.0
    past = Answer(status=503, headers={"retry-after": skewed, "date": later}, body=b"", complete=True)
    assert retry_after(past, NOW) == 0.0


@pytest.mark.fault(16)
def test_retry_after_as_a_date_goes_through_the_wire(server: WebhookReceiver) -> None:
    server.script(http.answers(503, retry_after=format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)))
    with pytest.raises(Retryable) as caught:
        webhook(server).send(delivery())
    assert caught.value.retry_after == pytest.approx(3600, abs=5)


@pytest.mark.fault(16)
@pytest.mark.parametrize("fault", [http.hangs, http.hangs_after_work, http.drips_headers])
def test_no_answer_ends_at_the_deadline(server: WebhookReceiver, fault: http.Fault) -> None:
    server.script(fault)
    began = time.monotonic()
    with pytest.raises(Retryable, match="no answer in time"):
        webhook(server, timeout=0.4).send(delivery())
    assert time.monotonic() - began < 3


@pytest.mark.fault(16)
@pytest.mark.parametrize("fault", [http.drips_body, http.never_ends])
def test_a_status_of_success_stands_even_if_the_body_does_not_end(server: WebhookReceiver, fault: http.Fault) -> None:
    server.script(fault)
    began = time.monotonic()
    assert webhook(server, timeout=0.4).send(delivery()).detail == "answered 200"
    assert time.monotonic() - began < 3


@pytest.mark.fault(16)
def test_an_endless_body_is_read_up_to_the_limit_only(server: WebhookReceiver) -> None:
    server.script(http.never_ends)
    answer = post(server.url, content=b"{}", headers={}, limits=Limits(body=64 * 1024))
    assert (len(answer.body), answer.complete) == (64 * 1024, False)


def test_a_body_that_fits_is_complete(server: WebhookReceiver) -> None:
    server.script(http.answers(200, b"x" * 1000))
    answer = post(server.url, content=b"{}", headers={}, limits=Limits(body=1000))
    assert (answer.body, answer.complete) == (b"x" * 1000, True)


def test_a_dropped_connection_is_tried_again(server: WebhookReceiver) -> None:
    server.script(http.drops)
    with pytest.raises(Retryable, match="the connection failed"):
        webhook(server).send(delivery())


def test_nobody_listening_is_tried_again_and_the_url_is_not_told() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/hooks?key=hush"
        sender = Webhook(name="w", url=url, secret=Secret(text=KEY), clock=SystemClock())
        with pytest.raises(Retryable, match="the connection failed") as caught:
            sender.send(delivery())
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("url", ["ftp://host/key-hush", "no-url-hush", "http:///hush"])
def test_a_url_that_cannot_be_used_is_given_up_and_not_told(url: str) -> None:
    with pytest.raises(Permanent, match="the URL cannot be used") as caught:
        post(url, content=b"", headers={}, limits=Limits())
    assert "hush" not in str(caught.value)


def test_neither_url_nor_secret_is_told_in_errors(server: WebhookReceiver) -> None:
    for status in (302, 404, 500):
        server.script(http.answers(status, KEY.encode(), location=server.url))
        with pytest.raises((Permanent, Retryable)) as caught:
            webhook(server).send(delivery())
        assert "hush" not in str(caught.value)
        assert KEY not in str(caught.value)


def test_proxies_of_the_environment_are_not_asked(server: WebhookReceiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    assert webhook(server).send(delivery()).detail == "answered 202"


def test_success_is_any_2xx() -> None:
    for status in (200, 201, 202, 204, 299):
        demand_success(Answer(status=status, headers={}, body=b"", complete=True), "it", NOW)
    with pytest.raises(Permanent):
        demand_success(Answer(status=300, headers={}, body=b"", complete=True), "it", NOW)


@pytest.mark.fault(17)
def test_the_body_is_the_same_json_at_every_attempt(server: WebhookReceiver) -> None:
    for _ in range(2):
        webhook(server).send(delivery())
    assert server.requests[0].body == server.requests[1].body
    assert json.loads(server.requests[0].body) == BODY
