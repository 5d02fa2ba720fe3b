"""Further receivers by name: a webhook, Alertmanager, PagerDuty, e-mail, a file, another Slack channel."""

from __future__ import annotations

import re
from datetime import timedelta
from email.utils import parseaddr
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, PlainValidator, WithJsonSchema
from pydantic_core.core_schema import ValidationInfo

from monitor.settings.block import Block, File, OneOrMany, SecretText, Text, Url, one_or_many, path_of
from monitor.settings.durations import shown
from monitor.settings.receivers import LINK_LOCAL, SlackSettings, Timeout
from monitor.settings.secret import Secret

PAGERDUTY_URL = "https://events.pagerduty.com"
STDOUT = "-"
SECONDS_15 = timedelta(seconds=15)
INSECURE = "Allow plain http to other machines."
MOST_ADDRESSES = 50
TIMEOUT = "How long one call may take."

_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})*", re.ASCII)
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*", re.ASCII)


class CloudEvents(StrEnum):
    """Whether a webhook's body is a CloudEvent, and in which mode of the HTTP binding."""

    OFF = "off"
    STRUCTURED = "structured"
    BINARY = "binary"


class MailSecurity(StrEnum):
    """How a mail server is spoken to: TLS after a plain greeting, TLS at once, or none."""

    STARTTLS = "starttls"
    TLS = "tls"
    NONE = "none"


class LineFormat(StrEnum):
    """What a line of a file is."""

    JSONL = "jsonl"
    TEXT = "text"


MAIL_PORTS = {MailSecurity.STARTTLS: 587, MailSecurity.TLS: 465, MailSecurity.NONE: 25}


def _mail_address(value: str) -> str:
    """One mailbox, with or without a name before it. Whoever could put a line end into it could write headers of his own."""
    name, address = parseaddr(value) if value.isprintable() else ("", "")
    if not _ADDRESS.fullmatch(address) or (name == "" and value.strip() not in (address, f"<{address}>")):
        raise ValueError(f"{shown(value)} is not a mail address; expected user@example.com or Name <user@example.com>")
    return value.strip()


def _some(value: tuple[str, ...]) -> tuple[str, ...]:
    if not 1 <= len(value) <= MOST_ADDRESSES:
        raise ValueError(f"{len(value)} addresses; expected 1 to {MOST_ADDRESSES}, more behind a list of the mail server's")
    return value


def _host(value: str) -> str:
    if not _HOST.fullmatch(value):
        raise ValueError(f"{shown(value)} is not a host; expected a name or an address alone, e.g. mail.example.com")
    return value


def _out_file(value: object, info: ValidationInfo) -> Path | None:
    return None if value is None or value == STDOUT else path_of(value, info)


MailAddress = Annotated[Text, AfterValidator(_mail_address)]
MailAddresses = Annotated[tuple[MailAddress, ...], BeforeValidator(one_or_many), OneOrMany(), AfterValidator(_some)]
Host = Annotated[Text, AfterValidator(_host)]
OutFile = Annotated[Path | None, PlainValidator(_out_file), WithJsonSchema({"type": "string", "minLength": 1})]


class EventsSettings(Block):
    """A webhook by the Standard Webhooks specification that is told of incidents."""

    url: Url = Field(description="Where to POST; https, unless the host is loopback or insecure is true.")
    secret: SecretText | None = Field(default=None, description="Signing secret (whsec_… or any text); needed, or secret_file.")
    secret_file: File | None = Field(default=None, description="File that holds the signing secret; read at each use.")
    cloudevents: CloudEvents = Field(default=CloudEvents.OFF, description="Send a CloudEvent 1.0 instead, its data in the body or whole.")
    timeout: Timeout = Field(default=SECONDS_15, description=TIMEOUT)
    insecure: bool = Field(default=False, description=INSECURE)
    allow_link_local: bool = Field(default=False, description=LINK_LOCAL)

    def secrets(self) -> tuple[tuple[str, Secret], ...]:
        """The secrets given, by key."""
        return () if self.secret is None else (("secret", self.secret),)


