"""Probabilities of a multiclass model's classes."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.joining import joined
from monitor.core.schema import MOST_CLASSES, Batch, Column, Kind, Reason, Scores
from monitor.formats import decoder
from monitor.formats.json_rows import CHUNK_ROWS
from tests.formats.test_json_rows import STREAM, Message, decode, row

SCORED = replace(STREAM, scores="p", columns=(), max_bytes=1_000_000)


def scores(batch: Batch) -> Scores:
    assert batch.scores is not None
    assert batch.scores.values.shape == (len(batch), len(batch.scores.classes))
    return batch.scores


def scored(*values: object) -> Scores:
    return scores(decode(*({"id": i, "ts": 1_709_290_800, "p": value} for i, value in enumerate(values)), stream=SCORED))


def by_class(found: Scores, i: int) -> dict[str, float]:
    """The probabilities that a row has, by class."""
    return {name: float(p) for name, p in zip(found.classes, found.values[i], strict=True) if not math.isnan(p)}


def test_an_object_gives_probabilities_by_class_and_a_list_by_position() -> None:
    found = scored({"a": 0.25, "b": 0.75}, {"b": 1, "a": 0})
    assert (found.classes, found.values.tolist()) == (("a", "b"), [[0.25, 0.75], [0.0, 1.0]])
    found = scored([0.1, 0.2, 0.7])
    assert (found.classes, found.values.tolist()) == (("0", "1", "2"), [[0.1, 0.2, 0.7]])


def test_classes_come_in_the_order_of_their_first_appearance_and_what_a_row_leaves_out_is_nan() -> None:
    found = scored({"b": 0.5, "a": 0.5}, [0.25, 0.75], {"c": 1.0}, {"1": 0.5, "b": 0.5})
    assert found.classes == ("b", "a", "0", "1", "c")
    assert [by_class(found, i) for i in range(4)] == [{"b": 0.5, "a": 0.5}, {"0": 0.25, "1": 0.75}, {"c": 1.0}, {"1": 0.5, "b": 0.5}]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("null", {}), ("0.7", {}), ('"a"', {}), ("true", {}), ("{}", {}), ("[]", {}),
        ('{"a": 0.5, "b": "0.5"}', {"a": 0.5}), ('{"a": 0.5, "b": null}', {"a": 0.5}), ('{"a": 0.5, "b": NaN}', {"a": 0.5}),
        ('{"a": Infinity, "b": true}', {}), ('{"a": 1e999, "b": 0}', {"b": 0.0}), ('{"a": {"p": 1}, "b": [1]}', {}),
        ("[0.5, null, 0.5]", {"0": 0.5, "2": 0.5}), ('[0.5, "x", [0.5]]', {"0": 0.5}), ("[[0.25, 0.75]]", {"0": 0.25, "1": 0.75}),
        ("[[0.25], [0.75]]", {}), ('{"a": -3.5, "b": 17}', {"a": -3.5, "b": 17.0}),
        ('{"1.0": 0.25, "-2.0": 0.75}', {"1": 0.25, "-2": 0.75}), ('{"1.5": 0.25, "01.0": 0.75}', {"1.5": 0.25, "01.0": 0.75}),
        ('{"a\\u0000": 0.5, "\\ud800": 0.5}', {"a\ufffd": 0.5, "?": 0.5}), ('{"": 1}', {"": 1.0}),
    ],
)  # fmt: skip
def test_what_is_made_of_a_score(written: str, expected: dict[str, float]) -> None:
    text = json.dumps({"id": 1, "ts": 1_709_290_800, "p": "HERE"}).replace('"HERE"', written)
    found = scores(decode(text.encode(), {"id": 2, "ts": 1_709_290_800, "p": {"z": 1.0}}, stream=SCORED))
    assert (by_class(found, 0), by_class(found, 1)) == (expected, {"z": 1.0})


def test_a_stream_without_probabilities_has_none() -> None:
    assert decode(row()).scores is None
    assert scores(decode(stream=SCORED)).classes == ()


def test_a_message_without_its_score_is_a_row_and_one_without_its_id_is_none() -> None:
    batch = decode({"id": 1, "ts": 1_709_290_800}, {"ts": 1_709_290_800, "p": [1.0]}, {"id": 2, "ts": 1_709_290_800, "p": [0.5, 0.5]},
                   stream=SCORED)
    assert [fault.reason for fault in batch.faults] == [Reason.MISSING_ID]
    assert [by_class(scores(batch), i) for i in range(2)] == [{}, {"0": 0.5, "1": 0.5}]


def test_a_score_may_also_be_a_column() -> None:
    stream = replace(SCORED, columns=(Column(name="p", kind=Kind.NUMERIC, path="p"),))
    batch = decode(*({"id": i, "ts": 1_709_290_800, "p": value} for i, value in enumerate([0.5, {"a": 1}])), stream=stream)
    assert [by_class(scores(batch), i) for i in range(2)] == [{}, {"a": 1.0}]
    assert batch.columns["p"].take(np.array([0])).values.tolist() == [0.5]  # type: ignore[union-attr]


def test_a_row_that_names_a_class_beyond_the_thousandth_has_no_probabilities() -> None:
    most = {f"c{i}": 0.001 for i in range(MOST_CLASSES)}
    found = scored({"first": 1.0}, most, {"c1": 1.0}, [1.0] * (MOST_CLASSES + 1), {"first": 0.5, "c1": 0.5})
    assert found.classes == ("first", "c1")
    assert [by_class(found, i) for i in range(5)] == [{"first": 1.0}, {}, {"c1": 1.0}, {}, {"first": 0.5, "c1": 0.5}]


def test_batches_joined_keep_a_thousand_classes_and_no_part_of_a_row() -> None:
    one = replace(decode(stream=SCORED), scores=Scores(values=np.ones((1, 1)), classes=("first",)))
    many = Scores(values=np.full((2, MOST_CLASSES), np.nan), classes=tuple(f"c{i}" for i in range(MOST_CLASSES)))
    many.values[0, :2] = 0.5
    many.values[1, [1, MOST_CLASSES - 1]] = 0.5
    found = joined([one, replace(one, scores=many)]).scores
    assert found is not None
    assert found.classes == ("first", *many.classes[:-1])
    assert [by_class(found, i) for i in range(3)] == [{"first": 1.0}, {"c0": 0.5, "c1": 0.5}, {}]


probabilities = st.floats(0, 1) | st.none()
written = st.none() | st.lists(probabilities, max_size=4) | st.dictionaries(st.sampled_from("abcd"), probabilities, max_size=4)


@given(st.lists(written, max_size=12), st.integers(1, 5))
def test_rows_read_in_any_chunks_have_the_same_probabilities(values: list[object], size: int) -> None:
    whole = scored(*values)
    records = [Message(json.dumps({"id": i, "ts": 1_709_290_800, "p": value}).encode(), offset=i) for i, value in enumerate(values)]
    decode_ = decoder(SCORED).decode
    parts = joined([decode_(records[at : at + size]) for at in range(0, len(records), size)] or [decode_([])])
    for found in (whole, scores(parts)):
        for i, value in enumerate(values):
            cells = value.items() if isinstance(value, dict) else ((str(at), p) for at, p in enumerate(value or []))  # type: ignore[arg-type]
            assert by_class(found, i) == {name: p for name, p in cells if p is not None}
    assert whole.classes == scores(parts).classes


def test_rows_of_many_chunks_are_put_together_by_class() -> None:
    values = [{"a": 0.25, "b": 0.75} if i % 2 else {"b": 0.5, "c": 0.5} for i in range(2 * CHUNK_ROWS + 1)]
    found = scored(*values)
    assert found.classes == ("b", "c", "a")
    assert [by_class(found, i) for i in range(len(values))] == values


def test_rows_chosen_of_a_batch_keep_their_own_probabilities() -> None:
    batch = decode(*({"id": i, "ts": 1_709_290_800, "p": [i / 4, 1 - i / 4]} for i in range(4)), stream=SCORED)
    assert scores(batch.take(np.array([3, 1]))).values.tolist() == [[0.75, 0.25], [0.25, 0.75]]
