"""The desk: people approve, cancel and ask for retraining, trainers report; each change is one transaction with what goes out about it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from monitor.core.audit import AuditEntry, Via
from monitor.core.decay import performance_sentence
from monitor.core.results import Result
from monitor.core.retrain_policy import LEAST_REMEMBERED
from monitor.core.retraining import (
    UNFINISHED,
    Report,
    Retraining,
    RetrainingChange,
    RetrainingState,
    approve,
    begun,
    cancel,
    reported,
    retraining_id,
)
from monitor.core.retraining_messages import Case, ReferenceLine
from monitor.core.rules import Model
from monitor.errors import UnknownError, UsageError
from monitor.pipeline.asking import training_of
from monitor.pipeline.telling import Telling
from monitor.ports import Clock, Message, Store

TRIES = 5
"""A change that another one was quicker than is made again from what there is then."""
MOST_RESULTS = 2000
"""Results of the incident that are read for the request, the newest."""

Change = Callable[[Retraining, datetime], RetrainingChange | None]


class Desk:
    """The only way in which people and trainers change requests; ``models`` are those of the configuration."""

    def __init__(self, *, store: Store, models: Sequence[Model], telling: Telling, clock: Clock) -> None:
        self._store = store
        self._models = {model.name: model for model in models}
        self._telling = telling
        self._clock = clock

    def approve(self, id: str, *, by: str, via: Via) -> Retraining:
        """It goes out now, with what is known of why. Raises UnknownError, and UsageError where it is not proposed or nobody is asked."""
        return self._changed(id, lambda found, at: self._approved(found, by=by, at=at), by=by, via=via, action="approve")

    def cancel(self, id: str, *, by: str, via: Via) -> Retraining:
        """Nobody waits for it any longer. Raises UnknownError, and UsageError where it has ended."""
        return self._changed(id, lambda found, at: cancel(found, by=by, at=at), by=by, via=via, action="cancel")

    def report(self, id: str, report: Report, *, by: str) -> Retraining:
        """What a trainer says; again, it changes nothing. Raises UnknownError, and UsageError that says what is allowed now."""
        return self._changed(id, lambda found, at: reported(found, report, by=by, at=at), by=by)

    def request(self, model: str, *, by: str, via: Via, reason: str = "") -> Retraining:
        """A person's wish. Raises UnknownError for a model that asks nobody, UsageError while an earlier request has not ended."""
        rules = self._models.get(model)
        if rules is None or rules.retraining is None:
            known = sorted(each.name for each in self._models.values() if each.retraining is not None)
            raise UnknownError(f"no model {model[:100]!r} that can be retrained is configured, known: {known}")
        recent = self._store.recent_retrainings(model, LEAST_REMEMBERED)
        if (open_one := next((found for found in recent if found.state in UNFINISHED), None)) is not None:
            raise UsageError(f"retraining {open_one.id} of {model} is {open_one.state}: cancel it first")
        now = self._clock.now()
        wish = self._wish(model, by, reason or f"asked for by {by}", now)
        messages = (*self._request(wish), *self._telling.retraining_status(wish))
        audit = AuditEntry(at=now, by=by, via=via, action="retrain", model=model, subject=wish.id, detail=reason)
        if not self._store.add_retraining(wish, begun(wish, at=now, by=by), messages, audit):
            raise UsageError(f"retraining {wish.id} is there already, or another of {model} has not ended: look again")
        return wish

    def approval(self, retraining: Retraining, *, by: str, at: datetime) -> tuple[RetrainingChange, tuple[Message, ...]]:
        """What approving comes to, for who writes it otherwise. Raises UsageError where it is not proposed or nobody is asked."""
        change = self._approved(retraining, by=by, at=at)
        return change, self._messages(change)

    def _approved(self, retraining: Retraining, *, by: str, at: datetime) -> RetrainingChange:
        """By a configuration that asks nobody it would wait for ever, and look as if somebody were at it."""
        change, model = approve(retraining, by=by, at=at), self._models.get(retraining.model)
        if model is None or model.retraining is None:
            raise UsageError(f"model {retraining.model!r} asks nobody to retrain it by this configuration: nothing would go out")
        return change

    def _wish(self, model: str, by: str, reason: str, now: datetime) -> Retraining:
        """In event time it is of the last judged window, as those are that the policy asks for."""
        window, incident = self._store.latest_window(model), self._store.open_incident(model)
        return Retraining(
            id=retraining_id(model, now, by=by), model=model, version="" if window is None else window.version,
            state=RetrainingState.REQUESTED, reason=reason, incident=None if incident is None else incident.id,
            columns=() if incident is None else incident.columns, requested_at=self._store.progress(model).judged_until or now,
            updated_at=now, approved_by=by,
        )

    def _changed(self, id: str, change: Change, *, by: str, via: Via | None = None, action: str = "") -> Retraining:
        """Apply it to what is stored, again where another change was quicker. ``via``: a person's change is noted in the audit."""
        for _ in range(TRIES):
            found = self._store.retraining(id)
            if found is None:
                raise UnknownError(f"there is no retraining {id[:100]!r}")
            now = self._clock.now()
            made = change(found, now)
            if made is None:
                return found
            audit = None if via is None else AuditEntry(at=now, by=by, via=via, action=action, model=found.model, subject=id)
            if self._store.save_retraining(made.retraining, made.event, self._messages(made), audit):
                return made.retraining
        raise UsageError(f"retraining {id} changes all the time: look again")

    def _messages(self, change: RetrainingChange) -> tuple[Message, ...]:
        """What goes out about a change: to people, and to the trainer where it is asked now."""
        asked = change.retraining if change.event.after is RetrainingState.REQUESTED else None
        return (*(() if asked is None else self._request(asked)), *self._telling.retraining_status(change.retraining))

    def _request(self, retraining: Retraining) -> tuple[Message, ...]:
        return self._telling.retraining(retraining, self._case(retraining))

    def _case(self, retraining: Retraining) -> Case:
        """What is known of why, from what the store holds by now."""
        model = self._models.get(retraining.model)
        if model is None:
            return Case()
        incident = None if retraining.incident is None else self._store.incident(retraining.incident)
        results = self._results(model, retraining)
        hashes = {result.reference for result in results if result.version == retraining.version}
        kept = [reference for reference in self._store.references(model.name) if reference.hash in hashes]
        return Case(
            cause="" if incident is None else incident.cause,
            performance=performance_sentence(results, model),
            results=results,
            incident=incident,
            training=training_of(self._store, model, retraining.requested_at, incident),
            reference=ReferenceLine(number=kept[-1].number, hash=kept[-1].hash) if kept else None,
        )

    def _results(self, model: Model, retraining: Retraining) -> tuple[Result, ...]:
        """Of the windows that the policy looks at, up to the one that asked."""
        reach = 1 if model.retraining is None else max(model.retraining.reach, 1)
        since = retraining.requested_at - reach * model.window - model.label_delay
        found = self._store.results(model=model.name, since=since, newest=MOST_RESULTS)
        return tuple(result for result in found if result.window_end <= retraining.requested_at)