class AlertmanagerSettings(Block):
    """Prometheus Alertmanager, by its API v2."""

    url: Url = Field(description="Where it is, without /api/v2; https, unless the host is loopback or insecure is true.")
    username: Text | None = Field(default=None, description="For basic authentication, with password.")
    password: SecretText | None = Field(default=None, description="Password of username.")
    password_file: File | None = Field(default=None, description="File that holds the password; read at each use.")
    token: SecretText | None = Field(default=None, description="Bearer token, instead of username and password.")
    token_file: File | None = Field(default=None, description="File that holds the bearer token; read at each use.")
    timeout: Timeout = Field(default=SECONDS_15, description=TIMEOUT)
    insecure: bool = Field(default=False, description=INSECURE)
    allow_link_local: bool = Field(default=False, description=LINK_LOCAL)

    def secrets(self) -> tuple[tuple[str, Secret], ...]:
        """The secrets given, by key."""
        pairs = (("password", self.password), ("token", self.token))
        return tuple((name, secret) for name, secret in pairs if secret is not None)


class PagerDutySettings(Block):
    """A PagerDuty service, by the Events API v2."""

    routing_key: SecretText | None = Field(default=None, description="Integration key of the service; needed, or routing_key_file.")
    routing_key_file: File | None = Field(default=None, description="File that holds the integration key; read at each use.")
    url: Url = Field(default=PAGERDUTY_URL, description="Address of the Events API; https://events.eu.pagerduty.com in Europe.")
    timeout: Timeout = Field(default=SECONDS_15, description=TIMEOUT)
    insecure: bool = Field(default=False, description="Allow plain http to other machines (test servers only).")
    allow_link_local: bool = Field(default=False, description=LINK_LOCAL)

    def secrets(self) -> tuple[tuple[str, Secret], ...]:
        """The secrets given, by key."""
        return () if self.routing_key is None else (("routing_key", self.routing_key),)


class EmailSettings(Block):
    """A mail server that takes messages for people."""

    host: Host = Field(description="Name or address of the mail server.")
    port: int | None = Field(default=None, ge=1, le=65_535, description="Its port; left out: 587 with starttls, 465 with tls, else 25.")
    tls: MailSecurity = Field(
        default=MailSecurity.STARTTLS, description="starttls and tls check the certificate; none needs a loopback host or insecure."
    )
    username: Text | None = Field(default=None, description="To log in with, together with password.")
    password: SecretText | None = Field(default=None, description="Password of username.")
    password_file: File | None = Field(default=None, description="File that holds the password; read at each use.")
    sender: MailAddress = Field(alias="from", description="Address that messages come from.")
    to: MailAddresses = Field(description="Who gets them: one address or a list.")
    timeout: Timeout = Field(default=timedelta(seconds=30), description="How long sending one message may take, all in all.")
    insecure: bool = Field(default=False, description="Allow tls: none to other machines.")
    allow_link_local: bool = Field(default=False, description=LINK_LOCAL)

    @property
    def the_port(self) -> int:
        """The port given, or the usual one."""
        return self.port or MAIL_PORTS[self.tls]

    def secrets(self) -> tuple[tuple[str, Secret], ...]:
        """The secrets given, by key."""
        return () if self.password is None else (("password", self.password),)


class FileTargetSettings(Block):
    """A file that gets a line for each message."""

    path: OutFile = Field(description="The file, beside this one unless absolute; - for standard output.")  # which is None here
    format: LineFormat = Field(default=LineFormat.JSONL, description="jsonl for machines, text for people.")

    def secrets(self) -> tuple[tuple[str, Secret], ...]:
        """None."""
        return ()


Target = SlackSettings | EventsSettings | AlertmanagerSettings | PagerDutySettings | EmailSettings | FileTargetSettings
INCIDENTS_ALONE = (AlertmanagerSettings, PagerDutySettings)
"""Kinds that take nothing but incidents: no digest, and nothing about a request to retrain."""


class ReceiverSettings(Block):
    """One receiver: exactly one of these keys says of what kind it is."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

    slack: SlackSettings | None = Field(default=None, description="Another Slack channel or workspace.")
    webhook: EventsSettings | None = Field(default=None, description=EventsSettings.__doc__)
    alertmanager: AlertmanagerSettings | None = Field(default=None, description=AlertmanagerSettings.__doc__)
    pagerduty: PagerDutySettings | None = Field(default=None, description=PagerDutySettings.__doc__)
    email: EmailSettings | None = Field(default=None, description=EmailSettings.__doc__)
    file: FileTargetSettings | None = Field(default=None, description=FileTargetSettings.__doc__)

    @property
    def given(self) -> dict[str, Target]:
        """The kinds that are given, by key."""
        return {name: target for name in type(self).model_fields if (target := getattr(self, name)) is not None}
