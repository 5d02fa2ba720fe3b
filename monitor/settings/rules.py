"""The rules of a model as they are written: drift, quality, volume, performance, alerts, retraining, reference."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, WithJsonSchema

from monitor.core.rules import Budget, Formula, Severity, Switch
from monitor.settings.alerts import MaintenanceSettings, MaxAge
from monitor.settings.block import AutoOrOff, Block, Duration, File, OneOrMany, QualityShare, Ratio, Text, Texts, one_or_many, within
from monitor.settings.durations import duration_text, parse_duration, shown

_BUDGET = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s+per\s+(.+?)\s*", re.ASCII)
_WINDOWS = re.compile(r"\s*([0-9]{1,6})(?:\s+windows?)?\s*", re.ASCII)
SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)
YEAR = timedelta(days=366)
MOST_ROWS = 1_000_000_000
ANY_VERSION = "*"


def _budget(value: object) -> Budget:
    if isinstance(value, Budget):
        return value
    match = _BUDGET.fullmatch(value) if isinstance(value, str) else None
    if not match or float(match[1]) <= 0:
        raise ValueError(f"{shown(value)} is not understood; expected a number of alarms per time, e.g. 1 per 30d")
    per = parse_duration(match[2])
    if per <= timedelta():
        raise ValueError(f"{shown(value)}: the time must be longer than {duration_text(per)}")
    return Budget(alarms=float(match[1]), per=per)


def _windows(value: object) -> int:
    match = _WINDOWS.fullmatch(str(value)) if isinstance(value, (str, int)) else None
    if not match or int(match[1]) < 1:
        raise ValueError(f"{shown(value)} is not understood; expected a number of windows in a row, e.g. 2 windows")
    return int(match[1])


_PERSISTENCE = re.compile(r"\s*([0-9]{1,4})(?:\s+of\s+([0-9]{1,4}))?\s*", re.ASCII)
MOST_WINDOWS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Persistence:
    """``bad`` windows among ``within``; None: in a row."""

    bad: int
    within: int | None = None


def _persistence(value: object) -> Persistence:
    if isinstance(value, Persistence):
        return value
    match = _PERSISTENCE.fullmatch(str(value)) if isinstance(value, (str, int)) and not isinstance(value, bool) else None
    bad, within_ = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if not 1 <= bad <= within_ <= MOST_WINDOWS:
        raise ValueError(f"{shown(value)} is not understood; expected a number of windows in a row up to {MOST_WINDOWS:,}, or e.g. 2 of 3")
    return Persistence(bad=bad, within=within_ if within_ > bad else None)


OpenAfter = Annotated[
    Persistence,
    PlainValidator(_persistence),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1, "maximum": MOST_WINDOWS},
                {"type": "string", "pattern": r"^\d+( +of +\d+)?$", "examples": ["2 of 3"]},
            ]
        }
    ),
]
FalseAlarms = Annotated[Budget, PlainValidator(_budget), WithJsonSchema({"type": "string", "examples": ["1 per 30d"]})]
Windows = Annotated[
    int,
    PlainValidator(_windows),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": r"^\d+( windows?)?$"}]}),
]
BOOTSTRAP_WINDOWS = 3, 500


def _bootstrap(value: object) -> int | Switch | None:
    """YAML reads a plain off as false."""
    if value is None or value == "auto":
        return None
    if value is False or value == Switch.OFF:
        return Switch.OFF
    least, most = BOOTSTRAP_WINDOWS
    match = _WINDOWS.fullmatch(str(value)) if isinstance(value, (str, int)) and not isinstance(value, bool) else None
    if not match or not least <= int(match[1]) <= most:
        raise ValueError(f"{shown(value)} is not understood; expected auto, off, or from {least} to {most} windows, e.g. 7 windows")
    return int(match[1])


Bootstrap = Annotated[
    int | Switch | None,
    PlainValidator(_bootstrap),
    WithJsonSchema({
        "anyOf": [
            {"type": "integer", "minimum": BOOTSTRAP_WINDOWS[0], "maximum": BOOTSTRAP_WINDOWS[1]},
            {"type": "string", "pattern": r"^(auto|off|\d+( windows?)?)$"},
            {"const": False},
        ]
    }),
]
Lag = Annotated[Duration, AfterValidator(within(SECOND, 5 * YEAR))]


class DriftTestSettings(Block):
    """One explicit drift test."""

    method: Text = Field(
        description="Name of the test: anderson, chisquare, cramer_von_mises, ed, fisher_exact, g_test, hellinger, jensenshannon, "
        "kl_div, ks, mannw, missing, new_categories, psi, t_test, TVD, wasserstein, z; or evidently:NAME, on the sample of rows."
    )
    threshold: float | None = Field(default=None, ge=0, description="The value that alerts; left out: the test's own.")
    columns: Texts = Field(default=(), description="Columns to test; left out: all that the test fits.")
    formula: Formula = Field(
        default=Formula.DRIFTD,
        description="How the number is made: driftd's way, or as in Evidently (its bins, its one-sample chi-square), for its thresholds.",
    )


Times = Annotated[tuple[MaintenanceSettings, ...], BeforeValidator(one_or_many), OneOrMany()]
Tests = Annotated[tuple[DriftTestSettings, ...], BeforeValidator(one_or_many), OneOrMany()]


class MinEffectSettings(Block):
    """Differences of the default verdict that are not worth a message, however unusual."""

    ks: float = Field(default=0.05, ge=0, le=1, description="Largest gap between the cumulative shares of a numeric column.")
    wasserstein: float = Field(default=0.1, ge=0, description="In standard deviations; of a numeric column this or ks is enough.")
    tvd: float = Field(default=0.03, ge=0, le=1, description="Share of rows that changed category.")


class DriftSettings(Block):
    """When a column has drifted: a budget of false alarms, or explicit tests instead of it."""

    false_alarms: FalseAlarms | None = Field(default=None, description="Alarms allowed on data that has not drifted, over all columns.")
    tests: Tests = Field(default=(), description="Explicit tests: one or a list.")
    min_effect: MinEffectSettings = Field(default=MinEffectSettings(), description="Smallest differences worth a message; not for tests.")
    severity: Severity = Field(
        default=Severity.ALERT,
        description="alert: drift always alerts; evidence: it only warns where performance is known and has not dropped; "
        "needs performance.",
    )
    multivariate: bool | None = Field(
        default=None, description="Whether the numeric columns are watched together too; left out: where no explicit tests are given."
    )
    domain_classifier: bool = Field(
        default=False,
        description="Whether a classifier is asked to tell the window's sample of rows from the reference's; needs reference.sample_rows.",
    )


class RangeSettings(Block):
    """The values that a numeric column may have; one end may be left out."""

    min: float | None = Field(default=None, description="Smaller values are out of range.")
    max: float | None = Field(default=None, description="Larger values are out of range.")


class QualitySettings(Block):
    """Shares of a window's rows that alert when exceeded; auto: learned from the reference, off: not judged."""

    max_null_share: QualityShare = Field(default=None, description="Nulls and missing values; off: a column that is gone is untold, too.")
    max_non_finite_share: QualityShare = Field(default=None, description="NaN and infinities in numeric columns.")
    max_wrong_type_share: QualityShare = Field(default=None, description="Values that are not of the column's kind.")
    unseen_categories: QualityShare = Field(default=None, description="Values that the reference has never seen.")
    max_out_of_range_share: QualityShare = Field(
        default=None, description="Numbers outside of the column's range, or of the reference's, widened by a quarter."
    )
    ranges: dict[Text, RangeSettings] = Field(
        default_factory=dict, description="Ranges by column, features, prediction and score alike; without one the reference's counts."
    )
    max_same_value_share: QualityShare = Field(
        default=None, description="The most frequent value of a column that varied in the reference: more is a stuck one."
    )
    max_duplicate_share: QualityShare = Field(
        default=None, description="Messages under an id that was counted before; auto: warns above 0.01, alerts above 0.1."
    )
    schema_changes: AutoOrOff = Field(
        default=None, description="Columns that nothing watches and that messages begin or cease to carry; auto: warns once, by name."
    )


