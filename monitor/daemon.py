"""The main path: build → start → loop → drain → stop."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TypeVar

from monitor import failpoints
from monitor.errors import Permanent, Retryable, UsageError
from monitor.health import NotReady
from monitor.log import Action, configure, logger
from monitor.parts import JOBS_SECONDS, Parts, build
from monitor.patience import LOOP, Patience
from monitor.reports import Stopped, absent
from monitor.settings import Settings
from monitor.stopping import EXIT_DONE, EXIT_FAILED, Stop, leave

log = logger(__name__)
T = TypeVar("T")

BEGIN_ANEW = -1
"""No exit code: the process goes on with a new configuration."""
HAND_ON_SECONDS = 5.0
"""Before a new configuration begins, jobs under way get so long to end: what is being sent is then marked, not sent again."""
DRAIN_SECONDS = 6.0
"""Deliver until so long after SIGTERM at most."""
IDLE_DRAIN_SECONDS = 60.0
"""With --until-idle, deliver for so long at most."""
PAGES_SECONDS = 60.0
"""With --until-idle, begin pages of incidents for so long at most, once all is delivered."""
COLLECT_AFTER = 50_000
"""Objects made before the collector looks for cycles: a poll makes thousands of records, none of them in a cycle."""
PATIENCE = timedelta(seconds=60)
"""With --until-idle, wait so long for the topics to be there and assigned, and for a log or store that is away."""


def run(settings: Settings, config: Path, *, until_idle: bool, patience: timedelta = PATIENCE) -> int:
    """Build, run and stop a daemon; returns the exit code. Must be called from the main thread (signals)."""
    configure(level=settings.log.level, form=settings.log.format)
    for point, armed in failpoints.arm_from_environment().items():
        log.warning("a failpoint is armed: this process is under test", action=Action.DAEMON_STARTED, point=point, what=armed.action)
    stop = Stop(EXIT_FAILED if until_idle else EXIT_DONE)  # a script must not take it for read to the end
    with ExitStack() as closers:
        with stop.building():
            parts = build(settings, config, closers)
        stop.gently()
        log.info("driftd runs", action=Action.DAEMON_STARTED, models=sorted(settings.model_names()), config=config.name)
        for note in settings.notes():
            log.info(note, action=Action.DAEMON_STARTED)
        for note in absent(settings):
            log.warning(note, action=Action.DAEMON_STARTED)
        _settle_memory()
        parts.reload.in_force()
        if not until_idle:
            parts.tell_daily()
        parts.ticks.start()
        code = _until_idle(parts, stop, patience) if until_idle else _loop(parts, stop)
    if code == BEGIN_ANEW:
        stop.begin_anew()
        code = EXIT_DONE  # asked to stop meanwhile
    if parts.ticks.left_behind:
        leave(code)
    return code


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
    if parts.slack is not None:
        parts.slack.start()
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
        parts.reader.leave()
    except (Retryable, Permanent) as error:
        log.warning("what was read since the last checkpoint is read again", action=Action.DAEMON_STOPPING, detail=str(error))
    parts.stop_workers()
    if parts.slack is not None:
        parts.slack.close()
    parts.ticks.stop(HAND_ON_SECONDS)
    return BEGIN_ANEW


def _drain(parts: Parts, stop: Stop) -> int:
    """Not ready → stop reading → checkpoint → deliver until a deadline; the named closes follow."""
    log.info("stopping", action=Action.DAEMON_STOPPING)
    parts.health.not_ready(NotReady.STOPPING)
    parts.health.forget(LOOP)
    try:
        parts.reader.leave()
        parts.stop_workers()
        parts.ticks.stop(JOBS_SECONDS)
        if parts.failed:  # what died would die again here
            log.error("stopped, since a thread died", action=Action.DAEMON_FAILED, detail=repr(parts.failed))
            return EXIT_FAILED
        try:
            parts.judge.sweep()
        except Stopped as error:
            log.info("the next start judges what asks Evidently", action=Action.DAEMON_STOPPING, detail=str(error))
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
    for work in (parts.judge.sweep, parts.judge.finish, parts.labelling.finish, parts.watch.sweep):
        insist(work)
    left = insist(partial(parts.dispatcher.drain, IDLE_DRAIN_SECONDS))
    if parts.pages is not None:
        parts.pages.finish(PAGES_SECONDS)
    if left:
        sys.stderr.write(f"driftd: {left} deliveries are still waiting; the next run takes them up\n")
    if old := len(parts.muting.old):
        said = "incident of old windows was" if old == 1 else "incidents of old windows were"
        sys.stderr.write(f"driftd: {old} {said} not told (alerts.max_age)\n")
    log.info("read to the end", action=Action.DAEMON_STOPPED, undelivered=left)
    for model, why in parts.failing.items():
        sys.stderr.write(f"driftd: {model} could not be judged: {why}\n")
    missing = parts.source.missing()
    if missing:
        sys.stderr.write(f"driftd: not all was read: {missing}\n")
    return EXIT_FAILED if parts.failing or missing else EXIT_DONE


def _unassigned(parts: Parts) -> str:
    missing = sorted(f"{p.topic}/{p.partition}" for p in parts.reader.partitions - parts.reader.assigned)
    if missing and parts.reader.assigned:
        return f"{', '.join(missing)} belong to another member of the group"
    return f"no partition of {', '.join(parts.topics)} was assigned"
