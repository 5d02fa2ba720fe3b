"""What the labelled rows of reference data teach of performance without labels, chunk by chunk."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from monitor.core.estimated.estimator import taught
from monitor.core.estimated.loss_fit import LossFit
from monitor.core.estimated.score_fit import ScoreFit
from monitor.core.performance.learn import classes_in
from monitor.core.performance.part import PerformancePart
from monitor.core.profile import Grid
from monitor.core.rules import Model, Task
from monitor.core.schema import Batch
from monitor.core.windows import window_starts
from monitor.formats.times import NO_TIME
from monitor.references.labelled import LabelledColumns, joined_of


class TaughtRows:
    """Takes in all rows once. ``columns``: None where the file does not tell how well the model did. ``seen``: the classes it has."""

    def __init__(self, model: Model, columns: LabelledColumns | None, seen: frozenset[str], grid: Grid) -> None:
        self._window = model.window
        self._columns = columns
        self._scores = None if model.task is Task.REGRESSION else ScoreFit(classes_in(model.task, model.performance, sorted(seen))[0])
        self._losses = LossFit(grid, grid.columns.keys() - {columns.label if columns else ""})

    def add(self, batch: Batch) -> None:
        """Take in a batch."""
        if self._columns is None or not len(batch):
            return
        joined = joined_of(batch, self._columns)
        starts = np.where(batch.times == NO_TIME, NO_TIME, window_starts(batch.times, self._window))
        if self._scores is None:
            self._losses.add(batch, joined.rows.prediction, joined.labels, starts)
        else:
            self._scores.add(joined.rows, joined.labels, starts)

    def given_to(self, part: PerformancePart | None) -> PerformancePart | None:
        """The part with what was learned, or with why nothing could be."""
        if part is None:
            return None
        return replace(part, estimator=taught(self._losses.model() if self._scores is None else self._scores.model()))
