"""The row sample: the same rows however the stream was cut."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.core.profile import RowSample, canonical
from monitor.core.profile.categorical import category_text
from monitor.core.profile.sample import WRONG_TYPE, splitmix64
from monitor.core.schema import CategoricalValues, NumericValues, State
from monitor.errors import DecodeError
from tests.core.profile_batches import batch_of, categories, numbers, rows

COLUMNS = ("carrier", "delay", "hour", "night")


def test_hashes_are_those_of_the_published_splitmix64() -> None:
    """The first outputs of the generator for seed 1234567, as published with its reference code."""
    assert splitmix64(1234567, np.arange(3)).tolist() == [6457827717110365317, 3203168211198807973, 9817491932198370423]


def test_a_sample_holds_the_rows_of_the_smallest_hashes() -> None:
    batch = rows(1000)
    sample = RowSample(columns=COLUMNS, size=10).fold(batch, 99)
    hashes = splitmix64(99, batch.offsets)
    assert list(sample.rows) == sorted(hashes.tolist())[:10]
    hour = batch.columns["hour"]
    assert isinstance(hour, NumericValues)
    first = hour.values[int(np.argmin(hashes))]
    assert next(iter(sample.rows.values()))[2] == (None if np.isnan(first) else first)


def test_a_small_window_is_kept_whole() -> None:
    batch = batch_of({"hour": numbers(1.0, 2.0)})
    assert sorted(RowSample(columns=("hour",), size=5).fold(batch, 1).rows.values()) == [(1.0,), (2.0,)]


def test_another_partition_gives_other_rows() -> None:
    batch = rows(500)
    one, two = (RowSample(columns=COLUMNS, size=5).fold(batch, seed) for seed in (1, 2))
    assert set(one.rows).isdisjoint(two.rows)


def test_size_zero_keeps_nothing() -> None:
    sample = RowSample(columns=COLUMNS)
    assert sample.fold(rows(50), 1) is sample
    assert not sample.merge(RowSample(columns=COLUMNS, size=5).fold(rows(50), 1)).rows


def test_what_is_no_value_can_be_told_apart_in_json() -> None:
    states = np.array([State.VALUE, State.NULL, State.NAN, State.POS_INF, State.NEG_INF, State.WRONG_TYPE], dtype=np.uint8)
    batch = batch_of(
        {
            "x": NumericValues(values=np.full(6, 2.5), states=states),
            "y": NumericValues(values=np.array([np.nan, 1.0, -0.0, 4.0, 5.0, 6.0])),
            "z": categories("a" * 300, None, "b", "b", "b", wrong=1),
        }
    )
    sample = RowSample(columns=("x", "y", "z", "gone"), size=9).fold(batch, 1)
    by_offset = [sample.rows[key] for key in splitmix64(1, batch.offsets).tolist()]
    assert [row[0] for row in by_offset] == [2.5, None, "NaN", "Infinity", "-Infinity", WRONG_TYPE]
    assert [row[1] for row in by_offset] == [None, 1.0, 0.0, 4.0, 5.0, 6.0]
    assert [row[2] for row in by_offset] == [category_text("a" * 300), None, "b", "b", "b", WRONG_TYPE]
    assert [row[3] for row in by_offset] == [None] * 6


def test_two_rows_of_one_hash_leave_the_same_one_in_either_order() -> None:
    one = RowSample(columns=("x",), size=3, rows={7: (1.0,)})
    two = RowSample(columns=("x",), size=3, rows={7: (None,)})
    assert one.merge(two) == two.merge(one)


@pytest.mark.parametrize("code", [CategoricalValues.NULL, CategoricalValues.WRONG])
def test_a_dictionary_may_be_empty(code: int) -> None:
    batch = batch_of({"x": CategoricalValues(codes=np.array([code], dtype=np.int32), dictionary=())})
    assert len(RowSample(columns=("x",), size=1).fold(batch, 1).rows) == 1


def test_a_sample_survives_its_document() -> None:
    sample = RowSample(columns=COLUMNS, size=50).fold(rows(500), 3)
    text = canonical.readable(sample.document())
    assert RowSample.of(canonical.parse(text, "sample")) == sample
    assert sample.values("carrier") == tuple(row[0] for row in sample.rows.values())


@pytest.mark.parametrize(("change", "said"), [
    ({"hashes": ["0"]}, "hashes: expected distinct hashes of 16 hex digits"),
    ({"hashes": ["0" * 16, "0" * 16]}, "hashes: expected distinct"),
    ({"columns": {"x": [1.0]}}, "columns.x: expected 2 texts, numbers or nulls"),
    ({"columns": {"x": [True, None]}}, "columns.x: expected 2 texts"),
    ({"columns": {"x": [[], None]}}, "columns.x: expected 2 texts"),
    ({"columns": {"x": [10**400, None]}}, "columns.x: expected 2 texts"),
    ({"size": 1}, "size: expected a whole number from 2"),
])
def test_a_broken_document_is_refused_with_its_place(change: dict[str, object], said: str) -> None:
    whole = {"size": 2, "hashes": ["0" * 16, "f" * 16], "columns": {"x": [1, None]}}
    assert RowSample.of(canonical.Fields(whole, "sample")).rows == {0: (1.0,), 2**64 - 1: (None,)}
    with pytest.raises(DecodeError, match=said):
        RowSample.of(canonical.Fields(whole | change, "sample"))
