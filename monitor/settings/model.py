"""A watched model as it is written: its streams, columns and rules."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from monitor.core.rules import Task
from monitor.core.schema import Kind
from monitor.settings.block import SECOND, Block, Duration, Text, Texts, within
from monitor.settings.importance import ImportanceSettings
from monitor.settings.registry import RegistrySettings
from monitor.settings.retraining import RetrainingSettings
from monitor.settings.rules import (
    MOST_ROWS,
    YEAR,
    AlertSettings,
    DriftSettings,
    PerformanceSettings,
    QualitySettings,
    ReferenceSettings,
    VolumeSettings,
)

LONGEST_WINDOW = timedelta(days=31)
NOTHING = timedelta()
MOST_WEIGHT = 1e6
LARGEST_MESSAGE = 100_000_000


class _KindAlone:
    """Lets the JSON schema accept the short form ``name: numeric`` beside the mapping."""

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [{"enum": [kind.value for kind in Kind]}, handler(core)]}


def _column(value: object) -> object:
    return {"kind": value} if isinstance(value, str) else value


class ColumnSettings(Block):
    """One column: its kind, or kind, path and weight."""

    kind: Kind = Field(description="numeric, categorical or boolean.")
    path: Text | None = Field(default=None, description="Dotted place in the message; left out: the column's name inside features.")
    weight: float | None = Field(
        default=None, ge=0, le=MOST_WEIGHT, description="How much the column matters when causes are ranked; left out: the file's, else 1."
    )


class TopicSettings(Block):
    """What every stream has."""

    topic: Text = Field(max_length=249, pattern=r"^[A-Za-z0-9._-]+$", description="Kafka topic.")
    format: Text = Field(default="json", description="How a message is read.")
    id: Text | None = Field(default=None, description="Dotted place of the row's id.")
    time: Text = Field(description="Dotted place of the event time: RFC 3339, or epoch s, ms, µs or ns.")
    max_future: Annotated[Duration, AfterValidator(within(NOTHING, LONGEST_WINDOW))] = Field(
        default=timedelta(hours=1), description="Rows further ahead of the broker's clock than this go to quarantine."
    )
    max_bytes: int = Field(default=1_000_000, ge=1, le=LARGEST_MESSAGE, description="Larger messages go to quarantine.")


class PredictionsSettings(TopicSettings):
    """The stream of predictions, which usually carries the features too."""

    version: Text | None = Field(default=None, description="Dotted place of the model's version.")
    prediction: Text | None = Field(default=None, description="Dotted place of the prediction.")
    score: Text | None = Field(
        default=None,
        description="Dotted place of the score: the probability of the positive class; of a multiclass model an object of probabilities "
        "by class, or a list of them.",
    )
    features: Text | None = Field(default=None, description="Dotted place of the object with the columns; left out: the message itself.")


class FeaturesSettings(TopicSettings):
    """A stream of features apart from the predictions."""

    version: Text | None = Field(default=None, description="Dotted place of the model's version.")
    features: Text | None = Field(default=None, description="Dotted place of the object with the columns; left out: the message itself.")


class LabelsSettings(TopicSettings):
    """The stream of what came true."""

    id: Text = Field(description="Dotted place of the id of the prediction that the label belongs to.")
    label: Text = Field(description="Dotted place of the label.")


class StreamsSettings(Block):
    """The topics of a model."""

    predictions: PredictionsSettings = Field(description="Predictions, usually with the features.")
    features: FeaturesSettings | None = Field(default=None, description="Features, where they come apart from the predictions.")
    labels: LabelsSettings | None = Field(default=None, description="Labels.")


ColumnEntry = Annotated[ColumnSettings, BeforeValidator(_column), _KindAlone()]


def _defaults(kind: type[Any]) -> Any:
    return Field(default_factory=kind, description=kind.__doc__)


class ModelSettings(Block):
    """One watched model."""

    task: Task = Field(description="binary, multiclass or regression.")
    window: Annotated[Duration, AfterValidator(within(SECOND, LONGEST_WINDOW))] = Field(
        description="Length of the tumbling event-time windows, at most 31d."
    )
    allowed_lateness: Annotated[Duration, AfterValidator(within(NOTHING, LONGEST_WINDOW))] = Field(
        default=NOTHING, description="How long after its end a window still takes rows, in event time."
    )
    min_rows: int = Field(default=200, ge=1, le=MOST_ROWS, description="Rows that a window needs for a verdict, else insufficient.")
    dedupe: bool | None = Field(default=None, description="Count an id once within a window and partition; default: where an id is mapped.")
    idle_after: Annotated[Duration, AfterValidator(within(SECOND, LONGEST_WINDOW))] = Field(
        default=timedelta(minutes=5), description="A partition read to its end and silent for so long no longer holds windows open."
    )
    freshness: Annotated[Duration, AfterValidator(within(SECOND, YEAR))] | None = Field(
        default=None, description="People are told when the newest row is older than this (event time against the clock); left out: never."
    )
    sample_rows: int = Field(default=200, ge=0, le=10_000, description="Rows of each window kept as a sample.")
    max_versions: int = Field(
        default=50, ge=1, le=10_000, description="Versions that get a window of their own; rows of further ones are counted as (other)."
    )
    dedupe_ids: int = Field(
        default=5_000_000, ge=0, le=1_000_000_000,
        description="Ids of open windows remembered for dedupe, 8 bytes each; beyond them rows count, doubles too.",
    )
    streams: StreamsSettings = Field(description="The topics of the model.")
    columns: dict[Annotated[str, Field(min_length=1, max_length=200)], ColumnEntry] | None = Field(
        default=None, min_length=1, description="name: kind, or name: {kind, path, weight}; left out: taken from the reference."
    )
    importance: ImportanceSettings | None = Field(default=None, description=ImportanceSettings.__doc__)
    segments: Texts = Field(default=(), description="Categorical or boolean columns by whose values profiles are kept apart.")
    max_segments: int = Field(
        default=50, ge=1, le=500,
        description="Values of a segment column kept apart: the reference's most frequent when it is built; the rest is (other).",
    )
    reference: ReferenceSettings | None = Field(default=None, description=ReferenceSettings.__doc__)
    registry: RegistrySettings | None = Field(default=None, description=RegistrySettings.__doc__)
    drift: DriftSettings = _defaults(DriftSettings)
    quality: QualitySettings = _defaults(QualitySettings)
    volume: VolumeSettings = _defaults(VolumeSettings)
    performance: PerformanceSettings | None = Field(default=None, description=PerformanceSettings.__doc__)
    alerts: AlertSettings = _defaults(AlertSettings)
    retraining: RetrainingSettings | None = Field(default=None, description=RetrainingSettings.__doc__)
