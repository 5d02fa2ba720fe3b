"""Who is told: Slack."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, WithJsonSchema

from monitor.core.rules import Switch
from monitor.settings.addresses import why_refused
from monitor.settings.block import Block, Duration, File, OneOrMany, SecretText, Text, Url, host_of, one_or_many, within
from monitor.settings.durations import shown
from monitor.settings.secret import Secret

SLACK_API_URL = "https://slack.com/api/"
LINK_LOCAL = "Allow link-local and cloud-metadata addresses (169.254.0.0/16 and others), which are refused otherwise."
APP_TOKEN = "xapp-"  # noqa: S105  how each of them begins
LOOPBACK = frozenset({"localhost", "::1"})


def is_loopback(host: str) -> bool:
    """Whether a host is this machine itself."""
    return host in LOOPBACK or (host.startswith("127.") and host.replace(".", "").isdigit())


def why_not_safe(url: str, insecure: bool) -> str | None:
    """Why a URL may not be used: https unless the host is this machine or ``insecure`` allows otherwise. None: it may."""
    scheme, host = host_of(url)
    if scheme == "https" or is_loopback(host) or insecure:
        return None
    return f"http to {shown(host)} can be read on the way; expected https, a loopback host, or insecure: true beside it"


def why_unusable(url: str, *, insecure: bool, allow_link_local: bool) -> tuple[str, ...]:
    """Everything for which a URL is refused before it is called. Raises ValueError where it is no web address."""
    return tuple(why for why in (why_not_safe(url, insecure), why_refused(url, allow_link_local)) if why)


SLACK_USER = re.compile(r"[UW][A-Z0-9]{2,30}", re.ASCII)
"""An id of a person in Slack; names can be changed by everybody."""


def _slack_user(value: str) -> str:
    if not SLACK_USER.fullmatch(value):
        raise ValueError(f"{shown(value)} is no user id of Slack; expected one like U024BE7LH (in a profile: Copy member ID)")
    return value


def _group_at(value: object) -> int | Switch:
    if value == Switch.OFF:
        return Switch.OFF
    number = int(str(value)) if str(value).isascii() and str(value).isdigit() else 0
    if not FEWEST_TOGETHER <= number <= MOST_TOGETHER:
        raise ValueError(f"{shown(value)} is not understood; expected off or a whole number from {FEWEST_TOGETHER} to {MOST_TOGETHER}")
    return number


FEWEST_TOGETHER, MOST_TOGETHER = 2, 500
GroupAt = Annotated[
    int | Switch,
    PlainValidator(_group_at),
    WithJsonSchema({"anyOf": [{"const": "off"}, {"type": "integer", "minimum": FEWEST_TOGETHER, "maximum": MOST_TOGETHER}]}),
]
Timeout = Annotated[Duration, AfterValidator(within(timedelta(seconds=1), timedelta(minutes=2)))]
SlackUsers = Annotated[tuple[Annotated[Text, AfterValidator(_slack_user)], ...], BeforeValidator(one_or_many), OneOrMany()]


class GroupingSettings(Block):
    """When many incidents that begin, go on or end at once are one message. For receivers that tell people."""

    group_wait: Annotated[Duration, AfterValidator(within(timedelta(0), timedelta(minutes=5)))] = Field(
        default=timedelta(seconds=10), description="How long the first message of a burst waits for others; a lone one waits as long."
    )
    group_at: GroupAt = Field(default=5, description="From so many incidents at once on they are one message; off: each is its own.")


class SlackSettings(GroupingSettings):
    """Where incidents are told: a bot token and a channel, or an incoming webhook."""

    token: SecretText | None = Field(
        default=None,
        description="Bot token (xoxb-…) with chat:write, and files:write for pictures; with channels:history and channels:read too, "
        "a lost answer doubles no message.",
    )
    token_file: File | None = Field(default=None, description="File that holds the bot token; read at each use.")
    channel: Text | None = Field(default=None, description="Channel name or id; needed with a token.")
    app_token: SecretText | None = Field(
        default=None, description="App-level token (xapp-…) with connections:write, beside token: buttons and /driftd, by Socket Mode.",
    )
    app_token_file: File | None = Field(default=None, description="File that holds the app-level token; read at each use.")
    allow_users: SlackUsers | None = Field(
        default=None, description="User ids who may acknowledge, silence and ask by Slack; left out: everybody of the workspace.",
    )
    approvers: SlackUsers = Field(
        default=(), description="User ids who may approve a retraining and accept a shift by Slack, too; left out: nobody may, by Slack.",
    )
    webhook_url: SecretText | None = Field(default=None, description="Incoming-webhook URL, instead of a token; it is a secret.")
    webhook_url_file: File | None = Field(default=None, description="File that holds the incoming-webhook URL; read at each use.")
    pictures: bool = Field(
        default=True, description="Put a picture of the columns and the metric into an incident's thread; needs a token with files:write."
    )
    api_url: Url = Field(default=SLACK_API_URL, description="Address of Slack's Web API; another one for a test server.")
    timeout: Timeout = Field(default=timedelta(seconds=15), description="How long one call may take.")
    insecure: bool = Field(default=False, description="Allow plain http to other machines (test servers only).")
    allow_link_local: bool = Field(default=False, description=LINK_LOCAL)

    @property
    def takes_pictures(self) -> bool:
        """Whether pictures go there: an incoming webhook takes none."""
        return self.pictures and self.token is not None

    def secrets(self) -> tuple[tuple[str, Secret], ...]:
        """The secrets given, by key."""
        pairs = (("token", self.token), ("app_token", self.app_token), ("webhook_url", self.webhook_url))
        return tuple((name, secret) for name, secret in pairs if secret is not None)
