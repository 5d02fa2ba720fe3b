"""The quality check: what is no usable value, against given limits and learned ones."""

from __future__ import annotations

import re

import numpy as np
import pytest
from scipy import stats

from monitor.core.evaluate import evaluate
from monitor.core.profile import CategoricalProfile, Grid, Profile, fit_categorical
from monitor.core.profile.categorical import KEPT
from monitor.core.quality import FLOOR, QUALITY_CHECKS, Usual, checks, judge_quality, unseen_names
from monitor.core.quality.look import Look, QualityKind
from monitor.core.quality.unseen import SCATTERED, missing_mass
from monitor.core.reference import Reference
from monitor.core.results import Check, Result, Verdict
from monitor.core.rules import QualityRules, Switch
from monitor.core.schema import Batch, CategoricalValues, Column, Kind, NumericValues, State, Values
from tests.core.judged import Data, numeric, only, reference_of, rules_with, subject_of
from tests.core.profile_batches import batch_of, categories

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
    assert [(r.column, r.metric, r.verdict, r.threshold) for r in results] == [
        ("kind", "null_share", Verdict.OK, FLOOR),
        ("kind", "same_value_share", Verdict.OK, pytest.approx(0.94, abs=0.01)),
        ("kind", "unseen_share", Verdict.OK, SCATTERED),
        ("kind", "wrong_type_share", Verdict.OK, FLOOR),
        ("x", "non_finite_share", Verdict.OK, FLOOR),
        ("x", "null_share", Verdict.OK, FLOOR),
        ("x", "out_of_range_share", Verdict.OK, FLOOR),
        ("x", "same_value_share", Verdict.OK, 0.9),
        ("x", "wrong_type_share", Verdict.OK, FLOOR),
    ]
    assert {r.value for r in results if r.metric != "same_value_share"} == {0.0}


@pytest.mark.fault(30)
def test_each_kind_of_bad_value_has_its_own_result() -> None:
    states = np.full(N, State.VALUE, dtype=np.uint8)
    states[:50], states[50:60], states[60:80], states[80:120] = State.NULL, State.NAN, State.POS_INF, State.WRONG_TYPE
    kinds = categories(*(["a", "b", "c"] * 308), "a", *(["new"] * 30), *([None] * 25), wrong=20)
    values = np.random.default_rng(2).normal(0, 1, N)
    values[120:137] = 1e9
    results = quality_of(usual(), {"x": NumericValues(values=values, states=states), "kind": kinds})
    shares = {(r.column, r.metric): r.value for r in results if r.metric != "same_value_share"}
    assert shares == {
        ("kind", "null_share"): 0.025,
        ("kind", "unseen_share"): 30 / (N - 45),
        ("kind", "wrong_type_share"): 0.02,
        ("x", "non_finite_share"): 0.03,
        ("x", "null_share"): 0.05,
        ("x", "out_of_range_share"): 17 / (N - 120),
        ("x", "wrong_type_share"): 0.04,
    }
    assert {r.metric for r in results if r.verdict is Verdict.OK} == {"same_value_share"}


def test_one_bad_row_in_two_hundred_wakes_nobody() -> None:
    data = day(np.random.default_rng(3), n=200)
    assert isinstance(data["x"], NumericValues)
    data["x"].values[7] = np.nan
    data["kind"] = categories(*(["a", "b"] * 99), "typo", wrong=1)
    data["x"].values[8] = 1e9
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
    rules = QualityRules(
        max_null_share=0.5, max_unseen_share=0.0, max_wrong_type_share=0.2, max_non_finite_share=0.1,
        max_out_of_range_share=0.3, max_same_value_share=0.7,
    )  # fmt: skip
    results = quality_of(usual(), data, rules)
    assert {r.metric: r.threshold for r in results} == {
        "null_share": 0.5, "unseen_share": 0.0, "wrong_type_share": 0.2, "non_finite_share": 0.1,
        "out_of_range_share": 0.3, "same_value_share": 0.7,
    }  # fmt: skip
    assert {r.verdict for r in results} == {Verdict.OK}


def test_unseen_categories_are_named_largest_first() -> None:
    kinds = categories(*(["a"] * 800), *(["zz"] * 60), *(["yy"] * 50), *(["xx"] * 40), *(["ww"] * 50))
    data: Data = {"kind": kinds, "x": numeric(np.zeros(1000))}
    unseen = only(quality_of(usual(), data), Check.QUALITY, "kind", "unseen_share")
    assert unseen.value == 0.2
    assert unseen.reason == "kind: 20 % unseen categories, limit 1 %: 'zz', 'ww', 'yy' and others"


