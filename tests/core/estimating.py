"""Made-up models whose truth is known, for the tests of what is estimated without labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn import metrics as theirs

from monitor.core.estimated.loss_fit import LossFit
from monitor.core.estimated.losses import LossModel
from monitor.core.estimated.score_fit import ScoreFit
from monitor.core.estimated.scores import ScoreModel
from monitor.core.labels.predicted import Predicted
from monitor.core.performance.classes import Classes
from monitor.core.profile import Grid, Profile, fit_categorical, fit_numeric
from monitor.core.schema import Batch, CategoricalValues, Flags, Floats, Ints, NumericValues, Values

BINARY = ("0", "1")
MANY = ("ape", "bee", "cat")
SIDES = Classes(positive=frozenset({"1"}), negative=frozenset({"0"}))
NOBODY = Predicted(ids=np.empty(0, dtype=np.uint64))


def predicted_of(scores: Floats, *, first: int = 0, classes: tuple[str, ...] = (), decided: Ints | None = None) -> Predicted:
    """Predictions by score alone, shape (n,) or (n, k); ``decided``: places in the classes."""
    table = scores[:, None] if scores.ndim == 1 else scores
    prediction = None if decided is None else CategoricalValues(codes=decided.astype(np.int32), dictionary=classes or BINARY)
    return Predicted(ids=np.arange(first, first + len(table)).astype(np.uint64), scores=table, classes=classes, prediction=prediction)


def labels_of(truth: Flags | Ints, classes: tuple[str, ...] = BINARY) -> CategoricalValues:
    """What came true, as places in the classes; -1 is none."""
    return CategoricalValues(codes=truth.astype(np.int32), dictionary=classes)


def draw_binary(
    rng: np.random.Generator, rows: int, *, shift: float = 0.0, power: float = 1.0, weather: float = 0.0
) -> tuple[Floats, Flags]:
    """Scores, and what came true: the chance is ``score ** (1 / power)``, on the scale of log-odds ``weather`` more."""
    odds = rng.normal(shift - 1, 1.5, rows)
    chances = 1 / (1 + np.exp(-odds - weather))
    return (1 / (1 + np.exp(-odds))) ** power, rng.random(rows) < chances


def draw_many(rng: np.random.Generator, rows: int, *, shift: float = 0.0, sure: float = 1.0) -> tuple[Floats, Ints]:
    """Probabilities of three classes, ``sure`` times too sure of themselves on the scale of log-odds, and the class that came true."""
    odds = rng.normal([shift, 0, -1], 1.2, (rows, 3))
    chances = _softmax(odds)
    truth = (np.cumsum(chances, axis=1) < rng.random(rows)[:, None]).sum(axis=1)
    return _softmax(sure * odds), np.minimum(truth, 2)


def _softmax(odds: Floats) -> Floats:
    raised = np.exp(odds - odds.max(axis=1, keepdims=True))
    chances: Floats = raised / raised.sum(axis=1, keepdims=True)
    return chances


def taught_binary(scores: Floats, truth: Flags, starts: Ints | None = None, *, chunk: int = 10_000) -> ScoreModel:
    """A model of a reference, taught chunk by chunk."""
    fit = ScoreFit(SIDES)
    for at in range(0, len(scores), chunk):
        part = slice(at, at + chunk)
        fit.add(predicted_of(scores[part], first=at), labels_of(truth[part]), None if starts is None else starts[part])
    found = fit.model()
    assert isinstance(found, ScoreModel)
    return found


def taught_many(scores: Floats, truth: Ints) -> ScoreModel:
    """A model of a reference with three classes."""
    fit = ScoreFit(Classes(names=MANY))
    fit.add(predicted_of(scores, classes=MANY), labels_of(truth, MANY))
    found = fit.model()
    assert isinstance(found, ScoreModel)
    return found


# --- numbers ---------------------------------------------------------------------------------------------------

KINDS = tuple("abcde")


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """Rows of one window of a regressor, its predictions ``p`` among the columns, and the labels; arrays of shape (n,)."""

    columns: dict[str, Values]
    predictions: Floats
    truth: Floats

    def batch(self, first: int = 0) -> Batch:
        """As a batch of rows from that number on."""
        n = len(self.truth)
        times = np.zeros(n, dtype=np.int64)
        return Batch(offsets=np.arange(first, first + n), times=times, versions=None, ids=None, columns=self.columns)

    @property
    def realised(self) -> dict[str, float]:
        """What scikit-learn says."""
        return {
            "mae": theirs.mean_absolute_error(self.truth, self.predictions),
            "mse": theirs.mean_squared_error(self.truth, self.predictions),
            "rmse": theirs.root_mean_squared_error(self.truth, self.predictions),
            "mape": theirs.mean_absolute_percentage_error(self.truth, self.predictions),
        }


def draw_day(rng: np.random.Generator, rows: int, *, shift: float = 0.0, weather: float = 0.0) -> Day:
    """Errors grow with ``x`` and with ``kind``, ``weather`` for the whole day; ``shift`` moves ``x``."""
    x, z, kind = rng.normal(shift, 1, rows), rng.gamma(2, 1, rows), rng.integers(0, 5, rows)
    predictions = 3 * x + z + 50
    truth = predictions + rng.normal(0, 1, rows) * np.exp(0.5 * x + weather) * (1 + 0.3 * kind)
    columns: dict[str, Values] = {name: NumericValues(values=values) for name, values in (("x", x), ("z", z), ("p", predictions))}
    columns["kind"] = CategoricalValues(codes=kind.astype(np.int32), dictionary=KINDS)
    return Day(columns=columns, predictions=predictions, truth=truth)


def grid_of_days(days: Sequence[Day]) -> Grid:
    """Of all columns of the days."""
    numeric = {name: np.concatenate([_floats(day.columns[name]) for day in days]) for name in ("x", "z", "p")}
    return Grid({**{name: fit_numeric(values) for name, values in numeric.items()}, "kind": fit_categorical(KINDS)})


def profile_of_days(grid: Grid, *days: Day) -> Profile:
    """Counted on a grid."""
    profile = Profile.empty(grid)
    for day in days:
        profile.fold(day.batch())
    return profile


def taught_losses(days: Sequence[Day], grid: Grid, *, chunk: int = 10_000, timed: bool = True) -> LossModel:
    """A model of a reference, taught chunk by chunk."""
    fit, first = LossFit(grid, ("x", "z", "p", "kind")), 0
    for number, day in enumerate(days):
        for at in range(0, len(day.truth), chunk):
            rows = np.arange(at, min(at + chunk, len(day.truth)))
            predictions, labels = NumericValues(values=day.predictions[rows]), NumericValues(values=day.truth[rows])
            fit.add(day.batch(first).take(rows), predictions, labels, np.full(len(rows), number) if timed else None)
        first += len(day.truth)
    found = fit.model()
    assert isinstance(found, LossModel)
    return found


def _floats(values: Values) -> Floats:
    assert isinstance(values, NumericValues)
    return values.values


# --- sets that NannyML was asked about -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """A reference and windows of a classifier: scores, shape (n,) or (n, k), what was decided and what came true, shape (n,).

    ``windows``: the number of the window of each row of ``judged``; ``classes``: empty for a binary model.
    """

    reference: tuple[Floats, Ints]
    judged: tuple[Floats, Ints]
    windows: Ints
    classes: tuple[str, ...] = ()

    def taught(self) -> ScoreModel:
        """What the reference teaches; it has no time."""
        fit = ScoreFit(Classes(names=self.classes) if self.classes else SIDES)
        scores, truth = self.reference
        fit.add(predicted_of(scores, classes=self.classes), labels_of(truth, self.classes or BINARY))
        found = fit.model()
        assert isinstance(found, ScoreModel)
        return found

    def window(self, number: int) -> tuple[Predicted, Floats, Ints]:
        """Its predictions, and beside them scores and truth."""
        rows = self.windows == number
        scores, truth = self.judged[0][rows], self.judged[1][rows]
        return predicted_of(scores, classes=self.classes), scores, truth


def decided_by(scores: Floats) -> Ints:
    """The half of one score, the largest of many."""
    return (scores >= 0.5).astype(np.int64) if scores.ndim == 1 else scores.argmax(axis=1).astype(np.int64)


def made_up(name: str, *, reference: int = 20_000, windows: int = 8, rows: int = 2000) -> Scored:
    """``calibrated``, ``distorted`` or ``three classes``: windows whose inputs move."""
    rng = np.random.default_rng(2013)

    def draw(rows: int, shift: float) -> tuple[Floats, Ints]:
        if name == "three classes":
            return draw_many(rng, rows, shift=shift, sure=2)
        scores, truth = draw_binary(rng, rows, shift=shift, power=2 if name == "distorted" else 1)
        return scores, truth.astype(np.int64)

    first = draw(reference, 0.0)
    parts = [draw(rows, (number % 5 - 2) * 0.4) for number in range(windows)]
    judged = np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])
    classes = MANY if name == "three classes" else ()
    return Scored(reference=first, judged=judged, windows=np.repeat(np.arange(windows), rows), classes=classes)


def breast_cancer(*, reference: int = 4000, windows: int = 8, rows: int = 1000) -> Scored:
    """Wisconsin's diagnoses as scikit-learn brings them: malignant by a rule of thumb on two measures, without any training.

    Rows of even number are drawn for the reference, those of odd number for windows, where large cells become ever more usual.
    """
    from sklearn.datasets import load_breast_cancer

    data = load_breast_cancer()
    names = data.feature_names.tolist()
    size, texture = (data.data[:, names.index(name)] for name in ("mean area", "mean texture"))
    scores = 1 / (1 + np.exp(-((size - 650) / 150 + (texture - 19) / 5)))
    truth = (data.target == 0).astype(np.int64)
    rng = np.random.default_rng(1995)
    even, odd = np.arange(0, len(truth), 2), np.arange(1, len(truth), 2)
    first = rng.choice(even, reference)
    drawn = []
    for number in range(windows):
        weights = np.exp((number / windows - 0.5) * (size[odd] - 650) / 400)
        drawn.append(rng.choice(odd, rows, p=weights / weights.sum()))
    rows_of = np.concatenate(drawn)
    numbers = np.repeat(np.arange(windows), rows)
    return Scored(reference=(scores[first], truth[first]), judged=(scores[rows_of], truth[rows_of]), windows=numbers)


ORACLE_SETS: Mapping[str, Callable[[], Scored]] = {
    "calibrated": lambda: made_up("calibrated"),
    "distorted": lambda: made_up("distorted"),
    "three classes": lambda: made_up("three classes"),
    "breast cancer": breast_cancer,
}
