"""APScheduler only notices due work that the store already knows; a lost tick costs nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta, timezone

from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_MAX_INSTANCES, JobExecutionEvent, JobSubmissionEvent
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger

from monitor.errors import Retryable
from monitor.health import Health
from monitor.log import Action, logger
from monitor.metrics import Metrics
from monitor.ports import Clock

log = logger(__name__)

CLOCK_CHECK_SECONDS = 1.0
JUMP_SECONDS = 2.0
"""A wall clock that moved by so much more or less than the monotonic one has jumped."""


class Every(BaseTrigger):  # type: ignore[misc]  # apscheduler ships no types
    """Fires at an interval. What was missed is not made up for: APScheduler's own trigger lists every time that was, one by one,
    and after a clock that leapt ten years ahead it would do so for an hour, and with all of the memory.
    """

    def __init__(self, every: timedelta) -> None:
        self._every = every

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:
        """The next time of the interval, where that is still to come; else an interval from now."""
        following = (previous_fire_time or now) + self._every
        return following if following > now else now + self._every


class Ticks:
    """Named jobs at fixed intervals, each with a heartbeat and a thread of its own: one that hangs holds up no other.

    A job that raises Retryable is tried at its next tick. Any other error stops the daemon: ``failed`` carries it.
    A job that is still running when it is due again is left out, once however long it runs on: nothing piles up. A jump of
    the wall clock re-arms every job, since the scheduler sleeps on a time computed before the jump; ``jumped`` is told the
    seconds, again and again while it raises Retryable.
    """

    def __init__(self, clock: Clock, health: Health, metrics: Metrics, jumped: Callable[[float], object] = lambda _: None) -> None:
        self._clock = clock
        self._health = health
        self._metrics = metrics
        self._jumped = jumped
        self._ended = threading.Event()
        self._running: set[str] = set()
        self._change = threading.Condition()
        self.failed: BaseException | None = None
        self._scheduler = BackgroundScheduler(
            timezone=timezone.utc,  # noqa: UP017  the scheduler wants a tzinfo, not its alias
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
        )
        self._scheduler.add_listener(self._job_failed, EVENT_JOB_ERROR)
        self._scheduler.add_listener(self._job_skipped, EVENT_JOB_MAX_INSTANCES)
        self._watch = threading.Thread(target=self._watch_on, name="clock-watch", daemon=True)

    def add(self, name: str, work: Callable[[], object], every: timedelta, max_age: timedelta | None) -> None:
        """Run ``work`` at this interval; its heartbeat may be at most ``max_age`` old. None: nobody's health hangs on it."""
        if max_age is not None:
            self._health.watch(name, max_age)

        def tick() -> None:
            if not self._begin(name):
                return
            came_round, done = (self._health.beat, self._health.progress) if max_age is not None else (_unwatched, _unwatched)
            began = self._clock.monotonic()
            try:
                work()
                came_round = done
            except Retryable as error:
                log.warning("a job will be tried again", action=Action.JOB_SKIPPED, job=name, detail=str(error))
            finally:
                self._metrics.job_seconds.labels(name).observe(self._clock.monotonic() - began)
                self._end(name, came_round)

        self._metrics.declare_job(name)
        self._scheduler.add_executor(ThreadPoolExecutor(1), alias=name)
        self._scheduler.add_job(tick, Every(every), id=name, name=name, executor=name)

    def start(self) -> None:
        """Begin to tick."""
        self._scheduler.start()
        self._watch.start()

    def stop(self, seconds: float) -> None:
        """Stop ticking, and wait so long at most for the jobs that run; calling it again does nothing."""
        if self._ended.is_set():
            return
        with self._change:
            self._ended.set()
            for job in self._scheduler.get_jobs():
                self._health.forget(job.id)
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)
        with self._change:
            self._change.wait_for(lambda: not self._running, seconds)
        if self._watch.is_alive():
            self._watch.join(CLOCK_CHECK_SECONDS)

    @property
    def left_behind(self) -> frozenset[str]:
        """The jobs that still run after ``stop``: Python would wait for their threads."""
        with self._change:
            return frozenset(self._running) if self._ended.is_set() else frozenset()

    def rearm(self) -> None:
        """Make every job due now."""
        now = self._clock.now()
        for job in self._scheduler.get_jobs():
            job.modify(next_run_time=now)
        self._scheduler.wakeup()

    def _begin(self, name: str) -> bool:
        with self._change:
            if self._ended.is_set():
                return False
            self._running.add(name)
            return True

    def _end(self, name: str, came_round: Callable[[str], None]) -> None:
        """A job that ends after ``stop`` has no heartbeat any more."""
        with self._change:
            self._running.discard(name)
            self._change.notify_all()
            if not self._ended.is_set():
                came_round(name)

    def _job_failed(self, event: JobExecutionEvent) -> None:
        self.failed = self.failed or event.exception  # the first one is why we stop
        log.error("a job died: the daemon stops", action=Action.JOB_FAILED, job=event.job_id, detail=repr(event.exception),
                  traceback=event.traceback)

    def _job_skipped(self, event: JobSubmissionEvent) -> None:
        self._metrics.jobs_skipped.labels(event.job_id).inc()

    def _watch_on(self) -> None:
        """What ends the watch ends the daemon, as it does in a job."""
        try:
            self._watch_clock()
        except Exception as error:
            self.failed = self.failed or error
            log.error("after the jump of the clock: the daemon stops", action=Action.JOB_FAILED, job="clock-watch", detail=repr(error))

    def _watch_clock(self) -> None:
        offset, untold = self._offset(), 0.0
        while not self._ended.wait(CLOCK_CHECK_SECONDS):
            now = self._offset()
            if abs(now - offset) > JUMP_SECONDS:
                log.warning("the wall clock jumped", action=Action.CLOCK_JUMPED, seconds=round(now - offset, 1))
                self.rearm()
                untold += now - offset
            offset = now
            if untold and self._told(untold):
                untold = 0.0

    def _told(self, seconds: float) -> bool:
        """Whether ``jumped`` could do what it does."""
        try:
            self._jumped(seconds)
        except Retryable as error:
            log.warning("after the jump of the clock: will be tried again", action=Action.CLOCK_JUMPED, detail=str(error))
            return False
        return True

    def _offset(self) -> float:
        return self._clock.now().timestamp() - self._clock.monotonic()


def _unwatched(_: str) -> None:
    """No heartbeat."""
