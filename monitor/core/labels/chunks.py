"""Chunks of predictions and of labels, put together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from monitor.core.joining import joined_categories, joined_values
from monitor.core.labels.labels import Labels
from monitor.core.labels.predicted import Predicted
from monitor.core.schema import CategoricalValues, Floats, NumericValues, Values
from monitor.core.segments import NO_VALUE


def joined_predicted(chunks: Sequence[Predicted]) -> Predicted:
    """One of these (at least one), in their order. What some of them lack is null there.

    So is what another configuration gave another form than the newest chunk that has it: predictions of another kind, a score without
    classes beside scores of classes.
    """
    if len(chunks) == 1:
        return chunks[0]
    scored = [chunk for chunk in chunks if chunk.scores is not None]
    of_classes = bool(scored and scored[-1].classes)
    classes = tuple(dict.fromkeys(name for chunk in chunks for name in chunk.classes)) if of_classes else ()
    return Predicted(
        ids=np.concatenate([chunk.ids for chunk in chunks]),
        prediction=_values([chunk.prediction for chunk in chunks], [len(chunk) for chunk in chunks]),
        scores=np.concatenate([_scores(chunk, classes) for chunk in chunks]) if scored else None,
        classes=classes,
        segments={column: _segments(chunks, column) for column in dict.fromkeys(name for chunk in chunks for name in chunk.segments)},
    )


def joined_labels(chunks: Sequence[Labels]) -> Labels:
    """One of these (at least one), in their order. Values of another kind than the newest are null."""
    if len(chunks) == 1:
        return chunks[0]
    form = chunks[-1].values
    return Labels(
        ids=np.concatenate([chunk.ids for chunk in chunks]),
        values=joined_values([_like(chunk.values, form, len(chunk)) for chunk in chunks]),
        times=np.concatenate([chunk.times for chunk in chunks]),
        offsets=np.concatenate([chunk.offsets for chunk in chunks]),
        partitions=np.concatenate([chunk.partitions for chunk in chunks]),
    )


def by_id(rows: Predicted) -> Predicted:
    """Ordered by id; rows of one id stay as they lie."""
    return rows.take(np.argsort(rows.ids, kind="stable"))


def nulls_like(form: Values, rows: int) -> Values:
    """So many nulls of the kind of these values."""
    if isinstance(form, CategoricalValues):
        return CategoricalValues(codes=np.full(rows, CategoricalValues.NULL, dtype=np.int32), dictionary=form.dictionary)
    return NumericValues(values=np.full(rows, np.nan))


def _values(parts: Sequence[Values | None], rows: Sequence[int]) -> Values | None:
    form = next((part for part in reversed(parts) if part is not None), None)
    return None if form is None else joined_values([_like(part, form, n) for part, n in zip(parts, rows, strict=True)])


def _like(values: Values | None, form: Values, rows: int) -> Values:
    return values if values is not None and type(values) is type(form) else nulls_like(form, rows)


def _scores(chunk: Predicted, classes: tuple[str, ...]) -> Floats:
    """Of shape (n, k): a column for each class, or the only one where there are none."""
    scores = np.full((len(chunk), len(classes) or 1), np.nan)
    if chunk.scores is not None and bool(chunk.classes) == bool(classes):
        scores[:, [classes.index(name) for name in chunk.classes] or [0]] = chunk.scores
    return scores


def _segments(chunks: Sequence[Predicted], column: str) -> CategoricalValues:
    return joined_categories([chunk.segments.get(column) or _lacking(len(chunk)) for chunk in chunks])


def _lacking(rows: int) -> CategoricalValues:
    return CategoricalValues(codes=np.zeros(rows, dtype=np.int32), dictionary=(NO_VALUE,))
