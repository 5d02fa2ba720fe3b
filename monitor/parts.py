"""What the daemon is made of: every edge opened, every part put together, every close registered where its resource is opened."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

from monitor import __version__
from monitor.clock import SystemClock
from monitor.core.drift.sampled import needs_samples
from monitor.core.rules import Model
from monitor.health import Health, NotReady
from monitor.heartbeat import Heartbeat
from monitor.intake import KafkaSource, Watchdog
from monitor.log import Action, logger
from monitor.memory import MemoryGuard, limit_of
from monitor.metrics import Metrics
from monitor.notify import Dispatcher, lease_of, receivers_of
from monitor.notify.mlflow import Mlflow
from monitor.notify.slack_clicks import ClickDesk
from monitor.notify.slack_command import Questions
from monitor.notify.slack_rights import rights_of
from monitor.notify.slack_socket import SlackSocket
from monitor.patience import Patience
from monitor.pipeline import (
    Bootstrap,
    Daily,
    Desk,
    Digests,
    IncidentPages,
    Judge,
    Labelling,
    Muting,
    NoEventTime,
    Pace,
    Probe,
    Reader,
    References,
    RegistryLink,
    Retention,
    RetrainingLoop,
    Reviser,
    SelfWatch,
    Telling,
    audience_of,
    judging_fails,
    kafka_away,
    receivers_fail,
    routes_of,
    rows_are_stale,
)
from monitor.pipeline.keptids import bytes_within
from monitor.pipeline.shift import shift_accepter
from monitor.ports import Clock, LogSource, Store
from monitor.prepare import prepare
from monitor.reload import Reload
from monitor.reports import EvidentlyPages, EvidentlyTester, Shelf, lacking, painter_of, worker_of
from monitor.schedule import Ticks
from monitor.settings import KafkaSettings, Settings
from monitor.stopping import Stop
from monitor.storage import only_daemon, open_store
from monitor.web import WebServer

log = logger(__name__)

SWEEP = timedelta(seconds=1)
DISPATCH = timedelta(seconds=1)
WATCH = timedelta(seconds=1)
ORPHANS = timedelta(minutes=1)
PAGES = timedelta(seconds=5)
DIGESTS = timedelta(minutes=1)
LOOP = timedelta(seconds=2)
RETENTION = timedelta(minutes=10)
PAGE_IDLE_SECONDS = 10.0
"""Incidents are rare: what made a page does not wait long for the next one."""
JOBS_SECONDS = 1.0
"""After SIGTERM, jobs under way get so long to end: a receiver that hangs is left behind, and its message sent at the next start."""
MOST_VALUES = 300_000
"""Values that one poll brings at most: a window of one row takes 1.5 kB a column."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the daemon is made of."""

    topics: tuple[str, ...]
    source: LogSource
    reader: Reader
    judge: Judge
    labelling: Labelling
    tester: EvidentlyTester
    maker: EvidentlyPages
    pages: IncidentPages | None
    digests: Digests | None
    watch: SelfWatch
    muting: Muting
    dispatcher: Dispatcher
    ticks: Ticks
    web: WebServer
    health: Health
    clock: Clock
    heartbeat: Heartbeat | None
    slack: SlackSocket | None
    reload: Reload
    live_within: timedelta

    def patience(self, stop: Stop) -> Patience:
        """What does the reader's work."""
        return Patience(reader=self.reader, health=self.health, clock=self.clock, stop=stop, max_age=self.live_within)

    def tell_daily(self) -> None:
        """From now on the digest is told every day; for a daemon that stays."""
        if self.digests is not None:
            self.ticks.add("digest", self.digests.sweep, DIGESTS, None)

    def stop_workers(self) -> None:
        """Nobody waits for Evidently from now on."""
        self.tester.stop()
        self.maker.stop()

    @property
    def failing(self) -> Mapping[str, str]:
        """Models that cannot be judged, or whose labels cannot be joined, and why."""
        return _failing(self.judge, self.labelling)

    @property
    def failed(self) -> BaseException | None:
        """Of what a thread has died: the daemon stops with it."""
        others = (self.heartbeat, self.slack)
        return self.ticks.failed or self.web.failed or next((other.failed for other in others if other and other.failed), None)


