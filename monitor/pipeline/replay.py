"""Judging stored windows again, by the same code and other rules, without a log and without writing anything."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from itertools import groupby
from typing import Protocol

from monitor.core.gaps import Gap
from monitor.core.incidents import OPEN, Incident
from monitor.core.labels.predicted import Predicted
from monitor.core.performance.tally import Tally as Counted
from monitor.core.performed import recounted
from monitor.core.recipes import Candidate, Disturbance
from monitor.core.reference import Reference
from monitor.core.results import Account, Result, WindowKey
from monitor.core.retraining import Retraining
from monitor.core.rules import Model, Switch
from monitor.core.silences import Silence
from monitor.core.windows import window_of
from monitor.errors import DecodeError, UsageError
from monitor.metrics import Metrics
from monitor.pipeline.judge import Judge
from monitor.pipeline.lengths import other_length
from monitor.pipeline.references import References
from monitor.pipeline.revising import sharing
from monitor.pipeline.standards import Standards
from monitor.pipeline.telling import Telling
from monitor.ports import (
    Clock,
    HistoryStore,
    Judgement,
    JudgingStore,
    KeptKey,
    Mark,
    Progress,
    ReferenceStore,
    SampleTester,
    StoredReference,
    StoredWindow,
    Tally,
)

Told = Callable[[datetime], None]
"""Is told the end of each window that has been judged."""


class PastStore(JudgingStore, HistoryStore, ReferenceStore, Protocol):
    """A store that is only read."""

    def tallies(self, model: str, since: datetime | None = None) -> Sequence[Tally]:
        """The counts of windows that start at or after then, ordered by key."""


class Rehearsal:
    """A store whose windows are real and whose judgements stay in memory: what the judge believes to have written.

    ``since``: windows that start before it are left out. Windows that are not judged yet are none of ours.
    """

    def __init__(self, store: PastStore, model: Model, since: datetime | None, told: Told) -> None:
        self._store = store
        self._model = model
        self._told = told
        self._judged_until = None if since is None else window_of(since, model.window)[0]
        self._empty: dict[datetime, StoredWindow] = {}
        self._incident: Incident | None = None
        self._since = self._judged_until
        self._incidents: dict[str, Incident] = {}
        self.judgements: list[Judgement] = []

    def progress(self, model: str) -> Progress:
        """As far as the real one is judged, all is sealed."""
        return Progress(sealed_until=self._store.progress(model).judged_until, judged_until=self._judged_until)

    def marks(self, model: str) -> Sequence[Mark]:  # noqa: ARG002  the judge asks by name
        """No partition moves time."""
        return ()

    def next_start(self, model: str, after: datetime | None) -> datetime | None:
        """The real one's."""
        return self._store.next_start(model, after)

    def seal(self, model: str, until: datetime, previous: datetime | None) -> bool:
        """Nothing is sealed here: time stands still. Raises NotImplementedError."""
        raise NotImplementedError(f"replaying {model} seals nothing ({previous} to {until})")

    def windows(self, model: str, start: datetime) -> Sequence[StoredWindow]:
        """The real one's, or the silence that was noted here."""
        return self._store.windows(model, start) or ([self._empty[start]] if start in self._empty else [])

    def kept_chunks(self, model: str, key: KeptKey) -> Sequence[Predicted]:  # noqa: ARG002  the judge asks by name
        """None: predictions are gone once their labels have come. Performance is judged again from its counts (``recount``)."""
        return ()

    def gaps(self, model: str, start: datetime, end: datetime) -> Sequence[Gap]:
        """The real one's."""
        return self._store.gaps(model, start, end)

    def add_empty_window(self, key: WindowKey) -> None:
        """Note a silence."""
        self._empty[key.start] = StoredWindow(key=key, account=Account(), profile=None)

    def last_busy(self, model: str, before: datetime) -> WindowKey | None:
        """The real one's."""
        return self._store.last_busy(model, before)

    def latest_window(self, model: str) -> WindowKey | None:
        """The real one's."""
        return self._store.latest_window(model)

    def open_incident(self, model: str) -> Incident | None:  # noqa: ARG002  there is one model
        """The one of these rules."""
        return self._incident if self._incident is not None and self._incident.state in OPEN else None

    def recent_results(self, model: str, checks: Sequence[str], windows: int) -> Sequence[Result]:  # noqa: ARG002  there is one model
        """Of these rules."""
        last = [judgement for judgement in self.judgements if judgement.results][-windows:] if windows else []
        return [result for judgement in last for result in judgement.results if result.check in checks]

    def recent_retrainings(self, model: str, newest: int) -> Sequence[Retraining]:  # noqa: ARG002  there is one model
        """Of these rules: what people and trainers did is no part of it, so a request stands until it is given up."""
        found: dict[str, Retraining] = {}
        for judgement in self.judgements:
            if judgement.given_up is not None:
                found[judgement.given_up.retraining.id] = judgement.given_up.retraining
            if judgement.retraining is not None:
                found[judgement.retraining.id] = judgement.retraining
        return sorted(found.values(), key=lambda asked: (asked.requested_at, asked.id), reverse=True)[:newest]

    def asked_between(self, after: datetime, before: datetime) -> Sequence[datetime]:
        """Of these rules; other models are not judged again."""
        return [asked.requested_at for asked in self.recent_retrainings("", len(self.judgements)) if after < asked.requested_at < before]

    def first_start(self, model: str, version: str) -> datetime | None:
        """The real one's."""
        return self._store.first_start(model, version)

    def recent_incidents(self, model: str, newest: int) -> Sequence[Incident]:  # noqa: ARG002  there is one model
        """Of these rules."""
        found = sorted(self._incidents.values(), key=lambda incident: (incident.since, incident.id))
        return found[max(len(found) - newest, 0) :]

    def candidates(self, model: str, starts: Sequence[datetime], *, segment: str | None) -> Sequence[Candidate]:
        """The real one's."""
        return self._store.candidates(model, starts, segment=segment)

    def windows_at(self, model: str, starts: Sequence[datetime], *, segment: str, version: str | None) -> Sequence[StoredWindow]:
        """The real one's."""
        return self._store.windows_at(model, starts, segment=segment, version=version)

    def disturbances(self, model: str, before: datetime) -> Sequence[Disturbance]:
        """The real ones that began before the first window that is judged again; from there on those of these rules."""
        begun = self._since
        real = [] if begun is None else self._store.disturbances(model, min(before, begun))
        ours = [Disturbance(since=i.since, until=i.resolved_at, fired=i.fired_at is not None) for i in self._incidents.values()]
        return [*real, *(disturbance for disturbance in ours if disturbance.since < before)]

    def silences(self, *, at: datetime | None = None) -> Sequence[Silence]:  # noqa: ARG002  the judge asks by name
        """None: nobody is told anything."""
        return ()

    def references(self, model: str | None = None) -> Sequence[StoredReference]:
        """The real one's."""
        return self._store.references(model)

    def add_reference(self, reference: Reference, *, activate: bool, at: datetime) -> Reference:  # noqa: ARG002  nothing is written
        """Not kept: what was counted on no grid is not counted again."""
        return reference

    def record(self, judgement: Judgement) -> bool:
        """Keep it in memory."""
        self.judgements.append(judgement)
        if judgement.incident is not None:
            self._incident = self._incidents[judgement.incident.id] = judgement.incident
        self._judged_until = judgement.judged_until
        self._told(judgement.judged_until)
        return True


