"""What a person should know of a configuration that has no faults."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

from monitor.core.data_fault import FAULTY
from monitor.core.rules import Approval, Task
from monitor.settings.build import watched_columns
from monitor.settings.durations import shown
from monitor.settings.file import FileSettings
from monitor.settings.kafka import Client
from monitor.settings.model import ModelSettings
from monitor.settings.receivers import is_loopback
from monitor.settings.rules import ReferenceSettings
from monitor.settings.targets import INCIDENTS_ALONE

NAMED = 3  # strange names shown


def notes_of(file: FileSettings) -> tuple[str, ...]:
    """Every note as a sentence that begins with the path of the key."""
    return (*_top(file), *(note for name, model in file.models.items() for note in _model(f"models.{name}", model)))


def _top(file: FileSettings) -> Iterator[str]:
    if file.kafka.client is Client.CONFLUENT:
        yield "kafka.client: confluent-kafka is accepted, but this version reads with kafka-python"
    if file.slack is None and not file.receivers:
        yield "slack: not given, so nobody is told; incidents show on the page, in the API and in `driftd incidents list`"
    yield from _routes(file)
    yield from _unheard(file)
    if file.slack is not None and file.slack.app_token is not None and file.slack.allow_users is None:
        yield "slack.allow_users: not given, so everybody of the workspace who sees a message may acknowledge and silence"
    if file.slack is not None and file.slack.app_token is not None and not file.slack.approvers:
        yield "slack.approvers: not given, so nobody may approve a retraining or accept a shift by Slack"
    if not is_loopback(file.http.host):
        yield f"http.host: {file.http.host} can be reached from other machines; reading needs no token"


def _unheard(file: FileSettings) -> Iterator[str]:
    """Questions that no receiver would put to anybody."""
    kinds = [target for receiver in file.receivers.values() for target in receiver.given.values()]
    if file.slack is not None or not kinds or any(not isinstance(kind, INCIDENTS_ALONE) for kind in kinds):
        return
    for name, model in file.models.items():
        if model.retraining is not None and model.retraining.approval is Approval.ASK:
            yield f"models.{name}.retraining.approval: ask, but no receiver here tells people of it; it shows on the page and in commands"


def _routes(file: FileSettings) -> Iterator[str]:
    """Patterns that fit no model: often a slip; and receivers that no route names."""
    for i, route in enumerate(file.routes):
        for pattern in route.model:
            if not any(fnmatchcase(name, pattern) for name in file.models):
                yield f"routes[{i}].model: {shown(pattern)} fits no model of this file"
    named = {name for route in file.routes for name in route.receivers}
    named |= {name for model in file.models.values() for name in model.alerts.receivers or ()}
    for name in file.receivers if file.routes else ():
        if name not in named:
            yield f"receivers.{name}: no route names it, so it is told only of what fits no route"


def _model(path: str, model: ModelSettings) -> Iterator[str]:
    yield from _importance(f"{path}.importance.file", model)
    yield from _retraining(f"{path}.retraining", model)
    if model.performance is not None and model.streams.labels is None:
        yield f"{path}.performance: only estimated, as no labels come; streams.labels says where they are"
    yield from _streams(f"{path}.streams", model)
    if model.reference is not None:
        yield from _reference(f"{path}.reference", model, model.reference)
    if model.drift.tests and model.drift.false_alarms is not None:
        yield f"{path}.drift.false_alarms: not used, as explicit tests replace it"


def _importance(path: str, model: ModelSettings) -> Iterator[str]:
    """Names of the file that are no columns: often those of an encoding (`carrier_UA`), sometimes a slip."""
    if model.importance is None or model.columns is None:
        return
    watched = {column.name for column in watched_columns(model)}
    strange = sorted(name for name in model.importance.file.weights if name not in watched)
    if strange:
        named = ", ".join(shown(name) for name in strange[:NAMED]) + (" …" if len(strange) > NAMED else "")
        yield f"{path}: {len(strange)} of its names are no columns, and not used: {named}"


def _retraining(path: str, model: ModelSettings) -> Iterator[str]:
    retraining = model.retraining
    if retraining is None:
        return
    if not retraining.when and retraining.max_age is None:
        yield f"{path}: neither when nor max_age, so only people ask for it"
    for check in sorted(FAULTY & set(retraining.when) if retraining.veto else ()):
        yield f"{path}.when.{check}: never asks, as {check} is a data fault; veto: false would let it"


def _streams(path: str, model: ModelSettings) -> Iterator[str]:
    if model.streams.labels is not None and model.performance is None:
        yield f"{path}.labels: not read without performance, which says what is made of them"
    if model.streams.features is not None:
        yield f"{path}.features: accepted, but this version reads features from the predictions stream only"
    if model.task is Task.MULTICLASS and model.streams.predictions.score:
        use = "read for performance, but" if model.performance else "not read without performance, and"
        yield f"{path}.predictions.score: {use} not watched as a column, as it is the probabilities of a multiclass model"


def _reference(path: str, model: ModelSettings, reference: ReferenceSettings) -> Iterator[str]:
    if reference.data is not None:
        return
    learned = next((key for key in ("rolling", "seasonal", "previous", "canary") if getattr(reference, key) is not None), None)
    if learned is not None:
        how = "it is fitted to row samples of the first windows" if model.sample_rows else "sample_rows is 0, so none can be fitted"
        yield f"{path}.{learned}: no data gives a grid to count rows on; unless `driftd reference build` did, {how}"
