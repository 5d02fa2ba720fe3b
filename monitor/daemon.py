"""The main path: build → start → loop → drain → stop."""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from types import FrameType

from monitor.clock import SystemClock
from monitor.core.rules import StreamKind
from monitor.errors import Permanent, Retryable, UsageError
from monitor.health import Health, NotReady
from monitor.intake import KafkaSource
from monitor.log import Action, configure, logger
from monitor.metrics import Metrics
from monitor.notify import Dispatcher, receivers_of
from monitor.pipeline import Judge, Pace, Reader, References, Routes, Telling
from monitor.ports import Clock, LogSource
from monitor.prepare import prepare
from monitor.schedule import Ticks
from monitor.settings import Settings
from monitor.storage import open_store
from monitor.web import WebServer

log = logger(__name__)

SWEEP = timedelta(seconds=1)
DISPATCH = timedelta(seconds=1)
LOOP_MAX_AGE = timedelta(seconds=60)
"""A loop that has not come round for so long is wedged: ``/livez`` fails."""
DRAIN_SECONDS = 8.0
"""After SIGTERM, deliver for so long at most."""
IDLE_DRAIN_SECONDS = 60.0
"""With --until-idle, deliver for so long at most."""
FIRST_BACK_OFF, MAX_BACK_OFF = 0.5, 15.0
"""Seconds to wait while the log or the store is away: doubled each time, up to the second."""
COLLECT_AFTER = 50_000
"""Objects made before the collector looks for cycles: a poll makes thousands of records, none of them in a cycle."""
TOPICS_PATIENCE = 60.0
"""With --until-idle, wait so many seconds for the topics to be there and assigned."""
EXIT_DONE, EXIT_FAILED = 0, 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the daemon is made of."""

    source: LogSource
    reader: Reader
    judge: Judge
    dispatcher: Dispatcher
    ticks: Ticks
    web: WebServer
    health: Health
    clock: Clock

    @property
    def failed(self) -> bool:
        """Whether a thread has died: the daemon stops with it."""
        return self.ticks.failed is not None or self.web.failed is not None


def run(settings: Settings, config: Path, *, until_idle: bool) -> int:
    """Build, run and stop a daemon; returns the exit code. Must be called from the main thread (signals)."""
    configure(level=settings.log.level, form=settings.log.format)
    with ExitStack() as closers:
        parts = build(settings, config, closers)
        stop = _Stop()
        log.info("driftd runs", action=Action.DAEMON_STARTED, models=sorted(settings.model_names()), config=config.name)
        for note in settings.notes():
            log.info(note, action=Action.DAEMON_STARTED)
        _settle_memory()
        parts.ticks.start()
        if until_idle:
            return _until_idle(parts, stop)
        return _loop(parts, stop)


def build(settings: Settings, config: Path, closers: ExitStack) -> Parts:
    """Open every edge; each registers its named close, last opened first closed."""
    clock, health, metrics = SystemClock(), Health(), Metrics()
    store = open_store(settings.store)
    _closing(closers, "store", store.close)
    web = WebServer(store=store, health=health, metrics=metrics, http=settings.http)
    web.start()
    _closing(closers, "http", web.stop)
    models = prepare(settings, config, store)
    references = References(store, clock)
    source = KafkaSource(settings.kafka, topics=sorted({s.topic for m in models for s in m.streams if s.kind is StreamKind.PREDICTIONS}))
    _closing(closers, "kafka", source.close)
    reader = Reader(source=source, store=store, models=models, references=references, clock=clock, metrics=metrics,
                    pace=Pace(every=settings.checkpoint.every, max_rows=settings.checkpoint.max_rows,
                              poll_timeout=settings.kafka.poll_timeout.total_seconds()))
    made = receivers_of(settings, clock)
    for receiver in made:
        _closing(closers, f"receiver {receiver.name}", receiver.close)
    telling = Telling({m.name: Routes(people=settings.people_receivers(), retraining=settings.retraining_receiver(m.name),
                                      page_url=settings.http.public_url or web.url) for m in models})
    judge = Judge(store=store, models=models, references=references, clock=clock, metrics=metrics, telling=telling,
                  partitions=lambda: reader.partitions)
    dispatcher = Dispatcher(store=store, receivers=made, clock=clock, owner=f"{socket.gethostname()}:{os.getpid()}",
                            seen=lambda attempt: metrics.delivery_attempted(attempt.receiver, attempt.outcome, attempt.seconds))
    metrics.declare(models, dispatcher.receivers)
    web.show(models, telling.person)
    ticks = Ticks(clock, health)
    _closing(closers, "schedule", ticks.stop)
    ticks.add("judge", judge.sweep, SWEEP, LOOP_MAX_AGE)
    for name in dispatcher.receivers:
        ticks.add(f"deliver {name}", partial(dispatcher.dispatch, name), DISPATCH, LOOP_MAX_AGE)
    return Parts(source=source, reader=reader, judge=judge, dispatcher=dispatcher, ticks=ticks, web=web, health=health,
                 clock=clock)


def _closing(closers: ExitStack, name: str, close: Callable[[], None]) -> None:
    def close_and_say() -> None:
        close()
        log.debug("closed", action=Action.RESOURCE_CLOSED, resource=name)

    closers.callback(close_and_say)


def _settle_memory() -> None:
    """Take what start-up made out of the collector's sight, and let it look at batches, not at every few hundred records."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER, *gc.get_threshold()[1:])