def rejudge(store: PastStore, model: Model, clock: Clock, *, since: datetime | None = None, told: Told = lambda _: None,
            tester: SampleTester | None = None) -> list[Judgement]:
    """Every judged window of a model under these rules, oldest first, against the references that are active now.

    ``tester`` answers what is asked of row samples; without one such tests are skipped.
    Raises UsageError where the windows are of another length, or where they cannot be judged; Retryable when the store is away.
    """
    if other := other_length(store, model.name, model.window):
        raise UsageError(f"{model.name}: {other}; windows of another length cannot be judged again")
    model = replace(model, alerts=replace(model.alerts, max_age=Switch.OFF))  # it asks who would have been told at the time
    rehearsal = Rehearsal(store, model, since, told)
    judge = Judge(store=rehearsal, models=[model], references=References(store, clock), clock=clock, metrics=Metrics(),
                  telling=Telling({}), partitions=frozenset, tester=tester)
    judge.sweep()
    for name, why in judge.failing.items():
        raise UsageError(f"{name} cannot be judged by these rules: {why}")
    return rehearsal.judgements


def recount(store: PastStore, model: Model, clock: Clock, *, since: datetime | None = None) -> list[Result]:
    """Performance under these rules, from the counts that are kept of windows whose labels came.

    Counts that cannot be read are passed over. Raises Retryable when the store is away.
    """
    standards = Standards(store, References(store, clock), clock)
    sealed = store.progress(model.name).sealed_until
    found: list[Result] = []
    for start, group in groupby(store.tallies(model.name, since), key=lambda tally: tally.key.start):
        windows = store.windows(model.name, start)
        compared = standards.of(model, windows)
        for kept in group:
            if kept.key not in compared:
                continue
            with suppress(DecodeError):
                counts = Counted.from_bytes(kept.data)
                last = sealed is not None and kept.key.end + model.label_delay <= sealed
                found += recounted(kept.key, counts, compared[kept.key].reference, model, versions=sharing(windows, model), last=last)
    return found
