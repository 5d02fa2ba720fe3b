"""Slack's end of Socket Mode: a websocket server on this machine that says hello, sends envelopes and waits for their acknowledgement."""

from __future__ import annotations

import json
import logging
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve

from monitor.demo.slack_clicks import APP

ACK_SECONDS = 3.0
"""Slack waits no longer for an acknowledgement."""
MOST = 10
"""Connections that an app may have open."""
PATIENCE = 10.0

_quiet = logging.getLogger("driftd.websockets.server")
_quiet.setLevel(logging.CRITICAL)


@dataclass(slots=True, kw_only=True)
class Delivered:
    """An envelope that was sent. ``acked_after``: seconds; None where no acknowledgement came in time."""

    envelope: str
    acked_after: float | None = None
    payload: Mapping[str, Any] = field(default_factory=dict)


class SlackSockets:
    """A URL is good once. Envelopes go to the connections in turn, as Slack sends each to any of them.

    ``silent``: no hello is said. ``patience``: seconds to wait for an acknowledgement.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._tickets: set[str] = set()
        self._open: list[ServerConnection] = []
        self._acked: dict[str, float] = {}
        self._turn = 0
        self.opened = 0
        self.silent = False
        self.patience = ACK_SECONDS
        self._server = serve(self._talk, "127.0.0.1", 0, process_request=self._admitted, compression=None, logger=_quiet)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self._port = self._server.socket.getsockname()[1]

    def url(self) -> str:
        """A new address to connect to."""
        ticket = uuid4().hex
        with self._changed:
            self._tickets.add(ticket)
        return f"ws://127.0.0.1:{self._port}/link/?ticket={ticket}&app_id={APP}"

    def wait_for(self, connections: int, opened: int = 0) -> None:
        """Until so many are open, and so many were opened in all. Raises TimeoutError."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._open) == connections and self.opened >= opened, PATIENCE):
                raise TimeoutError(f"{len(self._open)} connections, {self.opened} opened within {PATIENCE} s")

    def send(self, kind: str, payload: Mapping[str, Any], *, envelope: str | None = None) -> Delivered:
        """Send an envelope, and wait for its acknowledgement as long as Slack does. Raises RuntimeError where nobody is connected."""
        done = Delivered(envelope=envelope or str(uuid4()), payload=payload)
        frame = {"envelope_id": done.envelope, "type": kind, "accepts_response_payload": kind == "slash_commands", "payload": payload}
        with self._changed:
            if not self._open:
                raise RuntimeError("no app is connected")
            self._acked.pop(done.envelope, None)
            connection = self._open[self._turn % len(self._open)]
            self._turn += 1
        began = time.monotonic()
        connection.send(json.dumps(frame))
        with self._changed:
            if self._changed.wait_for(lambda: done.envelope in self._acked, self.patience):
                done.acked_after = self._acked[done.envelope] - began
        return done

    def say(self, text: str) -> None:
        """Send anything at all over every connection."""
        for connection in self._there():
            connection.send(text)

    def disconnect(self, reason: str) -> None:
        """Say goodbye over every connection; it is for the app to go."""
        self.say(json.dumps({"type": "disconnect", "reason": reason, "debug_info": {"host": "wss-111.slack.com"}}))

    def end(self) -> None:
        """Close every connection as the protocol has it."""
        for connection in self._there():
            connection.close()

    def tear(self) -> None:
        """Break every connection off, without a word of the protocol."""
        for connection in self._there():
            connection.socket.shutdown(socket.SHUT_RDWR)

    def half_close(self) -> None:
        """Say no more on any connection, and leave it open."""
        for connection in self._there():
            connection.socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self.tear()
        self._thread.join()

    def _there(self) -> list[ServerConnection]:
        with self._changed:
            return list(self._open)

    def _admitted(self, connection: ServerConnection, request: Request) -> Response | None:
        ticket = parse_qs(urlsplit(request.path).query).get("ticket", [""])[0]
        with self._changed:
            good = ticket in self._tickets and len(self._open) < MOST
            self._tickets.discard(ticket)
        return None if good else connection.respond(HTTPStatus.FORBIDDEN, "invalid_ticket")

    def _talk(self, connection: ServerConnection) -> None:
        with self._changed:
            self._open.append(connection)
            self.opened += 1
            told = len(self._open)
        try:
            if not self.silent:
                connection.send(json.dumps({
                    "type": "hello", "num_connections": told, "connection_info": {"app_id": APP},
                    "debug_info": {"host": "applink-7fc4fdbb64-4x5xq", "build_number": 10, "approximate_connection_time": 18060},
                }))
            self._notify()
            for frame in connection:
                self._heard(str(json.loads(frame).get("envelope_id")))
        except (ConnectionClosed, OSError):
            pass  # the app is gone
        finally:
            with self._changed:
                self._open.remove(connection)
                self._changed.notify_all()

    def _heard(self, envelope: str) -> None:
        with self._changed:
            self._acked[envelope] = time.monotonic()
            self._changed.notify_all()

    def _notify(self) -> None:
        with self._changed:
            self._changed.notify_all()

