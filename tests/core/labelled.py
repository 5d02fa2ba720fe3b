"""Predictions, labels and matches of any form, for tests of what keeps them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_np

from monitor.core.labels.labels import Labels, Matches
from monitor.core.labels.predicted import Predicted
from monitor.core.schema import CategoricalValues, Floats, Hashes, NumericValues, State, Values

TEXTS = st.text(max_size=5).map(lambda text: text.encode("utf-8", "replace").decode())
INT64 = st.integers(-(2**63), 2**63 - 1)


def categories(codes: Sequence[int] | np.ndarray, *dictionary: str) -> CategoricalValues:
    return CategoricalValues(codes=np.asarray(codes, dtype=np.int32), dictionary=dictionary)


def texts_of(values: CategoricalValues) -> list[str | bool | None]:
    """The text of each row; None for a null, False for a value of a wrong type."""
    found = {CategoricalValues.NULL: None, CategoricalValues.WRONG: False} | dict(enumerate(values.dictionary))
    return [found[code] for code in values.codes.tolist()]


def numbers_of(numbers: Floats | None) -> object:
    return None if numbers is None else [[repr(number) for number in np.atleast_1d(row).tolist()] for row in numbers]


def values_told(values: Values | None) -> object:
    if isinstance(values, CategoricalValues):
        return texts_of(values)
    if values is None:
        return None
    return numbers_of(values.values), None if values.states is None else values.states.tolist()


def told(thing: Predicted | Labels | Matches) -> object:
    """All of it as lists, whatever the order of dictionaries: equal where the things are."""
    match thing:
        case Predicted():
            segments = {column: texts_of(values) for column, values in thing.segments.items()}
            return thing.ids.tolist(), values_told(thing.prediction), numbers_of(thing.scores), thing.classes, segments
        case Labels():
            numbers = (thing.times.tolist(), thing.offsets.tolist(), thing.partitions.tolist())
            return thing.ids.tolist(), values_told(thing.values), *numbers
        case Matches():
            return thing.rows.tolist(), told(thing.labels)


def category_values(rows: int) -> st.SearchStrategy[CategoricalValues]:
    def coded(dictionary: list[str]) -> st.SearchStrategy[CategoricalValues]:
        codes = st_np.arrays(np.int32, rows, elements=st.integers(-2, len(dictionary) - 1))
        return codes.map(lambda found: CategoricalValues(codes=found, dictionary=tuple(dictionary)))

    many = st.integers(0, 40_000).map(lambda size: [f"c{n}" for n in range(size)])
    return st.one_of(st.lists(TEXTS, max_size=5, unique=True), many).flatmap(coded)


def number_values(rows: int) -> st.SearchStrategy[NumericValues]:
    values = st_np.arrays(np.float64, rows)
    states = st.none() | st_np.arrays(np.uint8, rows, elements=st.integers(State.VALUE, State.WRONG_TYPE))
    return st.builds(lambda v, s: NumericValues(values=v, states=s), values, states)


def any_values(rows: int) -> st.SearchStrategy[Values]:
    return category_values(rows) | number_values(rows)


def hashes(rows: int) -> st.SearchStrategy[Hashes]:
    return st_np.arrays(np.uint64, rows)


@st.composite
def predictions(draw: st.DrawFn) -> Predicted:
    rows = draw(st.integers(0, 6))
    classes = tuple(draw(st.lists(TEXTS, max_size=3, unique=True)))
    scores = draw(st.none() | st_np.arrays(np.float64, (rows, max(len(classes), 1))))
    return Predicted(
        ids=draw(hashes(rows)),
        prediction=draw(st.none() | any_values(rows)),
        scores=scores,
        classes=() if scores is None else classes,
        segments=draw(st.dictionaries(TEXTS, category_values(rows), max_size=2)),
    )


@st.composite
def labels_of(draw: st.DrawFn, ids: Hashes | None = None) -> Labels:
    found = draw(st.integers(0, 6).flatmap(hashes)) if ids is None else ids
    times, offsets, partitions = (draw(st_np.arrays(np.int64, len(found), elements=INT64)) for _ in range(3))
    return Labels(ids=found, values=draw(any_values(len(found))), times=times, offsets=offsets, partitions=partitions)


@st.composite
def matches_of(draw: st.DrawFn, ids: Hashes) -> Matches:
    rows = np.array(draw(st.lists(st.integers(0, len(ids) - 1), max_size=6)) if len(ids) else [], dtype=np.int64)
    return Matches(rows=rows, labels=draw(labels_of(ids[rows])))
