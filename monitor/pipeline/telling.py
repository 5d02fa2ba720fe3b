"""Who is told what: the routes of a model, applied to what its judging or a person decided."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from monitor.core.cause import Cause
from monitor.core.conditions import Condition
from monitor.core.incidents import NotifyKind, Step
from monitor.core.results import Account, Result
from monitor.core.retraining import Retraining
from monitor.core.routing import Route, audience
from monitor.notify import incident_messages, retraining_message
from monitor.ports import Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Routes:
    """Who is told of a model: every receiver for people, the rules that choose among them, the one that retrains, where the page is."""

    people: tuple[str, ...] = ()
    rules: tuple[Route, ...] = ()
    retraining: str | None = None
    page_url: str | None = None


NOBODY = Routes()


class Telling:
    """Makes the messages that a judgement, or a person's change, puts into the outbox.

    ``told``: by the id of an incident, the receivers that it has messages for already. May raise Retryable, as the store does.
    """

    def __init__(self, routes: Mapping[str, Routes], *, told: Callable[[str], Iterable[str]] = lambda _: ()) -> None:
        self._routes = routes
        self._told = told

    def window(self, step: Step, cause: Cause, accounts: Sequence[Account], *, stale: bool = False) -> tuple[Message, ...]:
        """What people are told of a judged window: nothing, or one message a receiver.

        ``stale``: it ended long ago, and is judged only now. Nobody is reminded of the past: a backlog is one message, not fifty.
        """
        if stale and step.notify is not None and step.notify.kind is NotifyKind.REPEAT:
            return ()
        return self._incident(step, cause, accounts)

    def person(self, step: Step) -> tuple[Message, ...]:
        """What people are told when one of them acknowledged or resolved an incident."""
        return self._incident(step, None, ())

    def condition(self, step: Step) -> tuple[Message, ...]:
        """What people are told of driftd's own way. That a receiver fails is told by the others: by all where the routes name it alone."""
        if step.incident is None:
            return ()
        failing = (step.incident.condition or "").removeprefix(f"{Condition.RECEIVER_FAILING}:")
        routes = self._routes.get(step.incident.model, NOBODY)
        others = [receiver for receiver in routes.people if receiver != failing]
        due = self._audience(step, routes)
        people = [receiver for receiver in due if receiver != failing] or (others if failing in due else ())
        return incident_messages(step, None, (), people, page_url=routes.page_url)

    def retraining(self, retraining: Retraining | None, history: Sequence[Result], cause: Cause) -> tuple[Message, ...]:
        """The signed request, where the model has somebody to ask."""
        if retraining is None:
            return ()
        routes = self._routes.get(retraining.model, NOBODY)
        if routes.retraining is None:
            return ()
        return (retraining_message(retraining, cause, routes.retraining, results=history, page_url=routes.page_url),)

    def _incident(self, step: Step, cause: Cause | None, accounts: Sequence[Account]) -> tuple[Message, ...]:
        if step.incident is None:
            return ()
        routes = self._routes.get(step.incident.model, NOBODY)
        return incident_messages(step, cause, accounts, self._audience(step, routes), page_url=routes.page_url)

    def _audience(self, step: Step, routes: Routes) -> tuple[str, ...]:
        """Who is told, if anybody is. The store is asked only where the answer counts."""
        if step.incident is None or step.notify is None:
            return ()
        told = () if step.notify.kind is NotifyKind.FIRING else self._told(step.incident.id)
        return audience(step.notify.kind, step.incident, routes.rules, routes.people, told)
