import json
import math
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.rules import Stream, StreamKind
from monitor.core.schema import Batch, CategoricalValues, Column, Kind, NumericValues, Reason, State, to_micros
from monitor.formats import decoder

NOW = datetime(2024, 3, 1, 12, tzinfo=UTC)
STREAM = Stream(
    kind=StreamKind.PREDICTIONS,
    topic="t",
    id="id",
    time="ts",
    version="v",
    max_bytes=2_000,
    columns=(
        Column(name="x", kind=Kind.NUMERIC, path="f.x"),
        Column(name="c", kind=Kind.CATEGORICAL, path="f.c"),
        Column(name="b", kind=Kind.BOOLEAN, path="f.deep.b"),
    ),
)


@dataclass
class Message:
    value: bytes | None
    offset: int = 0
    timestamp: int = int(NOW.timestamp() * 1000)
    headers: list[tuple[str, bytes]] = field(default_factory=list)


def decode(*values: object, stream: Stream = STREAM) -> Batch:
    """Dicts are written as JSON; bytes and None are sent as they are."""
    raw = [v if isinstance(v, bytes) or v is None else json.dumps(v).encode() for v in values]
    return decoder(stream).decode([Message(value, offset=i) for i, value in enumerate(raw)])


def row(x: object = 1.5, c: object = "a", b: object = True, **other: object) -> dict[str, object]:
    return {"id": "i1", "ts": "2024-03-01T11:00:00Z", "v": "1", "f": {"x": x, "c": c, "deep": {"b": b}}} | other


def reasons(batch: Batch) -> list[Reason]:
    return [fault.reason for fault in batch.faults]


def test_a_plain_message_is_a_row():
    batch = decode(row())
    assert batch.times.tolist() == [to_micros(NOW - timedelta(hours=1))]
    assert batch.ids is not None
    assert batch.ids.tolist() == [xxhash.xxh3_64_intdigest(b"i1")]
    assert batch.versions is not None
    assert batch.versions.dictionary[batch.versions.codes[0]] == "1"
    assert isinstance(batch.columns["x"], NumericValues)
    assert batch.columns["x"].values.tolist() == [1.5]
    assert batch.columns["x"].states is None
    assert category(batch, "c") == "a"
    assert category(batch, "b") == "true"


def category(batch: Batch, name: str, i: int = 0) -> object:
    values = batch.columns[name]
    assert isinstance(values, CategoricalValues)
    code = int(values.codes[i])
    return code if code < 0 else values.dictionary[code]


def number(batch: Batch, i: int = 0) -> tuple[float, int]:
    values = batch.columns["x"]
    assert isinstance(values, NumericValues)
    if values.states is None:
        return float(values.values[i]), State.NULL if math.isnan(values.values[i]) else State.VALUE
    return float(values.values[i]), int(values.states[i])


@pytest.mark.fault(30)
@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("3", (3.0, State.VALUE)),
        ("1e999", (0.0, State.POS_INF)),
        ("-Infinity", (0.0, State.NEG_INF)),
        ("NaN", (0.0, State.NAN)),
        ("true", (0.0, State.WRONG_TYPE)),
        ('"3"', (0.0, State.WRONG_TYPE)),
        ("[1]", (0.0, State.WRONG_TYPE)),
        ("{}", (0.0, State.WRONG_TYPE)),
        ("1" + "0" * 30, (1e30, State.VALUE)),
        ("1" + "0" * 400, (0.0, State.POS_INF)),
        ("-0.0", (-0.0, State.VALUE)),
    ],
)
def test_what_a_numeric_column_makes_of_a_value(written: str, expected: tuple[float, int]):
    batch = decode(json.dumps(row(x="HERE")).replace('"HERE"', written).encode())
    assert number(batch) == expected


