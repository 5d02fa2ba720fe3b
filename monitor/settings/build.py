"""From what is written to what the core obeys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from monitor.core.rules import (
    AlertRules,
    Allowance,
    Budget,
    DriftRules,
    DriftTest,
    GivenRange,
    MinEffect,
    Model,
    Previous,
    QualityRules,
    Recipe,
    Rolling,
    Seasonal,
    Stream,
    StreamKind,
    Task,
    VolumeRules,
)
from monitor.core.schema import Column, Kind, Role
from monitor.settings.durations import shown
from monitor.settings.model import ModelSettings, TopicSettings
from monitor.settings.performance import performance_rules
from monitor.settings.problems import suggestion


def build_model(name: str, model: ModelSettings, kinds: Mapping[str, Kind] | None = None, *, shared: Allowance | None = None) -> Model:
    """The model's rules. Where the file leaves ``columns`` out, they come from ``kinds`` (a reference's columns by name), and
    without those ``Model.columns`` and the stream's columns are empty. ``shared``: the budget of retraining of all models."""
    columns = watched_columns(model, kinds)
    return Model(
        name=name,
        task=model.task,
        window=model.window,
        allowed_lateness=model.allowed_lateness,
        min_rows=model.min_rows,
        dedupe=bool(model.streams.predictions.id) if model.dedupe is None else model.dedupe,
        streams=_streams(model, columns),
        columns=columns,
        idle_after=model.idle_after,
        freshness=model.freshness,
        sample_rows=model.sample_rows,
        reference_sample_rows=model.reference.sample_rows if model.reference else 0,
        max_versions=model.max_versions,
        dedupe_ids=model.dedupe_ids,
        segments=model.segments,
        max_segments=model.max_segments,
        drift=_drift(model),
        quality=_quality(model),
        volume=VolumeRules(min_ratio=model.volume.min_ratio, max_ratio=model.volume.max_ratio),
        performance=performance_rules(model),
        alerts=_alerts(model),
        retraining=None if model.retraining is None else model.retraining.rules(shared),
        importance=importance_of(model),
        recipe=_recipe(model),
        stable=model.reference.canary.stable if model.reference and model.reference.canary else "",
        bootstrap=model.reference.bootstrap if model.reference else None,
    )


def importance_of(model: ModelSettings) -> Mapping[str, float]:
    """Weights by column, as far as given: a column's own goes before that of the file."""
    of_file = {} if model.importance is None else model.importance.file.weights
    return {**of_file, **{name: entry.weight for name, entry in (model.columns or {}).items() if entry.weight is not None}}


def watched_columns(model: ModelSettings, kinds: Mapping[str, Kind] | None = None) -> tuple[Column, ...]:
    """Features, then prediction and score; none at all where neither the file nor ``kinds`` names a feature."""
    roles = tuple(column for column in role_columns(model) if column.role is not Role.LABEL)
    taken = {column.name for column in role_columns(model)}
    prefix = features_prefix(model)
    if model.columns is not None:
        features = tuple(
            Column(name=name, kind=entry.kind, path=entry.path or prefix + name) for name, entry in model.columns.items()
        )
    elif kinds is not None:
        features = tuple(Column(name=name, kind=kind, path=prefix + name) for name, kind in kinds.items() if name not in taken)
    else:
        return ()
    return features + roles


def role_columns(model: ModelSettings) -> tuple[Column, ...]:
    """Prediction, score and label as far as mapped, named by their path as written.

    The score of a multiclass model is an object or a list of probabilities: no column that could be watched.
    """
    discrete = Kind.NUMERIC if model.task is Task.REGRESSION else Kind.CATEGORICAL
    predictions, labels = model.streams.predictions, model.streams.labels
    score = None if model.task is Task.MULTICLASS else predictions.score
    found = (
        (predictions.prediction, discrete, Role.PREDICTION),
        (score, Kind.NUMERIC, Role.SCORE),
        (labels.label if labels else None, discrete, Role.LABEL),
    )
    return tuple(Column(name=path, kind=kind, role=role, path=path) for path, kind, role in found if path)


def mapped_paths(model: ModelSettings) -> frozenset[str]:
    """Where the streams find id, time, version, prediction, score and label, as written: what is no feature."""
    streams = model.streams
    predictions, features, labels = streams.predictions, streams.features, streams.labels
    found = {predictions.id, predictions.time, predictions.version, predictions.prediction, predictions.score}
    if features:
        found |= {features.id, features.time, features.version}
    if labels:
        found |= {labels.id, labels.time, labels.label}
    return frozenset(path for path in found if path)


