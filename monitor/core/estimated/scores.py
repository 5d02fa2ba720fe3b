"""Confidence-based performance estimation: a classifier's metrics from its scores alone.

The scores, calibrated on the reference, are chances; the confusion matrix and every metric of it have an expected value then. It holds
while what the scores are worth stays as it was: a change of the inputs shows, a change of what follows from them (concept drift) does not.
The idea is NannyML's (CBPE); the errors beside it are not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from monitor.core.estimated.calibration import Calibration
from monitor.core.estimated.chances import Chances
from monitor.core.estimated.confusion import FEWEST_EXPECTED, OF_CLASS, OF_CONFUSION, OF_MANY, CannotSay, Sloped, worth
from monitor.core.estimated.estimate import Estimate, said, unsaid
from monitor.core.estimated.ranking import average_precision, roc_auc
from monitor.core.estimated.usable import usable
from monitor.core.labels.predicted import Predicted
from monitor.core.performance.binary import EPSILON
from monitor.core.performance.classes import NEGATIVE, POSITIVE, Classes
from monitor.core.profile import Profile, canonical
from monitor.core.schema import Floats

KIND = "scores"
CELLS = {"tn": (0, 0), "fn": (0, 1), "fp": (1, 0), "tp": (1, 1)}  # decided, true


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScoreModel:
    """A binary model has one calibration, of its positive class; another one for each of its classes."""

    classes: Classes
    calibrations: tuple[Calibration, ...]

    @property
    def binary(self) -> bool:
        """Whether there are two sides, not named classes."""
        return not self.classes.names

    def estimate(
        self, predicted: Predicted, _profile: Profile | None, metrics: Iterable[str], value: Mapping[str, float] | None = None
    ) -> dict[str, Estimate]:
        """As ``Estimator`` has it; no profile is needed."""
        rows = usable(predicted, self.classes)
        if isinstance(rows, str):
            return {name: unsaid(rows) for name in metrics}
        chances = Chances(chances=self._chances(rows.scores), scores=rows.scores, decided=rows.decided, calibrations=self.calibrations)
        confusion = chances.confusion
        return {name: self._one(name, chances, confusion, value or {}) for name in metrics}

    def _chances(self, scores: Floats) -> Floats:
        if self.binary:
            positive = self.calibrations[0].chances(scores[:, POSITIVE])
            return np.column_stack([1 - positive, positive])
        read = np.column_stack([one.chances(scores[:, at]) for at, one in enumerate(self.calibrations)])
        total = read.sum(axis=1, keepdims=True)
        return np.where(total > 0, read / np.where(total > 0, total, 1.0), scores)

    def _one(self, name: str, chances: Chances, confusion: Floats, value: Mapping[str, float]) -> Estimate:
        try:
            if name in _OF_ROWS:
                level, slopes = _OF_ROWS[name](chances)
            else:
                found = self._of_confusion(name, confusion, value)
                level, slopes = found.value, found.slopes[chances.decided]
            return said(level, chances.variance(slopes))
        except CannotSay as error:
            return unsaid(str(error))

    def _of_confusion(self, name: str, confusion: Floats, value: Mapping[str, float]) -> Sloped:
        if self.binary and name in OF_CLASS:
            return OF_CLASS[name].of(confusion, POSITIVE)
        if self.binary and name == "value":
            cells = np.zeros((2, 2))
            for cell, of_one in value.items():
                cells[CELLS[cell]] = of_one
            return worth(confusion, cells)
        if name in OF_CONFUSION:
            return OF_CONFUSION[name](confusion)
        if name in OF_MANY:
            return OF_MANY[name](confusion)
        if name in _UNSAID:
            raise CannotSay(_UNSAID[name])
        rate, bracket, of_class = name.partition("[")
        if bracket and rate in OF_CLASS and of_class[:-1] in self.classes.names:
            return OF_CLASS[rate].of(confusion, self.classes.names.index(of_class[:-1]))
        raise CannotSay(f"there is no estimate of {name} from scores")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ScoreModel) and self.document() == other.document()

    __hash__ = None  # type: ignore[assignment]  # arrays have none

    def document(self) -> dict[str, object]:
        """As plain JSON values."""
        sides = {"negative": sorted(self.classes.negative), "positive": sorted(self.classes.positive)}
        classes = sides if self.binary else {"names": list(self.classes.names)}
        return {"kind": KIND, **classes, "calibrations": [one.document() for one in self.calibrations]}

    @staticmethod
    def of(fields: canonical.Fields) -> ScoreModel:
        """From a parsed document. Raises DecodeError."""
        if fields.has("names"):
            classes = Classes(names=fields.texts("names"))
        else:
            classes = Classes(negative=frozenset(fields.texts("negative")), positive=frozenset(fields.texts("positive")))
        calibrations = tuple(Calibration.of(one) for one in fields.parts("calibrations"))
        if len(calibrations) != (len(classes.names) or 1):
            raise fields.fault("calibrations", f"as many as there are classes: {len(classes.names) or 1}")
        return ScoreModel(classes=classes, calibrations=calibrations)


# --- metrics of rows -----------------------------------------------------------------------------------------


def _brier(chances: Chances) -> tuple[float, Floats]:
    """The squared distance of a score from what came true: for two classes of the positive one alone, for more summed over all."""
    scores = chances.scores
    if chances.classes == 2:
        return _mean(chances, np.column_stack([scores[:, POSITIVE] ** 2, scores[:, NEGATIVE] ** 2]))
    return _mean(chances, np.sum(scores**2, axis=1, keepdims=True) - 2 * scores + 1)


def _log_loss(chances: Chances) -> tuple[float, Floats]:
    return _mean(chances, -np.log(np.clip(chances.scores, EPSILON, 1 - EPSILON)))


def _mean(chances: Chances, losses: Floats) -> tuple[float, Floats]:
    """Of what each row costs by its class, shape (n, k)."""
    slopes = losses / chances.rows
    return float(np.sum(chances.chances * slopes)), slopes


def _ranked(measure: Callable[[Floats, Floats], tuple[float, Floats]]) -> Callable[[Chances], tuple[float, Floats]]:
    """Of the positive class, or the mean over all of each against the rest."""

    def over_classes(chances: Chances) -> tuple[float, Floats]:
        own: Sequence[int] = (POSITIVE,) if chances.classes == 2 else range(chances.classes)
        level, slopes = 0.0, np.zeros_like(chances.chances)
        for at in own:
            _both_expected(chances.chances[:, at])
            value, moved = measure(chances.chances[:, at], chances.scores[:, at])
            level += value / len(own)
            slopes[:, at] = moved / len(own)
        return level, slopes

    return over_classes


def _both_expected(chances: Floats) -> None:
    hits = float(chances.sum())
    if min(hits, len(chances) - hits) < FEWEST_EXPECTED:
        which, rows = ("in", hits) if hits < FEWEST_EXPECTED else ("outside", len(chances) - hits)
        raise CannotSay(f"only {rows:.2g} rows are expected {which} the class")


_OF_ROWS: Mapping[str, Callable[[Chances], tuple[float, Floats]]] = {
    "roc_auc": _ranked(roc_auc),
    "average_precision": _ranked(average_precision),
    "log_loss": _log_loss,
    "brier": _brier,
}
_UNSAID: Mapping[str, str] = {
    "calibration_error": "without labels the scores are taken to be calibrated as they were: their calibration error cannot be estimated",
}
