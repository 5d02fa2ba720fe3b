"""The drift check: quiet on ordinary windows, awake on shifts, and every explicit test in its own words."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from monitor.core.drift.base import pair_of
from monitor.core.drift.significance import difference, drifted, moved_far, significant
from monitor.core.evaluate import evaluate
from monitor.core.reference import Reference
from monitor.core.results import Check, Result, Verdict
from monitor.core.rules import Budget, DriftRules, DriftTest, Formula
from monitor.core.schema import Kind, Values
from tests.core.judged import DAY, RULES, Data, drawn, feature, numeric, only, profile_of, reference_of, rules_with, subject_of
from tests.core.profile_batches import categories


def contract_day(rng: np.random.Generator, *, shift: float = 0.0, n: int = 2000) -> dict[str, Values]:
    return {
        "x": numeric(rng.normal(shift, 1.0, n)),
        "kind": drawn(rng, "abc", [0.6, 0.3, 0.1], n),
        "member": drawn(rng, "ft", [0.7, 0.3], n),
    }


def drift_of(reference: Reference, data: Data, **changes: object) -> list[Result]:
    return [r for r in evaluate(subject_of(reference, data), rules_with(**changes)) if r.check is Check.DRIFT]


@pytest.mark.parametrize("poison", [1e9, 1e308, -1e308])
def test_a_poisoned_row_among_few_is_neither_an_alert_nor_an_error(poison: float) -> None:
    rng = np.random.default_rng(5)
    reference = reference_of([{"x": numeric(rng.normal(0, 1, 2000))}], with_windows=False)
    window = rng.normal(0, 1, 500)
    window[17] = poison
    assert [r.verdict for r in drift_of(reference, {"x": numeric(window)})] == [Verdict.OK]


@pytest.mark.parametrize("rows", [200, 500, 990])
def test_how_far_few_rows_moved_does_not_hang_on_a_poisoned_one(rows: int) -> None:
    rng = np.random.default_rng(6)
    reference = reference_of([{"x": numeric(rng.normal(0, 1, 20_000))}], with_windows=False)
    for _ in range(20):
        clean = rng.normal(0.06, 1, rows)
        there, window, poisoned = (
            reference.profile.columns["x"],
            *(profile_of(reference.grid, {"x": numeric(values)}).columns["x"] for values in (clean, np.append(clean[1:], 1e9))),
        )
        assert moved_far(pair_of(there, poisoned)) == pytest.approx(moved_far(pair_of(there, window)), abs=0.02)


def test_a_shift_of_one_sd_is_caught_every_day_and_quiet_columns_keep_to_the_budget() -> None:
    false = 0
    for seed in range(11, 21):
        rng = np.random.default_rng(seed)
        reference = reference_of([contract_day(rng) for _ in range(20)])
        for day in range(12):
            results = drift_of(reference, contract_day(rng, shift=1.0 if day >= 9 else 0.0))
            alarms = {r.column for r in results if r.verdict is not Verdict.OK}
            assert ("x" in alarms) == (day >= 9)
            false += len(alarms - {"x"})
    assert false <= 5  # 2 are allowed on average over these 120 days


def test_a_result_says_what_it_compared() -> None:
    rng = np.random.default_rng(1)
    reference = reference_of([contract_day(rng) for _ in range(20)])
    x = only(drift_of(reference, contract_day(rng, shift=1.0)), Check.DRIFT, "x", "ks")
    assert x.verdict is Verdict.ALERT
    assert x.value == pytest.approx(0.383, abs=0.04)
    assert x.threshold == pytest.approx(0.05)
    assert x.p_value is not None
    assert x.p_value < 1 / 90
    assert x.reason.startswith("x differs more than usual: ks 0.3")
    assert x.reference == reference.hash
    kind = only(drift_of(reference, contract_day(rng)), Check.DRIFT, "kind", "tvd")
    assert kind.verdict is Verdict.OK
    assert kind.reason.startswith("kind is as usual: tvd 0.0")


def test_a_rhythm_that_the_reference_had_is_no_drift() -> None:
    rng = np.random.default_rng(2)

    def day(weekday: int, n: int = 1500) -> Data:
        return {"x": numeric(rng.normal(1.0 if weekday == 5 else 0.0, 1.0, n))}

    reference = reference_of([day(i % 7) for i in range(56)])
    assert all(drift_of(reference, day(i % 7))[0].verdict is Verdict.OK for i in range(14))
    assert drift_of(reference_of([day(i % 7) for i in range(56)], with_windows=False), day(5))[0].verdict is Verdict.ALERT


def test_a_larger_budget_lowers_the_limit() -> None:
    rng = np.random.default_rng(3)
    reference = reference_of([{"x": numeric(rng.normal(rng.normal(0, 0.2), 1.0, 1500))} for _ in range(20)])
    data: Data = {"x": numeric(rng.normal(0, 1, 1500))}
    strict, loose = (
        drift_of(reference, data, drift=DriftRules(budget=Budget(alarms=alarms, per=30 * DAY)))[0].threshold for alarms in (1.0, 10.0)
    )
    assert strict is not None
    assert loose is not None
    assert loose < strict


# --- without windows in the reference ------------------------------------------------------------------------


def test_without_windows_significance_and_effect_decide() -> None:
    rng = np.random.default_rng(4)
    reference = reference_of([contract_day(rng, n=20_000)], with_windows=False)
    quiet = [r for _ in range(20) for r in drift_of(reference, contract_day(rng))]
    assert all(r.verdict is Verdict.OK for r in quiet)
    moved = contract_day(rng, shift=0.3) | {"kind": drawn(rng, "abc", [0.5, 0.35, 0.15], 2000)}
    assert {r.column for r in drift_of(reference, moved) if r.verdict is Verdict.ALERT} == {"x", "kind"}


def test_a_significant_difference_below_the_floor_is_no_drift() -> None:
    rng = np.random.default_rng(5)
    reference = reference_of([{"x": numeric(rng.normal(0, 1, 100_000))}], with_windows=False)
    (x,) = drift_of(reference, {"x": numeric(rng.normal(0.06, 1, 100_000))})
    assert x.p_value is not None
    assert x.p_value < 1e-6
    assert x.verdict is Verdict.OK


def test_differences_of_few_rows_are_large_by_chance_and_still_keep_to_the_budget() -> None:
    rng = np.random.default_rng(14)
    reference = reference_of([contract_day(rng, n=20_000)], with_windows=False)
    quiet = [drift_of(reference, contract_day(rng, n=120)) for _ in range(90)]
    assert sum((r.value or 0) > 0.05 for results in quiet for r in results if r.column == "x") > 60
    assert sum(any(r.verdict is Verdict.ALERT for r in results) for results in quiet) <= 5  # 3 are allowed on average


def test_few_rows_that_move_far_are_seen_by_wasserstein_where_d_is_small() -> None:
    rng = np.random.default_rng(6)
    before = rng.normal(0, 1, 40_000)
    after = np.where(rng.random(20_000) < 0.03, 8.0, rng.normal(0, 1, 20_000))
    (x,) = drift_of(reference_of([{"x": numeric(before)}], with_windows=False), {"x": numeric(after)})
    assert (x.metric, x.verdict) == ("wasserstein", Verdict.ALERT)


def test_rejection_is_that_of_benjamini_and_hochberg() -> None:
    p = [0.001, 0.008, 0.039, 0.041, 0.042, 0.06, 0.074, 0.205]
    assert significant(p, 0.05) == 0.008
    assert significant([0.5, 0.9], 0.05) == -1.0
    assert significant([], 0.05) == -1.0


def test_nothing_drifted_where_nothing_differs() -> None:
    reference = reference_of([{"kind": categories(*"aab" * 50)}])
    column = reference.profile.columns["kind"]
    assert drifted({"kind": difference(pair_of(column, column))}, 0.05) == frozenset()


# --- tests asked for by name ---------------------------------------------------------------------------------


def explicit(reference: Reference, data: Data, *tests: DriftTest) -> list[Result]:
    return drift_of(reference, data, drift=DriftRules(tests=tests))


def test_explicit_tests_replace_the_default_and_apply_to_the_columns_that_fit() -> None:
    rng = np.random.default_rng(7)
    reference = reference_of([contract_day(rng) for _ in range(5)])
    results = explicit(reference, contract_day(rng, shift=1.0), DriftTest(method="psi", threshold=0.2), DriftTest(method="wasserstein"))
    assert [(r.column, r.metric, r.verdict) for r in results] == [
        ("kind", "psi", Verdict.OK),
        ("member", "psi", Verdict.OK),
        ("x", "psi", Verdict.ALERT),
        ("x", "wasserstein", Verdict.ALERT),
    ]
    assert [r.threshold for r in results] == [0.2, 0.2, 0.2, 0.1]
    assert results[3].value == pytest.approx(1.0, abs=0.1)
    assert results[2].reason.startswith("x drifted: psi ")


def test_a_test_of_significance_compares_its_statistic_with_the_one_at_its_p_value() -> None:
    rng = np.random.default_rng(8)
    reference = reference_of([contract_day(rng) for _ in range(5)])
    data = contract_day(rng, shift=0.5) | {"kind": drawn(rng, "abc", [0.5, 0.4, 0.1], 2000)}
    for method, column in (("ks", "x"), ("chisquare", "kind")):
        for quiet in (False, True):
            day = contract_day(np.random.default_rng(99)) if quiet else data
            result = only(explicit(reference, day, DriftTest(method=method, threshold=0.001)), Check.DRIFT, column, method)
            assert result.value is not None
            assert result.threshold is not None
            assert result.p_value is not None
            assert (result.p_value <= 0.001) == (result.value >= result.threshold) == (not quiet)
            assert result.verdict is (Verdict.OK if quiet else Verdict.ALERT)


def test_only_the_named_columns_are_tested_and_one_that_does_not_fit_is_skipped_with_the_reason() -> None:
    rng = np.random.default_rng(9)
    reference = reference_of([contract_day(rng) for _ in range(5)])
    results = explicit(reference, contract_day(rng), DriftTest(method="ks", columns=("x", "kind")))
    assert [(r.column, r.verdict) for r in results] == [("kind", Verdict.SKIPPED), ("x", Verdict.OK)]
    assert results[0].reason == "ks is for numeric columns, kind is categorical"


def test_a_threshold_no_statistic_can_reach_is_left_out() -> None:
    rng = np.random.default_rng(10)
    reference = reference_of([contract_day(rng) for _ in range(5)])
    result = only(explicit(reference, contract_day(rng), DriftTest(method="ks", threshold=0.0)), Check.DRIFT, "x", "ks")
    assert (result.threshold, result.verdict) == (None, Verdict.OK)


# --- columns that cannot be judged ---------------------------------------------------------------------------


@pytest.mark.parametrize("tests", [(), (DriftTest(method="psi"),)])
def test_a_column_without_values_is_insufficient_and_one_the_reference_lacks_is_skipped(tests: tuple[DriftTest, ...]) -> None:
    rng = np.random.default_rng(11)
    days = [{"x": numeric(rng.normal(0, 1, 500)), "void": numeric([np.nan] * 500)} for _ in range(4)]
    columns = tuple(feature(name, Kind.NUMERIC) for name in ("x", "void", "unheard"))
    data: Data = {"x": numeric([np.nan] * 500), "void": numeric(np.arange(500.0))}
    results = drift_of(reference_of(days), data, drift=DriftRules(tests=tests), columns=columns)
    assert [(r.column, r.verdict) for r in results] == [
        ("unheard", Verdict.SKIPPED),
        ("void", Verdict.SKIPPED),
        ("x", Verdict.INSUFFICIENT),
    ]
    assert results[0].reason == "the reference does not know the column unheard"


def test_a_column_fails_alone() -> None:
    rng = np.random.default_rng(12)
    days = [{"x": numeric(rng.normal(0, 1, 500)), "still": numeric(np.zeros(500))} for _ in range(4)]
    data: Data = {"x": numeric(rng.normal(0, 1, 500)), "still": numeric(np.full(500, 1e308))}
    results = explicit(reference_of(days), data, DriftTest(method="wasserstein"))
    assert [(r.column, r.verdict, r.value is None) for r in results] == [
        ("still", Verdict.ERROR, True),
        ("x", Verdict.OK, False),
    ]
    assert results[0].reason == "value of wasserstein is no finite number"


@pytest.mark.parametrize("tests", [(), (DriftTest(method="psi"),)])
def test_arithmetic_that_fails_is_an_error_of_its_column(tests: tuple[DriftTest, ...]) -> None:
    rng = np.random.default_rng(13)
    reference = reference_of([contract_day(rng) for _ in range(5)])
    subject = subject_of(reference, contract_day(rng))
    assert subject.profile is not None
    subject.profile.columns["x"].min = None  # type: ignore[union-attr]  # as no profile should be
    results = [r for r in evaluate(subject, replace(RULES, drift=DriftRules(tests=tests))) if r.check is Check.DRIFT]
    assert {r.column: r.verdict for r in results} == {"x": Verdict.ERROR, "kind": Verdict.OK, "member": Verdict.OK}


# --- tests that look at more than values ---------------------------------------------------------------------


def test_nulls_alone_are_drift_where_missing_is_asked_for_even_where_no_value_is_left() -> None:
    rng = np.random.default_rng(15)
    reference = reference_of([contract_day(rng) for _ in range(5)])
    days = [contract_day(rng) | {"x": numeric(np.where(rng.random(2000) < share, np.nan, 1.0))} for share in (0.0, 0.1, 1.0)]
    found = [only(explicit(reference, day, DriftTest(method="missing")), Check.DRIFT, "x", "missing") for day in days]
    assert [result.verdict for result in found] == [Verdict.OK, Verdict.ALERT, Verdict.ALERT]
    assert [result.value for result in found] == [0.0, pytest.approx(0.1, abs=0.03), 1.0]


def test_new_categories_are_drift_where_they_are_asked_for() -> None:
    rng = np.random.default_rng(16)
    reference = reference_of([contract_day(rng) for _ in range(5)])
    days = [contract_day(rng), contract_day(rng) | {"kind": drawn(rng, "abz", [0.6, 0.35, 0.05], 2000)}]
    found = [only(explicit(reference, day, DriftTest(method="new_categories")), Check.DRIFT, "kind", "new_categories") for day in days]
    assert [result.verdict for result in found] == [Verdict.OK, Verdict.ALERT]


def test_a_test_that_does_not_apply_is_skipped_and_says_what_to_ask_for() -> None:
    rng = np.random.default_rng(17)
    reference = reference_of([contract_day(rng) for _ in range(5)])
    results = explicit(reference, contract_day(rng), DriftTest(method="z"))
    assert [(r.column, r.verdict) for r in results] == [("kind", Verdict.SKIPPED), ("member", Verdict.OK)]
    assert results[0].reason == (
        "z cannot be asked of kind: it compares 2 categories, the reference has 3: ask for chisquare or g_test"
    )


def test_the_formula_of_evidently_is_named_and_its_lack_an_error_of_the_column() -> None:
    rng = np.random.default_rng(18)
    reference = reference_of([contract_day(rng) for _ in range(5)])
    data = contract_day(rng, shift=1.0)
    own, theirs = (only(explicit(reference, data, DriftTest(method="psi", formula=f)), Check.DRIFT, "x", "psi") for f in Formula)
    assert own.reason.startswith("x drifted: psi 0.9")
    assert theirs.reason.startswith("x drifted: psi (Evidently's formula) ")
    assert own.value != theirs.value
    (kind, _) = explicit(reference, data, DriftTest(method="TVD", formula=Formula.EVIDENTLY))
    assert (kind.verdict, kind.reason) == (
        Verdict.ERROR, "TVD of kind failed: a profile does not tell TVD as Evidently computes it",
    )
