"""The quality check: what is no usable value, against given limits and learned ones."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from monitor.core.evaluate import evaluate
from monitor.core.quality import FLOOR, Usual
from monitor.core.reference import Reference
from monitor.core.results import Check, Result, Verdict
from monitor.core.rules import QualityRules
from monitor.core.schema import CategoricalValues, NumericValues, State, Values
from tests.core.judged import Data, numeric, only, reference_of, rules_with, subject_of
from tests.core.profile_batches import categories

N = 1000


def day(rng: np.random.Generator, *, nulls: float = 0.0, n: int = N) -> dict[str, Values]:
    x = rng.normal(0, 1, n)
    x[rng.random(n) < nulls] = np.nan
    return {"x": numeric(x), "kind": CategoricalValues(codes=rng.integers(0, 3, n).astype(np.int32), dictionary=("a", "b", "c"))}


def usual(nulls: float = 0.0, *, with_windows: bool = True) -> Reference:
    rng = np.random.default_rng(1)
    return reference_of([day(rng, nulls=nulls) for _ in range(15)], with_windows=with_windows)


def quality_of(reference: Reference, data: Data, rules: QualityRules | None = None) -> list[Result]:
    results = evaluate(subject_of(reference, data), rules_with(quality=rules or QualityRules()))
    return [r for r in results if r.check is Check.QUALITY]


def test_every_column_has_the_shares_that_apply_to_it() -> None:
    results = quality_of(usual(), day(np.random.default_rng(2)))
    assert [(r.column, r.metric, r.verdict) for r in results] == [
        ("kind", "null_share", Verdict.OK),
        ("kind", "unseen_share", Verdict.OK),
        ("kind", "wrong_type_share", Verdict.OK),
        ("x", "non_finite_share", Verdict.OK),
        ("x", "null_share", Verdict.OK),
        ("x", "wrong_type_share", Verdict.OK),
    ]
    assert {r.value for r in results} == {0.0}
    assert {r.threshold for r in results} == {FLOOR}


def test_each_kind_of_bad_value_has_its_own_result() -> None:
    states = np.full(N, State.VALUE, dtype=np.uint8)
    states[:50], states[50:60], states[60:80], states[80:120] = State.NULL, State.NAN, State.POS_INF, State.WRONG_TYPE
    kinds = categories(*(["a"] * (N - 75)), *(["new"] * 30), *([None] * 25), wrong=20)
    data = {"x": NumericValues(values=np.zeros(N), states=states), "kind": kinds}
    results = quality_of(usual(), data)
    values = {(r.column, r.metric): r.value for r in results}
    assert values == {
        ("kind", "null_share"): 0.025,
        ("kind", "unseen_share"): 30 / (N - 45),
        ("kind", "wrong_type_share"): 0.02,
        ("x", "non_finite_share"): 0.03,
        ("x", "null_share"): 0.05,
        ("x", "wrong_type_share"): 0.04,
    }
    assert {r.verdict for r in results} == {Verdict.ALERT}


def test_one_bad_row_in_two_hundred_wakes_nobody() -> None:
    data = day(np.random.default_rng(3), n=200)
    assert isinstance(data["x"], NumericValues)
    data["x"].values[7] = np.nan
    data["kind"] = categories(*(["a"] * 198), "typo", wrong=1)
    assert {r.verdict for r in quality_of(usual(), data)} == {Verdict.OK}


def test_a_null_share_that_the_reference_has_is_usual_and_a_larger_one_is_not() -> None:
    reference, rng = usual(0.1), np.random.default_rng(4)
    quiet = [only(quality_of(reference, day(rng, nulls=0.1)), Check.QUALITY, "x", "null_share").verdict for _ in range(30)]
    assert set(quiet) == {Verdict.OK}
    loud = only(quality_of(reference, day(rng, nulls=0.5)), Check.QUALITY, "x", "null_share")
    assert loud.verdict is Verdict.ALERT
    assert loud.value is not None
    assert loud.reason.startswith(f"x: {100 * loud.value:.0f} % nulls, limit ")


@pytest.mark.parametrize("nulls", [0.0, 0.1])
def test_without_windows_the_limit_is_the_share_with_its_sampling_error(nulls: float) -> None:
    reference, rng = usual(nulls, with_windows=False), np.random.default_rng(5)
    assert only(quality_of(reference, day(rng, nulls=nulls)), Check.QUALITY, "x", "null_share").verdict is Verdict.OK
    assert only(quality_of(reference, day(rng, nulls=nulls + 0.15)), Check.QUALITY, "x", "null_share").verdict is Verdict.ALERT


def test_a_limit_without_windows_is_a_normal_bound_above_half_more_than_usual() -> None:
    limit = Usual(share=0.2, rows=10_000, windows=(), window_rows=1.0).limit(500, 0.01)
    smoothed = (0.2 * 10_000 + 0.5) / 10_001
    error = np.sqrt(smoothed * (1 - smoothed) * (1 / 500 + 1 / 10_000))
    assert limit == pytest.approx(0.3 + stats.norm.isf(0.01) * error, rel=1e-9)


def test_a_smaller_window_has_a_wider_limit() -> None:
    learned = Usual(share=0.1, rows=15_000, windows=(0.1, 0.11, 0.09, 0.1), window_rows=1000.0)
    assert learned.limit(100, 0.001) > learned.limit(1000, 0.001) == learned.limit(50_000, 0.001)


def test_no_learned_limit_calls_it_usual_that_half_of_the_values_are_lost() -> None:
    wild = Usual(share=0.1, rows=4000, windows=(0.0, 0.3, 0.01, 0.1), window_rows=1000.0)
    assert wild.limit(1000, 1e-6) == pytest.approx(1 - 0.5 * 0.7)


def test_given_limits_replace_learned_ones() -> None:
    data = day(np.random.default_rng(6), nulls=0.3)
    rules = QualityRules(max_null_share=0.5, max_unseen_share=0.0, max_wrong_type_share=0.2, max_non_finite_share=0.1)
    results = quality_of(usual(), data, rules)
    assert {r.metric: r.threshold for r in results} == {
        "null_share": 0.5, "unseen_share": 0.0, "wrong_type_share": 0.2, "non_finite_share": 0.1
    }  # fmt: skip
    assert {r.verdict for r in results} == {Verdict.OK}


def test_unseen_categories_are_named_largest_first() -> None:
    kinds = categories(*(["a"] * 800), *(["zz"] * 60), *(["yy"] * 50), *(["xx"] * 40), *(["ww"] * 50))
    data: Data = {"kind": kinds, "x": numeric(np.zeros(1000))}
    unseen = only(quality_of(usual(), data), Check.QUALITY, "kind", "unseen_share")
    assert unseen.value == 0.2
    assert unseen.reason == "kind: 20 % unseen categories, limit 1 %: 'zz', 'ww', 'yy' and others"


def test_a_column_that_is_gone_is_one_alert() -> None:
    data = day(np.random.default_rng(7)) | {"x": numeric([np.nan] * N)}
    x = [r for r in quality_of(usual(), data) if r.column == "x"]
    assert [(r.metric, r.value, r.verdict) for r in x] == [("null_share", 1.0, Verdict.ALERT)]
    assert x[0].reason == "column gone: none of 1,000 rows has a value of x, the reference has 15,000"


def test_a_column_that_no_message_carries_any_more_is_gone_too() -> None:
    data = {"kind": day(np.random.default_rng(8))["kind"]}
    x = [r for r in quality_of(usual(), data) if r.column == "x"]
    assert [(r.metric, r.verdict) for r in x] == [("null_share", Verdict.ALERT)]
    assert x[0].reason.startswith("column gone")


def test_a_column_of_texts_where_numbers_were_is_of_a_wrong_type() -> None:
    data = day(np.random.default_rng(9)) | {"x": categories(*(["n/a"] * N))}
    wrong = only(quality_of(usual(), data), Check.QUALITY, "x", "wrong_type_share")
    assert (wrong.value, wrong.verdict) == (1.0, Verdict.ALERT)


def test_a_column_that_was_always_null_stays_quiet() -> None:
    reference = reference_of([{"x": numeric([np.nan] * N), "y": numeric(np.zeros(N))} for _ in range(4)])
    results = quality_of(reference, {"x": numeric([np.nan] * N), "y": numeric(np.zeros(N))})
    assert {r.verdict for r in results} == {Verdict.OK}
    assert only(results, Check.QUALITY, "x", "null_share").threshold == 1.0
