"""A TCP proxy whose way to the server can be spoilt at any moment: away, frozen, slow, reset, half closed, or cut at a chosen byte.

    with proxy("127.0.0.1", port) as way:      # clients are told 127.0.0.1:way.port
        way.away()                             # connections are reset, new ones refused
        way.back()
        way.cut(Cut(pattern=b"COMMIT", at=3, moment=Moment.ANSWERED))
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

CHUNK = 65_536
NO_LINGER = struct.pack("ii", 1, 0)
"""Closing sends a reset, as a machine does that has forgotten the connection."""
SECONDS = 10.0


class Moment(StrEnum):
    """When a connection is cut, seen from the bytes that the cut waits for."""

    BEFORE = "before"
    """The server never gets them."""
    SENT = "sent"
    """The server gets them; the connection is gone while it works."""
    ANSWERED = "answered"
    """The server got them and has answered; the answer never arrives."""


@dataclass(kw_only=True)
class Cut:
    """Reset the connection on which the client sends ``pattern`` for the ``at``-th time (over all connections, from 1), or any after it.

    ``every``: again and again, each so many times. ``done`` counts the cuts.
    """

    pattern: bytes
    moment: Moment
    at: int = 1
    every: int | None = None
    seen: int = 0
    done: int = 0

    def due(self) -> bool:
        """Called at each occurrence."""
        self.seen += 1
        late = self.seen - self.at
        return late == 0 or (late > 0 and self.every is not None and late % self.every == 0)


class Link:
    """One client's connection and the one to the server that belongs to it."""

    def __init__(self, way: Proxy, client: Ends, server: Ends) -> None:
        self._way = way
        self.client, self.server = client, server
        self._tail = b""
        self._cutting: Cut | None = None
        self._ways: list[asyncio.Future[None]] = []

    async def serve(self) -> None:
        """Carry both directions until both have ended or one is reset."""
        self._ways = [asyncio.ensure_future(self._up()), asyncio.ensure_future(self._down())]
        try:
            await asyncio.gather(*self._ways)
        except (OSError, asyncio.CancelledError):
            self.reset()
        finally:
            for writer in (self.client.writer, self.server.writer):
                writer.close()

    def reset(self) -> None:
        """Cut both sides at once."""
        for way in self._ways:
            way.cancel()
        for ends in (self.client, self.server):
            with suppress(OSError):
                ends.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
            ends.writer.transport.abort()

    async def _up(self) -> None:
        while data := await self.client.reader.read(CHUNK):
            await self._way.passes()
            cut = self._due(data)
            if cut is not None and cut.moment is Moment.BEFORE:
                self._cut(cut)
            if cut is not None and cut.moment is Moment.ANSWERED:
                self._cutting = cut
            if not self._way.dropping:
                self.server.writer.write(data)
                await self.server.writer.drain()
                self._way.carried += len(data)
            if cut is not None and cut.moment is Moment.SENT:
                self._cut(cut)
        self.server.writer.write_eof()

    async def _down(self) -> None:
        while data := await self.server.reader.read(CHUNK):
            await self._way.passes()
            if self._cutting is not None:
                self._cut(self._cutting)
            data = data[: self._way.budget] if self._way.budget is not None else data
            if not self._way.dropping:
                self.client.writer.write(data)
                await self.client.writer.drain()
            if self._way.budget is not None:
                self._way.budget -= len(data)
                if self._way.budget <= 0:
                    self._way.budget = None
                    raise ConnectionResetError
        self.client.writer.write_eof()

    def _due(self, data: bytes) -> Cut | None:
        """The cut that an occurrence in what came now makes due; an occurrence may lie across two reads."""
        cut = self._way.planned
        if cut is None:
            return None
        text, self._tail = self._tail + data, (self._tail + data)[-len(cut.pattern) + 1 :] if len(cut.pattern) > 1 else b""
        due = [cut.due() for _ in range(text.count(cut.pattern))]  # each is counted
        return cut if any(due) else None

    def _cut(self, cut: Cut) -> None:
        cut.done += 1
        raise ConnectionResetError


@dataclass(frozen=True, slots=True)
class Ends:
    """How one side is read and written."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


class Proxy:
    """Forwards ``port`` to a server. Its verbs may be called from any thread and are in force when they return.

    ``carried`` counts the bytes that reached the server; ``accepted`` the connections.
    """

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._links: set[Link] = set()
        self._server: asyncio.Server | None = None
        self._open = asyncio.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault-proxy", daemon=True)
        self.planned: Cut | None = None
        self.delay, self.dropping = 0.0, False
        self.budget: int | None = None
        self.carried = self.accepted = 0
        self.port = 0
        self._thread.start()
        self._do(self._listen())
        self.thaw()

    def away(self) -> None:
        """Reset every connection and refuse new ones."""
        self._do(self._stop_listening())
        self.reset()

    def back(self) -> None:
        """Listen again, at the same port."""
        self._do(self._listen())

    def reset(self) -> None:
        """Reset every connection; new ones are taken."""
        self._call(lambda: [link.reset() for link in self._links])

    def half_close(self) -> None:
        """Tell every client that the server will send no more, and go on listening to the client."""
        self._call(lambda: [link.client.writer.write_eof() for link in self._links])

    def freeze(self) -> None:
        """Take connections and bytes, and let nothing pass, until ``thaw``."""
        self._call(self._open.clear)

    def thaw(self) -> None:
        """Let pass what was held, and what comes."""
        self._call(self._open.set)

    def slow(self, seconds: float) -> None:
        """Hold up each read's bytes for so long; 0: no more."""
        self.delay = seconds

    def drop(self, dropping: bool = True) -> None:
        """Swallow what either side sends."""
        self.dropping = dropping

    def cut(self, cut: Cut | None) -> Cut | None:
        """Plan a cut in place of the one before; None: no cut."""
        self._call(lambda: setattr(self, "planned", cut))
        return cut

    def cut_after(self, answered: int) -> None:
        """Reset a connection once so many more bytes of answers have passed."""
        self.budget = answered

    async def passes(self) -> None:
        """Wait until bytes may pass."""
        await self._open.wait()
        if self.delay:
            await asyncio.sleep(self.delay)

    def close(self) -> None:
        """Reset everything and end."""
        self.away()
        self._do(self._ended())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(SECONDS)
        self._loop.close()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _stop_listening(self) -> None:
        if self._server is not None:
            self._server.close()

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        try:
            server = Ends(*await asyncio.open_connection(*self._target))
        except OSError:
            writer.transport.abort()
            return
        link = Link(self, Ends(reader, writer), server)
        self._links.add(link)
        try:
            await link.serve()
        finally:
            self._links.discard(link)

    async def _ended(self) -> None:
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(SECONDS)

    def _call(self, work: Callable[[], object]) -> None:
        async def called() -> None:
            work()

        self._do(called())


@contextmanager
def proxy(host: str, port: int) -> Iterator[Proxy]:
    """A proxy until the end of the block."""
    way = Proxy(host, port)
    try:
        yield way
    finally:
        way.close()