def test_a_null_and_a_missing_number_are_nulls():
    batch = decode(row(x=None), {k: v for k, v in row().items() if k != "f"})
    assert [number(batch, i)[1] for i in range(2)] == [State.NULL, State.NULL]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a", "a"),
        (5, "5"),
        (5.0, "5"),
        (2.5, "2.5"),
        (True, "true"),
        (None, CategoricalValues.NULL),
        ([], CategoricalValues.WRONG),
        ({}, CategoricalValues.WRONG),
        ("a\0b", "a\ufffdb"),
        ("\ud800", "?"),
        ("", ""),
        (10**30, "1" + "0" * 30),
    ],
)
def test_what_a_categorical_column_makes_of_a_value(value: object, expected: object):
    assert category(decode(row(c=value)), "c") == expected


def test_true_and_1_stay_apart_in_a_categorical_column_of_mixed_types():
    batch = decode(row(c=1), row(c=True), row(c="1"), row(c=1.0))
    assert [category(batch, "c", i) for i in range(4)] == ["1", "true", "1", "1"]


@pytest.mark.fault(30)
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (True, "true"),
        (0, "false"),
        (1, "true"),
        (2, CategoricalValues.WRONG),
        ("true", CategoricalValues.WRONG),
        (None, CategoricalValues.NULL),
        (1.0, "true"),
        ([], CategoricalValues.WRONG),
    ],
)
def test_what_a_boolean_column_makes_of_a_value(value: object, expected: object):
    assert category(decode(row(b=value)), "b") == expected


@pytest.mark.parametrize(
    "written",
    [
        "2024-03-01T11:00:00Z",
        "2024-03-01T12:30:00+01:30",
        "2024-03-01T11:00:00",
        "2024-03-01 11:00:00",
        1_709_290_800,
        1_709_290_800_000,
        1_709_290_800_000_000,
        1_709_290_800_000_000_000,
        1_709_290_800.0,
        "1709290800",
        "1709290800000",
    ],
)
def test_a_time_is_read_in_every_way_that_producers_write_it(written: object):
    batch = decode(row(ts=written), row(ts="2024-03-01T11:00:00Z"), row(ts=1_709_290_800))
    assert batch.times.tolist() == [to_micros(NOW - timedelta(hours=1))] * 3
    assert decode(row(ts=written)).times.tolist() == [to_micros(NOW - timedelta(hours=1))]


def test_fractions_of_a_second_are_kept_to_the_microsecond():
    assert decode(row(ts="2024-03-01T11:00:00.123457Z")).times.tolist() == [to_micros(NOW - timedelta(hours=1)) + 123_457]


@pytest.mark.fault(19)
@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, Reason.EMPTY),
        (b"", Reason.EMPTY),
        (b"x" * 2_001, Reason.TOO_LARGE),
        (b'{"id": "broken', Reason.NOT_JSON),
        (b"\xff\xfe not json", Reason.NOT_UTF8),
        (b"[1, 2]", Reason.NOT_AN_OBJECT),
        (b"3", Reason.NOT_AN_OBJECT),
        (b"null", Reason.NOT_AN_OBJECT),
        (b"[" * 1_900, Reason.NOT_JSON),
        (row(ts=None), Reason.MISSING_TIME),
        (row(ts="soon"), Reason.BAD_TIME),
        (row(ts=[]), Reason.BAD_TIME),
        (row(ts=True), Reason.BAD_TIME),
        (row(ts=float("nan")), Reason.BAD_TIME),
        (row(ts="2024-03-01T13:00:01Z"), Reason.FUTURE_TIME),
        (row(ts="1999-12-31T23:59:59Z"), Reason.ANCIENT_TIME),
        (row(ts=17), Reason.ANCIENT_TIME),
        (row(ts=10**25), Reason.BAD_TIME),
        (row(id=None), Reason.MISSING_ID),
        (row(id=""), Reason.MISSING_ID),
        (row(id=[1]), Reason.MISSING_ID),
        (row(id=True), Reason.MISSING_ID),
    ],
)
def test_a_message_that_is_no_row_is_a_fault_with_its_reason_and_the_others_stay(value: object, reason: Reason):
    batch = decode(row(), value, row(c="z"))
    assert reasons(batch) == [reason]
    assert batch.faults[0].offset == 1
    assert batch.offsets.tolist() == [0, 2]
    assert batch.received == 3
    assert batch.faults[0].detail