class VolumeSettings(Block):
    """Rows of a window as a multiple of the reference's rate; auto: learned from the reference."""

    min_ratio: Ratio = Field(default=None, description="Fewer rows alert.")
    max_ratio: Ratio = Field(default=None, description="More rows alert.")


class ValueSettings(Block):
    """What a prediction is worth or costs, by cell of the confusion matrix; what is left out is worth nothing."""

    tp: float | None = Field(default=None, description="Predicted positive, and it was.")
    fp: float | None = Field(default=None, description="Predicted positive, but it was not.")
    fn: float | None = Field(default=None, description="Predicted negative, but it was positive.")
    tn: float | None = Field(default=None, description="Predicted negative, and it was.")

    @property
    def given(self) -> dict[str, float]:
        """The cells that are given."""
        cells = {"tp": self.tp, "fp": self.fp, "fn": self.fn, "tn": self.tn}
        return {name: worth for name, worth in cells.items() if worth is not None}


class PerformanceSettings(Block):
    """How well the model does: by labels once they have come, and until then as far as it can be estimated."""

    metrics: Texts = Field(
        min_length=1, description="Metrics to judge, by scikit-learn's names, e.g. roc_auc, f1, rmse; of one class: recall[JFK]."
    )
    max_drop: float = Field(gt=0, description="Worst change allowed: absolute for metrics in [0, 1], the relative rise for errors.")
    label_delay: Lag = Field(description="How long labels are waited for after a window's end, in event time.")
    min_labelled: int = Field(default=100, ge=1, le=MOST_ROWS, description="Labelled rows needed for a verdict.")
    label_sample: float = Field(
        default=1.0, gt=0, le=1,
        description="Share of ids whose predictions and labels are kept, chosen by the id's hash, so the same ids on both sides.",
    )
    positive: Text | None = Field(default=None, description="The positive class of a binary model; left out: told by its classes, e.g. 1.")
    value: ValueSettings | None = Field(default=None, description=ValueSettings.__doc__)


