"""Asking for retraining: the policy applied to a judged window, with all that a request tells of why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from monitor.core.cause import Cause
from monitor.core.data_fault import WARNING, data_fault
from monitor.core.evaluate import Subject
from monitor.core.incidents import Incident
from monitor.core.messages import ColumnLine
from monitor.core.results import ALL_ROWS, OTHER_VERSIONS, Result
from monitor.core.retrain_policy import NOTHING_DUE, Decision, Situation, consider, remembered
from monitor.core.retraining import Retraining, RetrainingChange, given_up
from monitor.core.retraining_messages import Case, ReferenceLine
from monitor.core.rules import Model, RetrainingRules
from monitor.core.training_data import TrainingData, training_data
from monitor.log import Action, logger
from monitor.pipeline.telling import Telling
from monitor.ports import AskedAfter, Clock, JudgingStore, Message
from monitor.settings.durations import duration_text

log = logger(__name__)

MOST_INCIDENTS = 100
"""Incidents that are looked back over for data to leave out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What was judged. ``history``: results that the policy looks at, ``results`` those of the window; ``now``: up to when the model is
    judged. ``counted``: rows by version, empty where the age of the model is no matter."""

    history: Sequence[Result]
    results: Sequence[Result]
    incident: Incident | None
    cause: Cause
    subjects: Sequence[Subject]
    now: datetime
    counted: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What came of it. ``warning``: what people are told of it beside the incident."""

    retraining: Retraining | None = None
    given_up: RetrainingChange | None = None
    after: AskedAfter | None = None
    messages: tuple[Message, ...] = ()
    warning: str = ""
    decision: Decision | None = None


NOT_ASKED = Asked()


class Asking:
    """Applies the policy of retraining. Writes nothing: what it comes to goes into the judgement's transaction."""

    def __init__(self, store: JudgingStore, clock: Clock, telling: Telling) -> None:
        self._store = store
        self._clock = clock
        self._telling = telling

    def consider(self, model: Model, rules: RetrainingRules | None, look: Look) -> Asked:
        """Nothing where the model has no rules for it."""
        if rules is None:
            return NOT_ASKED
        seen = self._situation(model, rules, look)
        decision = consider(rules, seen)
        overdue = decision.overdue
        ended = None if overdue is None else given_up(overdue, at=self._clock.now(), after=duration_text(rules.timeout))
        after = _after(seen.last, rules) if decision.retraining is not None or ended is not None else None
        case = Case() if decision.retraining is None else self._case(model, decision.retraining, look)
        told = () if ended is None else self._telling.retraining_status(ended.retraining)
        messages = (*told, *self._telling.retraining(decision.retraining, case))
        warning = f"{WARNING} ({seen.fault})" if rules.veto and seen.fault else ""
        return Asked(retraining=decision.retraining, given_up=ended, after=after, messages=messages, warning=warning, decision=decision)

    def tell(self, model: Model, asked: Asked) -> None:
        """Lines of the log, once it is written."""
        if asked.given_up is not None:
            log.warning("a request to retrain was given up", action=Action.RETRAINING_CHANGED, model=model.name,
                        retraining=asked.given_up.retraining.id, state=asked.given_up.retraining.state, reason=asked.given_up.event.detail)
        if asked.retraining is not None:
            log.warning("retraining is asked for", action=Action.RETRAINING_REQUESTED, model=model.name, retraining=asked.retraining.id,
                        state=asked.retraining.state, reason=asked.retraining.reason)
        elif asked.decision is not None and asked.decision.reason not in NOTHING_DUE:
            log.info("retraining is not asked for", action=Action.RETRAINING_HELD, model=model.name, reason=asked.decision.reason,
                     detail=asked.decision.detail)

    def _situation(self, model: Model, rules: RetrainingRules, look: Look) -> Situation:
        named = {version: rows for version, rows in look.counted.items() if version != OTHER_VERSIONS}
        version = max(sorted(named), key=lambda name: named[name], default="")
        shared = rules.service_budget
        return Situation(
            model=model.name,
            now=look.now,
            history=look.history,
            recent=self._store.recent_retrainings(model.name, remembered(rules)),
            incident=look.incident,
            fault=data_fault(look.results, look.cause, look.incident),
            version=version,
            born=self._store.first_start(model.name, version) if rules.max_age is not None and named else None,
            elsewhere=() if shared is None else self._store.asked_between(look.now - shared.per, look.now + shared.per),
        )

    def _case(self, model: Model, retraining: Retraining, look: Look) -> Case:
        """All that a request tells of why."""
        mine = (s.reference for s in look.subjects if (s.key.version, s.key.segment) == (retraining.version, ALL_ROWS))
        reference = next((found for found in mine if found is not None), None)
        return Case(
            cause=look.cause.headline,
            performance=look.cause.performance,
            results=(*look.history, *(result for result in look.results if result not in look.history)),
            columns=tuple(ColumnLine(column=column.name, sentence=column.sentence) for column in look.cause.columns),
            incident=look.incident,
            training=training_of(self._store, model, look.now, look.incident),
            reference=None if reference is None else ReferenceLine(number=reference.number or 0, hash=reference.hash),
        )


def _after(last: Retraining | None, rules: RetrainingRules) -> AskedAfter:
    return AskedAfter(last=None if last is None else last.id, state=None if last is None else last.state, allowance=rules.service_budget)


def training_of(store: JudgingStore, model: Model, now: datetime, incident: Incident | None) -> TrainingData:
    """The data that is suggested to a trainer. An incident that is changed but not yet written counts as it is now."""
    known = {found.id: found for found in store.recent_incidents(model.name, MOST_INCIDENTS)}
    if incident is not None:
        known[incident.id] = incident
    return training_data(now=now, label_delay=model.label_delay, first=store.next_start(model.name, None),
                         changed_at=None if incident is None else incident.since, incidents=known.values())