def test_a_row_without_id_tells_its_window_and_version():
    [fault] = decode(row(id=None)).faults
    assert (fault.time, fault.version) == (to_micros(NOW - timedelta(hours=1)), "1")


def test_a_missing_version_is_called_unknown_and_a_number_is_its_digits():
    batch = decode(row(v=None), row(v=7), row(v="x" * 500), row(v={}))
    assert batch.versions is not None
    assert [batch.versions.dictionary[code] for code in batch.versions.codes] == ["unknown", "7", "x" * 100, "unknown"]


def test_without_mapped_time_id_and_version_the_brokers_time_stands():
    stream = Stream(kind=StreamKind.PREDICTIONS, topic="t", columns=STREAM.columns)
    batch = decode(row(), stream=stream)
    assert batch.times.tolist() == [to_micros(NOW)]
    assert batch.ids is None
    assert batch.versions is None


def test_one_path_may_serve_columns_of_two_kinds():
    stream = Stream(
        kind=StreamKind.PREDICTIONS,
        topic="t",
        columns=(Column(name="n", kind=Kind.NUMERIC, path="h"), Column(name="k", kind=Kind.CATEGORICAL, path="h")),
    )
    batch = decode({"h": 5}, {"h": "x"}, stream=stream)
    assert [category(batch, "k", i) for i in range(2)] == ["5", "x"]
    values = batch.columns["n"]
    assert isinstance(values, NumericValues)
    assert values.states is not None
    assert values.states.tolist() == [State.VALUE, State.WRONG_TYPE]


@pytest.mark.parametrize("paths", [("a", "a.b"), ("a.b", "a"), ("a.b", "a.b.c")])
def test_a_path_inside_a_value_is_refused(paths: tuple[str, str]):
    columns = tuple(Column(name=p, kind=Kind.NUMERIC, path=p) for p in paths)
    with pytest.raises(ValueError, match=r"mapped as a value|lies inside"):
        decoder(Stream(kind=StreamKind.PREDICTIONS, topic="t", columns=columns))


def test_an_unknown_format_is_refused_with_those_that_exist():
    with pytest.raises(ValueError, match=r"unknown format 'xml', known: json"):
        decoder(Stream(kind=StreamKind.PREDICTIONS, topic="t", format="xml"))


def test_the_sample_of_a_fault_is_cut():
    [fault] = decode(b"[" + b"1," * 900).faults
    assert len(fault.sample) == 1_000


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "ts", "v", "f", "x", "c", "deep", "b"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@pytest.mark.fault(19)
@given(st.lists(st.one_of(st.binary(max_size=60), st.none(), json_values), max_size=12))
def test_nothing_that_a_message_holds_makes_the_decoder_fail_or_lose_it(values: list[object]):
    batch = decode(*values)
    assert batch.received == len(values)
    assert sorted([*batch.offsets.tolist(), *(fault.offset for fault in batch.faults)]) == list(range(len(values)))
    for column in batch.columns.values():
        assert len(column.values if isinstance(column, NumericValues) else column.codes) == len(batch)


@pytest.mark.fault(19)
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "x": st.none() | st.floats(allow_nan=False, allow_infinity=False) | st.integers(-9, 9),
                "c": st.none() | st.text(max_size=3) | st.integers() | st.booleans(),
            }
        ),
        max_size=12,
    ),
    st.integers(0, 11),
)
def test_an_odd_message_in_a_batch_changes_nothing_for_the_others(rows: list[dict[str, object]], at: int):
    messages: list[object] = [row(**values) for values in rows]
    alone = decode(*messages)
    mixed = decode(*messages[:at], row(x=float("nan")), *messages[at:])
    keep = np.delete(np.arange(len(mixed)), min(at, len(rows)))
    for name in ("c", "b"):
        assert [category(mixed, name, int(i)) for i in keep] == [category(alone, name, i) for i in range(len(alone))]
    assert [number(mixed, int(i))[1] for i in keep] == [number(alone, i)[1] for i in range(len(alone))]
