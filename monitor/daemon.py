"""The main path: build → start → loop → drain → stop."""

from __future__ import annotations

import gc
import os
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TypeVar

from monitor import __version__, failpoints
from monitor.clock import SystemClock
from monitor.core.conditions import EVERY_MODEL
from monitor.core.rules import Model, StreamKind
from monitor.errors import Permanent, Retryable, UsageError
from monitor.health import Health, NotReady
from monitor.heartbeat import Heartbeat
from monitor.intake import KafkaSource, Watchdog
from monitor.log import Action, configure, logger
from monitor.memory import MemoryGuard, limit_of
from monitor.metrics import Metrics
from monitor.notify import Dispatcher, lease_of, receivers_of
from monitor.patience import LOOP, Patience
from monitor.pipeline import (
    Judge,
    NoEventTime,
    Pace,
    Reader,
    References,
    Routes,
    SelfWatch,
    Telling,
    judging_fails,
    kafka_away,
    receivers_fail,
)
from monitor.ports import Clock, LogSource, Store
from monitor.prepare import prepare
from monitor.reload import Reload
from monitor.schedule import Ticks
from monitor.settings import KafkaSettings, Settings
from monitor.stopping import EXIT_DONE, EXIT_FAILED, Stop, leave
from monitor.storage import only_daemon, open_store
from monitor.web import WebServer

log = logger(__name__)
T = TypeVar("T")

BEGIN_ANEW = -1
"""No exit code: the process goes on with a new configuration."""
SWEEP = timedelta(seconds=1)
DISPATCH = timedelta(seconds=1)
WATCH = timedelta(seconds=1)
HAND_ON_SECONDS = 5.0
"""Before a new configuration begins, jobs under way get so long to end: what is being sent is then marked, not sent again."""
JOBS_SECONDS = 1.0
"""After SIGTERM, jobs under way get so long to end: a receiver that hangs is left behind, and its message sent at the next start."""
DRAIN_SECONDS = 6.0
"""Deliver until so long after SIGTERM at most."""
IDLE_DRAIN_SECONDS = 60.0
"""With --until-idle, deliver for so long at most."""
MOST_VALUES = 300_000
"""Values that one poll brings at most: a window of one row takes 1.5 kB a column."""
COLLECT_AFTER = 50_000
"""Objects made before the collector looks for cycles: a poll makes thousands of records, none of them in a cycle."""
PATIENCE = timedelta(seconds=60)
"""With --until-idle, wait so long for the topics to be there and assigned, and for a log or store that is away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the daemon is made of."""

    topics: tuple[str, ...]
    source: LogSource
    reader: Reader
    judge: Judge
    watch: SelfWatch
    dispatcher: Dispatcher
    ticks: Ticks
    web: WebServer
    health: Health
    clock: Clock
    heartbeat: Heartbeat | None
    reload: Reload
    live_within: timedelta

    def patience(self, stop: Stop) -> Patience:
        """What does the reader's work."""
        return Patience(reader=self.reader, health=self.health, clock=self.clock, stop=stop, max_age=self.live_within)

    @property
    def failed(self) -> BaseException | None:
        """Of what a thread has died: the daemon stops with it."""
        return self.ticks.failed or self.web.failed or (self.heartbeat.failed if self.heartbeat else None)


def run(settings: Settings, config: Path, *, until_idle: bool, patience: timedelta = PATIENCE) -> int:
    """Build, run and stop a daemon; returns the exit code. Must be called from the main thread (signals)."""
    configure(level=settings.log.level, form=settings.log.format)
    for point, armed in failpoints.arm_from_environment().items():
        log.warning("a failpoint is armed: this process is under test", action=Action.DAEMON_STARTED, point=point, what=armed.action)
    stop = Stop()
    with ExitStack() as closers:
        parts = build(settings, config, closers)
        stop.gently()
        log.info("driftd runs", action=Action.DAEMON_STARTED, models=sorted(settings.model_names()), config=config.name)
        for note in settings.notes():
            log.info(note, action=Action.DAEMON_STARTED)
        _settle_memory()
        parts.reload.in_force()
        parts.ticks.start()
        code = _until_idle(parts, stop, patience) if until_idle else _loop(parts, stop)
    if code == BEGIN_ANEW:
        stop.begin_anew()
        code = EXIT_DONE  # asked to stop meanwhile
    if parts.ticks.left_behind:
        leave(code)
    return code


