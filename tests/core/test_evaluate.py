"""Evaluation as a whole: order, refusals with their reasons, and no profile that can break it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.core.cause import explain
from monitor.core.drift import DRIFT_TESTS
from monitor.core.evaluate import Subject, evaluate, watched
from monitor.core.finding import Finding, number, percent
from monitor.core.reference import Reference
from monitor.core.results import OTHER_VERSIONS, Account, Check, Result, Verdict
from monitor.core.rules import DriftRules, DriftTest
from monitor.core.schema import CategoricalValues, Kind, NumericValues, Role, State, Values
from tests.core.judged import RULES, Data, drawn, feature, key_of, numeric, only, reference_of, rules_with, subject_of
from tests.core.profile_batches import categories

RNG = np.random.default_rng(1)
DAYS: list[Data] = [
    {"x": numeric(RNG.normal(0, 1, 400)), "kind": drawn(RNG, "abc", [0.6, 0.3, 0.1], 400), "flat": numeric(np.zeros(400))}
    for _ in range(6)
]
REFERENCE = reference_of(DAYS)


def whole(results: tuple[Result, ...]) -> dict[tuple[str, str], Verdict]:
    return {(r.check.value, r.metric): r.verdict for r in results if r.column is None}


def test_results_come_in_the_order_of_check_column_and_metric_and_carry_their_window() -> None:
    results = evaluate(subject_of(REFERENCE, DAYS[0], day=3), RULES)
    order = [(r.check.value, r.column or "", r.metric) for r in results]
    assert order == sorted(order)
    assert {r.check for r in results} == {Check.DRIFT, Check.QUALITY, Check.VOLUME}
    key = key_of(3)
    assert {(r.model, r.version, r.segment, r.window_start, r.window_end, r.rows, r.reference, r.revision) for r in results} == {
        (key.model, key.version, key.segment, key.start, key.end, 400, REFERENCE.hash, 0)
    }


def test_the_same_subject_has_the_same_results() -> None:
    assert evaluate(subject_of(REFERENCE, DAYS[1]), RULES) == evaluate(subject_of(REFERENCE, DAYS[1]), RULES)


def test_too_few_rows_are_insufficient_for_drift_and_quality_while_volume_still_speaks() -> None:
    data: Data = {"x": numeric(np.full(99, 1e6)), "kind": categories(*(["zz"] * 99))}
    results = evaluate(subject_of(REFERENCE, data), RULES)
    assert whole(results) == {
        ("drift", "rows"): Verdict.INSUFFICIENT,
        ("quality", "rows"): Verdict.INSUFFICIENT,
        ("volume", "rows"): Verdict.ALERT,
        ("volume", "quarantined_share"): Verdict.OK,
    }
    drift = only(results, Check.DRIFT, None, "rows")
    assert (drift.value, drift.threshold, drift.reason) == (99.0, 100.0, "99 rows, fewer than min_rows 100")


def test_an_empty_window_says_no_data_and_nothing_of_drift() -> None:
    results = evaluate(subject_of(REFERENCE, {}), RULES)
    assert whole(results) == {
        ("drift", "rows"): Verdict.INSUFFICIENT,
        ("quality", "rows"): Verdict.INSUFFICIENT,
        ("volume", "rows"): Verdict.ALERT,
    }


def test_an_empty_window_is_insufficient_even_where_no_rows_are_enough() -> None:
    results = evaluate(subject_of(REFERENCE, {}), rules_with(min_rows=0))
    assert only(results, Check.DRIFT, None, "rows").verdict is Verdict.INSUFFICIENT


def test_without_a_reference_drift_and_quality_are_skipped_naming_the_known_versions() -> None:
    results = evaluate(subject_of(None, DAYS[0]), RULES)
    assert whole(results) == {
        ("drift", "reference"): Verdict.SKIPPED,
        ("quality", "reference"): Verdict.SKIPPED,
        ("volume", "rows"): Verdict.SKIPPED,
        ("volume", "quarantined_share"): Verdict.OK,
    }
    reason = only(results, Check.DRIFT, None, "reference").reason
    assert reason == "no reference for version '1' of m; versions with one: 1, 2"
    nobody = replace(subject_of(None, DAYS[0]), known_versions=())
    assert only(evaluate(nobody, RULES), Check.DRIFT, None, "reference").reason.endswith("versions with one: none")


def test_a_profile_on_another_grid_is_skipped() -> None:
    other = reference_of([{"x": numeric(np.arange(500.0))}])
    subject = replace(subject_of(REFERENCE, DAYS[0]), reference=other)
    skipped = only(evaluate(subject, RULES), Check.DRIFT, None, "reference")
    assert skipped.verdict is Verdict.SKIPPED
    assert other.grid.hash[:12] in skipped.reason
    assert REFERENCE.grid.hash[:12] in skipped.reason


def test_labels_are_not_watched_and_without_columns_all_of_the_reference_are() -> None:
    columns = (feature("x", Kind.NUMERIC), feature("kind", Kind.CATEGORICAL, Role.LABEL), feature("flat", Kind.NUMERIC, Role.SCORE))
    assert [c.name for c in watched(rules_with(columns=columns), REFERENCE)] == ["flat", "x"]
    assert [(c.name, c.kind) for c in watched(RULES, REFERENCE)] == [
        ("flat", Kind.NUMERIC),
        ("kind", Kind.CATEGORICAL),
        ("x", Kind.NUMERIC),
    ]


@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_none_becomes_an_error_with_a_reason(broken: float) -> None:
    finding = Finding(check=Check.DRIFT, column="x", metric="psi", verdict=Verdict.ALERT, reason="?", value=broken, p_value=broken)
    result = finding.result(key_of(), rows=5, reference=None)
    assert (result.value, result.p_value, result.verdict) == (None, None, Verdict.ERROR)
    assert result.reason == "value, p_value of psi is no finite number"


@pytest.mark.parametrize(
    ("value", "text"),
    [(12.64, "12.6"), (755.2, "755"), (45_312.0, "45,312"), (1e12, "1e+12"), (0.00123, "0.00123"), (-0.5, "-0.5"), (None, "none")],
)
def test_numbers_are_said_in_three_digits(value: float | None, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(("share", "text"), [(0.174, "17 %"), (0.0251, "2.51 %"), (0.0005, "0.05 %"), (0.0, "0 %"), (0.05, "5 %")])
def test_shares_are_said_in_per_cent(share: float, text: str) -> None:
    assert percent(share) == text


# --- hostile profiles ----------------------------------------------------------------------------------------

NASTY = st.sampled_from([0.0, -0.0, 1.0, -1.0, 1e308, -1e308, 5e-324, 1e-300, 1e15, math.nan, math.inf, -math.inf])
ANY_NUMBER = st.one_of(NASTY, st.floats(allow_nan=True, allow_infinity=True), st.integers(-3, 3).map(float))
FEW, MANY = st.integers(1, 4), st.integers(5, 300)


@st.composite
def numbers(draw: st.DrawFn, size: int) -> NumericValues:
    some = draw(st.lists(ANY_NUMBER, min_size=1, max_size=8))
    values = np.resize(np.array(some), size)
    if draw(st.booleans()):
        return NumericValues(values=np.where(np.isfinite(values), values, np.nan))
    states = np.full(size, State.VALUE, dtype=np.uint8)
    states[~np.isfinite(values)] = draw(st.sampled_from([State.NULL, State.NAN, State.POS_INF, State.WRONG_TYPE]))
    return NumericValues(values=values, states=states)


@st.composite
def words(draw: st.DrawFn, size: int) -> CategoricalValues:
    distinct = draw(st.sampled_from([1, 2, 5, 1000]))
    offset = draw(st.sampled_from([0, 0, 1, 5000]))
    lowest = draw(st.sampled_from([0, -1, -2]))
    codes = np.random.default_rng(draw(st.integers(0, 5))).integers(lowest, distinct, size).astype(np.int32)
    return CategoricalValues(codes=codes, dictionary=tuple(f"c{i + offset}" for i in range(distinct)))


@st.composite
def windows(draw: st.DrawFn) -> dict[str, Values]:
    size = draw(st.one_of(FEW, MANY))
    data: dict[str, Values] = {"x": draw(numbers(size)), "y": draw(numbers(size)), "kind": draw(words(size))}
    if draw(st.booleans()):
        data["x"], data["kind"] = (draw(words(size)), draw(numbers(size))) if draw(st.booleans()) else (data["x"], draw(words(size)))
    return data


@st.composite
def references(draw: st.DrawFn) -> Reference:
    sizes = draw(st.lists(st.one_of(FEW, MANY), min_size=1, max_size=6))
    days: list[Data] = [{"x": draw(numbers(n)), "y": draw(numbers(n)), "kind": draw(words(n))} for n in sizes]
    return reference_of(days, with_windows=draw(st.booleans()))


def check_sound(subject: Subject) -> None:
    every = tuple(DriftTest(method=name) for name in DRIFT_TESTS)
    for tests in ((), every):
        rules = replace(RULES, min_rows=1, drift=DriftRules(tests=tests))
        results = evaluate(subject, rules)
        assert results
        for result in results:
            assert result.reason
            for field in (result.value, result.threshold, result.p_value):
                assert field is None or math.isfinite(field)
            if result.verdict in (Verdict.ALERT, Verdict.WARN):
                assert result.value is not None
        cause = explain(results, [subject], rules)
        assert bool(cause.headline) == any(r.verdict in (Verdict.ALERT, Verdict.WARN) for r in results)
        assert all(math.isfinite(column.effect) for column in cause.columns)


@settings(max_examples=60, deadline=None)
@given(references(), windows(), st.integers(0, 50))
def test_no_profile_makes_evaluation_raise_or_say_a_number_that_is_none(reference: Reference, data: Data, quarantined: int) -> None:
    subject = subject_of(reference, data)
    account = replace(subject.account, quarantined=quarantined)
    check_sound(replace(subject, account=account))


def other_versions(reference: Reference | None) -> Subject:
    subject = subject_of(reference, DAYS[0])
    return replace(subject, key=replace(subject.key, version=OTHER_VERSIONS), other_rows=3 * subject.account.counted)


def test_versions_too_many_for_windows_of_their_own_are_judged_together_and_it_is_said() -> None:
    results = evaluate(other_versions(REFERENCE), RULES)
    said = only(results, Check.QUALITY, None, "other_versions_share")
    assert (said.verdict, said.value) == (Verdict.WARN, 0.25)
    assert said.reason.startswith("25 % of the rows: versions beyond max_versions 50 of a window are counted together")
    assert only(results, Check.DRIFT, "x", "ks").verdict is Verdict.OK
    check_sound(other_versions(REFERENCE))


def test_versions_too_many_and_without_a_reference_are_skipped_with_the_cap_as_the_reason() -> None:
    results = evaluate(other_versions(None), RULES)
    for check in (Check.DRIFT, Check.QUALITY):
        skipped = only(results, check, None, "reference")
        assert skipped.verdict is Verdict.SKIPPED
        assert skipped.reason.startswith("no reference for (other) of m: versions beyond max_versions 50")
    check_sound(other_versions(None))


def test_the_accounts_of_an_empty_window_are_sound_too() -> None:
    check_sound(subject_of(REFERENCE, {}, account=Account(late=3)))
    check_sound(subject_of(None, {}, account=Account()))
