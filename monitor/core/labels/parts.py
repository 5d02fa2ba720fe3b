"""The part of a window's predictions that is of one segment."""

from __future__ import annotations

import numpy as np

from monitor.core.labels.labels import Joined
from monitor.core.labels.predicted import Predicted
from monitor.core.results import ALL_ROWS
from monitor.core.schema import Ints
from monitor.core.segments import segment_parts


def rows_of(rows: Predicted, segment: str) -> Ints:
    """The positions of a segment's rows; of all rows for ``*``, of none for a segment that is not known of them."""
    if segment == ALL_ROWS:
        return np.arange(len(rows))
    column, value = segment_parts(segment)
    slots = rows.segments.get(column)
    if slots is None or value not in slots.dictionary:
        return np.arange(0)
    return np.flatnonzero(slots.codes == slots.dictionary.index(value))


def joined_of(joined: Joined, segment: str) -> Joined:
    """The rows of a segment with their labels."""
    if segment == ALL_ROWS:
        return joined
    return joined.take(rows_of(joined.rows, segment))
