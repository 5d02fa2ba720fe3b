"""One HTTP request with an end: no redirects, no proxies, a deadline over everything, a bounded answer, errors without URLs.

A host is looked up once, its addresses are checked, and what was checked is what is called: a name that points elsewhere
a moment later (DNS rebinding) changes nothing.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from typing import cast

import httpcore
import httpx

from monitor.errors import Gone, Permanent, Retryable
from monitor.settings.addresses import REMEDY, refused_range

GONE = 410
RETRYABLE = frozenset({408, 425, 429})
"""Statuses under 500 that pass by themselves: time-out, too early, too many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Patience in seconds for connecting, for one read or write, and for all of it; ``body``: bytes of the answer that are read.

    ``link_local``: whether link-local and cloud-metadata addresses may be called.
    """

    connect: float = 5.0
    read: float = 10.0
    total: float = 20.0
    body: int = 64 * 1024
    link_local: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back. Header names are lower case. ``complete`` is False when the body was cut, at the limit or by a failure."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    complete: bool


def post(url: str, *, content: bytes, headers: Mapping[str, str], limits: Limits, method: str = "POST") -> Answer:
    """Send it once and take whatever status comes, 3xx included. ``method``: PUT and PATCH are sent alike.

    Raises Retryable when there is no answer in time or the connection fails, Permanent when the URL cannot be used or its
    host is at an address that is refused.
    """
    return _request(method, url, content, headers, limits)


def get(url: str, *, headers: Mapping[str, str], limits: Limits) -> Answer:
    """Ask once, as ``post`` does."""
    return _request("GET", url, None, headers, limits)


def _request(method: str, url: str, content: bytes | None, headers: Mapping[str, str], limits: Limits) -> Answer:
    transport = _Transport(_Backend(time.monotonic() + limits.total, link_local=limits.link_local))
    try:
        with _told(), httpx.Client(transport=transport, follow_redirects=False, trust_env=False) as client:
            request = client.build_request(method, url, content=content, headers={"accept-encoding": "identity", **headers})
            request.extensions["timeout"] = {"connect": limits.connect, "read": limits.read, "write": limits.read, "pool": limits.connect}
            return _read(client.send(request, stream=True), limits.body)
    finally:
        transport.close()


def demand_success(answer: Answer, who: str, now: datetime, detail: str = "") -> None:
    """Nothing on 2xx. Raises Retryable on 408, 425, 429 and 5xx, not before the ``Retry-After`` given; Gone on 410; Permanent on all else.

    3xx is a failure: whoever follows it would hand the secret or the signed body to somebody else. ``detail`` must hold no secret.
    """
    if 200 <= answer.status < 300:
        return
    said = f"{who} answered {answer.status}" + (f": {detail}" if detail else "")
    if answer.status in RETRYABLE or answer.status >= 500:
        raise Retryable(said, retry_after=retry_after(answer, now))
    if 300 <= answer.status < 400:
        said += ", a redirect, which is not followed"
    if answer.status == GONE:
        raise Gone(f"{said}, gone: it wants no more messages")
    raise Permanent(said)


def retry_after(answer: Answer, now: datetime) -> float | None:
    """The seconds that a receiver asks to wait, given as seconds or as an HTTP date; None where it does not say or is unreadable.

    A date is held against the receiver's own clock where it tells it, else against ``now``.
    """
    said = answer.headers.get("retry-after", "").strip()
    if said.isascii() and said.isdigit():
        return float(said)
    until = _http_date(said)
    return None if until is None else max((until - (_http_date(answer.headers.get("date", "")) or now)).total_seconds(), 0.0)


def _http_date(text: str) -> datetime | None:
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, OverflowError):  # a zone of thirty digits is no date either
        return None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at


def _read(response: httpx.Response, limit: int) -> Answer:
    """The status is the answer: a body that breaks off or does not end leaves it as it is."""
    body, complete = bytearray(), True
    try:
        for chunk in response.iter_raw():
            body += chunk
            if len(body) > limit:
                complete = False
                break
    except (httpx.TransportError, httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError):
        complete = False
    finally:
        response.close()
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Answer(status=response.status_code, headers=headers, body=bytes(body[:limit]), complete=complete)


@contextmanager
def _told() -> Iterator[None]:
    """Failures of the connection as ours; never with the URL or a header in them."""
    try:
        yield
    except (httpx.TimeoutException, httpcore.TimeoutException) as error:
        raise Retryable(f"no answer in time ({type(error).__name__})") from None
    except (httpx.UnsupportedProtocol, httpx.InvalidURL, httpcore.UnsupportedProtocol, UnicodeError):
        raise Permanent("the URL cannot be used: expected http:// or https:// and a host") from None
    except (httpx.TransportError, httpcore.NetworkError, httpcore.ProtocolError) as error:
        raise Retryable(f"the connection failed ({type(error).__name__})") from None


@cache
def tls_context() -> ssl.SSLContext:
    """Certificates are always verified; ``SSL_CERT_FILE`` names other authorities. Made once: loading them takes 20 ms."""
    return httpx.create_ssl_context()


class _Transport(httpx.BaseTransport):
    """Carries one request over a connection of its own."""

    def __init__(self, backend: _Backend) -> None:
        self._backend = backend
        self._pool: httpcore.ConnectionPool | None = None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        tls = tls_context() if url.scheme == "https" else None
        self._pool = httpcore.ConnectionPool(ssl_context=tls, retries=0, network_backend=self._backend)
        answer = self._pool.handle_request(
            httpcore.Request(
                method=request.method,
                url=httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
                headers=request.headers.raw,
                content=request.content,
                extensions=request.extensions,
            )
        )
        return httpx.Response(status_code=answer.status, headers=answer.headers, stream=_Body(answer), extensions=answer.extensions)

    def close(self) -> None:
        if self._pool is not None:
            self._pool.close()


class _Body(httpx.SyncByteStream):
    """The answer's body as it comes in."""

    def __init__(self, answer: httpcore.Response) -> None:
        self._answer = answer

    def __iter__(self) -> Iterator[bytes]:
        return self._answer.iter_stream()

    def close(self) -> None:
        self._answer.close()


