"""Labels, predictions and probabilities of reference files are spelled as those of messages are."""

from __future__ import annotations

import csv
import json
import math
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.core.joining import joined
from monitor.core.labels.spelling import alike
from monitor.core.rules import Stream, StreamKind, Task
from monitor.core.schema import Batch, CategoricalValues, Column, Kind, NumericValues, Values
from monitor.formats import decoder
from monitor.references.files import File
from monitor.references.rows import Wanted
from tests.formats.test_json_rows import Message

COLUMN = Column(name="y", kind=Kind.CATEGORICAL, path="y")
STREAM = Stream(kind=StreamKind.PREDICTIONS, topic="p", columns=(COLUMN,), scores="p")
OF_FILES = Wanted(columns={"y": Kind.CATEGORICAL}, scores="p")


def of_messages(values: list[object], probabilities: list[object]) -> Batch:
    rows = [json.dumps({"y": y, "p": p}).encode() for y, p in zip(values, probabilities, strict=True)]
    return decoder(STREAM).decode([Message(row, offset=i) for i, row in enumerate(rows)])


def of_file(path: Path, wanted: Wanted = OF_FILES) -> Batch:
    return joined([chunk.batch for chunk in File(path).chunks(wanted)])


def of_jsonl(folder: Path, values: list[object], probabilities: list[object]) -> Batch:
    path = folder / "reference.jsonl"
    path.write_text("".join(json.dumps({"y": y, "p": p}) + "\n" for y, p in zip(values, probabilities, strict=True)))
    return of_file(path)


def of_csv(folder: Path, values: list[object], probabilities: list[object]) -> Batch:
    path = folder / "reference.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("y", "p"), *((y, json.dumps(p)) for y, p in zip(values, probabilities, strict=True))])
    return of_file(path)


def of_parquet(folder: Path, array: pa.Array, probabilities: pa.Array | None = None) -> Batch:
    path = folder / "reference.parquet"
    pq.write_table(pa.table({"y": array, "p": pa.nulls(len(array)) if probabilities is None else probabilities}), path)
    return of_file(path)


def texts(values: Values, task: Task = Task.MULTICLASS) -> list[str | int]:
    found = alike(values, task)
    assert isinstance(found, CategoricalValues)
    return [found.dictionary[code] if code >= 0 else code for code in found.codes.tolist()]


def probabilities_of(batch: Batch) -> list[dict[str, float]]:
    assert batch.scores is not None
    names = batch.scores.classes
    return [{name: p for name, p in zip(names, row, strict=True) if not math.isnan(p)} for row in batch.scores.values.tolist()]


