"""Labels: what is one, and what becomes of the rest."""

import json
from dataclasses import replace

import pytest

from monitor.core.labels.spelling import alike, spelled
from monitor.core.rules import Stream, StreamKind, Task
from monitor.core.schema import Batch, CategoricalValues, Column, Kind, NumericValues, Reason, Role
from tests.formats.test_json_rows import decode

CLASSES = Stream(kind=StreamKind.LABELS, topic="l", id="id", time="ts",
                 columns=(Column(name="out.y", kind=Kind.CATEGORICAL, role=Role.LABEL, path="out.y"),))
NUMBERS = replace(CLASSES, columns=(Column(name="out.y", kind=Kind.NUMERIC, role=Role.LABEL, path="out.y"),))
TIME = 1_709_290_800


def labelled(*written: str, stream: Stream = CLASSES) -> Batch:
    """Labels as they are written in JSON."""
    return decode(*(f'{{"id": {i}, "ts": {TIME}, "out": {{"y": {text}}}}}'.encode() for i, text in enumerate(written)), stream=stream)


def classes(values: object) -> list[str]:
    assert isinstance(values, CategoricalValues)
    return [values.dictionary[code] for code in values.codes.tolist()]


@pytest.mark.parametrize(
    ("written", "text"),
    [("true", "true"), ("false", "false"), ("0", "0"), ("1.0", "1"), ("2.5", "2.5"), ('"yes"', "yes"), ('" a "', " a "), ("-3", "-3")],
)
def test_a_label_is_a_class_as_a_prediction_is(written: str, text: str) -> None:
    batch = labelled(written)
    assert (batch.faults, classes(batch.columns["out.y"])) == ((), [text])


@pytest.mark.parametrize(
    ("written", "reason", "detail"),
    [
        ("null", Reason.MISSING_LABEL, "no label at 'out.y'"),
        ('""', Reason.MISSING_LABEL, "no label at 'out.y'"),
        ('"  "', Reason.MISSING_LABEL, "no label at 'out.y'"),
        ("[1]", Reason.BAD_LABEL, "[1] at 'out.y' is no label; expected a class"),
        ('{"a": {"b": {"c": [1]}}}', Reason.BAD_LABEL, "{'a': {'b': {'c': [...]}}} at 'out.y' is no label; expected a class"),
        ("NaN", Reason.BAD_LABEL, "nan at 'out.y' is no label; expected a class"),
    ],
)  # fmt: skip
def test_what_is_no_class_is_a_fault_that_tells_its_time_and_value(written: str, reason: Reason, detail: str) -> None:
    batch = labelled('"a"', written, '"b"')
    (fault,) = batch.faults
    assert (fault.offset, fault.reason, fault.detail, fault.time) == (1, reason, detail, TIME * 1_000_000)
    assert classes(batch.columns["out.y"]) == ["a", "b"]
    assert (batch.offsets.tolist(), batch.received) == ([0, 2], 3)


@pytest.mark.parametrize(
    ("written", "reason", "detail"),
    [
        ("null", Reason.MISSING_LABEL, "no label at 'out.y'"),
        ('""', Reason.MISSING_LABEL, "no label at 'out.y'"),
        ('"5"', Reason.BAD_LABEL, "'5' at 'out.y' is no label; expected a number"),
        ("true", Reason.BAD_LABEL, "True at 'out.y' is no label; expected a number"),
        ("NaN", Reason.BAD_LABEL, "nan at 'out.y' is no label; expected a number"),
        ("-Infinity", Reason.BAD_LABEL, "-inf at 'out.y' is no label; expected a number"),
        ("1e999", Reason.BAD_LABEL, "inf at 'out.y' is no label; expected a number"),
        ("[5]", Reason.BAD_LABEL, "[5] at 'out.y' is no label; expected a number"),
    ],
)  # fmt: skip
def test_what_is_no_number_is_a_fault_where_numbers_are_predicted(written: str, reason: Reason, detail: str) -> None:
    batch = labelled("5", written, "6.5", stream=NUMBERS)
    (fault,) = batch.faults
    assert (fault.offset, fault.reason, fault.detail) == (1, reason, detail)
    values = batch.columns["out.y"]
    assert isinstance(values, NumericValues)
    assert values.values.tolist() == [5.0, 6.5]


