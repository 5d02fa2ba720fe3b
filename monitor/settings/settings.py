"""Settings: a checked configuration, as the rest of driftd reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from monitor.core.routing import Route
from monitor.core.rules import Model
from monitor.core.schema import Column, Kind, Role
from monitor.errors import Problem, UsageError
from monitor.settings.build import build_model, mapped_paths, role_columns, segment_faults
from monitor.settings.digest import DigestSettings
from monitor.settings.document import Document, Loc
from monitor.settings.file import SLACK_RECEIVER, FileSettings, people_of
from monitor.settings.kafka import KafkaSettings
from monitor.settings.model import ModelSettings
from monitor.settings.notes import notes_of
from monitor.settings.problems import path_text
from monitor.settings.receivers import SlackSettings
from monitor.settings.registry import MlflowSettings
from monitor.settings.secret import Secret
from monitor.settings.service import CheckpointSettings, HeartbeatSettings, HttpSettings, LogSettings, MemorySettings, ReportsSettings
from monitor.settings.targets import INCIDENTS_ALONE, Target
from monitor.settings.trainers import TrainerSettings

RETRAINING_PREFIX = "retraining:"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceFile:
    """Reference data that the file names: which model version it stands for, and where it is (absolute or beside the file)."""

    version: str
    data: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """A configuration without faults. ``store`` may hold a password: never print it. ``places``: a document that only knows those."""

    path: Path
    file: FileSettings
    places: Document = field(default_factory=Document)

    def __repr__(self) -> str:
        return f"Settings({self.path})"

    def problem(self, loc: Loc, message: str) -> Problem:
        """A fault that only showed beside what is there, at its place of the file."""
        at = self.places.value_place(loc)
        return Problem(file=str(self.path), line=at.line, column=at.column, path=path_text(loc), message=message)

    @property
    def store(self) -> str:
        """The database's address."""
        return self.file.store

    @property
    def kafka(self) -> KafkaSettings:
        """How to reach Kafka."""
        return self.file.kafka

    @property
    def slack(self) -> SlackSettings | None:
        """Where incidents are told."""
        return self.file.slack

    @property
    def digest(self) -> DigestSettings | None:
        """When the daily digest is told; None: never."""
        return self.file.digest

    def digest_receivers(self) -> tuple[str, ...]:
        """The names of the receivers that get the daily digest."""
        if self.digest is None:
            return ()
        alone, named = self.incidents_alone(), self.digest.receivers
        return tuple(name for name in self.people_receivers() if name not in alone and (not named or name in named))

    @property
    def http(self) -> HttpSettings:
        """The HTTP port."""
        return self.file.http

    @property
    def heartbeat(self) -> HeartbeatSettings | None:
        """Who is called while all is well."""
        return self.file.heartbeat

    @property
    def checkpoint(self) -> CheckpointSettings:
        """How often state is written."""
        return self.file.checkpoint

    @property
    def memory(self) -> MemorySettings:
        """How much memory the daemon may use."""
        return self.file.memory

    @property
    def reports(self) -> ReportsSettings:
        """What Evidently's process may take."""
        return self.file.reports

    @property
    def retention(self) -> timedelta | None:
        """How long history is kept; None: for ever."""
        return self.file.retention

    @property
    def log(self) -> LogSettings:
        """The log."""
        return self.file.log

    def model_names(self) -> tuple[str, ...]:
        """The models in the order of the file."""
        return tuple(self.file.models)

    def models(self) -> tuple[Model, ...]:
        """Every model; ``columns`` are empty where they come from the reference (see ``model``)."""
        return tuple(build_model(name, written, shared=self.file.retraining_budget) for name, written in self.file.models.items())

    def model(self, name: str, kinds: Mapping[str, Kind] | None = None) -> Model:
        """One model; ``kinds`` are its reference's columns, used where the file leaves ``columns`` out.

        Raises UsageError for an unknown model, and where its segments are none of these columns.
        """
        model = build_model(name, self._written(name), kinds, shared=self.file.retraining_budget)
        features = {column.name: column.kind for column in model.columns if column.role is Role.FEATURE}
        for i, why in segment_faults(model.segments, features) if kinds is not None else ():
            raise UsageError(f"models.{name}.segments[{i}]: {why}")
        return model

    def role_columns(self, name: str) -> tuple[Column, ...]:
        """Prediction, score and label of a model, as far as mapped: reference data bears them under these names. Raises UsageError."""
        return role_columns(self._written(name))

    def mapped_names(self, name: str) -> frozenset[str]:
        """Columns of reference data that are no features: what the streams map, by path and by its last segment. Raises UsageError."""
        paths = mapped_paths(self._written(name))
        return paths | {path.rpartition(".")[2] for path in paths}

    def reference_file(self, name: str) -> ReferenceFile | None:
        """The reference data that the file names for a model. Raises UsageError."""
        reference = self._written(name).reference
        if reference is None or reference.data is None:
            return None
        return ReferenceFile(version=reference.version, data=reference.data)

    def retraining_webhook(self, name: str) -> TrainerSettings | None:
        """Who is asked to retrain a model. Raises UsageError."""
        retraining = self._written(name).retraining
        return None if retraining is None else retraining.webhook

    @property
    def webhooks(self) -> Mapping[str, TrainerSettings]:
        """Who is asked to retrain, by the name of the model; only models that ask."""
        return {name: webhook for name in self.model_names() if (webhook := self.retraining_webhook(name))}

    @property
    def callback_tokens(self) -> Mapping[str, Secret]:
        """With what trainers report, by the name of the model; only models that have one."""
        found = {name: written.retraining.callback_token for name, written in self.file.models.items() if written.retraining is not None}
        return {name: token for name, token in found.items() if token is not None}

    def retraining_receiver(self, name: str) -> str | None:
        """The name of the receiver that is asked to retrain a model. Raises UsageError."""
        return None if self.retraining_webhook(name) is None else RETRAINING_PREFIX + name

    def people_receivers(self) -> tuple[str, ...]:
        """The names of the receivers that tell people; which of them are told of what is for ``routes`` to say."""
        return people_of(self.file)

    @property
    def targets(self) -> Mapping[str, Target]:
        """The receivers that tell people, by name."""
        own: dict[str, Target] = {} if self.slack is None else {SLACK_RECEIVER: self.slack}
        return own | {name: target for name, receiver in self.file.receivers.items() for target in receiver.given.values()}

    def picture_receivers(self) -> frozenset[str]:
        """The names of the receivers that take pictures."""
        return frozenset(name for name, target in self.targets.items() if isinstance(target, SlackSettings) and target.takes_pictures)

    def incidents_alone(self) -> frozenset[str]:
        """The names of the receivers that take incidents alone."""
        return frozenset(name for name, target in self.targets.items() if isinstance(target, INCIDENTS_ALONE))

    def routes(self) -> tuple[Route, ...]:
        """Who is told of what; a model's own receivers stand before all routes."""
        own = ((name, model.alerts.receivers) for name, model in self.file.models.items())
        named = (Route(models=(name,), receivers=receivers) for name, receivers in own if receivers is not None)
        return (*named, *(route.route() for route in self.file.routes))

    @property
    def mlflow(self) -> MlflowSettings | None:
        """The registry of versions."""
        return self.file.mlflow

    def registered(self) -> Mapping[str, str]:
        """By model, its name in the registry; only models that are in it."""
        return {name: model.registry.name for name, model in self.file.models.items() if model.registry is not None}

    def secrets(self) -> tuple[tuple[str, Secret], ...]:
        """Every secret by its path in the file: ``slack.token``."""
        found = [(f"kafka.{key}", secret) for key, secret in self.kafka.secrets()]
        if self.slack is not None:
            found += [(f"slack.{key}", secret) for key, secret in self.slack.secrets()]
        given = ((f"receivers.{name}.{kind}", target) for name, receiver in self.file.receivers.items()
                 for kind, target in receiver.given.items())
        found += [(f"{at}.{key}", secret) for at, target in given for key, secret in target.secrets()]
        if self.http.token is not None:
            found.append(("http.token", self.http.token))
        if self.heartbeat is not None and self.heartbeat.url is not None:
            found.append(("heartbeat.url", self.heartbeat.url))
        if self.file.mlflow is not None and self.file.mlflow.token is not None:
            found.append(("mlflow.token", self.file.mlflow.token))
        for name, webhook in self.webhooks.items():
            found += [(f"models.{name}.retraining.webhook.{key}", secret) for key, secret in webhook.secrets()]
        found += [(f"models.{name}.retraining.callback_token", token) for name, token in self.callback_tokens.items()]
        return tuple(found)

    def notes(self) -> tuple[str, ...]:
        """What this version accepts but does not act on yet, and what is safe but perhaps not meant: one sentence each."""
        return notes_of(self.file)

    def _written(self, name: str) -> ModelSettings:
        if name not in self.file.models:
            raise UsageError(f"unknown model {name!r}, expected one of {sorted(self.file.models)}")
        return self.file.models[name]
