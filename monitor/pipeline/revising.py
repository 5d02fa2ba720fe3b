"""What labels make of windows that were judged before: performance, the incident that it makes or ends, and who is told."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from monitor.core.cause import explain
from monitor.core.evaluate import Subject
from monitor.core.incidents import Judged, revise
from monitor.core.labels.maturity import Arrivals, arrivals_of
from monitor.core.labels.parts import joined_of
from monitor.core.muting import most_age
from monitor.core.performed import counted, realised, unreadable, values_of
from monitor.core.results import ALL_ROWS, Check, Identity, Result, Verdict, identity, latest
from monitor.core.retrain_policy import only
from monitor.core.rules import Model, RetrainingRules
from monitor.core.severity import raised, weighed
from monitor.errors import DecodeError, Retryable, UsageError
from monitor.log import Action, logger
from monitor.metrics import Metrics
from monitor.pipeline.asking import Asking, Look
from monitor.pipeline.muting import Muting, SilenceStore
from monitor.pipeline.picturing import picture_of
from monitor.pipeline.references import References
from monitor.pipeline.standards import Standards, StandardStore
from monitor.pipeline.telling import Telling
from monitor.ports import Clock, Curve, JudgingStore, KeptKey, KeptWindow, Known, LabelStore, Revision, StoredWindow, Tally

log = logger(__name__)

CURVES = 30
"""Windows that are learned from how labels come in: the last so many that wait no longer."""
MOST_HISTORY = 1000
"""Windows that the retraining policy looks back over at most."""


class RevisingStore(JudgingStore, LabelStore, StandardStore, SilenceStore, Protocol):
    """What revising reads and writes."""


class Reviser:
    """Judges the performance of windows anew. Safe to run in several replicas: the store lets one win each revision."""

    def __init__(self, *, store: RevisingStore, references: References, clock: Clock, metrics: Metrics, telling: Telling,
                 muting: Muting | None = None) -> None:
        self._store = store
        self._references = references
        self._standards = Standards(store, references, clock)
        self._clock = clock
        self._metrics = metrics
        self._telling = telling
        self._muting = muting or Muting(store, clock)
        self._asking = Asking(store, clock, telling)

    def revise(self, model: Model, start: datetime, windows: Sequence[KeptWindow]) -> bool:
        """Judge windows of one start by the labels that they have now. False: another replica was first, or a person was quicker."""
        before = latest(self._store.window_results(model.name, start))
        stored = self._store.windows(model.name, start)
        found = [self._alone(model, window, stored) for window in windows]
        said = weighed([result for _, own, _ in found for result in own], model, before.values())
        results = _numbered([*said, *raised(said, before, model)], before)
        opened = self._store.open_incident(model.name)
        after = tuple((dict(before) | {identity(result): result for result in results}).values())
        subjects = [subject for own, _, _ in found for subject in own]
        cause = explain(after, subjects, model, opened=opened)
        judged = Judged(model=model.name, start=start, end=windows[0].key.end, results=after, headline=cause.headline,
                        columns=tuple(column.name for column in cause.columns), revision=max((r.revision for r in results), default=0))
        taken = revise(opened, before.values(), judged, model.alerts)
        taken = self._muting.window(taken, opened, judged, most_age(model, revised=True))
        rules = self._rules(model)
        asked = self._asking.consider(model, rules, Look(
            history=self._history(model, rules, results, start), results=after, incident=taken.incident, cause=cause, subjects=subjects,
            now=self._store.progress(model.name).judged_until or windows[0].key.end, counted={}))
        accounts = [window.account for window in stored if window.key.segment == ALL_ROWS]
        picture = picture_of(self._store, model, taken, cause, subjects, after)
        messages = (*self._telling.window(taken, cause, accounts, retraining=asked.warning, picture=picture), *asked.messages)
        revision = Revision(model=model.name, start=start, results=results, tallies=tuple(t for _, _, own in found for t in own),
                            known=tuple(Known(key=w.key, before=w.judged_changes, changes=w.changes) for w in windows),
                            opened=opened, incident=taken.incident, events=taken.events, retraining=asked.retraining,
                            given_up=asked.given_up, asked_after=asked.after, messages=messages, at=self._clock.now())
        if not self._store.record_revision(revision):
            return False
        self._tell(model, revision, windows)
        self._asking.tell(model, asked)
        return True

    def curve(self, model: Model, key: KeptKey) -> Curve | None:
        """How the labels of a window came in; None where none did."""
        joined = self._store.joined(model.name, key)
        if joined is None:
            return None
        reference = self._references.of(model.name, key.version)
        found = arrivals_of(joined, key.end, model.label_delay, lambda rows: values_of(rows, model, reference))
        return None if found is None else Curve(key=key, document=found.document())

    def _alone(
        self, model: Model, window: KeptWindow, stored: Sequence[StoredWindow]
    ) -> tuple[list[Subject], list[Result], list[Tally]]:
        """One version, whose trouble is an error of its own: no other version or window waits for it."""
        own = [one for one in stored if one.key.version == window.key.version]
        try:
            return self._judged(model, window, stored, own)
        except (Retryable, UsageError):
            raise
        except DecodeError as error:
            why = str(error)
        except Exception as error:  # a fault of ours, told in the result and in the log
            log.exception("a window could not be revised", action=Action.CHECK_FAILED, model=model.name,
                          window_start=window.key.start.isoformat())
            why = f"{type(error).__name__}: {error}"
        return [], [result for one in own for result in unreadable(one.key, model, why, counted=one.account.counted)], []

    def _judged(
        self, model: Model, window: KeptWindow, stored: Sequence[StoredWindow], own: Sequence[StoredWindow]
    ) -> tuple[list[Subject], list[Result], list[Tally]]:
        """One version: what its rows and each of its segments (``own``) came to."""
        joined = self._store.joined(model.name, window.key)
        if joined is None or not own:
            return [], [], []
        standards = self._standards.of(model, stored)
        learned = [found for curve in self._store.curves(model.name, CURVES) if (found := Arrivals.of(curve.document)) is not None]
        sealed = self._store.progress(model.name).sealed_until
        age = None if sealed is None else sealed - window.key.end
        subjects: list[Subject] = []
        results: list[Result] = []
        tallies: list[Tally] = []
        for one in own:
            part, standard = joined_of(joined, one.key.segment), standards[one.key]
            subjects.append(Subject(key=one.key, account=replace(one.account, late=0), profile=one.profile, reference=standard.reference,
                                    unready=standard.unready, damage=one.damage or standard.damage))
            results += realised(one.key, part, standard.reference, model, versions=sharing(stored, model), learned=learned, age=age)
            tally = counted(part, model, standard.reference)
            tallies += [Tally(key=one.key, data=tally.to_bytes())] if tally is not None and tally.labelled else []
        return subjects, results, tallies

    def _rules(self, model: Model) -> RetrainingRules | None:
        """Labels come late: of the policy, what looks at performance."""
        rules = model.retraining
        return only(rules, [Check.PERFORMANCE]) if rules is not None and Check.PERFORMANCE in rules.when else None

    def _history(self, model: Model, rules: RetrainingRules | None, results: Sequence[Result], start: datetime) -> tuple[Result, ...]:
        """Performance over all windows that wait for labels, and back to this one however far judging is ahead; its results included."""
        if rules is None:
            return ()
        judged = self._store.progress(model.name).judged_until or start
        behind = max(model.label_delay, judged - start)
        reach = min(rules.reach + math.ceil(behind / model.window), MOST_HISTORY)
        return (*self._store.recent_results(model.name, [Check.PERFORMANCE], reach), *results)

    def _tell(self, model: Model, revision: Revision, windows: Iterable[KeptWindow]) -> None:
        self._metrics.window_revised(revision)
        log.info("window revised", action=Action.WINDOW_REVISED, model=model.name, window_start=revision.start.isoformat(),
                 labelled=sum(window.labelled for window in windows), results=len(revision.results),
                 not_ok=sum(result.verdict is Verdict.ALERT for result in revision.results))
        for event in revision.events:
            log.warning("incident changed", action=Action.INCIDENT_CHANGED, model=model.name, incident=event.incident,
                        state=event.after, reason=event.reason)


def sharing(stored: Sequence[StoredWindow], model: Model) -> int:
    """How many versions share the false alarms of the window."""
    counted_rows = [window.account.counted for window in stored if window.key.segment == ALL_ROWS]
    return sum(rows >= max(model.min_rows, 1) for rows in counted_rows)


def _numbered(results: Sequence[Result], before: Mapping[Identity, Result]) -> tuple[Result, ...]:
    """With their revisions; what says the same as before is left out."""
    found = []
    for result in results:
        known = before.get(identity(result))
        revision = 0 if known is None else known.revision + 1
        if known is None or replace(result, revision=known.revision) != known:
            found.append(replace(result, revision=revision))
    return tuple(sorted(found, key=identity))

