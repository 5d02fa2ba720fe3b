"""Who is told what: the routes of a model, applied to what its judging or a person decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from monitor.core.cause import Cause
from monitor.core.conditions import Condition
from monitor.core.incidents import Step
from monitor.core.results import Account
from monitor.core.retraining import Retraining, RetrainingState
from monitor.core.retraining_messages import Case
from monitor.notify import incident_messages, retraining_message, retraining_notes
from monitor.ports import Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Routes:
    """Who is told of a model: receivers for people, the one that retrains, and where the page is. ``api_url``: where trainers reach us."""

    people: tuple[str, ...] = ()
    retraining: str | None = None
    page_url: str | None = None
    api_url: str | None = None


NOBODY = Routes()


class Telling:
    """Makes the messages that a judgement, or a person's change, puts into the outbox."""

    def __init__(self, routes: Mapping[str, Routes]) -> None:
        self._routes = routes

    def window(self, step: Step, cause: Cause, accounts: Sequence[Account], *, retraining: str = "") -> tuple[Message, ...]:
        """What people are told of a judged window: nothing, or one message a receiver. ``retraining``: why none is asked for."""
        return self._incident(step, cause, accounts, retraining)

    def person(self, step: Step) -> tuple[Message, ...]:
        """What people are told when one of them acknowledged or resolved an incident."""
        return self._incident(step, None, ())

    def condition(self, step: Step) -> tuple[Message, ...]:
        """What people are told of driftd's own way. That a receiver fails is told by the others."""
        if step.incident is None:
            return ()
        failing = (step.incident.condition or "").removeprefix(f"{Condition.RECEIVER_FAILING}:")
        routes = self._routes.get(step.incident.model, NOBODY)
        people = [receiver for receiver in routes.people if receiver != failing]
        return incident_messages(step, None, (), people, page_url=routes.page_url)

    def retraining(self, retraining: Retraining | None, case: Case) -> tuple[Message, ...]:
        """The signed request, where the model has somebody to ask; people are asked first where they are to approve it."""
        if retraining is None:
            return ()
        if retraining.state is RetrainingState.PROPOSED:
            return self.retraining_status(retraining)
        routes = self._routes.get(retraining.model, NOBODY)
        if routes.retraining is None:
            return ()
        return (retraining_message(retraining, replace(case, page_url=routes.page_url, api_url=routes.api_url), routes.retraining),)

    def retraining_status(self, retraining: Retraining) -> tuple[Message, ...]:
        """What people are told of a request as it stands now."""
        routes = self._routes.get(retraining.model, NOBODY)
        return retraining_notes(retraining, routes.people, page_url=routes.page_url)

    def _incident(self, step: Step, cause: Cause | None, accounts: Sequence[Account], retraining: str = "") -> tuple[Message, ...]:
        if step.incident is None:
            return ()
        routes = self._routes.get(step.incident.model, NOBODY)
        return incident_messages(step, cause, accounts, routes.people, page_url=routes.page_url, retraining=retraining)
