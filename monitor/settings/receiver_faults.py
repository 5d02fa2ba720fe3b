"""What contradicts itself in receivers and routes, and what they name that is not there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from monitor.settings.addresses import REMEDY, literal, refused_range
from monitor.settings.document import Loc
from monitor.settings.durations import shown
from monitor.settings.faults import Fault, either
from monitor.settings.file import SLACK_RECEIVER, FileSettings, people_of
from monitor.settings.problems import suggestion
from monitor.settings.receivers import is_loopback, why_unusable
from monitor.settings.targets import (
    AlertmanagerSettings,
    EmailSettings,
    EventsSettings,
    MailSecurity,
    PagerDutySettings,
    ReceiverSettings,
    Target,
)

KINDS = tuple(ReceiverSettings.model_fields)


def receiver_faults(file: FileSettings) -> Iterator[Fault]:
    """All but those of Slack, which are checked as the one at the top is."""
    for name, receiver in file.receivers.items():
        at = ("receivers", name)
        if len(receiver.given) != 1:
            found = " and ".join(receiver.given) or "none"
            yield at, f"expected exactly one of {', '.join(KINDS)}; found {found}"
        if name == SLACK_RECEIVER and file.slack is not None:
            yield at, "slack is the name of the receiver at the top of the file; expected another name"
        for kind, target in receiver.given.items():
            yield from _target((*at, kind), target)


def _target(at: Loc, target: Target) -> Iterator[Fault]:
    match target:
        case EventsSettings():
            yield from _secret(at, target, "secret")
            yield from _url(at, target)
        case PagerDutySettings():
            yield from _secret(at, target, "routing_key")
            yield from _url(at, target)
        case AlertmanagerSettings():
            yield from either(at, target, "token")
            yield from _login(at, target)
            if target.token is not None and target.username is not None:
                yield (*at, "username"), "given beside token; expected only one way to log in"
            yield from _url(at, target)
        case EmailSettings():
            yield from _login(at, target)
            yield from _mail(at, target)


def _secret(at: Loc, target: EventsSettings | PagerDutySettings, name: str) -> Iterator[Fault]:
    yield from either(at, target, name)
    if getattr(target, name) is None:
        yield at, f"expected exactly one of {name}, {name}_file"


def _login(at: Loc, target: AlertmanagerSettings | EmailSettings) -> Iterator[Fault]:
    yield from either(at, target, "password")
    if (target.username is None) != (target.password is None):
        given, missing = ("username", "password or password_file") if target.password is None else ("password", "username")
        yield at, f"{given} needs {missing} beside it"


def _url(at: Loc, target: EventsSettings | AlertmanagerSettings | PagerDutySettings) -> Iterator[Fault]:
    for why in why_unusable(target.url, insecure=target.insecure, allow_link_local=target.allow_link_local):
        yield (*at, "url"), why


def _mail(at: Loc, email: EmailSettings) -> Iterator[Fault]:
    if email.tls is MailSecurity.NONE and not email.insecure and not is_loopback(email.host):
        said = f"mail to {shown(email.host)} can be read on the way; expected starttls or tls, a loopback host, or insecure: true beside it"
        yield (*at, "tls"), said
    address = None if email.allow_link_local else literal(email.host)
    network = None if address is None else refused_range(address)
    if network is not None:
        yield (*at, "host"), f"{email.host} lies in {network}, link-local or cloud metadata; {REMEDY}"


def route_faults(file: FileSettings) -> Iterator[Fault]:
    """Receivers that are named and not there."""
    known = people_of(file)
    for i, route in enumerate(file.routes):
        yield from _unknown(("routes", i, "receivers"), route.receivers, known)
    for name, model in file.models.items():
        if model.alerts.receivers is not None:
            yield from _unknown(("models", name, "alerts", "receivers"), model.alerts.receivers, known)


def _unknown(at: Loc, names: Sequence[str], known: Sequence[str]) -> Iterator[Fault]:
    for i, name in enumerate(names):
        if name not in known:
            there = suggestion(name, known) if known else "; there is none, neither slack nor receivers"
            yield (*at, i), f"{shown(name)} is not a receiver{there}"
