"""How the daemon itself behaves: its HTTP port, its checkpoints, its log."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field

from monitor.log import LogFormat
from monitor.settings.block import Block, Duration, File, SecretText, Text, Url, within


class LogLevel(StrEnum):
    """The least severe line that is written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class HttpSettings(Block):
    """The port with probes, metrics, API and page."""

    host: Text = Field(default="127.0.0.1", description="Address to listen on; 0.0.0.0 to be reached from other machines.")
    port: int = Field(default=8765, ge=0, le=65_535, description="Port to listen on; 0 takes a free one.")
    token: SecretText | None = Field(default=None, description="Bearer token that writes need; without one, writes are refused.")
    token_file: File | None = Field(default=None, description="File that holds the bearer token; read at each use.")
    public_url: Url | None = Field(default=None, description="Address of the page as people reach it; messages link to it.")


class CheckpointSettings(Block):
    """How often state and offsets are written."""

    every: Annotated[Duration, AfterValidator(within(timedelta(milliseconds=100), timedelta(minutes=5)))] = Field(
        default=timedelta(seconds=5), description="Write state and offsets at least this often."
    )
    max_rows: int = Field(default=50_000, ge=1, le=10_000_000, description="Write sooner when so many rows have been folded.")


class LogSettings(Block):
    """The log on standard error."""

    level: LogLevel = Field(default=LogLevel.INFO, description="The least severe line that is written.")
    format: LogFormat = Field(default=LogFormat.JSON, description="json for machines, text for people.")