def crowded(rows: int, shares: dict[str, float], seed: int = 1) -> Batch:
    """A few large unseen categories among rows that have a new one each."""
    rng = np.random.default_rng(seed)
    names = (*shares, *(f"session-{i}" for i in range(rows)))
    codes = np.arange(rows) + len(shares)
    drawn = rng.choice(len(shares) + 1, rows, p=[*shares.values(), 1 - sum(shares.values())])
    codes[drawn < len(shares)] = drawn[drawn < len(shares)]
    return batch_of({"kind": CategoricalValues(codes=codes.astype(np.int32), dictionary=names), "x": numeric(np.zeros(rows))})


@pytest.mark.fault(32)
def test_a_large_category_among_endless_new_ones_is_named_first_wherever_batches_are_cut() -> None:
    reference, batch = usual(), crowded(40_000, {"large": 0.4, "middle": 0.2, "small": 0.05})
    whole, parts = Profile.empty(reference.grid, 200), [Profile.empty(reference.grid, 200) for _ in range(4)]
    whole.fold(batch, topic_seed=5)
    for i, part in enumerate(parts):
        part.fold(batch.take(np.arange(i, 40_000, 4)), topic_seed=5)
    assert not {"large", "middle"} & set(whole.columns["kind"].new.kept)  # type: ignore[union-attr]  # else the sample shows nothing here
    assert unseen_names("kind", whole, reference.profile) == ("large", "middle", "small")
    merged = parts[3].merge(parts[1]).merge(parts[0].merge(parts[2]))
    assert merged.new_categories("kind") == whole.new_categories("kind")
    counts = whole.new_categories("kind")
    assert counts["large"] == pytest.approx(16_000, rel=0.25)
    assert max(counts.values()) <= whole.columns["kind"].new.other  # type: ignore[union-attr]


@pytest.mark.fault(32)
def test_the_reason_tells_about_how_many_more_new_categories_there_are() -> None:
    reference = usual()
    profile = Profile.empty(reference.grid, 200)
    profile.fold(crowded(40_000, {"large": 0.5}), topic_seed=5)
    found = judge_quality([Column(name="kind", kind=Kind.CATEGORICAL)], profile, reference, QualityRules(), 0.01)
    reason = next(f.reason for f in found if f.metric == "unseen_share")
    assert reason.startswith("kind: 100 % unseen categories, limit 1 %: 'large', 'session-")
    told = re.search(r" and about ([\d,]+) others$", reason)
    assert told, reason
    assert int(told[1].replace(",", "")) == pytest.approx(20_000, rel=0.2)


def test_categories_seen_once_or_twice_in_the_sample_are_no_large_ones() -> None:
    reference = usual()
    profile = Profile.empty(reference.grid, 200)
    profile.fold(crowded(40_000, {"large": 0.0001}), topic_seed=5)
    assert set(profile.new_categories("kind").values()) <= {1, 2, 3, 4, 5}


def test_without_a_sample_the_kept_categories_are_named() -> None:
    reference = usual()
    profile = Profile.empty(reference.grid)
    profile.fold(crowded(40_000, {"large": 0.4}), topic_seed=5)
    assert profile.new_categories("kind") == profile.columns["kind"].new.kept  # type: ignore[union-attr]
    assert profile.new_categories("x") == {}
    assert unseen_names("x", profile, reference.profile) == ()


@pytest.mark.fault(29)
def test_a_column_that_is_gone_is_one_alert() -> None:
    data = day(np.random.default_rng(7)) | {"x": numeric([np.nan] * N)}
    x = [r for r in quality_of(usual(), data) if r.column == "x"]
    assert [(r.metric, r.value, r.verdict) for r in x] == [("null_share", 1.0, Verdict.ALERT)]
    assert x[0].reason == "column gone: none of 1,000 rows has a value of x, the reference has 15,000"


@pytest.mark.fault(29)
def test_a_column_that_no_message_carries_any_more_is_gone_too() -> None:
    data = {"kind": day(np.random.default_rng(8))["kind"]}
    x = [r for r in quality_of(usual(), data) if r.column == "x"]
    assert [(r.metric, r.verdict) for r in x] == [("null_share", Verdict.ALERT)]
    assert x[0].reason.startswith("column gone")


@pytest.mark.fault(29, 30)
def test_a_column_of_texts_where_numbers_were_is_of_a_wrong_type() -> None:
    data = day(np.random.default_rng(9)) | {"x": categories(*(["n/a"] * N))}
    wrong = only(quality_of(usual(), data), Check.QUALITY, "x", "wrong_type_share")
    assert (wrong.value, wrong.verdict) == (1.0, Verdict.ALERT)


