"""Chunks of predictions and of labels, put together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from monitor.core.joining import joined_categories, joined_scores, joined_values
from monitor.core.labels.labels import Labels
from monitor.core.labels.predicted import Predicted
from monitor.core.schema import CategoricalValues, NumericValues, Scores, Values
from monitor.core.segments import NO_VALUE


def joined_predicted(chunks: Sequence[Predicted]) -> Predicted:
    """One of these (at least one), in their order. What some of them lack is null there.

    So is what another configuration gave another form than the newest chunk that has it: predictions of another kind, a score without
    classes beside scores of classes.
    """
    if len(chunks) == 1:
        return chunks[0]
    scores = _scores(chunks)
    return Predicted(
        ids=np.concatenate([chunk.ids for chunk in chunks]),
        prediction=_values([chunk.prediction for chunk in chunks], [len(chunk) for chunk in chunks]),
        scores=None if scores is None else scores.values,
        classes=() if scores is None else scores.classes,
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


def _scores(chunks: Sequence[Predicted]) -> Scores | None:
    """Of all rows; None where no chunk has any."""
    form = next((chunk for chunk in reversed(chunks) if chunk.scores is not None), None)
    return None if form is None else joined_scores([_scores_like(chunk, form) for chunk in chunks])


def _scores_like(chunk: Predicted, form: Predicted) -> Scores:
    if chunk.scores is None or bool(chunk.classes) != bool(form.classes):
        return Scores(values=np.full((len(chunk), len(form.classes) or 1), np.nan), classes=form.classes)
    return Scores(values=chunk.scores, classes=chunk.classes)


def _segments(chunks: Sequence[Predicted], column: str) -> CategoricalValues:
    return joined_categories([chunk.segments.get(column) or _lacking(len(chunk)) for chunk in chunks])


def _lacking(rows: int) -> CategoricalValues:
    return CategoricalValues(codes=np.zeros(rows, dtype=np.int32), dictionary=(NO_VALUE,))
