"""An HTTP server on this machine whose answers can be scripted, fault by fault: what Slack and webhook doubles stand on."""

from __future__ import annotations

import socket
import struct
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

DRIP_SECONDS = 0.02
"""Pause between two bytes of a dripping answer."""

MAX_BODY = 1_000_000
PATIENCE = 10.0
"""Seconds that ``wait_for`` waits for a request before it says that none came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request as it came; header names are lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One answer."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


class Exchange:
    """A request that waits for its answer. ``process`` does the work that was asked for; ``released`` is set when the server closes."""

    def __init__(self, handler: BaseHTTPRequestHandler, process: Callable[[], Reply], released: threading.Event) -> None:
        self._handler = handler
        self.process = process
        self.released = released

    def answer(self, reply: Reply) -> None:
        """Send it whole."""
        self._handler.send_response(reply.status)
        for name, value in {"content-length": str(len(reply.body)), **reply.headers}.items():
            self._handler.send_header(name, value)
        self._handler.end_headers()
        self._handler.wfile.write(reply.body)

    def drip(self, head: bytes, data: bytes) -> None:
        """Send ``head`` at once and ``data`` byte by byte, until the other side or the server closes."""
        self._handler.wfile.write(head)
        for at in range(len(data)):
            self._handler.wfile.write(data[at : at + 1])
            self._handler.wfile.flush()
            if self.released.wait(DRIP_SECONDS):
                return

    def pour(self, head: bytes, chunk: bytes) -> None:
        """Send without end, until the other side or the server closes."""
        self._handler.wfile.write(head)
        while not self.released.is_set():
            self._handler.wfile.write(chunk)

    def hang_up(self) -> None:
        """Close without an answer."""
        self._handler.close_connection = True

    def reset(self) -> None:
        """Tear the connection down: the other side gets a reset, not an end."""
        self._handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._handler.close_connection = True
        self._handler.connection.close()


Fault = Callable[[Exchange], None]


def answers(status: int, body: bytes = b"", **headers: str) -> Fault:
    """Answer so without doing anything; ``retry_after="3"`` is the header ``retry-after``."""
    reply = Reply(status=status, body=body, headers={name.replace("_", "-"): value for name, value in headers.items()})
    return lambda exchange: exchange.answer(reply)


def redirects(to: str, status: int = 302) -> Fault:
    """Point elsewhere."""
    return answers(status, location=to)


def hangs(exchange: Exchange) -> None:
    """Take the request and never answer; nothing is done."""
    exchange.released.wait()
    exchange.hang_up()


def hangs_after_work(exchange: Exchange) -> None:
    """Do what was asked for, and never answer."""
    exchange.process()
    exchange.released.wait()
    exchange.hang_up()


def drops(exchange: Exchange) -> None:
    """Close without doing anything."""
    exchange.hang_up()


def drops_after_work(exchange: Exchange) -> None:
    """Do what was asked for, and close without an answer."""
    exchange.process()
    exchange.hang_up()


def resets_after_work(exchange: Exchange) -> None:
    """Do what was asked for, and reset the connection."""
    exchange.process()
    exchange.reset()


def drips_headers(exchange: Exchange) -> None:
    """An answer whose headers never end, a byte at a time."""
    exchange.drip(b"HTTP/1.1 200 OK\r\nx-slow: ", b"z" * 1_000_000)
    exchange.hang_up()


def drips_body(exchange: Exchange) -> None:
    """Status and headers at once, then a body a byte at a time. The work is done."""
    exchange.process()
    exchange.drip(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n", b"z" * 1_000_000)
    exchange.hang_up()


def never_ends(exchange: Exchange) -> None:
    """A body without end, as fast as it is read. The work is done."""
    exchange.process()
    exchange.pour(b"HTTP/1.1 200 OK\r\n\r\n", b"z" * 65536)
    exchange.hang_up()


class ScriptedServer:
    """Listens on a free port of 127.0.0.1. Scripted faults are used up one a request; then ``process`` answers.

    Subclasses give ``process``; it is called by the thread of the request.
    """

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self._faults: deque[Fault] = deque()
        self._arrived = threading.Condition()
        self._released = threading.Event()
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()
        self.root = f"http://127.0.0.1:{self._server.server_port}"

    def process(self, request: Request) -> Reply:
        """Do what is asked for."""
        raise NotImplementedError

    def script(self, *faults: Fault) -> None:
        """The next requests end so."""
        self._faults.extend(faults)

    def wait_for(self, requests: int) -> None:
        """Until so many requests came in all. Raises TimeoutError."""
        with self._arrived:
            if not self._arrived.wait_for(lambda: len(self.requests) >= requests, PATIENCE):
                raise TimeoutError(f"{len(self.requests)} of {requests} requests within {PATIENCE} s")

    def release(self) -> None:
        """Let hanging requests go."""
        self._released.set()

    def close(self) -> None:
        """Stop listening; requests that hang are let go."""
        self.release()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _take(self, handler: BaseHTTPRequestHandler) -> None:
        length = int(handler.headers.get("content-length") or 0)
        body = handler.rfile.read(min(length, MAX_BODY))
        headers = {name.lower(): value for name, value in handler.headers.items()}
        request = Request(method=handler.command, path=handler.path, headers=headers, body=body)
        with self._arrived:
            self.requests.append(request)
            fault = self._faults.popleft() if self._faults else None
            self._arrived.notify_all()
        exchange = Exchange(handler, lambda: self.process(request), self._released)
        if fault is None:
            exchange.answer(self.process(request))
        else:
            fault(exchange)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        take = self._take

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                try:
                    take(self)
                except ConnectionError:  # the other side has had enough
                    self.close_connection = True

            do_GET = do_PUT = do_PATCH = do_POST  # noqa: N815 - http.server's names

            def log_message(self, format: str, *args: object) -> None:
                """What came in is in ``requests``."""

        return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # a request that hangs must not hold up the end
