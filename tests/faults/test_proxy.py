"""The fault proxy does what tests believe that it does."""

from __future__ import annotations

import socket
import socketserver
import threading
import time
from collections.abc import Iterator

import pytest

from tests.faults.proxy import Cut, Moment, Proxy, proxy


class Echo(socketserver.ThreadingTCPServer):
    """Gives back what it gets; ``got`` is all of it, in order."""

    daemon_threads = True

    def __init__(self) -> None:
        self.got = b""
        super().__init__(("127.0.0.1", 0), _Repeat)


class _Repeat(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        try:
            while data := self.request.recv(1000):
                self.server.got += data  # type: ignore[attr-defined]
                self.request.sendall(data)
        except ConnectionResetError:
            return


@pytest.fixture
def echo() -> Iterator[Echo]:
    with Echo() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def way(echo: Echo) -> Iterator[Proxy]:
    with proxy("127.0.0.1", echo.server_address[1]) as made:
        yield made


def connected(way: Proxy, wait: float = 5.0) -> socket.socket:
    return socket.create_connection(("127.0.0.1", way.port), timeout=wait)


def said(client: socket.socket, text: bytes) -> bytes:
    client.sendall(text)
    return client.recv(1000)


def test_bytes_pass_both_ways(way):
    with connected(way) as client:
        assert said(client, b"hello") == b"hello"
        assert (way.carried, way.accepted) == (5, 1)


def test_away_resets_and_refuses_and_back_serves_at_the_same_port(way):
    with connected(way) as client:
        assert said(client, b"a") == b"a"
        way.away()
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    with pytest.raises(ConnectionRefusedError):
        connected(way)
    way.back()
    with connected(way) as client:
        assert said(client, b"b") == b"b"


def test_frozen_bytes_pass_after_the_thaw(way):
    with connected(way, 0.3) as client:
        way.freeze()
        with pytest.raises(TimeoutError):
            said(client, b"a")
        way.thaw()
        assert client.recv(1) == b"a"


def test_a_slow_way_takes_its_time(way):
    way.slow(0.2)
    with connected(way) as client:
        began = time.monotonic()
        assert said(client, b"a") == b"a"
        assert time.monotonic() - began >= 0.4


def test_dropped_bytes_never_come(way, echo):
    way.drop()
    with connected(way, 0.3) as client:
        with pytest.raises(TimeoutError):
            said(client, b"a")
        way.drop(False)
        assert said(client, b"b") == b"b"
    assert echo.got == b"b"


def test_a_half_closed_connection_ends_for_the_client(way):
    with connected(way) as client:
        assert said(client, b"a") == b"a"
        way.half_close()
        assert client.recv(1) == b""


def test_an_answer_is_cut_after_so_many_bytes(way):
    way.cut_after(3)
    with connected(way) as client:
        client.sendall(b"abcdef")
        with pytest.raises(ConnectionResetError):  # at once, or behind the three: a reset may overtake what was sent before it
            assert (client.recv(1000), client.recv(1000)) == (b"abc", b"")


@pytest.mark.parametrize(
    ("moment", "got"), [(Moment.BEFORE, (b"GO",)), (Moment.ANSWERED, (b"GOGO",)), (Moment.SENT, (b"GO", b"GOGO"))]
)
def test_a_connection_is_cut_at_the_occurrence_that_was_asked_for(way, echo, moment, got):
    cut = way.cut(Cut(pattern=b"GO", moment=moment, at=2))
    with connected(way) as client:
        assert said(client, b"GO") == b"GO"
        with pytest.raises(ConnectionResetError):
            said(client, b"GO")
    with connected(way) as client:
        assert said(client, b"GO")  # once
    assert cut.done == 1
    assert echo.got.removesuffix(b"GO") in got


def test_a_cut_may_come_again_and_again(way):
    way.cut(Cut(pattern=b"GO", moment=Moment.ANSWERED, at=1, every=2))
    ends = []
    for _ in range(4):
        with connected(way) as client:
            try:
                ends.append(said(client, b"GO"))
            except ConnectionResetError:
                ends.append(b"")
    assert ends == [b"", b"GO", b"", b"GO"]


def test_a_server_that_is_not_there_resets_the_client():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        nobody = probe.getsockname()[1]
    with proxy("127.0.0.1", nobody) as way, connected(way) as client:
        assert client.recv(1) == b""
