"""From closed windows to verdicts: seal, evaluate, decide, record; one transaction a window."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol

from monitor import failpoints
from monitor.core.cause import explain
from monitor.core.evaluate import Subject, asks_of_samples, evaluate
from monitor.core.finding import Finding
from monitor.core.incidents import Judged, step
from monitor.core.labels.chunks import by_id, joined_predicted
from monitor.core.labels.parts import rows_of
from monitor.core.labels.predicted import Predicted
from monitor.core.muting import most_age
from monitor.core.results import ALL_ROWS, Result, Verdict, WindowKey
from monitor.core.rules import Model, StreamKind
from monitor.core.severity import weighed
from monitor.core.windows import PartitionTime, next_window, sealable_until, watermark
from monitor.errors import DecodeError, Retryable
from monitor.failpoints import Point
from monitor.log import Action, logger
from monitor.metrics import Metrics
from monitor.pipeline.alone import Alone
from monitor.pipeline.asking import NOT_ASKED, Asked, Asking, Look
from monitor.pipeline.bootstrap import Bootstrap
from monitor.pipeline.looks import Looks
from monitor.pipeline.muting import Muting, SilenceStore
from monitor.pipeline.picturing import picture_of
from monitor.pipeline.references import References
from monitor.pipeline.standards import Standard, Standards, StandardStore
from monitor.pipeline.telling import Telling
from monitor.ports import Clock, Judgement, JudgingStore, KeptKey, Mark, Progress, SampleTester, StoredWindow, TopicPartition

log = logger(__name__)

AT_A_TIME = 100
"""Windows of one model that are judged before it is the next one's turn: a backlog of one holds up no other for long."""

MAX_EMPTY_WINDOWS = 100
"""So many windows in a row without a row are judged; then silence has been told, and the next window with rows goes on."""

STALE_CLAIM = timedelta(seconds=15)
"""A partition's claim to be read to its end counts for so long; its owner renews it with every checkpoint, a dead one does not.
Neither does a claim from the future count, which a wall clock that was set back makes."""


class MarkStore(JudgingStore, StandardStore, SilenceStore, Protocol):
    """What judging reads of the store: windows, what they are compared with, their predictions, how far event time has come, silences."""

    def kept_chunks(self, model: str, key: KeptKey) -> Sequence[Predicted]:
        """The predictions that are kept of a window."""

    def marks(self, model: str) -> Sequence[Mark]:
        """Every partition's mark of a model."""


