"""Which rows are kept until their labels come, and what of them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from monitor.core.labels.predicted import Predicted
from monitor.core.labels.spelling import alike
from monitor.core.profile.sample import splitmix64
from monitor.core.rules import Model
from monitor.core.schema import Batch, CategoricalValues, Flags, Floats, Hashes, NumericValues, Role, State, Values
from monitor.core.segments import OwnValues, segments_of, slots_of

HASHES = 2.0**64


def predicted_of(batch: Batch, model: Model, own: OwnValues, seed: int) -> Predicted | None:
    """What is kept of a batch's rows; None where the model's performance is not watched.

    ``seed``: of the partition; where no id is mapped it makes one with the offset, so that estimates have an order to add up in.
    """
    if model.performance is None:
        return None
    ids = splitmix64(seed, batch.offsets) if batch.ids is None else batch.ids
    scores, classes = _scores(batch, model)
    prediction = _of_role(batch, model, Role.PREDICTION)
    rows = Predicted(ids=ids, prediction=None if prediction is None else alike(prediction, model.task), scores=scores, classes=classes,
                     segments=_segments(batch, own))
    return rows if model.performance.label_sample >= 1 else rows.take(sampled(ids, model.performance.label_sample))


def sampled(ids: Hashes, share: float) -> Flags:
    """Which ids belong to the sample: told by their hash alone, and so the same of predictions and labels."""
    chosen: Flags = ids < np.uint64(min(int(share * HASHES), 2**64 - 1))
    return chosen


def _of_role(batch: Batch, model: Model, role: Role) -> Values | None:
    names = [column.name for column in model.columns if column.role is role]
    return batch.columns.get(names[0]) if names else None


def _scores(batch: Batch, model: Model) -> tuple[Floats | None, tuple[str, ...]]:
    if batch.scores is not None:
        return batch.scores.values, batch.scores.classes
    score = _of_role(batch, model, Role.SCORE)
    return (score_column(score) if isinstance(score, NumericValues) else None), ()


def score_column(values: Values) -> Floats:
    """A column of scores, shape (n, 1), NaN where there is none."""
    if not isinstance(values, NumericValues):
        return np.full((len(values.codes), 1), np.nan)
    scores = values.values if values.states is None else np.where(values.states == State.VALUE, values.values, np.nan)
    return scores[:, np.newaxis]


def _segments(batch: Batch, own: OwnValues) -> Mapping[str, CategoricalValues]:
    return {
        column: CategoricalValues(codes=slots_of(batch.columns.get(column), len(batch), values).astype(np.int32),
                                  dictionary=segments_of(values))
        for column, values in own.items()
    }
