"""Telling people and machines: the table of receivers, and the dispatcher that serves them from the outbox.

A receiver is one file and one line in ``RECEIVERS``. Building a message is pure and stands apart from sending it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from functools import partial

from monitor.notify.dispatcher import LEASE, Attempt, Dispatcher, Outcome
from monitor.notify.outgoing import incident_messages, picture_message, retraining_message, retraining_notes
from monitor.notify.slack import SlackBot, auth_test
from monitor.notify.slack_api import CALLS
from monitor.notify.slack_rights import rights_of
from monitor.notify.slack_webhook import SlackWebhook
from monitor.notify.trainer import Trainer
from monitor.notify.webhook import Webhook
from monitor.ports import PAINT_SECONDS, Clock, Painter, Receiver
from monitor.settings import Settings
from monitor.settings.receivers import SlackSettings
from monitor.settings.trainers import TrainerSettings

__all__ = [
    "RECEIVERS", "Attempt", "Dispatcher", "Outcome", "auth_test", "incident_messages", "lease_of", "picture_message", "receivers_of",
    "retraining_message", "retraining_notes",
]

LOOK_UP = timedelta(seconds=15)
"""What a send may take beyond its time-outs: looking up a host name is the resolver's own time."""


def _slack(settings: Settings, clock: Clock, painter: Painter | None = None) -> Iterable[Receiver]:
    if settings.slack is not None:
        for name in settings.people_receivers():
            yield slack_receiver(name, settings.slack, clock, painter)


def slack_receiver(name: str, slack: SlackSettings, clock: Clock, painter: Painter | None = None) -> Receiver:
    """The bot where there is a token, since it can answer in threads; else the incoming webhook. ``load_settings`` has refused neither."""
    timeout = slack.timeout.total_seconds()
    if slack.token is not None:
        return SlackBot(name=name, token=slack.token, channel=slack.channel or "", api_url=slack.api_url, timeout=timeout, clock=clock,
                        link_local=slack.allow_link_local, painter=painter,
                        offered=rights_of(slack).offered() if slack.app_token else frozenset())
    if slack.webhook_url is not None:
        return SlackWebhook(name=name, url=slack.webhook_url, timeout=timeout, clock=clock, insecure=slack.insecure,
                            link_local=slack.allow_link_local)
    raise ValueError("slack has neither a token nor a webhook URL")


def _retraining(settings: Settings, clock: Clock) -> Iterable[Receiver]:
    for model in settings.model_names():
        name, webhook = settings.retraining_receiver(model), settings.retraining_webhook(model)
        if name is not None and webhook is not None:
            yield trainer_receiver(name, webhook, clock)


def trainer_receiver(name: str, trainer: TrainerSettings, clock: Clock) -> Receiver:
    """A signed webhook, unless the service's API is known or a template says how to ask."""
    if trainer.preset is not None or trainer.template is not None:
        return Trainer(name=name, trainer=trainer, clock=clock)
    if trainer.url is None:
        raise ValueError("webhook without url")  # ``load_settings`` has refused such a file
    return Webhook(name=name, url=trainer.url, secret=trainer.signing_secret, timeout=trainer.timeout.total_seconds(), clock=clock,
                   link_local=trainer.allow_link_local)


RECEIVERS: Mapping[str, Callable[[Settings, Clock], Iterable[Receiver]]] = {
    "slack": _slack,
    "retraining": _retraining,
}
"""By kind, how to make the receivers that the settings ask for."""


def receivers_of(settings: Settings, clock: Clock, painter: Painter | None = None) -> tuple[Receiver, ...]:
    """Every receiver that the settings ask for; ``clock`` stamps their signatures, ``painter`` makes pictures for those that take some."""
    builders: Mapping[str, Callable[[Settings, Clock], Iterable[Receiver]]] = {**RECEIVERS, "slack": partial(_slack, painter=painter)}
    return tuple(receiver for build in builders.values() for receiver in build(settings, clock))


def lease_of(settings: Settings) -> timedelta:
    """How long a delivery is ours once it is claimed: longer than any receiver may take, so that no replica sends it beside us."""
    longest = [webhook.timeout for webhook in settings.webhooks.values()]
    if settings.slack is not None:
        painting = timedelta(seconds=PAINT_SECONDS) if settings.slack.takes_pictures else timedelta(0)
        longest.append(settings.slack.timeout * CALLS + painting)
    return max([LEASE, *(timeout + LOOK_UP for timeout in longest)])
