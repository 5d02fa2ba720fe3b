"""Teaches a ``ScoreModel`` from labelled predictions, chunk by chunk, in memory that does not grow with the rows."""

from __future__ import annotations

import numpy as np

from monitor.core.estimated.calibration import calibrate
from monitor.core.estimated.counts import ScoreCounts, folds_of
from monitor.core.estimated.scores import ScoreModel
from monitor.core.estimated.usable import distributions
from monitor.core.labels.predicted import Predicted
from monitor.core.performance.classes import POSITIVE, Classes
from monitor.core.schema import Ints, Values

MOST_CLASSES = 100  # whose scores are counted apart: 300 kB each
FEWEST_ROWS = 100  # with a label and a score, from which a calibration is taught


class ScoreFit:
    """Takes in all labelled rows once."""

    def __init__(self, classes: Classes) -> None:
        self._classes = classes
        self._own = range(len(classes.names)) if classes.names else (POSITIVE,)
        self._counts = [ScoreCounts() for _ in self._own[:MOST_CLASSES]]
        self._rows: Ints = np.zeros(len(classes.names) or 2, dtype=np.int64)
        self._seen = 0

    def add(self, predicted: Predicted, labels: Values, starts: Ints | None = None) -> None:
        """Rows beside their labels; those without a score or a known label are left out. ``starts``: of their windows."""
        self._seen += len(predicted)
        if predicted.scores is None or not len(predicted) or len(self._own) > MOST_CLASSES:
            return
        scores, wrong = distributions(predicted, self._classes)
        codes = self._classes.codes(labels, len(predicted))
        fit = np.flatnonzero(~wrong & (codes >= 0))
        self._rows += np.bincount(codes[fit], minlength=len(self._rows))
        folds, own = folds_of(predicted.ids[fit]), None if starts is None else starts[fit]
        for of_class, counts in zip(self._own, self._counts, strict=True):
            counts.add(scores[fit, of_class], codes[fit] == of_class, folds, own)

    def model(self) -> ScoreModel | str:
        """What was learned, or why nothing could be."""
        rows = int(self._rows.sum())
        if self._classes.fault:
            return self._classes.fault
        if len(self._own) > MOST_CLASSES:
            return f"the model has {len(self._own):,} classes, more than {MOST_CLASSES}"
        if rows < FEWEST_ROWS:
            return f"only {rows:,} of {self._seen:,} rows of the reference have a label and a score that is a probability"
        if np.count_nonzero(self._rows) < 2:
            return f"the labels of the reference are of one class only: {self._name(int(np.argmax(self._rows)))}"
        return ScoreModel(classes=self._classes, calibrations=tuple(calibrate(counts) for counts in self._counts))

    def _name(self, of_class: int) -> str:
        if self._classes.names:
            return repr(self._classes.names[of_class])
        return "the positive one" if of_class == POSITIVE else "the negative one"
