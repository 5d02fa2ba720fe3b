"""A mapping guessed from messages."""

import json
from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from monitor.core.rules import Task
from monitor.core.schema import Kind
from monitor.formats.fields import fields_of, is_time
from monitor.formats.guess import Guess, guess


def guessed(rows: Iterable[object]) -> Guess:
    return guess(fields_of(json.dumps(row).encode() for row in rows))


def flight(n: int) -> dict[str, object]:
    return {
        "prediction_id": f"UA{n}", "ts": f"2013-03-01T{n % 24:02d}:17:00Z", "model_version": "7", "late": n % 2, "p_late": (n % 10) / 10,
        "features": {"dep_delay": n - 3.5, "carrier": ("UA", "AA", "DL")[n % 3], "diverted": n % 7 == 0, "tail": f"N{n}", "stops": []},
    }


def test_a_log_of_flights_is_understood() -> None:
    found = guessed(flight(n) for n in range(200))
    assert (found.id, found.time, found.version) == ("prediction_id", "ts", "model_version")
    assert (found.score, found.features) == ("p_late", "features")
    assert found.columns == {"dep_delay": Kind.NUMERIC, "carrier": Kind.CATEGORICAL, "diverted": Kind.BOOLEAN}
    assert found.task is Task.BINARY
    assert found.left_out == {
        "features.tail": "nearly every value is another one, as those of ids and free text are", "features.stops": "holds lists or objects",
    }


def test_without_an_object_of_features_the_columns_are_what_is_left() -> None:
    rows = [{"id": n, "timestamp": 1_362_132_000 + n, "prediction": n * 1.5, "age": n, "when": f"2013-03-{n % 28 + 1:02d}"}
            for n in range(100)]
    found = guessed(rows)
    assert (found.id, found.time, found.prediction, found.score, found.features) == ("id", "timestamp", "prediction", None, None)
    assert (found.columns, found.task) == ({"age": Kind.NUMERIC}, Task.REGRESSION)
    assert found.left_out == {"when": "holds times"}


def test_probabilities_by_class_are_the_score_of_a_multiclass_model() -> None:
    rows = [{"event": {"id": str(n)}, "at": "2013-03-01", "out": {"probabilities": {"cat": 0.2, "dog": 0.8}, "prediction": "dog"},
             "x": {"weight": n, "ears": 2}} for n in range(60)]
    found = guessed(rows)
    assert (found.id, found.time, found.score, found.prediction) == ("event.id", "at", "out.probabilities", "out.prediction")
    assert (found.features, found.columns) == ("x", {"weight": Kind.NUMERIC, "ears": Kind.NUMERIC})
    assert found.task is Task.MULTICLASS


def test_what_comes_with_a_truth_is_told_apart_from_the_features() -> None:
    rows = [{"id": f"r{n}", "ts": "2013-03-01T00:00:00Z", "prediction": n % 3, "label": n % 3, "f": n} for n in range(60)]
    found = guessed(rows)
    assert (found.label, found.columns, found.task) == ("label", {"f": Kind.NUMERIC}, Task.MULTICLASS)


def test_of_two_fields_that_may_be_the_time_the_name_decides_and_without_a_name_nobody_does() -> None:
    both = [{"a": "2013-03-01T00:00:00Z", "b": "2013-03-02T00:00:00Z", "n": n} for n in range(5)]
    assert guessed(both).time is None
    assert guessed({"a": row["a"], "event_time": row["b"]} for row in both).time == "event_time"
    assert guessed({"a": row["a"], "n": row["n"]} for row in both).time == "a"


def test_counts_and_digits_are_no_times() -> None:
    assert is_time(1_362_132_000)
    assert is_time(1_362_132_000_000)
    assert is_time("2013-03-01")
    assert not any(map(is_time, (20130301, 7, True, float("nan"), "20130301", "noon", "2013-99-99", "3013-03-01", None, [])))


def test_an_id_that_repeats_is_none() -> None:
    assert guessed({"id": n % 5, "ts": "2013-03-01", "f": 1} for n in range(50)).id is None


def test_what_is_no_object_is_counted_and_columns_without_values_are_left_out() -> None:
    fields = fields_of([b"{", b"[1]", b"7", b'{"a": null, "b": 1, "": 2, "c.d": 3}', b"[" * 100_000])
    assert (fields.messages, fields.unread, list(fields.leaves)) == (5, 4, ["a", "b"])
    found = guess(fields)
    assert (found.columns, found.left_out) == ({"b": Kind.NUMERIC}, {"a": "holds no values"})


def test_nothing_seen_is_nothing_guessed() -> None:
    assert guess(fields_of([])) == Guess(task=Task.BINARY)


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
                    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=4), max_leaves=9)


@given(st.lists(st.dictionaries(st.sampled_from(["id", "ts", "score", "features", "p_x", "label", "$x", "y"]) | st.text(max_size=5), JSON)))
def test_every_place_is_used_once_or_said_to_be_left_out(rows: list[dict[str, object]]) -> None:
    fields = fields_of(json.dumps(row).encode() for row in rows)
    found = guess(fields)
    before = "" if found.features is None else f"{found.features}."
    columns = [before + name for name in found.columns]
    single = [place for place in (found.id, found.time, found.version, found.prediction, found.label) if place is not None]
    assert not {*columns} & {*single, *found.left_out, found.score}
    assert len(set(single)) == len(single)
    assert {*columns, *single, *found.left_out} <= set(fields.leaves)