class _Stop:
    """SIGTERM and SIGINT ask to stop; a second one leaves now."""

    def __init__(self) -> None:
        self._event = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._asked)

    def _asked(self, number: int, _frame: FrameType | None) -> None:
        if self._event.is_set():
            os._exit(128 + number)
        self._event.set()

    def __bool__(self) -> bool:
        return self._event.is_set()

    def wait(self, seconds: float) -> None:
        """Wait, but no longer than until asked to stop."""
        self._event.wait(seconds)


def _loop(parts: Parts, stop: _Stop) -> int:
    """Read until asked to stop, or until a thread dies."""
    step = _Patient(parts, stop)
    while not stop and not parts.failed:
        step()
    return _drain(parts)


def _drain(parts: Parts) -> int:
    """Not ready → stop reading → checkpoint → deliver until a deadline; the named closes follow."""
    log.info("stopping", action=Action.DAEMON_STOPPING)
    parts.health.not_ready(NotReady.STOPPING)
    parts.health.forget("intake")
    parts.ticks.stop()
    try:
        parts.reader.checkpoint()
        parts.judge.sweep()
        left = parts.dispatcher.drain(DRAIN_SECONDS)
    except (Retryable, Permanent) as error:
        log.warning("stopped with work left, which the next start takes up", action=Action.DAEMON_STOPPED, detail=str(error))
        return EXIT_FAILED if parts.failed else EXIT_DONE
    log.info("stopped", action=Action.DAEMON_STOPPED, undelivered=left)
    return EXIT_FAILED if parts.failed else EXIT_DONE


def _until_idle(parts: Parts, stop: _Stop) -> int:
    """Read to where the topics end now, close every window, judge, deliver."""
    step = _Patient(parts, stop)
    deadline = parts.clock.monotonic() + TOPICS_PATIENCE
    while not stop and not parts.failed and not (parts.reader.partitions and parts.reader.assigned >= parts.reader.partitions):
        if parts.clock.monotonic() > deadline:
            raise UsageError(f"could not begin to read within {TOPICS_PATIENCE:.0f} s: {step.trouble or 'no partition was assigned'}")
        step()
    ends = parts.source.ends(sorted(parts.reader.partitions)) if parts.reader.partitions else {}
    while not stop and not parts.failed and not parts.reader.at_end(ends):
        step()
    if stop or parts.failed:
        return _drain(parts)
    parts.ticks.stop()
    parts.reader.checkpoint()
    parts.judge.sweep()
    parts.judge.finish()
    left = parts.dispatcher.drain(IDLE_DRAIN_SECONDS)
    if left:
        sys.stderr.write(f"driftd: {left} deliveries are still waiting; the next run takes them up\n")
    log.info("read to the end", action=Action.DAEMON_STOPPED, undelivered=left)
    return EXIT_DONE


class _Patient:
    """The reader's step, which waits and tries again while the log or the store is away, and tells the probes why."""

    def __init__(self, parts: Parts, stop: _Stop) -> None:
        self._parts = parts
        self._stop = stop
        self._back_off = FIRST_BACK_OFF
        self.trouble: str | None = None
        parts.health.watch("intake", LOOP_MAX_AGE)

    def __call__(self) -> None:
        health = self._parts.health
        try:
            self._parts.reader.step()
        except Retryable as error:
            if self.trouble != str(error):
                log.warning("cannot go on for now", action=Action.INTAKE_UNREACHABLE, detail=str(error))
            self.trouble = str(error)
            health.not_ready(NotReady.STORE_UNAVAILABLE, self.trouble)
            self._stop.wait(self._back_off)
            self._back_off = min(self._back_off * 2, MAX_BACK_OFF)
        else:
            self._went_well()
        health.beat("intake")

    def _went_well(self) -> None:
        health, unreachable = self._parts.health, self._parts.reader.unreachable
        if self.trouble is not None:
            log.info("going on", action=Action.INTAKE_BACK)
        self.trouble, self._back_off = None, FIRST_BACK_OFF
        health.clear(NotReady.STORE_UNAVAILABLE)
        if unreachable is not None:
            health.not_ready(NotReady.KAFKA_UNREACHABLE, unreachable)
        elif self._parts.reader.assigned:
            health.clear(NotReady.KAFKA_UNREACHABLE)
            health.clear(NotReady.STARTING)