def features_prefix(model: ModelSettings) -> str:
    """What stands before a column's name in its path: ``features.``, or nothing."""
    where = model.streams.predictions.features
    return f"{where}." if where else ""


def segment_faults(segments: Sequence[str], kinds: Mapping[str, Kind]) -> Iterator[tuple[int, str]]:
    """Which of the segment columns cannot be one, by place, and why; ``kinds``: the model's features."""
    fit = sorted(name for name, kind in kinds.items() if kind is not Kind.NUMERIC and "=" not in name)
    for i, name in enumerate(segments):
        if name not in kinds:
            yield i, f"{shown(name)} is not a column{suggestion(name, sorted(kinds))}"
        elif kinds[name] is Kind.NUMERIC:
            yield i, f"{shown(name)} is {kinds[name]}; expected a categorical or boolean column{suggestion(name, fit) if fit else ''}"
        elif "=" in name:
            yield i, f"{shown(name)} has a = in its name, which parts column and value of a segment; give the column another name"
        elif name in segments[:i]:
            yield i, f"{shown(name)} is given twice; expected it only once"


def _streams(model: ModelSettings, columns: tuple[Column, ...]) -> tuple[Stream, ...]:
    streams = model.streams
    predictions = _stream(StreamKind.PREDICTIONS, streams.predictions, streams.predictions.version, columns)
    found = [replace(predictions, scores=_scores_of(model))]
    if streams.features:
        found.append(_stream(StreamKind.FEATURES, streams.features, streams.features.version, ()))
    if streams.labels:
        label = tuple(column for column in role_columns(model) if column.role is Role.LABEL)
        found.append(_stream(StreamKind.LABELS, streams.labels, None, label))
    return tuple(found)


def _scores_of(model: ModelSettings) -> str:
    """Where the probabilities of classes are: read only where performance is asked for, as they cost a third of all that is read."""
    return (model.streams.predictions.score or "") if model.task is Task.MULTICLASS and model.performance else ""


def _stream(kind: StreamKind, topic: TopicSettings, version: str | None, columns: tuple[Column, ...]) -> Stream:
    return Stream(
        kind=kind,
        topic=topic.topic,
        format=topic.format,
        id=topic.id or "",
        time=topic.time,
        version=version or "",
        columns=columns,
        max_future=topic.max_future,
        max_bytes=topic.max_bytes,
    )


def _drift(model: ModelSettings) -> DriftRules:
    tests = tuple(DriftTest(method=t.method, threshold=t.threshold, columns=t.columns, formula=t.formula) for t in model.drift.tests)
    floors = model.drift.min_effect
    return DriftRules(
        budget=model.drift.false_alarms or Budget(),
        tests=tests,
        multivariate=model.drift.multivariate,
        domain_classifier=model.drift.domain_classifier,
        min_effect=MinEffect(ks=floors.ks, wasserstein=floors.wasserstein, tvd=floors.tvd),
        severity=model.drift.severity,
    )


def _quality(model: ModelSettings) -> QualityRules:
    quality = model.quality
    return QualityRules(
        max_null_share=quality.max_null_share,
        max_non_finite_share=quality.max_non_finite_share,
        max_wrong_type_share=quality.max_wrong_type_share,
        max_unseen_share=quality.unseen_categories,
        max_out_of_range_share=quality.max_out_of_range_share,
        max_same_value_share=quality.max_same_value_share,
        max_duplicate_share=quality.max_duplicate_share,
        schema_changes=quality.schema_changes,
        ranges={name: GivenRange(min=given.min, max=given.max) for name, given in quality.ranges.items()},
    )


def _alerts(model: ModelSettings) -> AlertRules:
    alerts = model.alerts
    opens = alerts.open_after
    return AlertRules(
        open_after=opens.bad, open_within=opens.within, resolve_after=alerts.resolve_after, repeat_after=alerts.repeat_after,
        max_age=alerts.max_age, maintenance=tuple(entry.maintenance() for entry in alerts.maintenance),
    )  # fmt: skip


def _recipe(model: ModelSettings) -> Recipe | None:
    reference = model.reference
    if reference is None:
        return None
    if reference.rolling is not None:
        return Rolling(reach=reference.rolling)
    if reference.seasonal is not None:
        return Seasonal(lag=reference.seasonal.lag, count=reference.seasonal.count)
    return None if reference.previous is None else Previous(windows=reference.previous)
