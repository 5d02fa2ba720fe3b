"""What Slack or another service may answer over a real socket: any bytes are a receipt, a Retryable or a Permanent."""

from __future__ import annotations

import contextlib
import json
import math
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from monitor.clock import SystemClock
from monitor.core.incidents import NotifyKind
from monitor.core.messages import message_body
from monitor.errors import Permanent, Retryable
from monitor.log import redact
from monitor.notify import alertmanager, events, pagerduty
from monitor.notify.slack import SlackBot
from monitor.notify.slack_webhook import SlackWebhook
from monitor.notify.webhook import Webhook
from monitor.ports import Delivery, Receipt
from monitor.ports.outbox import Receiver
from monitor.settings.secret import Secret
from monitor.settings.targets import AlertmanagerSettings, EventsSettings, PagerDutySettings
from tests.edges.test_notify_slack import occasion
from tests.fuzz.mutation import JSON_WORDS
from tests.fuzz.target import Check, Target, require

LONGEST = 8_000
PATIENCE = 0.8
"""Seconds of a call: less than what is slow."""
CUT = b"\n%%\n"
"""Stands between the answers to calls that follow one another; the last is given to all that come after."""
TOKEN, SECRET = "xoxb-hush-hush", "hush-signing-key"
NOW = datetime(2024, 3, 1, tzinfo=UTC)