@pytest.mark.parametrize("stream", [CLASSES, NUMBERS])
def test_a_message_without_the_object_of_the_label_has_no_label(stream: Stream) -> None:
    (fault,) = decode({"id": 1, "ts": TIME}, {"id": 2, "ts": TIME, "out": {"y": 1}}, stream=stream).faults
    assert (fault.offset, fault.reason) == (0, Reason.MISSING_LABEL)


def test_a_huge_label_is_told_in_a_few_words() -> None:
    huge = json.dumps([["x" * 10_000] * 1_000] * 10)
    batch = labelled(huge, json.dumps({f"k{i}": "y" * 1_000 for i in range(1_000)}), stream=replace(CLASSES, max_bytes=10**9))
    assert [fault.reason for fault in batch.faults] == [Reason.BAD_LABEL] * 2
    assert all(len(fault.detail) <= 200 for fault in batch.faults)


def test_a_fault_of_the_message_goes_before_that_of_its_label() -> None:
    batch = decode({"id": 1, "ts": "soon", "out": {"y": None}}, {"ts": TIME, "out": {"y": []}}, b"{", b"", stream=CLASSES)
    assert [fault.reason for fault in batch.faults] == [Reason.BAD_TIME, Reason.MISSING_ID, Reason.NOT_JSON, Reason.EMPTY]


def test_the_same_values_in_a_stream_of_predictions_are_no_faults() -> None:
    batch = labelled("null", "[1]", '""', stream=replace(CLASSES, kind=StreamKind.PREDICTIONS))
    assert (batch.faults, len(batch)) == ((), 3)


TRUE = ["true", "1", "1.0", '"true"', '"True"', '"1"', '"1.0"', '"TRUE"']
FALSE = ["false", "0", "0.0", '"false"', '"False"', '"0"', '"0.0"', '"FALSE"', "-0.0"]


@pytest.mark.parametrize("predicted", [*TRUE, *FALSE])
@pytest.mark.parametrize("label", [*TRUE, *FALSE])
def test_a_binary_model_may_predict_true_and_be_labelled_1(predicted: str, label: str) -> None:
    sides = [alike(labelled(written).columns["out.y"], Task.BINARY) for written in (predicted, label)]
    assert (classes(sides[0]) == classes(sides[1])) == ((predicted in TRUE) == (label in TRUE))


def test_classes_that_are_spelled_alike_share_a_code_and_null_and_wrong_stay() -> None:
    values = labelled("true", '"late"', "1", "null", "[]", "0", stream=replace(CLASSES, kind=StreamKind.PREDICTIONS)).columns["out.y"]
    found = alike(values, Task.BINARY)
    assert isinstance(found, CategoricalValues)
    assert found.dictionary == ("1", "late", "0")
    assert found.codes.tolist() == [0, 1, 0, CategoricalValues.NULL, CategoricalValues.WRONG, 2]


def test_of_other_models_classes_and_numbers_stay_as_they_are() -> None:
    values = labelled("true", "1").columns["out.y"]
    assert alike(values, Task.MULTICLASS) is values
    numbers = labelled("0", "1", stream=NUMBERS).columns["out.y"]
    assert alike(numbers, Task.REGRESSION) is numbers
    assert (spelled("True", Task.BINARY), spelled("True", Task.MULTICLASS), spelled("late", Task.BINARY)) == ("1", "True", "late")


def test_classes_that_are_all_as_they_should_be_are_not_copied() -> None:
    values = labelled('"late"', "1", "0").columns["out.y"]
    assert alike(values, Task.BINARY) is values
