"""HTTP connections with an end: who sends a request by the byte, or reads no answer, holds nothing for long and locks nobody out.

uvicorn bounds idle connections alone. Here each connection is closed that has not sent a whole head, then a whole body, then
been answered in time; and where too many stand, the one that has waited longest for its request makes room for the next.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import h11
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadlines:
    """Seconds for each part of a request, and how many connections may stand at once: well under a process's 1,024 files."""

    head: float = 10.0
    body: float = 10.0
    answer: float = 60.0
    connections: int = 512


class Part(StrEnum):
    """What a connection is waited for."""

    HEAD = "head"
    BODY = "body"
    ANSWER = "answer"


class DeadlineProtocol(H11Protocol):
    """uvicorn's protocol with a deadline for each part of each request."""

    def __init__(
        self,
        deadlines: Deadlines,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._deadlines = deadlines
        self._waits: tuple[object, Part] | None = None
        self._since = self.loop.time()
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """A connection that has sent nothing yet."""
        super().connection_made(transport)
        self._make_room()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        super().connection_lost(exc)
        if self._deadline is not None:
            self._deadline.cancel()

    def handle_events(self) -> None:
        """Take what has come in; the deadline is that of the part which is waited for now."""
        super().handle_events()
        self._watch()

    def _watch(self) -> None:
        """A deadline holds for a part from when it is first waited for: further bytes of it win no time."""
        waits = (self.cycle, self._part())
        if waits == self._waits:
            return
        self._waits, self._since = waits, self.loop.time()
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = self.loop.call_later(getattr(self._deadlines, waits[1]), self.transport.abort)

    def _part(self) -> Part:
        match self.conn.their_state:
            case h11.IDLE:
                return Part.HEAD
            case h11.SEND_BODY:
                return Part.BODY
            case _:
                return Part.ANSWER

    def _make_room(self) -> None:
        """Where there are too many, close the one that has waited longest for its request: this one, if all others are being answered."""
        if len(self.connections) > self._deadlines.connections:
            waiting = [one for one in self.connections if isinstance(one, DeadlineProtocol) and one._part() is not Part.ANSWER]
            min(waiting, key=lambda one: one._since).transport.abort()