BOTH = [1, 0, 1]
WRITTEN = {
    "booleans": pa.array([True, False, True]),
    "int8": pa.array(BOTH, pa.int8()),
    "uint64": pa.array(BOTH, pa.uint64()),
    "float": pa.array(BOTH, pa.float64()),
    "float32": pa.array(BOTH, pa.float32()),
    "decimal": pa.array([Decimal("1.00"), Decimal("0.00"), Decimal("1.00")]),
    "text": pa.array(["1", "0", "1"]),
    "text of floats": pa.array(["1.0", "0.0", "1.0"]),
    "text of booleans": pa.array(["True", "False", "True"]),
    "dictionary": pa.array(BOTH, pa.int8()).dictionary_encode(),
    "large text": pa.array(["1", "0", "1"], pa.large_string()),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_yes_and_no_of_any_type_in_a_parquet_file_are_1_and_0_of_a_binary_model(name: str, tmp_path: Path) -> None:
    assert texts(of_parquet(tmp_path, WRITTEN[name]).columns["y"], Task.BINARY) == ["1", "0", "1"]


@pytest.mark.parametrize(
    "values", [[True, False, True], [1, 0, 1], [1.0, 0.0, 1.0], ["1", "0", "1"], ["true", "False", "TRUE"], ["1.0", "0.0", "1"]], ids=str
)
def test_yes_and_no_in_text_files_are_those_of_messages(values: list[object], tmp_path: Path) -> None:
    none: list[object] = [None] * 3
    for batch in (of_messages(values, none), of_jsonl(tmp_path, values, none), of_csv(tmp_path, values, none)):
        assert texts(batch.columns["y"], Task.BINARY) == ["1", "0", "1"]


whole = st.integers(-(2**53), 2**53)
classes = (
    st.lists(whole, min_size=1)
    | st.lists(whole.map(float), min_size=1)
    | st.lists(st.booleans(), min_size=1)
    | st.lists(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e15, max_value=1e15), min_size=1)
    | st.lists(st.text("abc -é'\",", min_size=1), min_size=1)
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(classes)
def test_a_class_has_one_spelling_in_messages_and_in_every_kind_of_file(tmp_path: Path, values: list[object]) -> None:
    none: list[object] = [None] * len(values)
    expected = texts(of_messages(values, none).columns["y"])
    assert texts(of_jsonl(tmp_path, values, none).columns["y"]) == expected
    assert texts(of_parquet(tmp_path, pa.array(values)).columns["y"]) == expected
    if not any(isinstance(value, float) and "e" in repr(value) for value in values):  # csv tells no number from a text
        assert texts(of_csv(tmp_path, values, none).columns["y"]) == expected


def test_decimals_are_the_numbers_that_messages_carry(tmp_path: Path) -> None:
    array = pa.array([Decimal("5.00"), Decimal("0.50"), None, Decimal("-3.00")])
    assert texts(of_parquet(tmp_path, array).columns["y"]) == ["5", "0.5", CategoricalValues.NULL, "-3"]
    path = tmp_path / "reference.parquet"
    truths = texts(of_file(path, Wanted(columns={"y": Kind.BOOLEAN})).columns["y"])
    assert truths == [CategoricalValues.WRONG, CategoricalValues.WRONG, CategoricalValues.NULL, CategoricalValues.WRONG]
    numbers = of_file(path, Wanted(columns={"y": Kind.NUMERIC})).columns["y"]
    assert isinstance(numbers, NumericValues)
    assert numbers.values.tolist() == pytest.approx([5.0, 0.5, math.nan, -3.0], nan_ok=True)


def test_a_label_that_is_no_number_is_none_in_files_as_in_messages(tmp_path: Path) -> None:
    expected = ["1", CategoricalValues.WRONG, CategoricalValues.NULL]
    assert texts(of_parquet(tmp_path, pa.array([1.0, math.nan, None])).columns["y"]) == expected
    assert texts(of_jsonl(tmp_path, [1.0, math.nan, None], [None] * 3).columns["y"]) == expected


P_VALUES: list[object] = [{"a": 0.25, "b": 0.75}, [0.5, 0.5], None, {"b": 1.0}, 0.5, "a", [], {"a": "x"}]
MAP = pa.map_(pa.string(), pa.float64())
P_EXPECTED = [{"a": 0.25, "b": 0.75}, {"0": 0.5, "1": 0.5}, {}, {"b": 1.0}, {}, {}, {}, {}]


def test_probabilities_of_text_files_are_those_of_messages(tmp_path: Path) -> None:
    values: list[object] = ["a"] * len(P_VALUES)
    for batch in (of_messages(values, P_VALUES), of_jsonl(tmp_path, values, P_VALUES), of_csv(tmp_path, values, P_VALUES)):
        assert probabilities_of(batch) == P_EXPECTED


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (pa.array([{"a": 0.25, "b": 0.75}, {"a": None, "b": 1.0}, None]), [{"a": 0.25, "b": 0.75}, {"b": 1.0}, {}]),
        (pa.array([[0.25, 0.75], [1.0], []], pa.list_(pa.float32())), [{"0": 0.25, "1": 0.75}, {"0": 1.0}, {}]),
        (pa.array([[0.25, 0.75], [1.0, 0.0], None], pa.list_(pa.float64(), 2)), [{"0": 0.25, "1": 0.75}, {"0": 1.0, "1": 0.0}, {}]),
        (pa.array([[("a", 0.25), ("b", 0.75)], [("b", 1.0)], None], MAP), [{"a": 0.25, "b": 0.75}, {"b": 1.0}, {}]),
        (pa.array([[(1, 0.25), (2, 0.75)], [], None], pa.map_(pa.int32(), pa.float64())), [{"1": 0.25, "2": 0.75}, {}, {}]),
        (pa.array([0.25, 0.5, None]), [{}, {}, {}]),
    ],
    ids=["struct", "list", "fixed list", "map", "map of numbers", "numbers"],
)  # fmt: skip
def test_probabilities_of_a_parquet_file_may_be_of_any_nested_type(
    array: pa.Array, expected: list[dict[str, float]], tmp_path: Path
) -> None:
    assert probabilities_of(of_parquet(tmp_path, pa.array(["a"] * 3), array)) == expected


def test_a_cell_that_is_no_json_has_no_probabilities(tmp_path: Path) -> None:
    path = tmp_path / "reference.csv"
    path.write_text("y,p\na,{\nb,\nc,'[0.5]'\nd,\"[0.5, 0.5]\"\n" + f"e,{'[' * 100_000}\n")
    assert probabilities_of(of_file(path)) == [{}, {}, {}, {"0": 0.5, "1": 0.5}, {}]
    assert of_file(path, Wanted(columns={"y": Kind.CATEGORICAL})).scores is None