def build(settings: Settings, config: Path, closers: ExitStack) -> Parts:
    """Open every edge; each registers its named close, last opened first closed."""
    clock, health, metrics = SystemClock(), Health(), Metrics()
    _closing(closers, "lock", only_daemon(settings.store))
    store = open_store(settings.store, retried=metrics.store_retried)
    _closing(closers, "store", store.close)
    web = WebServer(store=store, health=health, metrics=metrics, http=settings.http)
    web.start()
    _closing(closers, "http", web.stop)
    models = prepare(settings, config, store)
    references = References(store, clock)
    topics = tuple(sorted({s.topic for m in models for s in m.streams if s.kind is StreamKind.PREDICTIONS}))
    watchdog = Watchdog(monotonic=clock.monotonic, report=_stuck)
    source = KafkaSource(_within_memory(settings.kafka, models), topics=topics, watchdog=watchdog)
    _closing(closers, "kafka", source.close)
    reader = Reader(source=source, store=store, models=models, references=references, clock=clock, metrics=metrics,
                    guard=MemoryGuard(limit_of(settings.memory.limit), monotonic=clock.monotonic),
                    pace=Pace(every=settings.checkpoint.every, max_rows=settings.checkpoint.max_rows,
                              poll_timeout=settings.kafka.poll_timeout.total_seconds(), out_of_range=settings.kafka.out_of_range))
    made = receivers_of(settings, clock)
    for receiver in made:
        _closing(closers, f"receiver {receiver.name}", receiver.close)
    page = settings.http.public_url or web.url
    telling = Telling({EVERY_MODEL: Routes(people=settings.people_receivers(), page_url=page)} | {
        m.name: Routes(people=settings.people_receivers(), retraining=settings.retraining_receiver(m.name), page_url=page) for m in models})
    judge = Judge(store=store, models=models, references=references, clock=clock, metrics=metrics, telling=telling,
                  partitions=lambda: reader.partitions)
    watch = SelfWatch(store=store, clock=clock, telling=telling, probes=(
        kafka_away(partial(health.standing, NotReady.KAFKA_UNREACHABLE)),
        judging_fails(lambda: judge.failing),
        receivers_fail(store.failing_receivers),
        NoEventTime(counts=store.stream_counts, clock=clock, min_rows={m.name: m.min_rows for m in models}),
    ))
    lease = lease_of(settings)
    dispatcher = Dispatcher(store=store, receivers=made, clock=clock, owner=f"{socket.gethostname()}:{os.getpid()}", lease=lease,
                            seen=lambda attempt: metrics.delivery_attempted(attempt.receiver, attempt.outcome, attempt.seconds))
    metrics.declare(models, dispatcher.receivers)
    web.show(models, telling.person)
    ticks = Ticks(clock, health, metrics, jumped=partial(_clock_jumped, store, clock, lease))
    _closing(closers, "schedule", lambda: ticks.stop(JOBS_SECONDS))
    live_within = settings.http.live_within
    ticks.add("judge", judge.sweep, SWEEP, live_within)
    ticks.add("watchdog", watchdog.check, WATCH, live_within)
    ticks.add("self-watch", watch.sweep, WATCH, live_within)
    for name in dispatcher.receivers:
        ticks.add(f"deliver {name}", partial(dispatcher.dispatch, name), DISPATCH, live_within + lease)
    heartbeat = None
    if settings.heartbeat is not None:
        heartbeat = Heartbeat(settings.heartbeat, health=health, clock=clock, metrics=metrics,
                              status=partial(_status, models, metrics, store))
        _closing(closers, "heartbeat", heartbeat.stop)
    reload = Reload(settings=settings, config=config, store=store, metrics=metrics, clock=clock)
    return Parts(topics=topics, source=source, reader=reader, judge=judge, watch=watch, dispatcher=dispatcher, ticks=ticks, web=web,
                 health=health, clock=clock, heartbeat=heartbeat, reload=reload, live_within=live_within)


