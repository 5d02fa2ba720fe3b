"""The labelled rows of reference data: how well the model did on them, chunk by chunk."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from monitor.core.labels.keep import score_column
from monitor.core.labels.labels import Joined
from monitor.core.labels.predicted import Predicted
from monitor.core.labels.spelling import alike
from monitor.core.performance.classes import MAX_CLASSES, used
from monitor.core.performance.learn import classes_in, learn_part
from monitor.core.performance.part import PerformancePart
from monitor.core.performance.tally import Tally, tally_of
from monitor.core.profile.sample import splitmix64
from monitor.core.rules import Model, PerformanceRules, StreamKind, Task
from monitor.core.schema import Batch, Column, Role
from monitor.core.windows import window_starts
from monitor.formats.times import NO_TIME
from monitor.references.rows import Wanted

NO_RULES = PerformanceRules(metrics=(), max_drop=0.0, label_delay=timedelta(0))


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledColumns:
    """Names of the columns that a file bears; prediction, score or both."""

    label: str
    prediction: str | None
    score: str | None


def label_column(model: Model) -> Column | None:
    """The column of the label, named as the labels stream maps it; None where none is mapped."""
    mapped = [column for stream in model.streams if stream.kind is StreamKind.LABELS for column in stream.columns]
    return next((column for column in (*mapped, *model.columns) if column.role is Role.LABEL), None)


def labelled_columns(model: Model, wanted: Wanted) -> LabelledColumns | None:
    """Which columns tell how well the model did; None where the file lacks the label, or both prediction and score."""
    label = label_column(model)
    roles = {column.role: column.name for column in model.columns if column.name in wanted.read}
    prediction, score = roles.get(Role.PREDICTION), roles.get(Role.SCORE)
    if label is None or label.name not in wanted.read or (prediction is None and score is None and wanted.scores is None):
        return None
    return LabelledColumns(label=label.name, prediction=prediction, score=score)


class SeenClasses:
    """Takes in all rows once; ``found`` are the classes that labels, predictions or probabilities name, at most ``MAX_CLASSES``."""

    def __init__(self, columns: LabelledColumns | None, task: Task) -> None:
        self._task = task
        self._names = () if columns is None else tuple(name for name in (columns.label, columns.prediction) if name is not None)
        self.found: frozenset[str] = frozenset()

    def add(self, batch: Batch) -> None:
        """Take in a batch."""
        for name in self._names:
            values = batch.columns.get(name)
            if values is not None and len(self.found) <= MAX_CLASSES:
                self.found |= frozenset(used(alike(values, self._task)))
        if batch.scores is not None and len(self.found) <= MAX_CLASSES:  # a class so rare that no row is of it has a part of the whole
            self.found |= frozenset(batch.scores.classes)


class LabelledRows:
    """Counts rows with their labels: all, and apart by window (``most`` windows, those with the smallest hashes of their start)."""

    def __init__(self, model: Model, columns: LabelledColumns | None, seen: frozenset[str], most: int) -> None:
        self._model = model
        self._columns = columns
        self._seen = seen
        self._most = most
        self._classes, self._positive = classes_in(model.task, model.performance, sorted(seen))
        self._total = Tally.empty(model.task)
        self._windows: dict[int, Tally] = {}
        self._limit = 2**64  # hashes of window starts from here on are left out

    def add(self, batch: Batch) -> None:
        """Count a batch; nothing happens where the file does not tell how well the model did."""
        if self._columns is None or not len(batch):
            return
        joined = joined_of(batch, self._columns, self._model.task)
        self._total = self._total.merge(self._counted(joined))
        starts = np.where(batch.times == NO_TIME, NO_TIME, window_starts(batch.times, self._model.window))
        for start in np.unique(starts[starts != NO_TIME]).tolist():
            self._add_window(start, joined.take(starts == start))

    def part(self) -> PerformancePart | None:
        """What came of it; None without any label."""
        if not self._total.labelled:
            return None
        windows = [self._windows[start] for start in sorted(self._windows)]
        classes = () if self._model.task is Task.REGRESSION else sorted(self._seen)
        return learn_part(self._total, windows, classes, self._positive)

    def _counted(self, joined: Joined) -> Tally:
        return tally_of(joined, self._model.task, self._model.performance or NO_RULES, known=self._classes)

    def _add_window(self, start: int, joined: Joined) -> None:
        place = _hash(start)
        if place >= self._limit:
            return
        known = self._windows.get(start)
        counted = self._counted(joined)
        self._windows[start] = counted if known is None else known.merge(counted)
        if len(self._windows) > self._most:
            largest = max(self._windows, key=_hash)
            self._limit = _hash(largest)
            del self._windows[largest]


def joined_of(batch: Batch, columns: LabelledColumns, task: Task) -> Joined:
    """Rows of reference data as a window's; their ids are their numbers."""
    prediction = None if columns.prediction is None else alike(batch.columns[columns.prediction], task)
    scores = None if columns.score is None else score_column(batch.columns[columns.score])
    if batch.scores is not None:
        scores = batch.scores.values
    rows = Predicted(ids=batch.offsets.astype(np.uint64), prediction=prediction, scores=scores,
                     classes=() if batch.scores is None else batch.scores.classes)
    return Joined(rows=rows, labels=alike(batch.columns[columns.label], task), times=np.zeros(len(batch), dtype=np.int64))


def _hash(start: int) -> int:
    return int(splitmix64(0, np.array([start]))[0])