def build(settings: Settings, config: Path, closers: ExitStack) -> Parts:
    """Open every edge; each registers its named close, last opened first closed."""
    clock, health, metrics = SystemClock(), Health(), Metrics()
    _closing(closers, "lock", only_daemon(settings.store))
    store = open_store(settings.store, retried=metrics.store_retried)
    _closing(closers, "store", store.close)
    web = WebServer(store=store, health=health, metrics=metrics, http=settings.http, callbacks=settings.callback_tokens)
    web.start()
    _closing(closers, "http", web.stop)
    models = prepare(settings, config, store)
    references = References(store, clock)
    topics = tuple(sorted({stream.topic for model in models for stream in model.read_streams}))
    watchdog = Watchdog(monotonic=clock.monotonic, report=_stuck)
    source = KafkaSource(_within_memory(settings.kafka, models), topics=topics, watchdog=watchdog)
    _closing(closers, "kafka", source.close)
    reader = Reader(source=source, store=store, models=models, references=references, clock=clock, metrics=metrics,
                    guard=MemoryGuard(limit_of(settings.memory.limit), monotonic=clock.monotonic),
                    pace=Pace(every=settings.checkpoint.every, max_rows=settings.checkpoint.max_rows,
                              poll_timeout=settings.kafka.poll_timeout.total_seconds(), out_of_range=settings.kafka.out_of_range))
    painter = painter_of(settings)
    if painter is not None:
        _closing(closers, "pictures of incidents", painter.close)
    made = receivers_of(settings, clock, painter)
    for receiver in made:
        _closing(closers, f"receiver {receiver.name}", receiver.close)
    telling = Telling(routes_of(settings, settings.http.public_url or web.url), told=store.told, incident=store.incident)
    muting = Muting(store, clock)
    reports = settings.reports
    still_judging = partial(still_at_it, health, "judge")
    tester = EvidentlyTester(worker_of(settings), monotonic=clock.monotonic, alive=still_judging)
    _closing(closers, "reports", tester.close)
    maker = EvidentlyPages(worker_of(settings, idle_seconds=PAGE_IDLE_SECONDS))
    _closing(closers, "pages of incidents", maker.close)
    on_alert = reports.on_alert
    shelf = None if on_alert is None else Shelf(on_alert.folder, on_alert.keep)
    pages = None
    if shelf is not None and not lacking("evidently"):
        pages = IncidentPages(store=store, models=models, clock=clock, maker=maker, shelf=shelf, metrics=metrics)
    judge = Judge(store=store, models=models, references=references, clock=clock, metrics=metrics, telling=telling,
                  partitions=lambda: reader.partitions, tester=tester, muting=muting, alive=still_judging,
                  bootstrap=Bootstrap(store, references, clock))
    reviser = Reviser(store=store, references=references, clock=clock, metrics=metrics, telling=telling, muting=muting)
    labelling = Labelling(store=store, models=models, reviser=reviser, clock=clock, metrics=metrics,
                          partitions=lambda: reader.partitions, alive=partial(still_at_it, health, "labels"),
                          id_bytes=bytes_within(limit_of(settings.memory.limit)))
    stale = rows_are_stale(models=models, marks=store.marks, partitions=lambda: reader.partitions, metrics=metrics)
    failing = partial(_failing, judge, labelling)
    watch = _watch(models, store, telling, muting, failing, health, clock, [receiver.name for receiver in made], stale)
    lease = lease_of(settings)
    dispatcher = Dispatcher(store=store, receivers=made, clock=clock, owner=_owner(), lease=lease,
                            seen=lambda attempt: metrics.delivery_attempted(attempt.receiver, attempt.outcome, attempt.seconds))
    metrics.declare(models, dispatcher.receivers)
    desk = Desk(store=store, models=models, telling=telling, clock=clock)
    web.show(models, telling.person, shelf, desk)
    ticks = Ticks(clock, health, metrics, jumped=partial(_clock_jumped, store, clock, lease))
    _closing(closers, "schedule", lambda: ticks.stop(JOBS_SECONDS))
    live_within = settings.http.live_within
    asking = any(needs_samples(model.drift) for model in models)
    ticks.add("judge", judge.sweep, SWEEP, live_within + asking * reports.deadline)
    if any(model.performance is not None for model in models):
        ticks.add("labels", labelling.sweep, SWEEP, live_within)
    if settings.mlflow is not None and settings.registered():
        registry = RegistryLink(store=store, models=models, names=settings.registered(), registry=Mlflow(settings.mlflow, clock.now),
                                references=references, clock=clock)
        ticks.add("registry", registry.sweep, settings.mlflow.every, None)
    retrained = [model for model in models if model.retraining is not None]
    if retrained:
        loop = RetrainingLoop(store=store, models=retrained, references=references, clock=clock, metrics=metrics, telling=telling)
        ticks.add("retraining", loop.sweep, LOOP, None)
    for name, work in (("watchdog", watchdog.check), ("self-watch", watch.sweep)):
        ticks.add(name, work, WATCH, live_within)
    for name in dispatcher.receivers:
        ticks.add(f"deliver {name}", partial(dispatcher.dispatch, name), DISPATCH, live_within + lease)
    ticks.add("orphans", dispatcher.bury_orphans, ORPHANS, None)
    if settings.retention is not None:
        retention = Retention(store=store, models=models, keep=settings.retention, clock=clock)
        ticks.add("retention", retention.sweep, RETENTION, None)
    if pages is not None:
        ticks.add("incident pages", pages.sweep, PAGES, None)
    digests = None
    if settings.digest is not None:
        daily = Daily(at=settings.digest.clock, zone=settings.digest.zone, page_url=settings.http.public_url or web.url,
                      audience=audience_of(settings))
        digests = Digests(store=store, models=models, clock=clock, daily=daily)
    heartbeat = None
    if settings.heartbeat is not None:
        heartbeat = Heartbeat(settings.heartbeat, health=health, clock=clock, metrics=metrics,
                              status=partial(_status, models, metrics, store))
        _closing(closers, "heartbeat", heartbeat.stop)
    slack = _slack_socket(settings, store, telling, desk, models, clock, health, metrics)
    if slack is not None:
        _closing(closers, "slack socket", slack.close)
    reload = Reload(settings=settings, config=config, store=store, metrics=metrics, clock=clock)
    return Parts(topics=topics, source=source, reader=reader, judge=judge, labelling=labelling, tester=tester, maker=maker, pages=pages,
                 digests=digests, watch=watch, muting=muting, dispatcher=dispatcher, ticks=ticks, web=web, health=health, clock=clock,
                 heartbeat=heartbeat, slack=slack, reload=reload, live_within=live_within)


