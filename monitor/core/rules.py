"""What is asked of a model: the rules of its checks, alerts and retraining. Settings build these; the core obeys them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from monitor.core.maintenance import Maintenance
from monitor.core.recurring import Recurring
from monitor.core.schema import Column


class Task(StrEnum):
    """What the model predicts."""

    BINARY = "binary"
    MULTICLASS = "multiclass"
    REGRESSION = "regression"


class StreamKind(StrEnum):
    """What a topic carries."""

    PREDICTIONS = "predictions"
    FEATURES = "features"
    LABELS = "labels"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """A Kafka topic with a format and a mapping; every path is dotted, empty where not mapped.

    ``scores``: where the probabilities of a multiclass model's classes are: an object by class, or a list.
    """

    kind: StreamKind
    topic: str
    format: str = "json"
    id: str = ""
    time: str = ""
    version: str = ""
    scores: str = ""
    columns: tuple[Column, ...] = ()
    max_future: timedelta = timedelta(hours=1)
    max_bytes: int = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """False alarms allowed per time: ``1 per 30d``, shared by all columns and windows of a model."""

    alarms: float = 1.0
    per: timedelta = timedelta(days=30)


class Formula(StrEnum):
    """Whose way of computing a drift test: its bins, its hypothesis, its norm."""

    DRIFTD = "driftd"
    EVIDENTLY = "evidently"


class Severity(StrEnum):
    """What drift is by itself: always an alert, or only where there is evidence of harm, or none of health."""

    ALERT = "alert"
    EVIDENCE = "evidence"


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftTest:
    """An explicit drift test: ``{method: psi, threshold: 0.2, columns: [dep_delay]}``; no columns means all that fit."""

    method: str
    threshold: float | None = None
    columns: tuple[str, ...] = ()
    formula: Formula = Formula.DRIFTD


@dataclass(frozen=True, slots=True, kw_only=True)
class MinEffect:
    """Differences of the default verdict that are not worth a message, however unusual.

    ``ks``: Kolmogorov and Smirnov's D of numbers; ``wasserstein``: in standard deviations of the reference, either is enough.
    ``tvd``: the share of rows that changed category.
    """

    ks: float = 0.05
    wasserstein: float = 0.1
    tvd: float = 0.03


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftRules:
    """``tests`` replace the default verdict where given.

    ``multivariate``: whether the numeric columns are judged together; None: where there are no ``tests`` and the reference taught how.
    ``domain_classifier``: whether one is asked to tell the window's sample of rows from the reference's.
    """

    budget: Budget = Budget()
    tests: tuple[DriftTest, ...] = ()
    multivariate: bool | None = None
    domain_classifier: bool = False
    min_effect: MinEffect = MinEffect()
    severity: Severity = Severity.ALERT


class Switch(StrEnum):
    """Stands in place of a limit."""

    OFF = "off"


QualityLimit = float | Switch | None
"""A share within [0, 1]; ``OFF``: not judged; None means ``auto``: learned from the reference."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenRange:
    """The values that a numeric column may have, both ends included; None is open."""

    min: float | None = None
    max: float | None = None

    @property
    def ends(self) -> tuple[float, float]:
        """Both ends, infinite where open."""
        return -math.inf if self.min is None else self.min, math.inf if self.max is None else self.max


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityRules:
    """The largest shares that are no alarm, by kind. ``ranges``: by column, in place of what the reference's values span.

    ``schema_changes``: whether columns that nothing watches may come and go untold.
    """

    max_null_share: QualityLimit = None
    max_non_finite_share: QualityLimit = None
    max_wrong_type_share: QualityLimit = None
    max_unseen_share: QualityLimit = None
    max_out_of_range_share: QualityLimit = None
    max_same_value_share: QualityLimit = None
    max_duplicate_share: QualityLimit = None
    schema_changes: Switch | None = None
    ranges: Mapping[str, GivenRange] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeRules:
    """Rows of a window as a multiple of the reference's rate; None means ``auto``."""

    min_ratio: float | None = None
    max_ratio: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PerformanceRules:
    """How well a model is to do once labels come.

    ``metrics``: names of ``core/performance``. ``max_drop``: the worst change allowed, absolute for metrics within [0, 1], the relative
    rise for errors. ``label_delay``: labels are waited for so long after a window's end. ``label_sample``: the share of ids, by their
    hash, whose predictions and labels are kept. ``positive``: the positive class of a binary model; empty: told by its classes.
    ``value``: what a prediction is worth, by cell of the confusion matrix (``tp``, ``fp``, ``fn``, ``tn``).
    """

    metrics: tuple[str, ...]
    max_drop: float
    label_delay: timedelta
    min_labelled: int = 100
    label_sample: float = 1.0
    positive: str = ""
    value: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRules:
    """``open_after`` bad windows open an incident, ``resolve_after`` good ones in a row resolve it.

    ``open_within``: among how many windows, counted from the first bad one, the ``open_after`` must come; None: in a row.
    ``max_age``: nobody is told of a window that ended longer ago than this by the wall clock; None: as long as a reminder may take.
    ``maintenance``: windows that overlap one of these times move no incident.
    """

    open_after: int = 1
    open_within: int | None = None
    resolve_after: int = 2
    repeat_after: timedelta = timedelta(hours=24)
    max_age: timedelta | Switch | None = None
    maintenance: tuple[Maintenance, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Lasting:
    """How long a check has to alert: in ``bad`` of the last ``within`` windows in which it decided something.

    Of performance alone: ``realised``: estimates count neither way. ``min_labelled`` rows, and ``min_labelled_share`` of all rows,
    must have a label where an alert is by labels; with fewer the window has decided nothing.
    """

    bad: int
    within: int
    realised: bool = False
    min_labelled: int = 0
    min_labelled_share: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """At most so many requests to retrain in any ``per`` of event time."""

    requests: int
    per: timedelta


class Approval(StrEnum):
    """Whether a request to retrain goes out at once, or a person is asked first."""

    AUTOMATIC = "automatic"
    ASK = "ask"


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrainingRules:
    """When to ask for retraining; all times are event time.

    ``when``: by check; a number means so many windows in a row. ``max_age``: of a version, from its first window on. ``cooldown``:
    between two requests. ``budget``: of the model; ``service_budget``: of all models together. ``veto``: whether nothing is asked for
    while the cause is a data fault. ``timeout``: of a proposal or a reported run that nobody ends.
    """

    when: Mapping[str, int | Lasting] = field(default_factory=dict)
    cooldown: timedelta = timedelta(hours=24)
    max_age: timedelta | None = None
    budget: Allowance | None = None
    service_budget: Allowance | None = None
    blackout: tuple[Recurring, ...] = ()
    approval: Approval = Approval.AUTOMATIC
    veto: bool = True
    timeout: timedelta = timedelta(days=7)

    def lasting(self, check: str) -> Lasting:
        """How long a check of ``when`` has to alert."""
        given = self.when[check]
        return given if isinstance(given, Lasting) else Lasting(bad=given, within=given)

    @property
    def reach(self) -> int:
        """Windows that are looked back over; 0 where no check asks."""
        return max((self.lasting(check).within for check in self.when), default=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rolling:
    """Compare with the windows of the last ``reach`` of time."""

    reach: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Seasonal:
    """Compare with the windows one, two … ``count`` times ``lag`` before."""

    lag: timedelta
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Previous:
    """Compare with the last so many windows."""

    windows: int


Recipe = Rolling | Seasonal | Previous
"""How a reference is merged from stored windows (see ``core/recipes``)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """All that the inside needs to know of a watched model.

    ``freshness``: how old the newest row may be; None: any age. ``recipe``: None compares with the active stored reference.
    ``stable``: the version whose window every other version's window of the same time is compared with; empty: none.
    ``bootstrap``: of so many of its first windows a version that has no reference gets one; None: where a retraining announced it.
    """

    name: str
    task: Task
    window: timedelta
    allowed_lateness: timedelta
    min_rows: int
    dedupe: bool
    streams: tuple[Stream, ...]
    columns: tuple[Column, ...]
    idle_after: timedelta = timedelta(minutes=5)
    freshness: timedelta | None = None
    sample_rows: int = 200
    reference_sample_rows: int = 0
    max_versions: int = 50
    dedupe_ids: int = 5_000_000
    segments: tuple[str, ...] = ()
    max_segments: int = 50
    drift: DriftRules = DriftRules()
    quality: QualityRules = QualityRules()
    volume: VolumeRules = VolumeRules()
    performance: PerformanceRules | None = None
    alerts: AlertRules = AlertRules()
    retraining: RetrainingRules | None = None
    importance: Mapping[str, float] = field(default_factory=dict)
    recipe: Recipe | None = None
    stable: str = ""
    bootstrap: int | Switch | None = None

    @property
    def read_streams(self) -> tuple[Stream, ...]:
        """The streams that are read: labels only where performance is watched."""
        kinds = {StreamKind.PREDICTIONS} | ({StreamKind.LABELS} if self.performance else set())
        return tuple(stream for stream in self.streams if stream.kind in kinds)

    @property
    def awaits_labels(self) -> bool:
        """Whether predictions wait for labels."""
        return any(stream.kind is StreamKind.LABELS for stream in self.read_streams)

    @property
    def label_delay(self) -> timedelta:
        """How long after a window's end labels are waited for."""
        return self.performance.label_delay if self.performance else timedelta()

    @property
    def merges(self) -> bool:
        """Whether windows are compared with stored windows, which are all counted on one grid then."""
        return self.recipe is not None or bool(self.stable)