class Judge:
    """Judges every model's windows in the order of event time. Safe to run in several replicas: the store lets one win.

    ``alive`` is called after every window: a long backlog is no loop that hangs.
    """

    def __init__(self, *, store: MarkStore, models: Sequence[Model], references: References, clock: Clock, metrics: Metrics,
                 telling: Telling, partitions: Callable[[], frozenset[TopicPartition]], tester: SampleTester | None = None,
                 bootstrap: Bootstrap | None = None, muting: Muting | None = None,
                 alive: Callable[[], object] = lambda: None) -> None:
        self._store = store
        self._models = models
        self._references = references
        self._standards = Standards(store, references, clock)
        self._looks = Looks(store)
        self._clock = clock
        self._metrics = metrics
        self._telling = telling
        self._muting = muting or Muting(store, clock)
        self._asking = Asking(store, clock, telling)
        self._partitions = partitions
        self._tester = tester
        self._bootstrap = bootstrap
        self._alive = alive
        self._alone = Alone("a model could not be judged", Action.JUDGING_FAILED)

    def sweep(self) -> int:
        """Seal and judge what is due; how many windows were judged. Raises Retryable when the store is away."""
        return self._in_turns(self._due)

    def finish(self) -> int:
        """Take the end of the topics as the end of time: every window closes.

        Another replica, or an answer of the store that was lost, may have had a window before us: it goes on until nothing moves.
        """
        judged, before = 0, None
        while (now := [self._store.progress(model.name) for model in self._models]) != before:
            judged, before = judged + self._in_turns(self._last_end), now
        return judged

    def _in_turns(self, until: Callable[[Model], datetime | None]) -> int:
        judged = 0
        while (more := sum(self._alone.attempt(model.name, partial(self._advance_until, model, until)) for model in self._models)):
            judged += more
        return judged

    @property
    def failing(self) -> Mapping[str, str]:
        """Models that cannot be judged, and why."""
        return self._alone.failing

    def _due(self, model: Model) -> datetime | None:
        """Windows that end by then take no more rows, as far as every partition of the model's topics tells."""
        topics = {stream.topic for stream in model.streams if stream.kind is StreamKind.PREDICTIONS}
        expected = {p for p in self._partitions() if p.topic in topics}
        marks = {m.partition: m for m in self._store.marks(model.name) if m.partition in expected}
        if not expected or len(marks) < len(expected):
            return None
        now = self._clock.now()
        times = [_time_of(mark, now) for mark in marks.values()]
        mark = watermark(times, now=now, idle_after=model.idle_after)
        self._metrics.watermark(model.name, mark)
        return None if mark is None else sealable_until(mark, size=model.window, allowed=model.allowed_lateness)

    def _last_end(self, model: Model) -> datetime | None:
        last = self._store.latest_window(model.name)
        return None if last is None else last.end

    def _advance_until(self, model: Model, until: Callable[[Model], datetime | None]) -> int:
        return self._advance(model, until(model))

    def _advance(self, model: Model, until: datetime | None) -> int:
        progress = self._store.progress(model.name)
        self._metrics.judged(model.name, progress.judged_until)
        first = self._store.next_start(model.name, None) if progress.sealed_until is None else None
        begun = progress.sealed_until or first
        if until is not None and begun is not None and until > begun:
            if not self._store.seal(model.name, until, progress.sealed_until):
                return 0
            progress = Progress(sealed_until=until, judged_until=progress.judged_until)
        return self._judge_sealed(model, progress)

    def _judge_sealed(self, model: Model, progress: Progress) -> int:
        judged, done = 0, progress.judged_until
        while progress.sealed_until is not None and (done is None or done < progress.sealed_until) and judged < AT_A_TIME:
            start = self._store.next_start(model.name, None) if done is None else next_window(done, model.window)
            if start is None or start >= progress.sealed_until:
                break
            judgement, asked = self._judge(model, start, done, progress.sealed_until)
            failpoints.at(Point.JUDGE_EVALUATED)
            if not self._store.record(judgement):
                break
            self._tell(model, judgement)
            self._asking.tell(model, asked)
            done = judgement.judged_until
            judged += bool(judgement.results)  # nothing is judged where a long silence is passed over
            self._alive()
        return judged

    def _judge(self, model: Model, start: datetime, previous: datetime | None, sealed_until: datetime) -> tuple[Judgement, Asked]:
        windows = [window for window in self._store.windows(model.name, start) if not came_late(window)]
        if not windows:
            busy, end = self._store.last_busy(model.name, start), start + model.window
            if busy is None or start - busy.start > MAX_EMPTY_WINDOWS * model.window:
                return Judgement(model=model.name, previous=previous, results=(),
                                 judged_until=min(self._store.next_start(model.name, end) or sealed_until, sealed_until)), NOT_ASKED
            silent = WindowKey(model=model.name, version=busy.version, start=start, end=end)
            self._store.add_empty_window(silent)
            windows = [window for window in self._store.windows(model.name, start) if window.key == silent]
        self._standards.fit(model, start)
        if self._bootstrap is not None:
            self._bootstrap.due(model, windows)
        return self._decide(model, windows, previous)

    def _decide(self, model: Model, windows: Sequence[StoredWindow], previous: datetime | None) -> tuple[Judgement, Asked]:
        """Results, then the incident they make or end, then whether to ask for retraining, then who is told."""
        key = windows[0].key
        subjects = self.subjects(model, windows)
        counted = _counted(windows)
        results = weighed([result for subject in subjects for result in self._results(subject, model)], model)
        opened = self._store.open_incident(model.name)
        cause = explain(results, subjects, model, opened=opened)
        judged = Judged(model=model.name, start=key.start, end=key.end, results=results, headline=cause.headline,
                        columns=tuple(column.name for column in cause.columns))
        taken = self._muting.window(step(opened, judged, model.alerts), opened, judged, most_age(model))
        asked = self._asking.consider(model, model.retraining, Look(
            history=self._history(model, results), results=results, incident=taken.incident, cause=cause, subjects=subjects, now=key.end,
            counted=counted))
        accounts = [window.account for window in windows if window.key.segment == ALL_ROWS]
        picture = picture_of(self._store, model, taken, cause, subjects, results)
        messages = (*self._telling.window(taken, cause, accounts, retraining=asked.warning, picture=picture), *asked.messages)
        return Judgement(model=model.name, previous=previous, judged_until=key.end, results=results, opened=opened,
                         incident=taken.incident, events=taken.events, retraining=asked.retraining, given_up=asked.given_up,
                         asked_after=asked.after, messages=messages, at=self._clock.now()), asked

    def subjects(self, model: Model, windows: Sequence[StoredWindow]) -> list[Subject]:
        """The versions and segments of one window, each with what it is compared with; ``windows`` are all of them."""
        standards = self._standards.of(model, windows)
        counted = _counted(windows)
        versions = sum(rows >= max(model.min_rows, 1) for rows in counted.values())
        predicted = self._predicted(model, windows)
        return [self._subject(model, window, windows, standards[window.key], versions, predicted) for window in windows]

    def _results(self, subject: Subject, model: Model) -> Sequence[Result]:
        """A version whose evaluation fails is an error of its own: the others, and the windows after it, are judged all the same."""
        try:
            return evaluate(subject, model, self._sampled(subject, model))
        except Retryable:  # a stop, in the middle of it: the next start judges the window
            raise
        except Exception as error:  # a fault of ours, told in the result and in the log
            log.exception("a window could not be evaluated", action=Action.CHECK_FAILED, model=model.name,
                          window_start=subject.key.start.isoformat())
            return evaluate(replace(subject, profile=None, predicted=None, damage=f"{type(error).__name__}: {error}"), model)

    def _sampled(self, subject: Subject, model: Model) -> Sequence[Finding]:
        """What is found of the row sample, where something is asked of it."""
        return self._tester.findings(subject, model) if self._tester is not None and asks_of_samples(subject, model) else ()

    def _subject(
        self, model: Model, window: StoredWindow, windows: Sequence[StoredWindow], standard: Standard, versions: int,
        predicted: Mapping[str, Predicted],
    ) -> Subject:
        others = sum(w.account.counted for w in windows if w.key.segment == window.key.segment and w.key != window.key)
        key = window.key
        account = replace(window.account, late=0)  # they may be in the store by now, or not yet: no verdict hangs on it
        return Subject(key=key, account=account, profile=window.profile,
                       reference=standard.reference, unready=standard.unready, damage=window.damage or standard.damage,
                       known_versions=self._references.versions(model.name), versions=versions, other_rows=others,
                       gaps=tuple(self._store.gaps(model.name, key.start, key.end)) if window.incomplete else (),
                       earlier=self._looks.before(model, window), predicted=_part(predicted.get(key.version), key.segment))

    def _predicted(self, model: Model, windows: Sequence[StoredWindow]) -> Mapping[str, Predicted]:
        """By version, the predictions that are kept of it, ordered by id; of a model whose performance is watched."""
        found = {}
        for key in {KeptKey(start=w.key.start, end=w.key.end, version=w.key.version) for w in windows} if model.performance else ():
            try:
                chunks = self._store.kept_chunks(model.name, key)
            except DecodeError as error:  # nothing is estimated, all else is judged
                log.error("what is kept of a window cannot be read: it gets no estimate", action=Action.CHECK_FAILED, model=model.name,
                          window_start=key.start.isoformat(), version=key.version, detail=str(error))
                continue
            if chunks:
                found[key.version] = by_id(joined_predicted(chunks))
        return found

    def _history(self, model: Model, results: tuple[Result, ...]) -> tuple[Result, ...]:
        """The results that the retraining policy looks at, this window's included, oldest first."""
        rules = model.retraining
        earlier = self._store.recent_results(model.name, sorted(rules.when), rules.reach - 1) if rules and rules.when else ()
        return (*earlier, *results)

    def _tell(self, model: Model, judgement: Judgement) -> None:
        """One line a window, and the gauges."""
        self._metrics.window_judged(judgement)
        if not judgement.results:
            return
        worst = [r for r in judgement.results if r.verdict in (Verdict.ALERT, Verdict.WARN)]
        log.info("window judged", action=Action.WINDOW_JUDGED, model=model.name, window_end=judgement.judged_until.isoformat(),
                 rows=max(r.rows for r in judgement.results), results=len(judgement.results), not_ok=len(worst),
                 columns=sorted({r.column for r in worst if r.column}))
        for result in (r for r in judgement.results if r.verdict is Verdict.ERROR):
            log.error("a check failed", action=Action.CHECK_FAILED, model=model.name, check=result.check, column=result.column,
                      detail=result.reason)
        for event in judgement.events:
            log.warning("incident changed", action=Action.INCIDENT_CHANGED, model=model.name, incident=event.incident,
                        state=event.after, reason=event.reason)


def _time_of(mark: Mark, now: datetime) -> PartitionTime:
    """Silence is known up to the claim and no further: what came since then the owner has not looked for."""
    silent_since = None if mark.seen_at is None else mark.seen_at + (now - mark.at)
    return PartitionTime(max_time=mark.max_time, seen_at=silent_since, caught_up=mark.caught_up and abs(now - mark.at) <= STALE_CLAIM)


def _part(rows: Predicted | None, segment: str) -> Predicted | None:
    return None if rows is None else rows.take(rows_of(rows, segment))


def came_late(window: StoredWindow) -> bool:
    """Whether nothing but late rows made it. When they are read is chance, and so no part of what the window comes to."""
    return 0 < window.account.late == window.account.received


def _counted(windows: Sequence[StoredWindow]) -> Mapping[str, int]:
    """By version, the rows that were counted."""
    return {window.key.version: window.account.counted for window in windows if window.key.segment == ALL_ROWS}