class AlertSettings(Block):
    """When an incident opens, resolves and is told again."""

    open_after: OpenAfter = Field(
        default=1,  # read like one from a file
        validate_default=True,
        description="Bad windows in a row that open an incident; or e.g. 2 of 3, counted from the first bad one.",
    )
    resolve_after: int = Field(default=2, ge=1, le=1000, description="Good windows in a row that resolve it.")
    repeat_after: Lag = Field(default=DAY, description="Tell of an open incident again after this much event time.")
    receivers: Texts | None = Field(
        default=None, description="Names of the receivers that are told of this model; left out: as routes say, [] for nobody."
    )
    max_age: MaxAge = Field(
        default=None,
        description="People are told of no window that ended longer ago than this by the clock; auto: window, allowed_lateness and "
        "repeat_after together (with labels: and label_delay); off: of any.",
    )
    maintenance: Times = Field(default=(), description="Times in which no incident opens, advances or resolves: one or a list.")


class SeasonalSettings(Block):
    """Compare with the same time of earlier seasons."""

    lag: Lag = Field(description="Length of a season, e.g. 7d.")
    count: int = Field(default=4, ge=1, le=366, description="How many seasons back.")


class CanarySettings(Block):
    """Compare every other version's window with the stable version's window of the same time."""

    stable: Text = Field(description="The version that the others are compared with.")


class ReferenceSettings(Block):
    """What windows are compared with: a file, or earlier windows. Left out: the active one built by the command."""

    version: Text = Field(default=ANY_VERSION, description='Model version that the file stands for; "*" for all.')
    data: File | None = Field(
        default=None,
        description="csv, parquet or jsonl with the columns' names; beside rolling and the like: until there are enough windows.",
    )
    rolling: Lag | None = Field(default=None, description="Compare with the windows of the last so much time, at least 3.")
    seasonal: SeasonalSettings | None = Field(default=None, description="Compare with earlier seasons.")
    previous: Windows | None = Field(default=None, description="Compare with the last so many windows.")
    canary: CanarySettings | None = Field(default=None, description=CanarySettings.__doc__)
    bootstrap: Bootstrap = Field(
        default=None,
        description="A version that comes without a reference gets one of so many of its first good windows, e.g. 7 windows; auto: of 7, "
        "where a retraining announced the version; off: never.",
    )
    sample_rows: int = Field(
        default=0, ge=0, le=50_000,
        description="Rows that a reference keeps as they are when it is built, for Evidently and the domain classifier, e.g. 5000.",
    )
