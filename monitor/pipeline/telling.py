"""Who is told what: the routes of a model, applied to what its judging or a person decided."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from monitor.core.cause import Cause
from monitor.core.conditions import EVERY_MODEL, Condition
from monitor.core.helped import Answer
from monitor.core.incidents import CALLING, Incident, NotifyKind, Step
from monitor.core.muting import untold
from monitor.core.picture import Picture
from monitor.core.results import Account
from monitor.core.retraining import Retraining, RetrainingState
from monitor.core.retraining_messages import Case
from monitor.core.routing import Route, audience, routed, routed_of_model
from monitor.errors import Retryable
from monitor.log import Action, logger
from monitor.notify import incident_messages, picture_message, retraining_message, retraining_notes, verdict_messages
from monitor.ports import Message
from monitor.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Routes:
    """Who is told of a model: every receiver for people and the rules that choose among them, the one that retrains, where the page is.

    ``api_url``: where trainers reach us. ``pictures``: the receivers for people that take pictures; ``incidents_alone``: those that take
    nothing else.
    """

    people: tuple[str, ...] = ()
    rules: tuple[Route, ...] = ()
    retraining: str | None = None
    page_url: str | None = None
    api_url: str | None = None
    pictures: frozenset[str] = frozenset()
    incidents_alone: frozenset[str] = frozenset()


NOBODY = Routes()


def routes_of(settings: Settings, page_url: str | None) -> dict[str, Routes]:
    """Who is told of each model, and of all of them."""
    everybody = Routes(people=settings.people_receivers(), rules=settings.routes(), page_url=page_url)
    shown = replace(everybody, api_url=settings.http.public_url, pictures=settings.picture_receivers(),
                    incidents_alone=settings.incidents_alone())
    own = {name: replace(shown, retraining=settings.retraining_receiver(name)) for name in settings.model_names()}
    return {EVERY_MODEL: everybody, **own}


TakePicture = Callable[[str], Picture | None]
"""Given the sentence above it; None where there is nothing to show."""

log = logger(__name__)


class Telling:
    """Makes the messages that a judgement, or a person's change, puts into the outbox.

    ``told``: by the id of an incident, the receivers that it has messages for already. ``incident``: it, by its id; None where there is
    none. Both may raise Retryable, as the store does.
    """

    def __init__(self, routes: Mapping[str, Routes], *, told: Callable[[str], Iterable[str]] = lambda _: (),
                 incident: Callable[[str], Incident | None] = lambda _: None) -> None:
        self._routes = routes
        self._told = told
        self._stored = incident

    def window(self, step: Step, cause: Cause, accounts: Sequence[Account], *, retraining: str = "",
               picture: TakePicture | None = None) -> tuple[Message, ...]:
        """What people are told of a judged window: nothing, or one message a receiver, with a picture where it takes one.

        ``retraining``: why none is asked for. ``picture``: takes one, given the sentence above it. Raises Retryable where the store is
        away.
        """
        messages = self._incident(step, cause, accounts, retraining)
        return (*messages, *self._pictures(step, messages, picture))

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

    def retraining(self, retraining: Retraining | None, case: Case) -> tuple[Message, ...]:
        """The signed request, where the model has somebody to ask; people are asked first where they are to approve it."""
        if retraining is None:
            return ()
        if retraining.state is RetrainingState.PROPOSED:
            return self.retraining_status(retraining, case.incident)
        routes = self._routes.get(retraining.model, NOBODY)
        if routes.retraining is None:
            return ()
        return (retraining_message(retraining, replace(case, page_url=routes.page_url, api_url=routes.api_url), routes.retraining),)

    def retraining_status(self, retraining: Retraining, incident: Incident | None = None) -> tuple[Message, ...]:
        """What people are told of a request as it stands now: those who were told of its incident, else who hears of its model.

        ``incident``: it, where it may begin with this very window. Nobody, where it is held back, but to ask for an approval.
        """
        asks = retraining.state is RetrainingState.PROPOSED
        if not asks and retraining.incident is not None and untold(incident or self._stored(retraining.incident)):
            return ()
        routes = self._routes.get(retraining.model, NOBODY)
        return retraining_notes(retraining, self._people_of(retraining, incident), page_url=routes.page_url)

    def verdict(self, retraining: Retraining, found: Answer, metric: str) -> tuple[Message, ...]:
        """Whether retraining helped, for people; in the thread of the incident that asked for it. Nobody, where that is held back."""
        if retraining.incident is not None and untold(self._stored(retraining.incident)):
            return ()
        routes = self._routes.get(retraining.model, NOBODY)
        return verdict_messages(retraining, found, metric, self._people_of(retraining), page_url=routes.page_url)

    def _people_of(self, retraining: Retraining, incident: Incident | None = None) -> tuple[str, ...]:
        """Of those that take more than incidents: who was told of its incident, else who is to be. A question to people goes to all of
        them rather than to nobody, where the routes name only others."""
        routes = self._routes.get(retraining.model, NOBODY)
        takers = [name for name in routes.people if name not in routes.incidents_alone]
        told = set() if retraining.incident is None else set(self._told(retraining.incident))
        people = tuple(name for name in takers if name in told)
        if people:
            return people
        due = (routed_of_model(retraining.model, routes.rules, routes.people) if incident is None
               else routed(incident, routes.rules, routes.people))
        asks = retraining.state is RetrainingState.PROPOSED
        return tuple(name for name in takers if name in due) or (tuple(takers) if due and asks else ())

    def _pictures(self, step: Step, messages: Sequence[Message], take: TakePicture | None) -> Iterator[Message]:
        """One for each receiver that takes pictures. One that cannot be taken holds up no message."""
        if take is None or step.incident is None or step.notify is None or step.notify.kind not in CALLING:
            return
        takers = self._routes.get(step.incident.model, NOBODY).pictures
        told = [message for message in messages if message.receiver in takers]
        if not told:
            return
        try:
            picture = take(str(told[0].body.get("sentence", "")))
        except Retryable:
            raise
        except Exception:  # a fault of ours, told in the log: the words go out without it
            log.exception("a picture could not be taken", action=Action.INCIDENT_PICTURE, model=step.incident.model,
                          incident=step.incident.id)
            return
        if picture is not None:
            yield from (picture_message(step, picture, message.receiver) for message in told)

    def _incident(self, step: Step, cause: Cause | None, accounts: Sequence[Account], retraining: str = "") -> tuple[Message, ...]:
        if step.incident is None:
            return ()
        routes = self._routes.get(step.incident.model, NOBODY)
        return incident_messages(step, cause, accounts, self._audience(step, routes), page_url=routes.page_url,
                                 retraining=retraining)

    def _audience(self, step: Step, routes: Routes) -> tuple[str, ...]:
        """Who is told, if anybody is. The store is asked only where the answer counts."""
        if step.incident is None or step.notify is None:
            return ()
        told = () if step.notify.kind is NotifyKind.FIRING else self._told(step.incident.id)
        return audience(step.notify.kind, step.incident, routes.rules, routes.people, told)
