"""The dead-man's heartbeat: a URL that is called while every loop gets its work done, so that somebody else notices when none does."""

from __future__ import annotations

import threading
from collections.abc import Callable
from enum import StrEnum

from monitor import failpoints
from monitor.errors import Permanent, Retryable
from monitor.failpoints import Point
from monitor.health import Health
from monitor.log import Action, logger, redact
from monitor.metrics import Metrics
from monitor.notify.transport import Limits, demand_success, post
from monitor.ports import Clock
from monitor.settings.service import HeartbeatSettings

LOOK_SECONDS = 1.0
"""A ping that is due goes out so soon after the last loop has made progress."""
RETRY_SECONDS = 10.0
"""Pause after a ping that failed, where the interval is not shorter."""

log = logger(__name__)


class Ping(StrEnum):
    """What became of a look at the loops."""

    NOT_DUE = "not_due"
    WITHHELD = "withheld"
    SENT = "sent"
    FAILED = "failed"


class Heartbeat:
    """Pings from a thread of its own, so that a server that hangs holds up nothing; it is only told what ``status`` says.

    A ping goes out when ``every`` has passed and, since the last one, every loop has done its work and /readyz says yes.
    ``status`` gives a short text without secrets; it may ask the store, and raises Retryable where that is away.
    """

    def __init__(self, settings: HeartbeatSettings, *, health: Health, clock: Clock, metrics: Metrics, status: Callable[[], str]) -> None:
        self._settings = settings
        self._health = health
        self._clock = clock
        self._metrics = metrics
        self._status = status
        self._every = settings.every.total_seconds()
        self._since = self._due = clock.monotonic()
        self._trouble: tuple[Action, str] | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
        self.failed: BaseException | None = None

    def start(self) -> None:
        """Begin to ping; the first goes out as soon as every loop has done its work once."""
        self._since = self._due = self._clock.monotonic()
        self._thread.start()

    def stop(self) -> None:
        """No ping begins after this; one that hangs is left behind."""
        self._ended.set()

    def look(self) -> Ping:
        """Ping where that is due and deserved."""
        now = self._clock.monotonic()
        if now < self._due:
            return Ping.NOT_DUE
        missing = why_not(self._health, self._since)
        if missing:
            return self._withhold(missing, now)
        try:
            self._send()
        except (Retryable, Permanent) as error:
            self._due = now + min(self._every, RETRY_SECONDS)
            self._metrics.heartbeats.labels(Ping.FAILED).inc()
            self._troubled(Action.HEARTBEAT_FAILED, redact(str(error)))
            return Ping.FAILED
        self._since, self._due = now, now + self._every
        self._metrics.heartbeats.labels(Ping.SENT).inc()
        self._metrics.heartbeat_sent.set(self._clock.now().timestamp())
        self._trouble = None
        return Ping.SENT

    def _run(self) -> None:
        try:
            while not self._ended.wait(LOOK_SECONDS):
                self.look()
        except BaseException as error:  # the thread's end: kept for the main loop, which stops on it
            self.failed = error
            log.error("the heartbeat died", action=Action.HEARTBEAT_FAILED, detail=redact(repr(error)))

    def _send(self) -> None:
        failpoints.at(Point.HEARTBEAT)
        body = self._status().encode()
        seconds = self._settings.timeout.total_seconds()
        limits = Limits(connect=seconds, read=seconds, total=seconds, link_local=self._settings.allow_link_local)
        answer = post(self._settings.usable_url(), content=body, headers={"content-type": "text/plain; charset=utf-8"}, limits=limits)
        demand_success(answer, "the heartbeat's server", self._clock.now())

    def _withhold(self, missing: tuple[str, ...], now: float) -> Ping:
        """A moment's wait for the last loop is nothing to speak of; a whole interval is told, once for each reason."""
        trouble = (Action.HEARTBEAT_WITHHELD, "; ".join(missing))
        if now - self._due >= self._every and trouble != self._trouble:
            self._metrics.heartbeats.labels(Ping.WITHHELD).inc()
            self._troubled(*trouble)
        return Ping.WITHHELD

    def _troubled(self, action: Action, why: str) -> None:
        if (action, why) != self._trouble:
            log.warning("no dead-man's ping", action=action, detail=why)
        self._trouble = (action, why)


def why_not(health: Health, since: float) -> tuple[str, ...]:
    """Why no ping is deserved: what /livez and /readyz say against it, and the loops without progress since then (monotonic seconds)."""
    stalled = tuple(f"loop {name}: no progress since the last ping" for name in health.stalled(since))
    return (*health.live()[1], *health.ready()[1], *stalled)
