"""The whole file: what may stand at its top."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from monitor.settings.block import Block, Name, Text
from monitor.settings.digest import DigestSettings, OffOr, off_or_block
from monitor.settings.durations import shown
from monitor.settings.kafka import KafkaSettings
from monitor.settings.model import ModelSettings
from monitor.settings.problems import suggestion
from monitor.settings.receivers import SlackSettings
from monitor.settings.registry import MlflowSettings
from monitor.settings.retraining import Requests
from monitor.settings.routes import RouteSettings
from monitor.settings.service import (
    CheckpointSettings,
    HeartbeatSettings,
    HttpSettings,
    KeptFor,
    LogSettings,
    MemorySettings,
    ReportsSettings,
)
from monitor.settings.targets import ReceiverSettings

STORE_SCHEMES = ("postgresql+psycopg", "sqlite")
_SCHEME = re.compile(r"([A-Za-z0-9+._-]*)://", re.ASCII)


def _store(value: str) -> str:
    match = _SCHEME.match(value)
    if not match:
        raise ValueError("not a database address; expected sqlite:///FILE or postgresql+psycopg://USER:PASSWORD@HOST/NAME")
    if match[1] not in STORE_SCHEMES:
        raise ValueError(f"{shown(match[1])} databases cannot be used{suggestion(match[1], STORE_SCHEMES)}")
    return value


SLACK_RECEIVER = "slack"


class FileSettings(Block):
    """Configuration of driftd: what to read, what to watch, whom to tell."""

    store: Annotated[Text, AfterValidator(_store)] = Field(
        default="sqlite:///driftd.db", description="Where state is kept: sqlite:///FILE, or postgresql+psycopg://USER:PASSWORD@HOST/NAME."
    )
    kafka: KafkaSettings = Field(description=KafkaSettings.__doc__)
    slack: SlackSettings | None = Field(default=None, description=SlackSettings.__doc__)
    receivers: dict[Name, ReceiverSettings] = Field(default_factory=dict, description="Further receivers by name, told as Slack is.")
    routes: tuple[RouteSettings, ...] = Field(
        default=(), description="Who is told of what: the first that fits counts; left out, or where none fits: everybody."
    )
    digest: Annotated[DigestSettings | None, BeforeValidator(off_or_block), OffOr()] = Field(
        default=DigestSettings(), description=DigestSettings.__doc__
    )
    http: HttpSettings = Field(default=HttpSettings(), description=HttpSettings.__doc__)
    heartbeat: HeartbeatSettings | None = Field(default=None, description=HeartbeatSettings.__doc__)
    checkpoint: CheckpointSettings = Field(default=CheckpointSettings(), description=CheckpointSettings.__doc__)
    memory: MemorySettings = Field(default=MemorySettings(), description=MemorySettings.__doc__)
    reports: ReportsSettings = Field(default=ReportsSettings(), description=ReportsSettings.__doc__)
    retention: KeptFor = Field(
        default=timedelta(days=400),
        description="How long windows, results, incidents that are over and sent messages are kept; off: for ever.",
    )
    mlflow: MlflowSettings | None = Field(default=None, description=MlflowSettings.__doc__)
    log: LogSettings = Field(default=LogSettings(), description=LogSettings.__doc__)
    retraining_budget: Requests | None = Field(
        default=None, description="Requests to retrain allowed for all models together, e.g. 10 per 1d of event time."
    )
    models: dict[Name, ModelSettings] = Field(min_length=1, description="The watched models by name.")


def people_of(file: FileSettings) -> tuple[str, ...]:
    """The names of the receivers that tell people, in the order of the file."""
    return (*(() if file.slack is None else (SLACK_RECEIVER,)), *file.receivers)
