"""The daily digest's tick: when one is due it is made of what the store holds, and written once, whichever replica does it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, tzinfo

import msgspec

from monitor.core.digest import DIGEST, TOLD, Digest, News, Span, Told, Warned, digest_dedupe, digest_of, is_due, last_slot
from monitor.core.incidents import Incident
from monitor.core.routing import routed_of_model
from monitor.core.rules import Model
from monitor.log import Action, logger
from monitor.ports import Clock, DigestStore, Message
from monitor.settings import Settings

log = logger(__name__)

MOST_RESULTS = 2_000
"""Warnings of one model that a digest looks at, the newest; where there are more it tells less than there was."""
MOST_HELD = 1_000
"""Incidents held back that it looks at, the newest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Daily:
    """When digests are due, and who gets one. ``audience``: by receiver, the models that it is told of. ``page_url``: of the pages."""

    at: time
    zone: tzinfo
    audience: Mapping[str, Sequence[str]]
    page_url: str | None = None


def audience_of(settings: Settings) -> Mapping[str, Sequence[str]]:
    """By receiver of digests, the models that it hears of by the routes; of driftd's own way each of them hears."""
    people, routes = settings.people_receivers(), settings.routes()
    heard = {name: frozenset(routed_of_model(name, routes, people)) for name in settings.model_names()}
    return {receiver: tuple(name for name in heard if receiver in heard[name]) for receiver in settings.digest_receivers()}


class Digests:
    """Writes a digest for each receiver once a day. Days that nobody was there for are one digest, not one each.

    A receiver's first day tells nothing: it only notes where its news begin. Nor does a day on which there is nothing to tell.
    """

    def __init__(self, *, store: DigestStore, models: Sequence[Model], clock: Clock, daily: Daily) -> None:
        self._store = store
        self._models = models
        self._clock = clock
        self._daily = daily

    def sweep(self) -> None:
        """Write what is due. Raises Retryable when the store is away."""
        for receiver, models in self._daily.audience.items():
            told, now = self._store.digested(receiver), self._clock.now()
            if told is None:
                self._store.write_digest(self._told(receiver, now), None)
                continue
            slot = last_slot(now, self._daily.at, self._daily.zone)
            if is_due(told.told_until, slot, now):
                self._tell(told, self._told(receiver, now), models, slot)

    def _told(self, receiver: str, now: datetime) -> Told:
        """As far as there is anything to tell now."""
        ends = {model.name: self._store.progress(model.name).judged_until for model in self._models}
        return Told(receiver=receiver, told_until=now, judged={name: end for name, end in ends.items() if end is not None})

    def _tell(self, before: Told, after: Told, models: Sequence[str], slot: datetime) -> None:
        digest = self._digest(before, after, models)
        messages = () if digest is None else (message(digest, after.receiver, slot),)
        if self._store.write_digest(after, before.told_until, messages) and digest is not None:
            log.info("a digest was written", action=Action.DIGEST_TOLD, receiver=after.receiver, models=len(digest.models),
                     since=before.told_until.isoformat())

    def _digest(self, before: Told, after: Told, models: Sequence[str]) -> Digest | None:
        rules = [model for model in self._models if model.name in models]
        return digest_of(News(
            since=before.told_until,
            until=after.told_until,
            warned={model.name: self._warned(model, before, after) for model in rules},
            held=[i for i in self._store.muted_incidents(newest=MOST_HELD) if _is_news(i, before, models)],
            dead=self._store.given_up(before.told_until, after.told_until),
            page_url=self._daily.page_url,
        ))

    def _warned(self, model: Model, before: Told, after: Told) -> list[Warned]:
        """Of the windows judged since, and of those that have got their last labels since: what labels make anew is told once, then."""
        until, begun = after.judged.get(model.name), before.judged.get(model.name)
        if until is None:
            return []
        spans = [Span(model=model.name, after=begun, until=until, most_revision=0 if model.awaits_labels else None)]
        if model.awaits_labels:
            ago = model.label_delay + model.window
            spans.append(Span(model=model.name, after=None if begun is None else begun - ago, until=until - ago, least_revision=1))
        return [self._store.warned(span, verdicts=TOLD, newest=MOST_RESULTS) for span in spans]


def message(digest: Digest, receiver: str, slot: datetime) -> Message:
    """The delivery of a digest; it belongs to no incident."""
    return Message(receiver=receiver, kind=DIGEST, dedupe=digest_dedupe(receiver, slot), incident=None, body=msgspec.to_builtins(digest))


def _is_news(incident: Incident, before: Told, models: Sequence[str]) -> bool:
    """Whether something came to an incident since. Of driftd's own way everybody is told, by the wall clock."""
    if incident.condition is not None:
        return incident.updated_at > before.told_until
    since = before.judged.get(incident.model)
    return incident.model in models and (since is None or incident.updated_at > since)