def _slack_socket(settings: Settings, store: Store, telling: Telling, desk: Desk, models: Sequence[Model], clock: Clock, health: Health,
                  metrics: Metrics) -> SlackSocket | None:
    """What listens to buttons and to ``/driftd``; None where no app-level token is configured."""
    if settings.slack is None or settings.slack.app_token is None:
        return None
    rights = rights_of(settings.slack)
    questions = Questions(store=store, models=tuple(models), rights=rights, now=clock.now,
                          lag=partial(_lag_of, metrics))
    clicks = ClickDesk(store=store, now=clock.now, rights=rights, tell=telling.person, approve=desk.approval,
                       accept_shift=shift_accepter(store, models, telling.person))
    return SlackSocket(slack=settings.slack, desk=clicks, questions=questions, clock=clock, health=health, metrics=metrics, owner=_owner())


def _lag_of(metrics: Metrics, model: Model) -> int | None:
    """Messages of a model not read yet, in the partitions that are ours; None where none of them is."""
    topics = {stream.topic for stream in model.read_streams}
    ours = [sample.value for metric in metrics.lag.collect() for sample in metric.samples if sample.labels["topic"] in topics]
    return int(sum(ours)) if ours else None


def _owner() -> str:
    """What this process calls itself beside other replicas."""
    return f"{socket.gethostname()}:{os.getpid()}"


def _failing(judge: Judge, labelling: Labelling) -> Mapping[str, str]:
    """Models that cannot be judged, or whose labels cannot be joined, and why."""
    return {**labelling.failing, **judge.failing}


def _watch(models: Sequence[Model], store: Store, telling: Telling, muting: Muting, failing: Callable[[], Mapping[str, str]],
           health: Health, clock: Clock, receivers: Sequence[str], stale: Probe) -> SelfWatch:
    """What looks at our own way, and all that it looks at."""
    return SelfWatch(store=store, clock=clock, telling=telling, muting=muting, probes=(
        kafka_away(partial(health.standing, NotReady.KAFKA_UNREACHABLE)),
        judging_fails(failing),
        receivers_fail(partial(store.failing_receivers, receivers)),
        NoEventTime(counts=store.stream_counts, clock=clock, min_rows={m.name: m.min_rows for m in models}),
        stale,
    ))


def _within_memory(kafka: KafkaSettings, models: Sequence[Model]) -> KafkaSettings:
    """Fewer messages a poll where they are wide: in the worst case each of them begins windows of its own."""
    widest = max((len(model.columns) * (1 + len(model.segments)) for model in models), default=1)
    return kafka.model_copy(update={"max_poll_records": min(kafka.max_poll_records, max(MOST_VALUES // widest, 1))})


def still_at_it(health: Health, loop: str) -> None:
    """A heartbeat in the middle of long work; once the daemon stops nobody listens for it."""
    with suppress(KeyError):
        health.beat(loop)


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
