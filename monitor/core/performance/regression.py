"""Counts of the labelled rows of a model that predicts numbers."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from monitor.core.labels.labels import Joined
from monitor.core.performance.bins import NUMBER_BINS, Sparse, number_bins, sparse_of
from monitor.core.performance.odd import Odd, Odds, count_odds, states_of
from monitor.core.performance.sums import Exact, merged, sums_document, sums_of
from monitor.core.profile.canonical import Fields
from monitor.core.schema import Flags, Floats, NumericValues, State, Values

LARGEST = 1e70  # of labels and predictions: fourth powers are summed
SMALLEST_LABEL = float(np.finfo(np.float64).eps)  # what mape divides by at least, as in scikit-learn
SUMS = ("e", "ee", "abs", "eeee", "ape", "apes", "y", "yy", "yyy", "yyyy", "eey", "eeyy")


@dataclass(frozen=True, slots=True, kw_only=True)
class RegressionRows:
    """Labelled rows that can be used: ``truth`` of all, ``predicted`` with NaN where there is none; shape (n,)."""

    truth: Floats
    predicted: Floats

    @property
    def both(self) -> tuple[Floats, Floats]:
        """Truth and prediction of the rows that have both."""
        has = ~np.isnan(self.predicted)
        return self.truth[has], self.predicted[has]


def regression_rows(joined: Joined) -> tuple[RegressionRows, Odds]:
    """The usable rows, and what was odd of the labelled ones."""
    label, prediction = _Read.of(joined.labels, len(joined)), _Read.of(joined.rows.prediction, len(joined))
    usable = label.value & ~label.large
    odds = count_odds({
        Odd.LABEL_WRONG_TYPE: label.wrong,
        Odd.LABEL_NOT_FINITE: label.not_finite,
        Odd.LABEL_TOO_LARGE: label.large,
        Odd.PREDICTION_MISSING: usable & prediction.null,
        Odd.PREDICTION_WRONG_TYPE: usable & prediction.wrong,
        Odd.PREDICTION_NOT_FINITE: usable & prediction.not_finite,
        Odd.PREDICTION_TOO_LARGE: usable & prediction.large,
    })
    predicted = np.where(prediction.value & ~prediction.large, prediction.numbers, np.nan)
    return RegressionRows(truth=label.numbers[usable], predicted=predicted[usable]), odds


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """A column of numbers, and what each row is; shape (n,)."""

    numbers: Floats
    value: Flags
    null: Flags
    wrong: Flags
    not_finite: Flags
    large: Flags

    @staticmethod
    def of(values: Values | None, rows: int) -> _Read:
        numbers, states = np.full(rows, np.nan), np.full(rows, State.NULL)
        if isinstance(values, NumericValues):
            numbers, states = values.values, states_of(values)
        elif values is not None:
            states = np.where(values.codes == values.NULL, State.NULL, State.WRONG_TYPE)
        value = (states == State.VALUE) & np.isfinite(numbers)
        null, wrong = states == State.NULL, states == State.WRONG_TYPE
        large = value & (np.abs(np.where(value, numbers, 0.0)) > LARGEST)
        return _Read(numbers=numbers, value=value, null=null, wrong=wrong, not_finite=~(value | null | wrong), large=large)


@dataclass(frozen=True, slots=True, kw_only=True)
class RegressionCounts:
    """Over ``n`` rows with label ``y`` and error ``e``, prediction minus label.

    ``sums``: by ``SUMS``; ``ape`` is ``|e| / |y|``, ``apes`` its square. ``errors``: rows by error. ``labels``: rows by label,
    with or without a prediction.
    """

    n: int = 0
    sums: dict[str, Exact] = field(default_factory=lambda: dict.fromkeys(SUMS, Exact()))
    errors: Sparse = field(default_factory=lambda: Sparse.empty(1))
    labels: Sparse = field(default_factory=lambda: Sparse.empty(1))

    @staticmethod
    def of(rows: RegressionRows) -> RegressionCounts:
        """Of usable rows."""
        y, predicted = rows.both
        e = predicted - y
        ape, squares = np.abs(e) / np.maximum(np.abs(y), SMALLEST_LABEL), e * e
        sums = {"yy": Exact.of_squares(y)} | {
            name: Exact.of(values)
            for name, values in (
                ("e", e), ("ee", squares), ("abs", np.abs(e)), ("eeee", squares**2), ("ape", ape), ("apes", ape**2), ("y", y),
                ("yyy", y**3), ("yyyy", y**4), ("eey", squares * y), ("eeyy", squares * y**2),
            )
        }  # fmt: skip
        return RegressionCounts(
            n=len(y),
            sums={name: sums[name] for name in SUMS},
            errors=Sparse.of(number_bins(e)),
            labels=Sparse.of(number_bins(rows.truth)),
        )

    @property
    def usable(self) -> int:
        """Rows whose label is a number."""
        return self.labels.totals[0]

    def merge(self, other: RegressionCounts) -> RegressionCounts:
        """Both together."""
        return RegressionCounts(
            n=self.n + other.n,
            sums=merged(self.sums, other.sums),
            errors=self.errors.merge(other.errors),
            labels=self.labels.merge(other.labels),
        )

    def document(self) -> dict[str, object]:
        """As plain JSON values."""
        return {"n": self.n, "sums": sums_document(self.sums), "errors": self.errors.document(), "labels": self.labels.document()}

    @staticmethod
    def read(fields: Fields) -> RegressionCounts:
        """Of a document. Raises DecodeError."""
        return RegressionCounts(
            n=fields.whole("n"),
            sums=sums_of(fields.part("sums"), SUMS),
            errors=sparse_of(fields.part("errors"), 1, (-NUMBER_BINS, NUMBER_BINS)),
            labels=sparse_of(fields.part("labels"), 1, (-NUMBER_BINS, NUMBER_BINS)),
        )
