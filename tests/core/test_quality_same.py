"""Stuck columns: one value in nearly all rows of a column that varied."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from monitor.core.evaluate import Subject, evaluate
from monitor.core.profile import NumericProfile, Profile, fit_numeric
from monitor.core.profile.top import top_rows
from monitor.core.quality.look import Look, QualityKind
from monitor.core.quality.same import LEFT, most_varied
from monitor.core.reference import Reference
from monitor.core.results import Account, Check, Result, Verdict
from monitor.core.rules import QualityRules
from monitor.core.schema import Kind
from tests.core.judged import Data, key_of, numeric, only, reference_of, rules_with, subject_of
from tests.core.profile_batches import batch_of, categories

N = 1000


def day(rng: np.random.Generator, flag: float = 0.05) -> Data:
    return {
        "x": numeric(rng.normal(0, 1, N)),
        "flag": numeric(rng.random(N) < flag),
        "kind": categories(*("abc"[i] for i in rng.integers(0, 3, N))),
        "fixed": numeric(np.full(N, 3.0)),
    }


def usual(flag: float = 0.05, *, with_windows: bool = True) -> Reference:
    rng = np.random.default_rng(1)
    return reference_of([day(rng, flag) for _ in range(15)], with_windows=with_windows)


def same(reference: Reference, data: Data, name: str, rules: QualityRules | None = None) -> Result:
    return only(evaluate(subject_of(reference, data), rules_with(quality=rules or QualityRules())), Check.QUALITY, name, "same_value_share")


def test_the_most_frequent_value_is_told_as_far_as_the_counts_tell_it() -> None:
    grid = fit_numeric(np.concatenate([np.random.default_rng(1).normal(0, 1, 10_000), np.full(2000, 0.5)]))
    values = np.concatenate([np.full(300, 0.5), np.linspace(1, 2, 700)])
    profile = NumericProfile(grid=grid)
    assert top_rows(profile) == 0
    profile.add(numeric(values))
    assert top_rows(profile) == 300
    alone = NumericProfile(grid=grid)
    alone.add(numeric([0.123] * 7))
    assert top_rows(alone) == 7


def test_columns_that_vary_as_usual_are_well() -> None:
    reference = usual()
    data = day(np.random.default_rng(2))
    assert {same(reference, data, name).verdict for name in ("x", "flag", "kind")} == {Verdict.OK}


@pytest.mark.parametrize("with_windows", [True, False])
def test_a_column_stuck_at_one_value_is_an_alert(with_windows: bool) -> None:
    reference = usual(with_windows=with_windows)
    data = dict(day(np.random.default_rng(2))) | {
        "x": numeric(np.full(N, 0.123)), "flag": numeric(np.zeros(N)), "kind": categories(*(["b"] * N))
    }  # fmt: skip
    for name in ("x", "flag", "kind"):
        found = same(reference, data, name)
        assert (found.value, found.verdict) == (1.0, Verdict.ALERT)
        assert found.threshold is not None
        assert found.reason == f"{name}: stuck: 100 % of the values are one and the same, limit {100 * found.threshold:.0f} %"


def test_nearly_all_rows_at_an_unseen_category_are_stuck_too() -> None:
    data = dict(day(np.random.default_rng(2))) | {"kind": categories(*(["default"] * 970), *(["a", "b", "c"] * 10))}
    assert same(usual(), data, "kind").value == 0.97
    assert same(usual(), data, "kind").verdict is Verdict.ALERT


def test_a_number_without_a_bin_of_its_own_is_told_from_the_sample() -> None:
    reference = usual()
    x = np.full(N, 0.123)
    x[:10] = np.random.default_rng(2).normal(0, 1, 10)
    profile = Profile.empty(reference.grid, sample_rows=200)
    profile.fold(batch_of(dict(day(np.random.default_rng(2))) | {"x": numeric(x)}), topic_seed=5)
    subject = Subject(key=key_of(), account=Account(counted=N), profile=profile, reference=reference)
    found = only(evaluate(subject, rules_with()), Check.QUALITY, "x", "same_value_share")
    assert found.verdict is Verdict.ALERT
    assert found.value == pytest.approx(0.99, abs=0.02)
    blind = only(evaluate(replace(subject, profile=profile.without_sample()), rules_with()), Check.QUALITY, "x", "same_value_share")
    assert (blind.value, blind.verdict) == (0.0, Verdict.OK)


def test_a_column_that_never_varied_is_not_judged() -> None:
    results = evaluate(subject_of(usual(), day(np.random.default_rng(2))), rules_with())
    assert [r.metric for r in results if r.check is Check.QUALITY and r.column == "fixed" and r.metric == "same_value_share"] == []


def test_a_flag_so_rare_that_chance_may_leave_none_is_never_stuck() -> None:
    found = same(usual(0.003), dict(day(np.random.default_rng(2))) | {"flag": numeric(np.zeros(N))}, "flag")
    assert (found.value, found.threshold, found.verdict) == (1.0, 1.0, Verdict.OK)


def test_a_column_that_is_one_value_on_some_days_of_the_reference_is_never_stuck() -> None:
    rng = np.random.default_rng(1)
    weekend = [dict(day(rng)) | {"flag": numeric(np.full(N, float(i % 7 > 4)))} for i in range(28)]
    reference = reference_of(weekend)
    assert same(reference, weekend[0], "flag").verdict is same(reference, weekend[5], "flag").verdict is Verdict.OK


def test_a_reference_of_an_older_driftd_tells_no_rhythm_and_so_nothing_is_stuck() -> None:
    reference = usual()
    assert reference.baseline is not None
    shares = {name: {kind: v for kind, v in own.items() if kind != "same_value"} for name, own in reference.baseline.shares.items()}
    old = replace(reference, baseline=replace(reference.baseline, shares=shares))
    assert same(old, dict(day(np.random.default_rng(2))) | {"kind": categories(*(["b"] * N))}, "kind").verdict is Verdict.OK


@pytest.mark.parametrize(("flag", "alpha"), [(0.05, 1e-4), (0.25, 1e-3), (0.02, 1e-5)])
def test_the_limit_is_a_tenth_of_the_usual_or_what_chance_makes(flag: float, alpha: float) -> None:
    reference = reference_of([{"flag": numeric(np.arange(N) < flag * N)} for _ in range(5)])
    look = Look(name="flag", kind=Kind.NUMERIC, profile=reference.profile, reference=reference, rules=QualityRules(), alpha=alpha)
    n = look.here.n
    expected, few = n * flag, most_varied(look)
    assert few <= LEFT * expected
    assert stats.poisson.cdf(few, expected) <= alpha
    assert few == int(LEFT * expected) or stats.poisson.cdf(few + 1, expected) > alpha
    assert look.windows(QualityKind.SAME_VALUE) == pytest.approx((1 - flag,) * 5)
