"""The rows that a reference keeps as they are, where it is asked to."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from monitor.core.profile import Grid, RowSample
from monitor.core.reference import WINDOW_START
from monitor.core.rules import Model
from monitor.core.schema import Batch, NumericValues
from monitor.core.windows import window_starts
from monitor.formats.times import NO_TIME

SEED = 0  # a reference is made of one file
SECOND = 1_000_000  # microseconds


class KeptRows:
    """The ``reference_sample_rows`` of the model with the smallest hashes of their row number, each with the start of its window."""

    def __init__(self, grid: Grid, model: Model) -> None:
        self._window = model.window
        self.sample = RowSample(columns=tuple(sorted((*grid.columns, WINDOW_START))), size=model.reference_sample_rows)

    def add(self, batch: Batch) -> None:
        """Take in rows; nothing happens where none are to be kept."""
        if self.sample.size:
            starts = np.where(batch.times == NO_TIME, np.nan, window_starts(batch.times, self._window) / SECOND)
            columns = {**batch.columns, WINDOW_START: NumericValues(values=starts)}
            self.sample = self.sample.fold(replace(batch, columns=columns, faults=()), SEED)
