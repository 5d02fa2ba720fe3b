"""Chunks of predictions and labels put together, and predictions with the label that counts beside them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.labels.beside import joined_matches, joined_rows, no_matches
from monitor.core.labels.chunks import by_id, joined_labels, joined_predicted
from monitor.core.labels.labels import Labels, Matches
from monitor.core.labels.packing import merged_matches, pack_matches, unpack_matches
from monitor.core.labels.predicted import Predicted
from monitor.core.schema import CategoricalValues, NumericValues
from monitor.core.segments import NO_VALUE
from tests.core.labelled import categories, labels_of, matches_of, numbers_of, predictions, texts_of, told, values_told


def rows_told(predicted: Predicted) -> list[object]:
    """Row by row, so that an order can be compared."""
    return [told(predicted.take(np.array([at]))) for at in range(len(predicted))]


@given(st.lists(predictions(), min_size=1, max_size=4))
def test_chunks_of_any_form_keep_their_rows_and_lose_none(chunks: list[Predicted]) -> None:
    whole = joined_predicted(chunks)
    assert whole.ids.tolist() == [id for chunk in chunks for id in chunk.ids.tolist()]
    for values in (whole.prediction, *whole.segments.values()):
        assert values is None or len(values.codes if isinstance(values, CategoricalValues) else values.values) == len(whole)
    assert whole.scores is None or whole.scores.shape == (len(whole), len(whole.classes) or 1)
    newest = chunks[-1]
    end = whole.take(np.arange(len(whole) - len(newest), len(whole)))
    if newest.prediction is not None and (not isinstance(newest.prediction, NumericValues) or newest.prediction.states is None):
        assert np.array_equal(texts_or_numbers(end.prediction), texts_or_numbers(newest.prediction))


def texts_or_numbers(values: object) -> object:
    return texts_of(values) if isinstance(values, CategoricalValues) else numbers_of(values.values)  # type: ignore[attr-defined]


@given(predictions(), st.data())
def test_a_chunk_cut_in_two_and_joined_is_the_same(predicted: Predicted, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(predicted)))
    again = joined_predicted([predicted.take(np.arange(at)), predicted.take(np.arange(at, len(predicted)))])
    assert told(again) == told(predicted)


@given(predictions())
def test_ordered_by_id_it_has_the_same_rows(predicted: Predicted) -> None:
    ordered = by_id(predicted)
    assert ordered.ids.tolist() == sorted(predicted.ids.tolist())
    by_hand = sorted(zip(predicted.ids.tolist(), rows_told(predicted), strict=True), key=lambda pair: pair[0])
    assert rows_told(ordered) == [row for _, row in by_hand]


def test_another_configuration_leaves_nulls_and_never_rows_of_another_length() -> None:
    ids = np.array([1, 2], dtype=np.uint64)
    bare = Predicted(ids=ids)
    numbers = Predicted(ids=ids, prediction=NumericValues(values=np.array([1.0, 2.0])), scores=np.array([[0.25], [0.75]]))
    classes = Predicted(ids=ids, prediction=categories([0, 1], "a", "b"), scores=np.array([[0.5, 0.5], [0.0, 1.0]]), classes=("a", "b"),
                        segments={"origin": categories([0, 0], "JFK")})  # fmt: skip
    more = replace(classes, prediction=categories([0, 0], "c"), scores=np.array([[1.0, 0.0]] * 2), classes=("c", "b"))
    whole = joined_predicted([bare, numbers, classes, more])
    assert isinstance(whole.prediction, CategoricalValues)
    assert texts_of(whole.prediction) == [None, None, None, None, "a", "b", "c", "c"]
    assert whole.classes == ("c", "b", "a")
    nan = float("nan")
    assert whole.scores is not None
    assert numbers_of(whole.scores) == numbers_of(np.array([[nan] * 3] * 4 + [[nan, 0.5, 0.5], [nan, 1.0, 0.0]] + [[1.0, 0.0, nan]] * 2))
    assert texts_of(whole.segments["origin"]) == [NO_VALUE] * 4 + ["JFK"] * 4
    back = joined_predicted([classes, numbers])
    assert (back.classes, numbers_of(back.scores)) == ((), [["nan"], ["nan"], ["0.25"], ["0.75"]])
    assert values_told(back.prediction) == ([["nan"], ["nan"], ["1.0"], ["2.0"]], None)


def test_labels_of_another_kind_than_the_newest_are_null() -> None:
    one = np.array([1])
    texts = Labels(ids=one.astype(np.uint64), values=categories([0], "yes"), times=one, offsets=one, partitions=one)
    numbers = replace(texts, values=NumericValues(values=np.array([3.5])))
    assert values_told(joined_labels([texts, numbers]).values) == ([["nan"], ["3.5"]], None)
    assert values_told(joined_labels([numbers, texts]).values) == [None, "yes"]
    assert len(joined_labels([numbers, texts])) == 2


@given(st.data())
def test_matches_are_merged_without_their_ids_as_with_them(data: st.DataObject) -> None:
    predicted = data.draw(predictions())
    parts = data.draw(st.lists(matches_of(predicted.ids), min_size=1, max_size=3))
    merged = unpack_matches(merged_matches([pack_matches(part) for part in parts]), predicted.ids)
    labels = joined_labels([part.labels for part in parts])
    assert told(merged) == told(Matches(rows=np.concatenate([part.rows for part in parts]), labels=labels))


@given(st.data())
def test_each_row_has_the_latest_of_its_labels_in_whatever_order_they_come(data: st.DataObject) -> None:
    """By hand: the largest of (time, offset, partition), and of equal ones any."""
    rows = data.draw(st.integers(1, 5))
    kept = Predicted(ids=np.arange(rows, dtype=np.uint64), prediction=categories([0] * rows, "x"))
    drawn = data.draw(st.lists(st.tuples(st.integers(0, rows - 1), st.integers(0, 2), st.integers(0, 2), st.integers(0, 2)), unique=True))
    parts = []
    for row, time, offset, partition in data.draw(st.permutations(drawn)):
        one = [np.array([number]) for number in (time, offset, partition)]
        values = categories([0], f"{row} {time} {offset} {partition}")
        labels = Labels(ids=kept.ids[[row]], values=values, times=one[0], offsets=one[1], partitions=one[2])
        parts.append(Matches(rows=np.array([row]), labels=labels))
    joined = joined_rows(kept, joined_matches(parts))
    expected = [max((tuple(rest) for at, *rest in drawn if at == row), default=None) for row in range(rows)]
    texts = [None if best is None else f"{row} {best[0]} {best[1]} {best[2]}" for row, best in enumerate(expected)]
    assert isinstance(joined.labels, CategoricalValues)
    assert texts_of(joined.labels) == texts
    assert joined.times.tolist() == [0 if best is None else best[0] for best in expected]


@given(st.data())
def test_numbers_keep_their_states_beside_the_rows(data: st.DataObject) -> None:
    predicted = data.draw(predictions().filter(len))
    labels = data.draw(labels_of(predicted.ids))
    joined = joined_rows(predicted, Matches(rows=np.arange(len(predicted)), labels=labels))
    assert values_told(joined.labels) == values_told(labels.values)
    assert joined.times.tolist() == labels.times.tolist()


def test_without_labels_the_kind_is_that_of_the_prediction() -> None:
    ids = np.array([1], dtype=np.uint64)
    forms = {
        "classes": Predicted(ids=ids, prediction=categories([0], "a")),
        "score": Predicted(ids=ids, scores=np.array([[0.5]])),
        "number": Predicted(ids=ids, prediction=NumericValues(values=np.array([1.0]))),
    }
    found = {name: values_told(joined_rows(form, no_matches()).labels) for name, form in forms.items()}
    assert found == {"classes": [None], "score": [None], "number": ([["nan"]], None)}
