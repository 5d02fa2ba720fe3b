"""Tallies: exact merges, bytes that come back, and input that is none."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.core.performance.bins import SCORE_BINS, number_bins, number_middles, score_bins, score_middles
from monitor.core.performance.classes import Classes, classes_of
from monitor.core.performance.metrics import METRICS, Undefined
from monitor.core.performance.odd import Odd, tell_odds
from monitor.core.performance.sums import Exact
from monitor.core.performance.tally import Tally, tally_of
from monitor.core.profile.canonical import parse, readable
from monitor.core.rules import Task
from monitor.core.schema import NumericValues, State
from monitor.errors import DecodeError
from tests.core.performance_rows import RULES, binary_window, joined, numbers, regression_window, texts

CLASSES = ("a", "b", "c")
KNOWN = Classes(names=CLASSES)

score = st.one_of(st.floats(0, 1), st.sampled_from([0.0, 1.0, 0.5, -0.1, 1.1, np.nan, np.inf]))
binary_row = st.tuples(st.sampled_from([None, 0, 1, "x", []]), st.sampled_from([None, 0, 1, "y", []]), score)
class_row = st.tuples(st.sampled_from([None, "a", "b", "c", "z", []]), st.sampled_from([None, "a", "b", "z", []]),
                      st.tuples(score, score, score))
number = st.one_of(st.floats(allow_nan=True, allow_infinity=True), st.integers(-5, 5).map(float))
number_row = st.tuples(number, number)


def tally(task, found):
    columns = list(zip(*found, strict=True)) or [(), (), ()]
    if task is Task.REGRESSION:
        values = [np.array(one, dtype=np.float64) for one in columns[:2]]
        states = [np.select([np.isnan(one), np.isposinf(one), np.isneginf(one)], [State.NAN, State.POS_INF, State.NEG_INF],
                            State.VALUE).astype(np.uint8) for one in values]
        label, prediction = (NumericValues(values=one, states=of) for one, of in zip(values, states, strict=True))
        return tally_of(joined(label, prediction), task, RULES)
    scores = np.array(columns[2], dtype=np.float64).reshape(len(found), 3 if task is Task.MULTICLASS else 1)
    classes = CLASSES if task is Task.MULTICLASS else ()
    rows = joined(texts(columns[0]), texts(columns[1]), scores, classes)
    return tally_of(rows, task, RULES, ("0", "1"), known=KNOWN if classes else None)


def rows_of(task):
    return {Task.BINARY: binary_row, Task.MULTICLASS: class_row, Task.REGRESSION: number_row}[task]


@settings(max_examples=60, deadline=None)
@given(st.data(), st.sampled_from(list(Task)))
def test_merging_is_the_same_in_every_order_to_the_bit(data, task):
    one, two, three = (data.draw(st.lists(rows_of(task), max_size=12)) for _ in range(3))
    a, b, c = (tally(task, found) for found in (one, two, three))
    together = tally(task, one + two + three)
    assert a.merge(b).merge(c).to_bytes() == a.merge(b.merge(c)).to_bytes() == c.merge(a).merge(b).to_bytes() == together.to_bytes()
    assert a.merge(Tally.empty(task)) == a


@settings(max_examples=60, deadline=None)
@given(st.data(), st.sampled_from(list(Task)))
def test_a_tally_comes_back_from_bytes_and_from_a_document(data, task):
    found = tally(task, data.draw(st.lists(rows_of(task), max_size=20)))
    assert Tally.from_bytes(found.to_bytes()) == found
    assert Tally.of(parse(readable(found.document()), "tally")) == found


@settings(max_examples=60, deadline=None)
@given(st.data(), st.sampled_from(list(Task)))
def test_whatever_comes_every_metric_is_finite_or_says_why_not(data, task):
    found = tally(task, data.draw(st.lists(rows_of(task), max_size=20)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for metric in METRICS.values():
            try:
                measured = metric.of(found)
            except Undefined:
                continue
            assert np.isfinite([measured.value, measured.variance]).all(), metric.name
            slack = 1e-9 * abs(measured.value) + 1e-12
            assert measured.low <= measured.value + slack, metric.name
            assert measured.high >= measured.value - slack, metric.name


def test_two_tasks_do_not_mix():
    with pytest.raises(ValueError, match="regression model cannot be added to one of a binary"):
        Tally.empty(Task.BINARY).merge(Tally.empty(Task.REGRESSION))


# --- damage --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", list(Task))
def test_damaged_bytes_are_told_from_others(task):
    rng = np.random.default_rng(0)
    found = {Task.BINARY: lambda: tally_of(binary_window(rng, 300), task, RULES),
             Task.REGRESSION: lambda: tally_of(regression_window(rng, 300), task, RULES),
             Task.MULTICLASS: lambda: tally(task, [("a", "b", (0.2, 0.3, 0.5))] * 9)}[task]()
    data = found.to_bytes()
    for at in range(0, len(data), max(len(data) // 60, 1)):
        with pytest.raises(DecodeError):
            Tally.from_bytes(data[:at])
        with pytest.raises(DecodeError):
            Tally.from_bytes(data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :])
    with pytest.raises(DecodeError, match="cut off or followed"):
        Tally.from_bytes(data + b"x")


def change(document, path, value):
    for key in path[:-1]:
        document = document[key]
    document[path[-1]] = value


@pytest.mark.parametrize(
    ("task", "path", "value"),
    [
        (Task.BINARY, ["format"], 2),
        (Task.BINARY, ["task"], "ranking"),
        (Task.BINARY, ["labelled"], 1),
        (Task.BINARY, ["odds"], {"strange": 1}),
        (Task.BINARY, ["counts", "cells"], [1, 2, 3]),
        (Task.BINARY, ["counts", "tenths"], []),
        (Task.BINARY, ["counts", "tenths", 0], ["zz", 0]),
        (Task.BINARY, ["counts", "tenths", 0], ["1", 99999]),
        (Task.BINARY, ["counts", "calibration"], [[0] * 10]),
        (Task.BINARY, ["counts", "calibration"], [[0] * 10, [1] * 10]),
        (Task.BINARY, ["counts", "scores", "counts"], [[1]]),
        (Task.BINARY, ["counts", "scores", "steps"], [-1]),
        (Task.BINARY, ["counts", "sums", "brier"], None),
        (Task.MULTICLASS, ["counts", "cells"], [["a", "b"]]),
        (Task.MULTICLASS, ["counts", "cells"], {}),
        (Task.MULTICLASS, ["counts", "labels"], {"a": 0}),
        (Task.REGRESSION, ["counts", "n"], -1),
        (Task.REGRESSION, ["counts", "errors", "steps"], [10**7]),
    ],
)
def test_a_document_that_is_none_is_refused_by_place(task, path, value):
    found = tally(task, [{Task.BINARY: (1, 0, 0.3), Task.MULTICLASS: ("a", "b", (0.2, 0.3, 0.5)), Task.REGRESSION: (1.0, 2.0)}[task]] * 3)
    document = found.document()
    change(document, path, value)
    with pytest.raises(DecodeError, match="tally"):
        Tally.of(parse(readable(document), "tally"))


# --- bad input -----------------------------------------------------------------------------------------------


def test_what_is_odd_of_binary_rows_is_counted_apart():
    rows = joined(
        texts([1, 0, 1, None, "maybe", [], 1, 0, 1]),
        texts([1, 0, None, 1, 1, 1, "maybe", [], None]),
        [0.9, 1.2, np.nan, 0.5, 0.5, 0.5, 0.5, 0.5, -0.1],
    )
    found = tally_of(rows, Task.BINARY, RULES, ("0", "1"))
    assert (found.rows, found.labelled, found.usable) == (9, 8, 6)
    assert found.odds == {
        Odd.LABEL_UNKNOWN: 1, Odd.LABEL_WRONG_TYPE: 1, Odd.PREDICTION_MISSING: 1, Odd.PREDICTION_UNKNOWN: 1, Odd.PREDICTION_WRONG_TYPE: 1,
        Odd.SCORE_OUTSIDE: 2,
    }  # fmt: skip
    assert (found.counts.tp, found.counts.tn, found.counts.scores.totals) == (1, 1, (1, 2))
    assert tell_odds(found.odds).startswith("1 labels of a class that neither the reference nor the predictions know, 1 labels of a wrong")


def test_a_class_that_a_row_leaves_out_has_no_probability_in_it_and_takes_the_scores_of_no_row_away():
    left_out = [[0.7, 0.3, np.nan], [np.nan, 1.0, np.nan], [0.2, 0.2, 0.6], [np.nan, np.nan, np.nan]]
    truth = ["a", "b", "c", "a"]
    found = tally_of(joined(texts(truth), texts(truth), left_out, CLASSES), Task.MULTICLASS, RULES)
    zeros = tally_of(joined(texts(truth[:3]), texts(truth[:3]), np.nan_to_num(left_out[:3]).tolist(), CLASSES), Task.MULTICLASS, RULES)
    assert (found.odds, found.counts.scored) == ({}, 3)
    assert found.counts.sums == zeros.counts.sums
    assert found.counts.sums["log_loss"].mean(3) == pytest.approx((-math.log(0.7) - math.log(0.6)) / 3)


def test_probabilities_that_are_none_are_left_out_and_the_class_still_counts():
    rows = joined(texts(["a", "b", "c", "a"]), texts(["a", "b", "c", "b"]),
                  [[0.5, 0.3, 0.2], [0.5, 0.5, 0.5], [1.2, -0.1, -0.1], [0.2, np.nan, 0.1]], CLASSES)
    found = tally_of(rows, Task.MULTICLASS, RULES)
    assert found.odds == {Odd.SCORE_OUTSIDE: 1, Odd.SCORE_SUM: 2}
    assert (found.counts.scored, sum(found.counts.cells.values())) == (1, 4)


def test_numbers_of_wrong_types_not_finite_and_too_large_are_counted_apart():
    states = np.array([State.VALUE, State.WRONG_TYPE, State.POS_INF, State.NULL, State.VALUE, State.VALUE], dtype=np.uint8)
    labels = NumericValues(values=np.array([1.0, np.nan, np.nan, np.nan, 1e80, 3.0]), states=states)
    found = tally_of(joined(labels, numbers([2.0, 1.0, 1.0, 1.0, 1.0, -1e80])), Task.REGRESSION, RULES)
    assert (found.rows, found.labelled, found.usable, found.counts.n) == (6, 5, 2, 1)
    assert found.odds == {Odd.LABEL_WRONG_TYPE: 1, Odd.LABEL_NOT_FINITE: 1, Odd.LABEL_TOO_LARGE: 1, Odd.PREDICTION_TOO_LARGE: 1}
    strange = tally_of(joined(texts(["1", None]), texts(["1", "2"])), Task.REGRESSION, RULES)
    assert strange.odds == {Odd.LABEL_WRONG_TYPE: 1}


def test_numbers_where_classes_should_be_are_a_wrong_type():
    found = tally_of(joined(numbers([1.0, 0.0]), texts(["1", "0"])), Task.BINARY, RULES)
    assert found.odds == {Odd.LABEL_WRONG_TYPE: 2}


def test_one_and_true_are_the_same_class():
    found = tally_of(joined(texts([True, False, 1, 0]), texts([1, 0, True, False])), Task.BINARY, RULES)
    assert (found.counts.tp, found.counts.tn) == (2, 2)


def test_a_positive_class_that_nobody_names_is_asked_for():
    found = tally_of(joined(texts(["good", "bad"]), texts(["bad", "bad"])), Task.BINARY, RULES)
    assert found.fault == ("the positive class is not known: the classes are 'bad', 'good', neither \"1\" nor \"true\" is one; "
                           "name it in performance.positive")
    assert found.usable == 0


def test_a_named_positive_class_is_against_the_rest():
    from dataclasses import replace

    rules = replace(RULES, positive="bad")
    found = tally_of(joined(texts(["good", "bad", "ugly"]), texts(["bad", "bad", "good"])), Task.BINARY, rules)
    assert (found.counts.tp, found.counts.fp, found.odds) == (1, 1, {Odd.LABEL_UNKNOWN: 1})
    always = tally_of(joined(texts(["good", "bad"]), texts(["bad", "bad"])), Task.BINARY, rules)
    assert (always.counts.tp, always.counts.fp) == (1, 1)
    two = joined(texts(["good", "bad"]), None, [[0.1, 0.9], [0.8, 0.2]], ("bad", "good"))
    assert tally_of(two, Task.BINARY, rules).counts.tn == 1


def test_of_two_probabilities_without_the_positive_class_none_is_its_score():
    rows = joined(texts(["1", "0"]), texts(["1", "0"]), [[0.1, 0.9], [0.8, 0.2]], ("x", "y"))
    found = tally_of(rows, Task.BINARY, RULES, ("0", "1"))
    assert found.counts.scores.totals == (0, 0)


def test_a_part_of_the_rows_counts_by_the_classes_of_all():
    rows = joined(texts(["a", "b"]), texts(["a", "b"]))
    known = classes_of(rows, Task.MULTICLASS, RULES)
    part = tally_of(rows.take(np.array([0])), Task.MULTICLASS, RULES, known=known)
    assert part.merge(tally_of(rows.take(np.array([1])), Task.MULTICLASS, RULES, known=known)) == tally_of(rows, Task.MULTICLASS, RULES)


# --- what they are made of -----------------------------------------------------------------------------------


@settings(max_examples=200, deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=30))
def test_a_sum_is_the_sum_of_fractions(values):
    from fractions import Fraction

    assert Exact.of(np.array(values)).fraction == sum((Fraction(value) for value in values), Fraction(0))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.floats(-1e70, 1e70).filter(lambda value: value == 0 or abs(value) > 1e-100), max_size=20))
def test_a_sum_of_squares_is_that_of_fractions(values):
    from fractions import Fraction

    assert Exact.of_squares(np.array(values)).fraction == sum((Fraction(value) ** 2 for value in values), Fraction(0))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=2, max_size=40))
def test_bins_of_scores_ascend_and_hold_their_middles(values):
    scores = np.sort(np.array(values))
    bins = score_bins(scores)
    assert (np.diff(bins) >= 0).all()
    assert 0 <= bins[0] <= bins[-1] < SCORE_BINS
    assert (score_bins(score_middles(bins)) == bins).all()
    near = np.minimum(scores, 1 - scores)
    assert (np.abs(score_middles(bins) - scores) <= near / 256 + 2.0**-41).all()


@settings(max_examples=200, deadline=None)
@given(st.lists(st.floats(-1e300, 1e300), min_size=2, max_size=40))
def test_bins_of_numbers_ascend_and_hold_their_middles(values):
    ordered = np.sort(np.array(values))
    bins = number_bins(ordered)
    assert (np.diff(bins) >= 0).all()
    normal = (np.abs(ordered) > 1e-290) | (ordered == 0)
    assert np.allclose(number_middles(bins)[normal], ordered[normal], rtol=1 / 256)
