"""One websocket to Slack: opened with an end to every wait, no proxies, no redirects, nothing of it in any log.

Not by slack-sdk's own client: once the other end has closed its half, that one turns in a loop and takes a whole core until its pings
fail, and it cannot put fragments or messages over some hundred kB together (see docs/decisions.md §47).
"""

from __future__ import annotations

import json
import logging
import socket
import ssl
import time
from contextlib import ExitStack
from urllib.parse import urlsplit

import httpcore
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.sync.client import ClientConnection, connect

from monitor.errors import Permanent, Retryable
from monitor.notify.transport import addresses, tls_context

CONNECT_SECONDS = 5.0
OPEN_SECONDS = 10.0
"""For TLS and the handshake."""
PING_SECONDS, PONG_SECONDS = 10.0, 10.0
"""A link that has died without a word is noticed so long after its last sign of life, twice at most."""
CLOSE_SECONDS = 1.0
MAX_FRAME = 4 * 1024 * 1024
"""Bytes; a click brings the whole message that stands above the button."""

_quiet = logging.getLogger("driftd.websockets")
_quiet.setLevel(logging.CRITICAL)  # at DEBUG it prints every frame


class Closed(Exception):
    """The other end, or ours, has closed the link; the words are Slack's or the library's, without the URL."""


class Link:
    """An open link. ``receive`` is for one thread; ``acknowledge`` and ``close`` are safe from any."""

    def __init__(self, connection: ClientConnection, closing: ExitStack) -> None:
        self._connection = connection
        self._closing = closing

    def receive(self, seconds: float) -> str | bytes | None:
        """The next frame; None where none comes in time. Raises Closed."""
        try:
            return self._connection.recv(timeout=seconds)
        except TimeoutError:
            return None
        except (ConnectionClosed, OSError) as error:
            raise Closed(_said(error)) from None

    def acknowledge(self, envelope: str) -> None:
        """Tell Slack that an envelope is here. Raises Closed."""
        try:
            self._connection.send(json.dumps({"envelope_id": envelope}))
        except (ConnectionClosed, OSError) as error:
            raise Closed(_said(error)) from None

    def close(self) -> None:
        """Say goodbye; who receives is let go."""
        try:
            self._closing.close()
        except (WebSocketException, OSError):  # it is gone either way
            return


def open_link(url: str, *, plain: bool = False, link_local: bool = False) -> Link:
    """Connect to where ``apps.connections.open`` points. ``plain``: ws:// may be used, too (test servers).

    Raises Retryable where it cannot be reached now, Permanent where it may not be used; neither tells the URL, which bears a ticket.
    """
    host, port, secure = _place(url, plain=plain)
    raw = _connected(host, port, link_local=link_local)
    closing = ExitStack()
    try:
        connection = closing.enter_context(connect(
            url, sock=raw, ssl=tls_context() if secure else None, proxy=None, compression=None, open_timeout=OPEN_SECONDS,
            ping_interval=PING_SECONDS, ping_timeout=PONG_SECONDS, close_timeout=CLOSE_SECONDS, max_size=MAX_FRAME, logger=_quiet,
        ))
    except (WebSocketException, OSError, EOFError, ValueError) as error:  # TimeoutError and ssl's are OSErrors; ValueError: a redirect
        raw.close()
        raise Retryable(f"Slack's websocket could not be opened ({_said(error)})") from None
    return Link(connection, closing)


def _place(url: str, *, plain: bool) -> tuple[str, int, bool]:
    try:
        parts = urlsplit(url)
        scheme, host, port = parts.scheme, parts.hostname or "", parts.port
    except ValueError:
        raise Permanent("Slack's URL of a websocket is no URL") from None
    if not host or scheme not in (("wss", "ws") if plain else ("wss",)):
        raise Permanent("Slack's URL of a websocket is not wss://: it could be read on the way")
    secure = scheme == "wss"
    return host, port or (443 if secure else 80), secure


def _connected(host: str, port: int, *, link_local: bool) -> socket.socket:
    """A TCP connection to an address that was checked. Raises Permanent for one that is refused, Retryable for none that answers."""
    deadline, said = time.monotonic() + CONNECT_SECONDS, "it has no address"
    try:
        found = addresses(host, port, link_local=link_local)
    except httpcore.ConnectError as error:
        raise Retryable(f"Slack's websocket cannot be found: {error}") from None
    for address in found:
        left = deadline - time.monotonic()
        if left <= 0:
            break
        try:
            made = socket.create_connection((address, port), timeout=left)
        except OSError as error:
            said = _said(error)
            continue
        made.settimeout(None)
        return made
    raise Retryable(f"Slack's websocket cannot be reached ({said})")


def _said(error: Exception) -> str:
    """What can be told of an error: its kind, and the number that came with it; never its text, which may hold the URL."""
    match error:
        case ConnectionClosed() if error.rcvd is not None:
            return f"closed by Slack with {error.rcvd.code}"
        case ssl.SSLError():
            return f"TLS: {error.reason}"
        case OSError() if error.strerror:
            return error.strerror
        case _:
            return type(error).__name__
