"""Chunks of predictions and of labels, put together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from monitor.core.joining import joined_categories, joined_values
from monitor.core.labels.labels import Labels
from monitor.core.labels.predicted import Predicted
from monitor.core.schema import CategoricalValues, Floats, Values
from monitor.core.segments import NO_VALUE


def joined_predicted(chunks: Sequence[Predicted]) -> Predicted:
    """One of these (at least one), in their order. What some of them lack is null there."""
    if len(chunks) == 1:
        return chunks[0]
    classes = tuple(dict.fromkeys(name for chunk in chunks for name in chunk.classes))
    return Predicted(
        ids=np.concatenate([chunk.ids for chunk in chunks]),
        prediction=_values([chunk.prediction for chunk in chunks]),
        scores=_scores(chunks, classes),
        classes=classes,
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


def _scores(chunks: Sequence[Predicted], classes: tuple[str, ...]) -> Floats | None:
    if all(chunk.scores is None for chunk in chunks):
        return None
    width = len(classes) or 1
    parts = []
    for chunk in chunks:
        part = np.full((len(chunk), width), np.nan)
        if chunk.scores is not None:
            part[:, [classes.index(name) for name in chunk.classes] or [0]] = chunk.scores
        parts.append(part)
    return np.concatenate(parts)


def _segments(chunks: Sequence[Predicted], column: str) -> CategoricalValues:
    return joined_categories([chunk.segments.get(column) or _lacking(len(chunk)) for chunk in chunks])


def _lacking(rows: int) -> CategoricalValues:
    return CategoricalValues(codes=np.zeros(rows, dtype=np.int32), dictionary=(NO_VALUE,))