class RawServer:
    """Takes a request on each connection, says what ``script`` has next, and hangs up."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = int(self._listener.getsockname()[1])
        self.script: list[bytes] = [b""]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return  # closed
            with connection, contextlib.suppress(OSError):
                connection.settimeout(PATIENCE)
                self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        data = b""
        while b"\r\n\r\n" not in data and (more := connection.recv(65_536)):
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        wanted = next((int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
        while len(body) < wanted and (more := connection.recv(65_536)):
            body += more
        connection.sendall(self.script.pop(0) if len(self.script) > 1 else self.script[0])
        connection.shutdown(socket.SHUT_WR)


def a_delivery(kind: NotifyKind, thread: str | None, attempts: int = 0) -> Delivery:
    return Delivery(
        id="msg_1", receiver="slack", kind=kind, incident="inc_1", body=message_body(occasion(kind)), attempts=attempts,
        created_at=NOW - timedelta(minutes=1), thread=thread,
    )  # fmt: skip


FIRST, NOTE = a_delivery(NotifyKind.FIRING, None), a_delivery(NotifyKind.RESOLVED, "C1:12.3")
DELIVERIES = (FIRST, NOTE, a_delivery(NotifyKind.REPEAT, "C1:12.3", attempts=1), replace(FIRST, attempts=1))


def http(body: bytes, status: bytes = b"200 OK", **headers: str) -> bytes:
    lines = b"".join(f"{name.replace('_', '-')}: {value}\r\n".encode() for name, value in headers.items())
    return b"HTTP/1.1 " + status + b"\r\ncontent-length: " + str(len(body)).encode() + b"\r\n" + lines + b"\r\n" + body


def seeds() -> Sequence[bytes]:
    posted = json.dumps({"ok": True, "channel": "C1", "ts": "12.3", "message": {"text": "x"}}).encode()
    mark = {"event_type": "driftd_incident", "event_payload": {"delivery": "msg_1"}}
    history = json.dumps({"ok": True, "messages": [{"ts": "1.2", "metadata": mark}], "response_metadata": {"next_cursor": "n"}}).encode()
    channels = json.dumps({"ok": True, "channels": [{"id": "C1", "name": "ml-alerts"}], "response_metadata": {"next_cursor": ""}}).encode()
    refused = json.dumps({"ok": False, "error": "invalid_blocks", "response_metadata": {"messages": ["x"]}}).encode()
    late = http(b'{"ok":false,"error":"ratelimited"}', b"429 Too Many Requests", retry_after="30", date="Wed, 21 Oct 2026 07:28:00 GMT")
    whole = [
        http(posted), http(b"ok"), http(b"", b"202 Accepted"), http(channels) + CUT + http(history) + CUT + http(posted), late,
        http(refused) + CUT + http(posted), http(b"", b"302 Found", location="http://127.0.0.1:1/"), http(b"<html>",
        b"503 No", content_type="text/html"),
        http(b'{"status":"invalid event","message":"no","errors":["routing_key"]}', b"400 Bad"),
        http(b"invalid_payload", b"400 Bad") + CUT + http(b"ok"), http(b"", b"410 Gone"),
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\nok", b"",
    ]  # fmt: skip
    return [bytes([number]) + each for each in whole for number in range(RECEIVERS * len(DELIVERIES))]


RECEIVERS = 6


def receivers(port: int) -> Sequence[Receiver]:
    clock, root = SystemClock(), f"http://127.0.0.1:{port}/{SECRET}"
    return (
        SlackBot(token=Secret(text=TOKEN), channel="#ml-alerts", api_url=f"{root}/", timeout=PATIENCE, clock=clock),
        SlackWebhook(url=Secret(text=root), clock=clock, timeout=PATIENCE),
        Webhook(name="retraining:m", url=root, secret=Secret(text=SECRET), clock=clock, timeout=PATIENCE),
        events.made("events", EventsSettings.model_validate({"url": root, "secret": SECRET, "timeout": "1s"}), clock),
        alertmanager.made("alerts", AlertmanagerSettings.model_validate({"url": root, "token": SECRET, "timeout": "1s"}), clock),
        pagerduty.made("pager", PagerDutySettings.model_validate({"url": root, "routing_key": SECRET, "timeout": "1s"}), clock),
    )


@contextmanager
def opened(_folder: Path) -> Iterator[Check]:
    """The check of one series of answers; the first byte chooses who asks, and what for."""
    server = RawServer()
    asking = receivers(server.port)

    def check(data: bytes) -> None:
        number = data[0] if data else 0
        server.script = data[1:].split(CUT)
        try:
            told(asking[number % RECEIVERS].send(DELIVERIES[number // RECEIVERS % len(DELIVERIES)]))
        except (Retryable, Permanent) as error:
            refused(error)

    try:
        yield check
    finally:
        server.close()


def told(receipt: Receipt) -> None:
    """What goes into the store of a message that was sent."""
    storable(receipt.thread or "")
    storable(receipt.detail)


def refused(error: Retryable | Permanent) -> None:
    """What goes into the store and the log of one that was not."""
    said = redact(str(error))
    storable(said)
    require(not any(secret in said for secret in (TOKEN, SECRET)), "a secret is told")
    if isinstance(error, Retryable) and error.retry_after is not None:
        require(error.retry_after >= 0 and not math.isnan(error.retry_after), f"wait for {error.retry_after}")


def storable(text: str) -> None:
    text.encode()
    require("\0" not in text, "NUL, which PostgreSQL refuses")
    require(len(text) < 1_000, "a text without an end")


WORDS = [
    b"\r\n", b"\r\n\r\n", CUT, b"HTTP/1.1 ", b"HTTP/1.0 ", b" 200 ", b" 100 ", b" 101 ", b" 204 ", b" 301 ", b" 400 ", b" 429 ",
    b" 500 ", b" 999 ", b"content-length: ",
    b"content-length: -1", b"transfer-encoding: chunked", b"fffffffff\r\n", b"content-encoding: gzip", b"content-encoding: zstd",
    b"retry-after: ", b"date: ", b"9" * 400,
    b"Mon, 01 Jan 0001 00:00:00 GMT", b"+9999", b'"ok": ', b'"error": ', b'"ts": ', b'"channel": ', b'"messages": ', b'"metadata": ',
    b'"response_metadata": ', b'"event_payload": ',
    b'"next_cursor": ', TOKEN.encode(), SECRET.encode(), b"\xff", b"\0", b"ok", b"connection: keep-alive", b"set-cookie: a=b", *JSON_WORDS,
]  # fmt: skip
TARGETS = (Target(name="answers", inputs=60_000, short=1_500, longest=LONGEST, seeds=seeds, words=WORDS, opened=opened),)
