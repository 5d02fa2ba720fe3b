"""Predictions and labels as bytes: they come back as they were, take little room, and damage is told."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.labels.labels import Labels, Matches
from monitor.core.labels.packing import (
    pack_ids,
    pack_labels,
    pack_matches,
    pack_predicted,
    unpack_ids,
    unpack_labels,
    unpack_matches,
    unpack_predicted,
)
from monitor.core.labels.predicted import Predicted
from monitor.core.schema import NumericValues
from monitor.errors import DecodeError
from tests.core.labelled import categories, labels_of, matches_of, predictions, texts_of, told


@given(predictions())
def test_predictions_come_back_as_they_were(predicted: Predicted) -> None:
    again = unpack_predicted(pack_ids(predicted.ids), pack_predicted(predicted))
    assert told(again) == told(predicted)
    assert again.ids.dtype == np.uint64
    assert again.scores is None or again.scores.dtype == np.float64


@given(st.data())
def test_labels_come_back_as_they_were(data: st.DataObject) -> None:
    labels = data.draw(labels_of())
    assert told(unpack_labels(pack_labels(labels))) == told(labels)


@given(st.data())
def test_matches_come_back_as_they_were(data: st.DataObject) -> None:
    predicted = data.draw(predictions())
    matches = data.draw(matches_of(predicted.ids))
    assert told(unpack_matches(pack_matches(matches), predicted.ids)) == told(matches)


@given(predictions(), st.data())
def test_what_is_damaged_is_told_or_still_has_its_form(predicted: Predicted, data: st.DataObject) -> None:
    packed = bytearray(pack_predicted(predicted))
    at = data.draw(st.integers(0, len(packed) - 1))
    packed[at] ^= data.draw(st.integers(1, 255))
    try:
        again = unpack_predicted(pack_ids(predicted.ids), bytes(packed))
    except DecodeError:
        return
    assert len(again) == len(predicted)
    told(again)  # every code finds its text


def test_a_binary_row_takes_at_most_twenty_bytes() -> None:
    rows, rng = 100_000, np.random.default_rng(5)
    scores = rng.beta(2, 5, rows)
    predicted = Predicted(
        ids=rng.integers(0, 2**64, rows, dtype=np.uint64),
        prediction=categories((scores > 0.5).astype(int), "0", "1"),
        scores=scores[:, np.newaxis],
        segments={
            "origin": categories(rng.integers(0, 3, rows), "EWR", "JFK", "LGA"),
            "carrier": categories(rng.integers(0, 16, rows), *"abcdefghijklmnop"),
        },
    )
    assert (len(pack_ids(predicted.ids)) + len(pack_predicted(predicted))) / rows <= 20
    rounded = replace(predicted, scores=np.round(scores[:, np.newaxis], 3))
    assert len(pack_predicted(rounded)) < 0.6 * len(pack_predicted(predicted)), "what deflates is deflated"


def test_a_dictionary_is_kept_as_far_as_it_is_used() -> None:
    many = tuple(f"carrier {n}" for n in range(10_000))
    predicted = Predicted(ids=np.arange(3, dtype=np.uint64), segments={"carrier": categories([9_999, -1, 7], *many)})
    packed = pack_predicted(predicted)
    assert len(packed) < 200
    carriers = unpack_predicted(pack_ids(predicted.ids), packed).segments["carrier"]
    assert (carriers.dictionary, texts_of(carriers)) == (("carrier 7", "carrier 9999"), ["carrier 9999", None, "carrier 7"])


LEAST, MOST = -(2**63), 2**63 - 1


@pytest.mark.parametrize(("least", "most"), [(LEAST, MOST), (MOST, MOST), (LEAST, LEAST), (0, 255), (5, 261), (0, 2**32)])
def test_whole_numbers_of_any_size_come_back(least: int, most: int) -> None:
    numbers = np.array([least, most], dtype=np.int64)
    ids, values = np.array([1, 2], dtype=np.uint64), categories([0, 0], "x")
    labels = Labels(ids=ids, values=values, times=numbers, offsets=numbers[::-1], partitions=numbers)
    again = unpack_labels(pack_labels(labels))
    assert (again.times.tolist(), again.offsets.tolist()) == ([least, most], [most, least])


ONE = Predicted(ids=np.array([7], dtype=np.uint64), prediction=categories([0], "yes"), scores=np.array([[0.5]]))
LABEL = Labels(ids=ONE.ids, values=categories([0], "no"), times=np.array([1]), offsets=np.array([2]), partitions=np.array([0]))
MATCH = Matches(rows=np.array([0]), labels=LABEL)


def changed(packed: bytes, *path: int, to: object) -> bytes:
    """The document with another value in one place."""
    document = inner = msgspec.msgpack.decode(packed)
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = to
    return msgspec.msgpack.encode(document)


FORMAT, ROWS, PREDICTION, SCORES, CLASSES = range(5)


@pytest.mark.parametrize(
    ("packed", "said"),
    [
        (b"", "0 bytes of kept rows cannot be read"),
        (pack_predicted(ONE)[:-1], "cannot be read"),
        (changed(pack_predicted(ONE), FORMAT, to=2), "format 2 of kept rows is not 1"),
        (changed(pack_predicted(ONE), ROWS, to=2), "1 ids for 2 rows"),
        (changed(pack_predicted(ONE), PREDICTION, 2, to=[]), "a code beyond their dictionary of 0"),
        (changed(pack_predicted(ONE), PREDICTION, 1, 0, to="<f8"), "an array of '<f8', expected one of"),
        (changed(pack_predicted(ONE), PREDICTION, 1, 2, to=b"\x00\x00"), "an array of 2 bytes, expected 1"),
        (changed(pack_predicted(ONE), SCORES, 0, 1, to=True), "cannot be inflated"),
        (changed(pack_predicted(ONE), CLASSES, to=["a", "b"]), "1 columns of scores for 2 classes"),
    ],
)  # fmt: skip
def test_predictions_that_cannot_be_are_refused(packed: bytes, said: str) -> None:
    with pytest.raises(DecodeError, match=said):
        unpack_predicted(pack_ids(ONE.ids), packed)


def test_states_that_are_none_are_refused() -> None:
    numbers = replace(ONE, prediction=NumericValues(values=np.array([1.0]), states=np.array([5], dtype=np.uint8)))
    damaged = changed(pack_predicted(numbers), PREDICTION, 2, 2, to=b"\x06")
    with pytest.raises(DecodeError, match="a state that is none"):
        unpack_predicted(pack_ids(ONE.ids), damaged)


def test_half_a_hash_is_refused() -> None:
    with pytest.raises(DecodeError, match="9 bytes of ids"):
        unpack_ids(bytes(9))


def test_labels_and_matches_are_not_taken_for_each_other() -> None:
    with pytest.raises(DecodeError, match="stored labels have no ids"):
        unpack_labels(pack_matches(MATCH))
    with pytest.raises(DecodeError, match="stored matches have no rows"):
        unpack_matches(pack_labels(LABEL), ONE.ids)
    with pytest.raises(DecodeError, match="beyond the 0 of their window"):
        unpack_matches(pack_matches(MATCH), ONE.ids[:0])
