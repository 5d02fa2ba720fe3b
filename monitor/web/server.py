"""The HTTP server: uvicorn in a thread of its own. The main thread owns the signals."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import threading
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import cast

import uvicorn
from anyio import to_thread

from monitor.core.incidents import Step
from monitor.core.rules import Model
from monitor.errors import UsageError
from monitor.health import Health
from monitor.log import Action, logger
from monitor.metrics import Metrics
from monitor.ports import Message, PageShelf, RetrainingDesk, Store
from monitor.settings.secret import Secret
from monitor.settings.service import HttpSettings
from monitor.web.app import build
from monitor.web.auth import no_token
from monitor.web.deadlines import DeadlineProtocol, Deadlines
from monitor.web.guards import LOOPBACK_NAMES
from monitor.web.parts import Parts, tell_nobody

AT_A_TIME = 3
"""Requests that are worked on at once, the probes apart: the others wait, so that many readers of pages hold up no checkpoint."""
START_SECONDS = 10.0
STEP_SECONDS = 0.1
STOP_SECONDS = 3
"""So long may requests under way take when the server stops."""
KEEP_ALIVE_SECONDS = 5
BACKLOG = 512

DEADLINES = Deadlines()

log = logger(__name__)


class WebServer:
    """``start`` returns when the port answers; ``show`` tells it the models once they are known."""

    def __init__(self, *, store: Store, health: Health, metrics: Metrics, http: HttpSettings, deadlines: Deadlines = DEADLINES,
                 callbacks: Mapping[str, Secret] | None = None) -> None:
        self._host, self._wanted, self._deadlines = http.host, http.port, deadlines
        self._parts = Parts(
            store=store, health=health, metrics=metrics,
            token=no_token if http.token is None else http.token.read,
            hosts=LOOPBACK_NAMES if is_loopback(http.host) else None,
            callbacks={name: secret.read for name, secret in (callbacks or {}).items()},
        )
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self.port = http.port
        self.failed: BaseException | None = None

    @property
    def url(self) -> str:
        """Where the page is; a wildcard address is said as localhost."""
        host = "localhost" if self._host in ("0.0.0.0", "::") else self._host  # noqa: S104 - compared, not bound
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    def show(self, models: Iterable[Model], tell: Callable[[Step], tuple[Message, ...]] = tell_nobody,
             shelf: PageShelf | None = None, desk: RetrainingDesk | None = None) -> None:
        """The models to show, what makes the messages when a person changes an incident, where pages of incidents are kept, and where
        requests to retrain are changed."""
        self._parts.models, self._parts.tell, self._parts.shelf, self._parts.desk = tuple(models), tell, shelf, desk

    def start(self) -> None:
        """Bind, serve in a thread, and wait until it answers. Raises UsageError where the address cannot be had."""
        listener = self._bind()
        self.port = listener.getsockname()[1]
        started = threading.Event()
        self._server = _Server(uvicorn.Config(
            build(self._parts), loop="asyncio", http=self._protocol(), ws="none", lifespan="off", log_config=None, access_log=False,
            server_header=False, proxy_headers=False, timeout_keep_alive=KEEP_ALIVE_SECONDS, backlog=BACKLOG,
            timeout_graceful_shutdown=STOP_SECONDS,
        ), started)
        self._thread = threading.Thread(target=self._serve, args=(self._server, listener, started), name=f"http:{self.port}", daemon=True)
        self._thread.start()
        self._await(started)
        log.info("page and API are up", action=Action.HTTP_STARTED, url=self.url)

    def stop(self) -> None:
        """Let requests under way end, then close the port; calling it again does nothing."""
        if self._server is None or self._thread is None:
            return
        self._server.should_exit = True
        self._thread.join(STOP_SECONDS + 2)
        self._server = self._thread = None

    def _protocol(self) -> type[asyncio.Protocol]:
        return cast("type[asyncio.Protocol]", partial(DeadlineProtocol, self._deadlines))  # uvicorn calls it, and asks nothing else of it

    def _bind(self) -> socket.socket:
        try:
            family, _, _, _, address = socket.getaddrinfo(self._host, self._wanted, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
            return socket.create_server((address[0], address[1]), family=family, backlog=BACKLOG)
        except OSError as error:
            raise UsageError(f"http: cannot listen on {self._host}:{self._wanted}: {error.strerror or error}") from None

    def _await(self, started: threading.Event, seconds: float = START_SECONDS) -> None:
        """In short waits: a process that is paused meanwhile, for however long, has lost one of them."""
        answers = any(started.wait(STEP_SECONDS) for _ in range(max(round(seconds / STEP_SECONDS), 1)))
        if not answers or self.failed is not None:
            raise UsageError(f"the HTTP server did not start on {self.url}: {self.failed or 'no answer'}")

    def _serve(self, server: uvicorn.Server, listener: socket.socket, started: threading.Event) -> None:
        try:
            server.run(sockets=[listener])
        except BaseException as error:  # the thread's end: kept for the main loop, which stops on it
            self.failed = error
            log.error("the HTTP server died", action=Action.HTTP_FAILED, detail=repr(error))
        finally:
            started.set()
            listener.close()


class _Server(uvicorn.Server):
    """uvicorn's server, which also says when it has started."""

    def __init__(self, config: uvicorn.Config, started: threading.Event) -> None:
        super().__init__(config)
        self._said = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve, then say so."""
        to_thread.current_default_thread_limiter().total_tokens = AT_A_TIME
        await super().startup(sockets=sockets)
        self._said.set()


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
