"""Telling people and machines: the table of receivers, and the dispatcher that serves them from the outbox.

A receiver is one file and one line in ``RECEIVERS``. Building a message is pure and stands apart from sending it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from functools import partial
from typing import TypeVar, assert_never

from monitor.core.rules import Switch
from monitor.notify import alertmanager, email, events, file, pagerduty
from monitor.notify.dispatcher import LEASE, Attempt, Dispatcher, Outcome
from monitor.notify.outgoing import incident_messages, picture_message, retraining_message, retraining_notes, verdict_messages
from monitor.notify.slack import SlackBot, auth_test
from monitor.notify.slack_api import CALLS, POSTS_APART
from monitor.notify.slack_group import KINDS
from monitor.notify.slack_rights import Deed, rights_of
from monitor.notify.slack_webhook import SlackWebhook
from monitor.notify.trainer import Trainer
from monitor.notify.webhook import Webhook
from monitor.ports import PAINT_SECONDS, Clock, Grouping, Painter, Receiver
from monitor.settings import Settings
from monitor.settings.block import Block
from monitor.settings.receivers import GroupingSettings, SlackSettings
from monitor.settings.targets import AlertmanagerSettings, EmailSettings, EventsSettings, FileTargetSettings, PagerDutySettings, Target
from monitor.settings.trainers import TrainerSettings

__all__ = [
    "RECEIVERS", "Attempt", "Dispatcher", "Outcome", "ask", "auth_test", "grouping_of", "incident_messages", "lease_of", "picture_message",
    "receivers_of", "retraining_message", "retraining_notes", "verdict_messages",
]

LOOK_UP = timedelta(seconds=15)
"""What a send may take beyond its time-outs: looking up a host name is the resolver's own time."""


def _slack(settings: Settings, clock: Clock, painter: Painter | None = None) -> Iterable[Receiver]:
    for name, target in settings.targets.items():
        if isinstance(target, SlackSettings):
            yield slack_receiver(name, target, clock, painter, _offered(settings, target))


def _offered(settings: Settings, slack: SlackSettings) -> frozenset[Deed]:
    """Buttons stand under every message of the app that is listened to, which is the one at the top of the file."""
    top = settings.slack
    return rights_of(top).offered() if top is not None and top.app_token is not None and slack.token == top.token else frozenset()


def slack_receiver(
    name: str, slack: SlackSettings, clock: Clock, painter: Painter | None = None, offered: frozenset[Deed] = frozenset()
) -> Receiver:
    """The bot where there is a token, since it can answer in threads; else the incoming webhook. ``load_settings`` has refused neither."""
    timeout = slack.timeout.total_seconds()
    if slack.token is not None:
        return SlackBot(name=name, token=slack.token, channel=slack.channel or "", api_url=slack.api_url, timeout=timeout, clock=clock,
                        link_local=slack.allow_link_local, painter=painter, grouping=grouping_of(slack), min_interval=POSTS_APART,
                        offered=offered)
    if slack.webhook_url is not None:
        return SlackWebhook(name=name, url=slack.webhook_url, timeout=timeout, clock=clock, insecure=slack.insecure,
                            link_local=slack.allow_link_local, grouping=grouping_of(slack), min_interval=POSTS_APART)
    raise ValueError("slack has neither a token nor a webhook URL")


def grouping_of(settings: GroupingSettings) -> Grouping | None:
    """When many incidents are one message to a receiver of people; None: never."""
    if isinstance(settings.group_at, Switch):
        return None
    return Grouping(kinds=tuple(KINDS), wait=settings.group_wait, at=settings.group_at)


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


T = TypeVar("T", bound=Block)


def _each(kind: type[T], made: Callable[[str, T, Clock], Receiver]) -> Callable[[Settings, Clock], Iterable[Receiver]]:
    """The receivers of one kind."""
    def build(settings: Settings, clock: Clock) -> Iterable[Receiver]:
        return [made(name, target, clock) for name, target in settings.targets.items() if isinstance(target, kind)]

    return build


RECEIVERS: Mapping[str, Callable[[Settings, Clock], Iterable[Receiver]]] = {
    "slack": _slack,
    "webhook": _each(EventsSettings, events.made),
    "alertmanager": _each(AlertmanagerSettings, alertmanager.made),
    "pagerduty": _each(PagerDutySettings, pagerduty.made),
    "email": _each(EmailSettings, email.made),
    "file": _each(FileTargetSettings, file.made),
    "retraining": _retraining,
}
"""By kind, how to make the receivers that the settings ask for."""


def receivers_of(settings: Settings, clock: Clock, painter: Painter | None = None) -> tuple[Receiver, ...]:
    """Every receiver that the settings ask for; ``clock`` stamps their signatures, ``painter`` makes pictures for those that take some."""
    builders: Mapping[str, Callable[[Settings, Clock], Iterable[Receiver]]] = {**RECEIVERS, "slack": partial(_slack, painter=painter)}
    return tuple(receiver for build in builders.values() for receiver in build(settings, clock))


def ask(target: Target, clock: Clock) -> str:
    """Ask a receiver whether it is there, without sending it a message; what was found. Raises Retryable or Permanent."""
    match target:
        case AlertmanagerSettings():
            return alertmanager.ask(target, clock)
        case EmailSettings():
            return email.ask(target, clock)
        case FileTargetSettings():
            return file.ask(target, clock)
        case SlackSettings() if target.token is not None:
            return auth_test(target)
        case SlackSettings() | EventsSettings() | PagerDutySettings():
            return "cannot be asked without a message"
        case _:
            assert_never(target)


def lease_of(settings: Settings) -> timedelta:
    """How long a delivery is ours once it is claimed: longer than any receiver may take, so that no replica sends it beside us."""
    longest = [webhook.timeout for webhook in settings.webhooks.values()]
    for target in settings.targets.values():
        match target:
            case SlackSettings():
                painting = timedelta(seconds=PAINT_SECONDS) if target.takes_pictures else timedelta(0)
                longest.append(target.timeout * CALLS + painting)
            case FileTargetSettings():
                longest.append(timedelta(seconds=file.PATIENCE))
            case _:
                longest.append(target.timeout)
    return max([LEASE, *(timeout + LOOK_UP for timeout in longest)])
