"""What the daemon and its worker say to each other: MessagePack with its length before it, over a socket pair."""

from __future__ import annotations

import select
import socket
import struct
import time

import msgspec

from monitor.core.drift.sampled import SampledColumn
from monitor.core.picture import Picture

_LENGTH = struct.Struct(">Q")
MOST_BYTES = 256 * 2**20
"""No message is longer: a length beyond it is garbage."""
CHUNK = 1 << 18


class Column(msgspec.Struct, frozen=True, array_like=True):
    """A column of both samples, row by row; None where a row has no value of its kind."""

    name: str
    numeric: bool
    reference: list[float | str | None]
    window: list[float | str | None]


class Test(msgspec.Struct, frozen=True, tag=True):
    """One of Evidently's stat tests on one column. ``threshold`` None: the test's own."""

    name: str
    threshold: float | None
    column: Column


class Tell(msgspec.Struct, frozen=True, tag=True):
    """How well a classifier tells the rows of the window from those of the reference.

    ``parts``: the reference's own windows as positions of its rows, each told from the rest of them, to learn what is usual.
    """

    columns: list[Column]
    parts: list[list[int]]


class Render(msgspec.Struct, frozen=True, tag=True):
    """Evidently's HTML report of these columns; ``notes``: what is told above it, as plain text."""

    title: str
    notes: list[str]
    columns: list[Column]


class Paint(msgspec.Struct, frozen=True, tag=True):
    """A picture as a PNG."""

    picture: Picture


class Names(msgspec.Struct, frozen=True, tag=True):
    """The names of Evidently's stat tests."""


Request = Test | Tell | Render | Paint | Names


class Score(msgspec.Struct, frozen=True, tag=True):
    """What a stat test says."""

    score: float
    drifted: bool
    threshold: float


class Unfit(msgspec.Struct, frozen=True, tag=True):
    """The test is not for columns of this kind."""


class Told(msgspec.Struct, frozen=True, tag=True):
    """Areas under the curve: of the window, of each of the reference's parts; and how much of it hangs on each column, the most first."""

    auc: float
    usual: list[float]
    leaning: list[tuple[str, float]]


class Page(msgspec.Struct, frozen=True, tag=True):
    """A report."""

    html: str


class Painted(msgspec.Struct, frozen=True, tag=True):
    """A PNG."""

    png: bytes


class Known(msgspec.Struct, frozen=True, tag=True):
    """Evidently's version and the names of its tests, sorted."""

    version: str
    names: list[str]


class Failed(msgspec.Struct, frozen=True, tag=True):
    """The worker could not do it, and lives on. ``missing``: a package that is not installed, empty where that is not why."""

    why: str
    missing: str = ""


Answer = Score | Unfit | Told | Page | Painted | Known | Failed

_encoder = msgspec.msgpack.Encoder()
requests: msgspec.msgpack.Decoder[Request] = msgspec.msgpack.Decoder(Request)
answers: msgspec.msgpack.Decoder[Answer] = msgspec.msgpack.Decoder(Answer)


def column_of(column: SampledColumn) -> Column:
    """A column as it is sent."""
    return Column(name=column.name, numeric=column.numeric, reference=list(column.reference), window=list(column.window))


class Ended(Exception):
    """The other side closed the connection."""


def send(connection: socket.socket, message: Request | Answer, deadline: float | None = None) -> None:
    """Send a message. ``deadline``: by the monotonic clock. Raises TimeoutError, OSError."""
    _wait(connection, deadline)
    data = _encoder.encode(message)
    connection.sendall(_LENGTH.pack(len(data)) + data)


def readable(connection: socket.socket, seconds: float) -> bool:
    """Whether something comes within so many seconds, the end included. For files beyond the 1,024th, too."""
    waiting = select.poll()
    waiting.register(connection, select.POLLIN)
    return bool(waiting.poll(seconds * 1000))


def receive(connection: socket.socket, deadline: float | None = None) -> bytes:
    """A message's bytes. Raises Ended, TimeoutError, OSError, and ValueError for what is no message."""
    (size,) = _LENGTH.unpack(_exactly(connection, _LENGTH.size, deadline))
    if size > MOST_BYTES:
        raise ValueError(f"a message of {size} bytes")
    return _exactly(connection, size, deadline)


def _exactly(connection: socket.socket, size: int, deadline: float | None) -> bytes:
    found = bytearray()
    while len(found) < size:
        _wait(connection, deadline)
        part = connection.recv(min(CHUNK, size - len(found)))
        if not part:
            raise Ended
        found += part
    return bytes(found)


def _wait(connection: socket.socket, deadline: float | None) -> None:
    if deadline is None:
        connection.settimeout(None)
        return
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    connection.settimeout(left)
