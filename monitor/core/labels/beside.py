"""Predictions with the label of each beside it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from monitor.core.labels.chunks import joined_labels, nulls_like
from monitor.core.labels.join import standing
from monitor.core.labels.labels import Joined, Labels, Matches
from monitor.core.labels.predicted import Predicted
from monitor.core.schema import CategoricalValues, NumericValues, State, Values

NO_CLASS, NO_NUMBER = CategoricalValues(codes=np.empty(0, dtype=np.int32), dictionary=()), NumericValues(values=np.empty(0))


def joined_rows(rows: Predicted, matches: Matches) -> Joined:
    """Each prediction with the label that counts of those that were matched."""
    found = standing(matches)
    values = found.labels.values if len(found.rows) else no_label(rows)
    times = np.zeros(len(rows), dtype=np.int64)
    times[found.rows] = found.labels.times
    return Joined(rows=rows, labels=_placed(values, found, len(rows)), times=times)


def no_label(rows: Predicted) -> Values:
    """No values, of the kind that labels of such predictions have."""
    return NO_NUMBER if rows.scores is None and not isinstance(rows.prediction, CategoricalValues) else NO_CLASS


def joined_matches(parts: Sequence[Matches]) -> Matches:
    """Those of one window, in their order."""
    found = [part for part in parts if len(part.rows)]
    if not found:
        return no_matches()
    return Matches(rows=np.concatenate([part.rows for part in found]), labels=joined_labels([part.labels for part in found]))


def no_matches() -> Matches:
    """Of a window that has none yet."""
    nothing = np.empty(0, dtype=np.int64)
    labels = Labels(ids=np.empty(0, dtype=np.uint64), values=NO_CLASS, times=nothing, offsets=nothing, partitions=nothing)
    return Matches(rows=nothing, labels=labels)


def _placed(values: Values, found: Matches, rows: int) -> Values:
    """These values in the rows that they were found for, null elsewhere."""
    placed = nulls_like(values, rows)
    if isinstance(placed, CategoricalValues) and isinstance(values, CategoricalValues):
        placed.codes[found.rows] = values.codes
    elif isinstance(placed, NumericValues) and isinstance(values, NumericValues):
        placed.values[found.rows] = values.values
        if values.states is not None:
            states = np.full(rows, State.NULL, dtype=np.uint8)
            states[found.rows] = values.states
            return NumericValues(values=placed.values, states=states)
    return placed
