"""After retraining: whether the new version does better than the old one. Looked at as windows get their labels, told once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from monitor.core.helped import Answer, Question, Told, answer, leading_metric, planned_windows, waits_for
from monitor.core.performance.intervals import Measured, Z
from monitor.core.performance.metrics import Metric
from monitor.core.performance.tally import Tally as Counted
from monitor.core.results import ALL_ROWS, Check, Result, latest
from monitor.core.retraining import Retraining, RetrainingEvent, RetrainingState
from monitor.core.rules import Model, PerformanceRules
from monitor.errors import DecodeError
from monitor.log import Action, logger
from monitor.metrics import Metrics
from monitor.pipeline.alone import Alone
from monitor.pipeline.references import References
from monitor.pipeline.telling import Telling
from monitor.ports import Clock, Store

log = logger(__name__)

LOOKS = 100
"""At most about so many looks are taken at one new version, however short its windows are."""
BEFORE = 14
"""Windows before a request that made no incident, from which the old version's are taken."""
NO_METRIC = "no metric of the model has a better side"


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One look at one new version. ``since``: from when the old version's windows count; ``until``: up to when labels are in."""

    model: Model
    rules: PerformanceRules
    retraining: Retraining
    new: str
    since: datetime
    sealed: datetime


class RetrainingLoop:
    """Safe to run in several replicas: the store takes one verdict. Nothing is remembered but when it last looked."""

    def __init__(self, *, store: Store, models: Sequence[Model], references: References, clock: Clock, metrics: Metrics,
                 telling: Telling) -> None:
        self._store = store
        self._models = models
        self._references = references
        self._clock = clock
        self._metrics = metrics
        self._telling = telling
        self._looked: dict[str, datetime] = {}
        self._alone = Alone("it could not be told whether retraining helped", Action.JUDGING_FAILED)

    def sweep(self) -> int:
        """Look at every new version that has no verdict yet; how many got one. Raises Retryable when the store is away."""
        return sum(self._alone.attempt(model.name, partial(self._advance, model)) for model in self._models)

    def _advance(self, model: Model) -> int:
        waiting = [found for found in self._store.retrainings(model=model.name) if awaits_verdict(found)]
        sealed = self._store.progress(model.name).sealed_until if waiting else None
        if sealed is None:
            return 0
        return sum(self._look(model, retraining, sealed) for retraining in waiting)

    def _look(self, model: Model, retraining: Retraining, sealed: datetime) -> int:
        """1 where it came to a verdict."""
        looked = self._looked.get(retraining.id)
        if looked is not None and sealed - looked < _step(model):
            return 0
        self._looked[retraining.id] = sealed
        found, metric = self._answer(model, retraining, sealed)
        if not found.final:
            log.info("whether retraining helped cannot be told yet", action=Action.RETRAINING_JUDGED, model=model.name,
                     retraining=retraining.id, detail=found.sentence, missing=found.missing)
            return 0
        return self._write(retraining, found, metric)

    def _write(self, retraining: Retraining, found: Answer, metric: str) -> int:
        judged = replace(retraining, helped=found.helped, verdict=found.sentence)
        event = RetrainingEvent(retraining=retraining.id, at=self._clock.now(), before=retraining.state, after=retraining.state,
                                detail=found.sentence)
        if not self._store.save_retraining(judged, event, self._telling.verdict(judged, found, metric)):
            return 0  # another replica was first
        self._metrics.retraining_judged(judged.model, judged.helped)
        log.warning("it is told whether retraining helped", action=Action.RETRAINING_JUDGED, model=judged.model, retraining=judged.id,
                    new_version=judged.new_version, helped=judged.helped, detail=judged.verdict)
        return 1

    def _answer(self, model: Model, retraining: Retraining, sealed: datetime) -> tuple[Answer, str]:
        """What can be said, and the metric it is said of."""
        rules, new = model.performance, retraining.new_version
        if rules is None or new is None:
            return Answer(final=True, sentence="whether retraining helped cannot be told: the model's performance is not watched"), ""
        if new == retraining.version:
            return Answer(final=True, sentence=f"whether retraining helped cannot be told: version {new} is the one that was there"), ""
        metric = leading_metric(rules.metrics, rules.value)
        if metric is None:
            return Answer(final=True, sentence=f"whether retraining helped cannot be told: {NO_METRIC}"), ""
        look = Look(model=model, rules=rules, retraining=retraining, new=new, since=self._bad_since(model, retraining), sealed=sealed)
        return self._compared(look, metric), metric.name

    def _compared(self, look: Look, metric: Metric) -> Answer:
        rules, model = look.rules, look.model
        within = waits_for(model.window)
        last = look.sealed >= (self._begun(look) or look.retraining.requested_at) + within + model.label_delay
        old, new = self._counted(look)
        if not model.awaits_labels or last:
            estimates = self._estimates(look, metric.name)
            old, new = _with(old, estimates, look.retraining.version), _with(new, estimates, look.new)
        reference = self._references.of(model.name, look.retraining.version)
        return answer(old, new, Question(
            old=look.retraining.version, new=look.new, metric=metric, asked_at=look.retraining.requested_at,
            min_labelled=max(rules.min_labelled, 1), planned=planned_windows(model.window), max_drop=rules.max_drop,
            part=None if reference is None else reference.performance, labels=model.awaits_labels, last=last, within=within,
        ))

    def _bad_since(self, model: Model, retraining: Retraining) -> datetime:
        """From when the old version's windows are those that the request is about."""
        incident = None if retraining.incident is None else self._store.incident(retraining.incident)
        if incident is not None:
            return min(incident.since, retraining.requested_at)
        return retraining.requested_at - BEFORE * model.window - model.label_delay

    def _begun(self, look: Look) -> datetime | None:
        """The start of the new version's first window with rows."""
        found = self._store.window_accounts(model=look.model.name, since=look.since, segment=ALL_ROWS)
        return min((window.key.start for window in found if window.key.version == look.new and window.account.counted), default=None)

    def _counted(self, look: Look) -> tuple[list[Told], list[Told]]:
        """The windows of both versions whose labels are in, by start. Counts that cannot be read are passed over."""
        told: dict[str, list[Told]] = {look.retraining.version: [], look.new: []}
        for kept in self._store.tallies(look.model.name, look.since, segment=ALL_ROWS):
            if kept.key.version not in told or kept.key.end + look.model.label_delay > look.sealed:
                continue
            try:
                told[kept.key.version].append(Told(start=kept.key.start, tally=Counted.from_bytes(kept.data)))
            except DecodeError as error:
                log.error("counts of a window cannot be read: it is left out", action=Action.CHECK_FAILED, model=look.model.name,
                          window_start=kept.key.start.isoformat(), version=kept.key.version, detail=str(error))
        return told[look.retraining.version], told[look.new]

    def _estimates(self, look: Look, metric: str) -> Sequence[Result]:
        found = self._store.results(model=look.model.name, check=Check.PERFORMANCE, since=look.since, segment=ALL_ROWS)
        return [r for r in latest(found).values() if r.estimated and r.metric == metric and r.value is not None]


def awaits_verdict(retraining: Retraining) -> bool:
    """Whether there is a new version of which it was not told whether it is better."""
    return retraining.state is RetrainingState.SUCCEEDED and retraining.new_version is not None and not retraining.verdict


def _step(model: Model) -> timedelta:
    """How much event time there is between two looks."""
    return max(model.window, planned_windows(model.window) * model.window / LOOKS)


def _with(told: Sequence[Told], estimates: Iterable[Result], version: str) -> list[Told]:
    """With what is estimated of the version's windows that no label tells of."""
    known = {each.start for each in told}
    more = [Told(start=r.window_start, estimate=estimate) for r in estimates
            if r.version == version and r.window_start not in known and (estimate := _measured(r)) is not None]
    return sorted([*told, *more], key=lambda each: each.start)


def _measured(result: Result) -> Measured | None:
    """An estimate with the error that its interval tells."""
    value, low, high = result.value, result.ci_low, result.ci_high
    if value is None or low is None or high is None:
        return None
    return Measured(value=value, variance=((high - low) / (2 * Z)) ** 2, low=low, high=high, n=result.rows)