class _Backend(httpcore.NetworkBackend):
    """Connections whose every wait is cut at the deadline (monotonic seconds): per-read timeouts alone never end a slow drip.

    Looking up a host name is the resolver's own time: nothing can cut it.
    """

    def __init__(self, deadline: float, *, link_local: bool) -> None:
        self._deadline = deadline
        self._link_local = link_local
        self._real = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        failed: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in addresses(host, port, link_local=self._link_local):
            patience = _left(self._deadline, timeout)
            try:
                stream = self._real.connect_tcp(address, port, patience, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failed = error
            else:
                return _Stream(stream, self._deadline)
        raise failed


def addresses(host: str, port: int, *, link_local: bool) -> tuple[str, ...]:
    """The addresses of a host, looked up once, in the resolver's order.

    Raises Permanent where one of them is refused, unless ``link_local``: a name that answers so is not to be trusted with
    the others. Raises httpcore's own error where the name is not known.
    """
    try:
        answered = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise httpcore.ConnectError(f"looking up {host} failed: {error.strerror}") from None
    found = tuple(dict.fromkeys(str(place[0]) for *_, place in answered))
    for address in found:
        refused = None if link_local else refused_range(address)
        if refused is not None:
            at = "is" if address == host else f"is at {address},"
            raise Permanent(f"the host {host} {at} in {refused}, link-local or cloud metadata, which is not called; {REMEDY}")
    return found


class _Stream(httpcore.NetworkStream):
    """A connection that dies at the deadline."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: float) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left(self._deadline, timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _left(self._deadline, timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        secured = self._stream.start_tls(ssl_context, server_hostname, _left(self._deadline, timeout))
        return _Stream(secured, self._deadline)

    def get_extra_info(self, info: str) -> object:
        return cast("object", self._stream.get_extra_info(info))


def _left(deadline: float, timeout: float | None) -> float:
    """Seconds to wait at most. Raises httpcore's own time-out when none is left."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout("the deadline of the request has passed")
    return left if timeout is None else min(left, timeout)