def test_a_column_that_was_always_null_stays_quiet() -> None:
    reference = reference_of([{"x": numeric([np.nan] * N), "y": numeric(np.zeros(N))} for _ in range(4)])
    results = quality_of(reference, {"x": numeric([np.nan] * N), "y": numeric(np.zeros(N))})
    assert {r.verdict for r in results} == {Verdict.OK}
    assert only(results, Check.QUALITY, "x", "null_share").threshold == 1.0


def test_a_check_that_is_off_gives_no_result() -> None:
    off = dict.fromkeys(
        ("max_null_share", "max_non_finite_share", "max_wrong_type_share", "max_unseen_share", "max_out_of_range_share"), Switch.OFF
    )
    data = {"x": numeric([np.nan] * N), "kind": categories(*(["a", "new"] * (N // 2)))}
    assert {r.metric for r in quality_of(usual(), data, QualityRules(**off))} == {"same_value_share"}
    assert quality_of(usual(), data, QualityRules(**off, max_same_value_share=Switch.OFF)) == []


def test_from_half_of_the_values_on_it_is_the_type_that_changed() -> None:
    states = np.full(N, State.VALUE, dtype=np.uint8)
    states[:400], states[400:550] = State.NULL, State.WRONG_TYPE
    data: Data = day(np.random.default_rng(9)) | {"x": NumericValues(values=np.random.default_rng(1).normal(0, 1, N), states=states)}
    rules = QualityRules(max_wrong_type_share=0.1)
    few = only(quality_of(usual(), data, rules), Check.QUALITY, "x", "wrong_type_share")
    assert (few.value, few.reason) == (0.15, "x: 15 % values of a wrong type, limit 10 %")
    states[400:700] = State.WRONG_TYPE
    half = only(quality_of(usual(), data, rules), Check.QUALITY, "x", "wrong_type_share")
    assert (half.value, half.verdict) == (0.3, Verdict.ALERT)
    assert half.reason == "x: type changed: 50 % of the values are not numbers, limit 10 %"


def test_many_small_unseen_categories_need_a_larger_share_than_one() -> None:
    known = [["a", "b", "c"][i % 3] for i in range(N)]
    small = categories(*known[:-18], *(f"airport {i % 3}" for i in range(18)))
    one = categories(*known[:-18], *(["airport"] * 18))
    many = categories(*known[:-30], *(f"airport {i}" for i in range(30)))
    found = {
        name: only(quality_of(usual(), {"kind": kinds, "x": numeric(np.arange(N) / N)}), Check.QUALITY, "kind", "unseen_share")
        for name, kinds in (("small", small), ("one", one), ("many", many))
    }
    assert {name: (r.verdict, r.threshold) for name, r in found.items()} == {
        "small": (Verdict.OK, SCATTERED), "one": (Verdict.ALERT, FLOOR), "many": (Verdict.ALERT, SCATTERED)
    }  # fmt: skip


def test_what_a_reference_lacks_is_estimated_from_what_it_saw_once() -> None:
    grid = Grid({"kind": fit_categorical(["a"] * 7 + ["b", "c", "d"])})
    profile = Profile.empty(grid)
    profile.fold(batch_of({"kind": categories(*(["a"] * 7), "b", "c", "e", "e", "f")}))
    column = profile.columns["kind"]
    assert isinstance(column, CategoricalProfile)
    assert missing_mass(column) == 3 / 12  # b, c and f
    crowd = Profile.empty(grid)
    crowd.fold(batch_of({"kind": categories(*(f"session {i}" for i in range(KEPT + 44)))}))
    column = crowd.columns["kind"]
    assert isinstance(column, CategoricalProfile)
    assert missing_mass(column) == 1.0
    assert missing_mass(CategoricalProfile(grid=column.grid)) == 0.0


def test_trouble_with_one_check_stays_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(look: Look) -> None:
        raise ValueError(f"no {look.name}")

    monkeypatch.setattr(checks, "QUALITY_CHECKS", {**QUALITY_CHECKS, QualityKind.OUT_OF_RANGE: broken})
    results = quality_of(usual(), day(np.random.default_rng(2)))
    failed = [r for r in results if r.verdict is Verdict.ERROR]
    assert [(r.column, r.metric, r.reason) for r in failed] == [
        ("kind", "out_of_range_share", "out_of_range_share of kind failed: no kind"),
        ("x", "out_of_range_share", "out_of_range_share of x failed: no x"),
    ]
    assert len(results) == 10