def _within_memory(kafka: KafkaSettings, models: Sequence[Model]) -> KafkaSettings:
    """Fewer messages a poll where they are wide: in the worst case each of them begins a window of its own."""
    widest = max((len(model.columns) for model in models), default=1)
    return kafka.model_copy(update={"max_poll_records": min(kafka.max_poll_records, max(MOST_VALUES // widest, 1))})


def _closing(closers: ExitStack, name: str, close: Callable[[], None]) -> None:
    def close_and_say() -> None:
        close()
        log.debug("closed", action=Action.RESOURCE_CLOSED, resource=name)

    closers.callback(close_and_say)


def _status(models: Sequence[Model], metrics: Metrics, store: Store) -> str:
    """What the dead-man's ping tells. Raises Retryable."""
    names = ", ".join(model.name for model in models)
    return f"driftd {__version__}: models {names}; lag {metrics.total_lag()}; outbox {store.outbox_depth()['pending']} pending"


def _clock_jumped(store: Store, clock: Clock, lease: timedelta, seconds: float) -> None:
    """The outbox keeps its times by the wall clock: where that was set back, what waits would wait so much longer. Raises Retryable."""
    if seconds < 0:
        store.clock_went_back(clock.now(), lease.total_seconds())


def _stuck(seconds: float) -> None:
    """A poll that does not come back: ``/livez`` fails soon after, and a restart loses nothing."""
    log.error("a poll of Kafka does not come back", action=Action.INTAKE_STUCK, overdue_seconds=round(seconds))


def _settle_memory() -> None:
    """Take what start-up made out of the collector's sight, and let it look at batches, not at every few hundred records."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER, *gc.get_threshold()[1:])


def _loop(parts: Parts, stop: Stop) -> int:
    """Read until asked to stop, or until a thread dies, or until a new configuration is to be obeyed."""
    patience = parts.patience(stop)
    if parts.heartbeat is not None:
        parts.heartbeat.start()
    while not stop and not parts.failed:
        patience.attempt(parts.reader.step)
        if stop.reload_asked() and parts.reload.accepted():
            return _hand_on(parts)
    return _drain(parts, stop)


def _hand_on(parts: Parts) -> int:
    """Not ready → checkpoint → let jobs end; what is left is in the store, and what begins anew takes it up."""
    parts.health.not_ready(NotReady.STOPPING, "to begin anew with a new configuration")
    parts.health.forget(LOOP)
    try:
        parts.reader.checkpoint()
    except (Retryable, Permanent) as error:
        log.warning("what was read since the last checkpoint is read again", action=Action.DAEMON_STOPPING, detail=str(error))
    parts.ticks.stop(HAND_ON_SECONDS)
    return BEGIN_ANEW


def _drain(parts: Parts, stop: Stop) -> int:
    """Not ready → stop reading → checkpoint → deliver until a deadline; the named closes follow."""
    log.info("stopping", action=Action.DAEMON_STOPPING)
    parts.health.not_ready(NotReady.STOPPING)
    parts.health.forget(LOOP)
    try:
        parts.reader.checkpoint()
        parts.ticks.stop(JOBS_SECONDS)
        if parts.failed:  # what died would die again here
            log.error("stopped, since a thread died", action=Action.DAEMON_FAILED, detail=repr(parts.failed))
            return EXIT_FAILED
        parts.judge.sweep()
        left = parts.dispatcher.drain(stop.left(DRAIN_SECONDS))
    except (Retryable, Permanent) as error:
        log.warning("stopped with work left, which the next start takes up", action=Action.DAEMON_STOPPED, detail=str(error))
        return EXIT_FAILED if parts.failed else EXIT_DONE
    log.info("stopped", action=Action.DAEMON_STOPPED, undelivered=left)
    return EXIT_FAILED if parts.failed else EXIT_DONE


def _until_idle(parts: Parts, stop: Stop, limit: timedelta) -> int:
    """Read to where the topics end now, close every window, judge, deliver. ``limit``: how long to wait for what is away."""
    reader, patience = parts.reader, parts.patience(stop)
    began, ends = parts.clock.monotonic(), None
    while not (ends is not None and reader.at_end(ends) and reader.settled):
        if stop or parts.failed:
            _drain(parts, stop)
            return EXIT_FAILED  # a script must not take it for read to the end
        if not (reader.partitions and reader.assigned >= reader.partitions):
            if parts.clock.monotonic() - began > limit.total_seconds():
                raise UsageError(f"could not begin to read within {limit.total_seconds():g} s: {patience.trouble or _unassigned(parts)}")
            patience.attempt(reader.step)
        elif patience.away > limit.total_seconds():
            raise UsageError(f"could not go on reading for {limit.total_seconds():g} s: {patience.trouble}")
        elif ends is None:
            ends = patience.attempt(lambda: parts.source.ends(sorted(reader.partitions)))
        else:  # a last checkpoint may find that another replica was first: then it reads again
            patience.attempt(reader.checkpoint if reader.at_end(ends) else reader.step)
    return _close_time(parts, partial(_insist, patience, stop, limit))


def _insist(patience: Patience, stop: Stop, limit: timedelta, work: Callable[[], T]) -> T:
    """Do it, again while the store is away; for no longer than ``limit``, nor when asked to stop: the next run takes up what is left."""
    while (done := patience.attempt(lambda: (work(),))) is None:
        if stop or patience.away > limit.total_seconds():
            raise UsageError(f"read to the end, but could not judge and tell all of it: {patience.trouble}")
    return done[0]


def _close_time(parts: Parts, insist: Callable[[Callable[[], object]], object]) -> int:
    """The end of the topics is the end of time: judge every window, and deliver."""
    parts.ticks.stop(IDLE_DRAIN_SECONDS)
    for work in (parts.judge.sweep, parts.judge.finish, parts.watch.sweep):
        insist(work)
    left = insist(partial(parts.dispatcher.drain, IDLE_DRAIN_SECONDS))
    if left:
        sys.stderr.write(f"driftd: {left} deliveries are still waiting; the next run takes them up\n")
    log.info("read to the end", action=Action.DAEMON_STOPPED, undelivered=left)
    for model, why in parts.judge.failing.items():
        sys.stderr.write(f"driftd: {model} could not be judged: {why}\n")
    return EXIT_FAILED if parts.judge.failing else EXIT_DONE


def _unassigned(parts: Parts) -> str:
    missing = sorted(f"{p.topic}/{p.partition}" for p in parts.reader.partitions - parts.reader.assigned)
    if missing and parts.reader.assigned:
        return f"{', '.join(missing)} belong to another member of the group"
    return f"no partition of {', '.join(parts.topics)} was assigned"
