"""Telling people and machines: the table of receivers, and the dispatcher that serves them from the outbox.

A receiver is one file and one line in ``RECEIVERS``. Building a message is pure and stands apart from sending it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta

from monitor.notify.dispatcher import LEASE, Attempt, Dispatcher, Outcome
from monitor.notify.outgoing import incident_messages, retraining_message
from monitor.notify.slack import SlackBot, auth_test
from monitor.notify.slack_api import CALLS
from monitor.notify.slack_rights import rights_of
from monitor.notify.slack_webhook import SlackWebhook
from monitor.notify.webhook import Webhook
from monitor.ports import Clock, Receiver
from monitor.settings import Settings
from monitor.settings.receivers import SlackSettings

__all__ = [
    "RECEIVERS", "Attempt", "Dispatcher", "Outcome", "auth_test", "incident_messages", "lease_of", "receivers_of", "retraining_message",
]

LOOK_UP = timedelta(seconds=15)
"""What a send may take beyond its time-outs: looking up a host name is the resolver's own time."""


def _slack(settings: Settings, clock: Clock) -> Iterable[Receiver]:
    if settings.slack is not None:
        for name in settings.people_receivers():
            yield slack_receiver(name, settings.slack, clock)


def slack_receiver(name: str, slack: SlackSettings, clock: Clock) -> Receiver:
    """The bot where there is a token, since it can answer in threads; else the incoming webhook. ``load_settings`` has refused neither."""
    timeout = slack.timeout.total_seconds()
    if slack.token is not None:
        return SlackBot(name=name, token=slack.token, channel=slack.channel or "", api_url=slack.api_url, timeout=timeout, clock=clock,
                        link_local=slack.allow_link_local, offered=rights_of(slack).offered() if slack.app_token else frozenset())
    if slack.webhook_url is not None:
        return SlackWebhook(name=name, url=slack.webhook_url, timeout=timeout, clock=clock, insecure=slack.insecure,
                            link_local=slack.allow_link_local)
    raise ValueError("slack has neither a token nor a webhook URL")


def _retraining(settings: Settings, clock: Clock) -> Iterable[Receiver]:
    for model in settings.model_names():
        name, webhook = settings.retraining_receiver(model), settings.retraining_webhook(model)
        if name is not None and webhook is not None:
            timeout = webhook.timeout.total_seconds()
            yield Webhook(name=name, url=webhook.url, secret=webhook.signing_secret, timeout=timeout, clock=clock,
                          link_local=webhook.allow_link_local)


RECEIVERS: Mapping[str, Callable[[Settings, Clock], Iterable[Receiver]]] = {
    "slack": _slack,
    "retraining": _retraining,
}
"""By kind, how to make the receivers that the settings ask for."""


def receivers_of(settings: Settings, clock: Clock) -> tuple[Receiver, ...]:
    """Every receiver that the settings ask for; ``clock`` stamps their signatures."""
    return tuple(receiver for build in RECEIVERS.values() for receiver in build(settings, clock))


def lease_of(settings: Settings) -> timedelta:
    """How long a delivery is ours once it is claimed: longer than any receiver may take, so that no replica sends it beside us."""
    longest = [webhook.timeout for webhook in settings.webhooks.values()]
    if settings.slack is not None:
        longest.append(settings.slack.timeout * CALLS)
    return max([LEASE, *(timeout + LOOK_UP for timeout in longest)])
