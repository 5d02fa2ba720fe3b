"""Chunks of predictions and of labels, put together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from monitor.core.joining import joined_categories, joined_scores, joined_values
from monitor.core.labels.labels import Labels
from monitor.core.labels.predicted import Predicted
from monitor.core.schema import CategoricalValues, Scores, Values
from monitor.core.segments import NO_VALUE


def joined_predicted(chunks: Sequence[Predicted]) -> Predicted:
    """One of these (at least one), in their order. What some of them lack is null there."""
    if len(chunks) == 1:
        return chunks[0]
    scores = _scores(chunks)
    return Predicted(
        ids=np.concatenate([chunk.ids for chunk in chunks]),
        prediction=_values([chunk.prediction for chunk in chunks]),
        scores=None if scores is None else scores.values,
        classes=() if scores is None else scores.classes,
        segments={column: _segments(chunks, column) for column in dict.fromkeys(name for chunk in chunks for name in chunk.segments)},
    )


def joined_labels(chunks: Sequence[Labels]) -> Labels:
    """One of these (at least one), in their order."""
    if len(chunks) == 1:
        return chunks[0]
    return Labels(
        ids=np.concatenate([chunk.ids for chunk in chunks]),
        values=joined_values([chunk.values for chunk in chunks]),
        times=np.concatenate([chunk.times for chunk in chunks]),
        offsets=np.concatenate([chunk.offsets for chunk in chunks]),
        partitions=np.concatenate([chunk.partitions for chunk in chunks]),
    )


def by_id(rows: Predicted) -> Predicted:
    """Ordered by id; rows of one id stay as they lie."""
    return rows.take(np.argsort(rows.ids, kind="stable"))


def _values(parts: Iterable[Values | None]) -> Values | None:
    found = [part for part in parts if part is not None]
    return joined_values(found) if found else None


def _scores(chunks: Sequence[Predicted]) -> Scores | None:
    """Of all rows; None where no chunk has any."""
    known = [chunk for chunk in chunks if chunk.scores is not None]
    if not known:
        return None
    width, names = len(known[0].classes) or 1, known[0].classes
    parts = [(np.full((len(chunk), width), np.nan), names) if chunk.scores is None else (chunk.scores, chunk.classes) for chunk in chunks]
    return joined_scores([Scores(values=values, classes=classes) for values, classes in parts])


def _segments(chunks: Sequence[Predicted], column: str) -> CategoricalValues:
    return joined_categories([chunk.segments.get(column) or _lacking(len(chunk)) for chunk in chunks])


def _lacking(rows: int) -> CategoricalValues:
    return CategoricalValues(codes=np.zeros(rows, dtype=np.int32), dictionary=(NO_VALUE,))
