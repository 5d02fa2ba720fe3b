"""How the daemon itself behaves: its HTTP port, its checkpoints, its log."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field, PlainValidator, WithJsonSchema

from monitor.core.rules import Switch
from monitor.errors import Permanent
from monitor.log import LogFormat
from monitor.settings.block import Block, Duration, File, SecretText, Text, Url, within
from monitor.settings.durations import parse_duration
from monitor.settings.receivers import LINK_LOCAL, Timeout, why_unusable
from monitor.settings.sizes import Size


class LogLevel(StrEnum):
    """The least severe line that is written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def _kept_for(value: object) -> timedelta | None:
    if value is None or isinstance(value, timedelta):
        return value
    return None if value == Switch.OFF else within(timedelta(days=1), LONGEST_KEPT)(parse_duration(value))


LONGEST_KEPT = timedelta(days=3660)
KeptFor = Annotated[timedelta | None, PlainValidator(_kept_for), WithJsonSchema({"type": "string", "examples": ["400d", "off"]})]
"""How long history is kept; None: for ever."""


class HttpSettings(Block):
    """The port with probes, metrics, API and page."""

    host: Text = Field(default="127.0.0.1", description="Address to listen on; 0.0.0.0 to be reached from other machines.")
    live_within: Annotated[Duration, AfterValidator(within(timedelta(seconds=10), timedelta(hours=1)))] = Field(
        default=timedelta(minutes=1), description="A loop that has not come round for so long makes /livez fail."
    )
    port: int = Field(default=8765, ge=0, le=65_535, description="Port to listen on; 0 takes a free one.")
    token: SecretText | None = Field(default=None, description="Bearer token that writes need; without one, writes are refused.")
    token_file: File | None = Field(default=None, description="File that holds the bearer token; read at each use.")
    public_url: Url | None = Field(default=None, description="Address of the page as people reach it; messages link to it.")


class HeartbeatSettings(Block):
    """A dead-man's switch outside: called only while every loop of driftd gets its work done; who hears nothing tells people."""

    url: SecretText | None = Field(default=None, description="Where to POST a short status; it is a secret, as it holds its key.")
    url_file: File | None = Field(default=None, description="File that holds the URL; read at each use.")
    every: Annotated[Duration, AfterValidator(within(timedelta(seconds=1), timedelta(days=1)))] = Field(
        default=timedelta(minutes=1), description="Call it so often; not oftener than a checkpoint is written."
    )
    timeout: Timeout = Field(default=timedelta(seconds=10), description="How long one call may take.")
    insecure: bool = Field(default=False, description="Allow plain http to other machines.")
    allow_link_local: bool = Field(default=False, description=LINK_LOCAL)

    def usable_url(self) -> str:
        """The URL as it is now. Raises Retryable where its file cannot be read, Permanent, without telling it, where it may not be used."""
        if self.url is None:
            raise ValueError("heartbeat without url")  # ``load_settings`` has refused such a file
        found = self.url.read()
        try:
            unusable = why_unusable(found, insecure=self.insecure, allow_link_local=self.allow_link_local)
        except ValueError as error:
            raise Permanent(f"heartbeat.url: {error}") from None
        if unusable:
            raise Permanent(f"heartbeat.url: {'; '.join(unusable)}")
        return found


class CheckpointSettings(Block):
    """How often state and offsets are written."""

    every: Annotated[Duration, AfterValidator(within(timedelta(milliseconds=100), timedelta(minutes=5)))] = Field(
        default=timedelta(seconds=5), description="Write state and offsets at least this often."
    )
    max_rows: int = Field(default=50_000, ge=1, le=10_000_000, description="Write sooner when so many rows have been folded.")


class MemorySettings(Block):
    """How much memory the daemon may use."""

    limit: Size | None = Field(
        default=None,
        description="Resident memory from which reading pauses, e.g. 512MiB; left out: 1GiB, or 90 % of what the container may use.",
    )


class OnAlertSettings(Block):
    """Evidently's page of the window in which an incident fired, written beside judging; the page of driftd links to it."""

    folder: File = Field(description="Folder of these pages, made where it is not there; they show values of the window's rows.")
    keep: int = Field(default=20, ge=1, le=1000, description="How many are kept, of the newest incidents; 4 MB each.")


class ReportsSettings(Block):
    """The process that runs Evidently and the domain classifier, apart from the daemon."""

    deadline: Annotated[Duration, AfterValidator(within(timedelta(seconds=1), timedelta(minutes=30)))] = Field(
        default=timedelta(seconds=60), description="It is ended when an answer takes longer; its start is part of it."
    )
    memory: Size | None = Field(default=None, description="Memory that it may use; left out: 1GiB. Evidently alone takes 384MiB.")
    on_alert: OnAlertSettings | None = Field(default=None, description=OnAlertSettings.__doc__)


class LogSettings(Block):
    """The log on standard error."""

    level: LogLevel = Field(default=LogLevel.INFO, description="The least severe line that is written.")
    format: LogFormat = Field(default=LogFormat.JSON, description="json for machines, text for people.")
