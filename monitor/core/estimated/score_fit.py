"""Teaches a ``ScoreModel`` from labelled predictions, chunk by chunk, in memory that does not grow with the rows."""

from __future__ import annotations

import numpy as np

from monitor.core.estimated.calibration import calibrate
from monitor.core.estimated.counts import ScoreCounts, folds_of
from monitor.core.estimated.scores import POSITIVE, ScoreModel
from monitor.core.estimated.usable import class_codes, of_distribution, of_score
from monitor.core.labels.predicted import Predicted
from monitor.core.schema import Ints, Values

MOST_CLASSES = 100  # whose scores are counted apart: 300 kB each
FEWEST_ROWS = 100  # with a label and a score, from which a calibration is taught


class ScoreFit:
    """Takes in all labelled rows once. ``classes``: of a binary model the negative and the positive one, else all."""

    def __init__(self, classes: tuple[str, ...], *, binary: bool) -> None:
        self._classes = classes
        self._binary = binary
        self._counts = [ScoreCounts() for _ in range(1 if binary else min(len(classes), MOST_CLASSES))]
        self._rows: Ints = np.zeros(len(classes), dtype=np.int64)
        self._seen = 0

    def add(self, predicted: Predicted, labels: Values, starts: Ints | None = None) -> None:
        """Rows beside their labels; those without a score or a known label are left out. ``starts``: of their windows."""
        self._seen += len(predicted)
        if predicted.scores is None or not len(predicted) or len(self._classes) > MOST_CLASSES:
            return
        scores, wrong = of_score(predicted.scores) if self._binary else of_distribution(predicted, self._classes)
        codes = class_codes(labels, self._classes)
        fit = np.flatnonzero(~wrong & (codes >= 0))
        self._rows += np.bincount(codes[fit], minlength=len(self._classes))
        folds, own = folds_of(predicted.ids[fit]), None if starts is None else starts[fit]
        for at, counts in enumerate(self._counts):
            of_class = POSITIVE if self._binary else at
            counts.add(scores[fit, of_class], codes[fit] == of_class, folds, own)

    def model(self) -> ScoreModel | str:
        """What was learned, or why nothing could be."""
        rows = int(self._rows.sum())
        if len(self._classes) > MOST_CLASSES:
            return f"the model has {len(self._classes):,} classes, more than {MOST_CLASSES}"
        if rows < FEWEST_ROWS:
            return f"only {rows:,} of {self._seen:,} rows of the reference have a label and a score that is a probability"
        if np.count_nonzero(self._rows) < 2:
            (only,) = np.flatnonzero(self._rows)
            return f"the labels of the reference are of one class only: {self._classes[only]!r}"
        return ScoreModel(classes=self._classes, calibrations=tuple(calibrate(counts) for counts in self._counts))
