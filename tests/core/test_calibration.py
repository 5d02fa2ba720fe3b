"""Limits learned from the reference's windows: right against scipy, quiet as promised, and not blinded by a freak day."""

from __future__ import annotations

import math
from datetime import timedelta

import numpy as np
import pytest
from scipy import stats

from monitor.core.drift.calibration import (
    PRIOR_SPREAD,
    PRIOR_WINDOWS,
    Prediction,
    alpha_per_window,
    build_baseline,
    column_distance,
    learn_limit,
    unseen_rows,
    without_freaks,
)
from monitor.core.drift.noise import KsNoise, TvdNoise, noise_of
from monitor.core.profile import CategoricalProfile, Profile, fit_numeric
from monitor.core.rules import Budget
from tests.core.judged import drawn, grid_for, numeric, profile_of, reference_of
from tests.core.profile_batches import GRID, categories

ALPHA = 1 / 90


def test_the_budget_is_shared_over_the_windows_of_its_time() -> None:
    assert alpha_per_window(Budget(), timedelta(days=1)) == pytest.approx(1 / 30)
    assert alpha_per_window(Budget(alarms=2, per=timedelta(days=7)), timedelta(hours=1)) == pytest.approx(2 / 168)
    assert alpha_per_window(Budget(alarms=100, per=timedelta(days=1)), timedelta(days=1)) == 0.5


def test_the_limit_is_the_upper_end_of_students_prediction_interval() -> None:
    values = [0.02, 0.03, 0.05, 0.04, 0.03]
    logs = np.log(values)
    degrees = PRIOR_WINDOWS + 4
    spread = math.sqrt((PRIOR_WINDOWS * PRIOR_SPREAD**2 + 4 * logs.var(ddof=1)) / degrees)
    expected = math.exp(logs.mean() + stats.t.ppf(1 - ALPHA, degrees) * spread * math.sqrt(1 + 1 / 5))
    prediction = Prediction.learn(values, 0.001)
    assert prediction.upper(ALPHA) == pytest.approx(expected, rel=1e-9)
    assert prediction.survival(expected) == pytest.approx(ALPHA, rel=1e-6)
    assert prediction.lower(ALPHA) == pytest.approx(math.exp(2 * logs.mean()) / expected, rel=1e-9)
    assert prediction.survival(0.0) == 1.0


def test_values_below_the_noise_do_not_widen_the_limit() -> None:
    steady = [0.02, 0.021, 0.019, 0.02, 0.022, 0.02]
    lucky = [*steady[:5], 1e-5]
    assert Prediction.learn(lucky, 0.015).upper(ALPHA) < 1.2 * Prediction.learn(steady, 0.015).upper(ALPHA)
    assert Prediction.learn(lucky, 0.0).upper(ALPHA) > 10 * Prediction.learn(steady, 0.0).upper(ALPHA)


def test_the_alarms_of_log_normal_windows_keep_to_the_budget() -> None:
    rng = np.random.default_rng(1)
    alarms = 0
    for _ in range(3000):
        windows = np.exp(rng.normal(-3, 0.6, 21))
        alarms += windows[-1] > Prediction.learn(windows[:-1].tolist(), 0.0).upper(ALPHA)
    assert alarms / 3000 < 1.5 * ALPHA


def test_one_freak_day_in_the_reference_does_not_blind_the_column() -> None:
    rng = np.random.default_rng(2)
    usual = (0.02 * np.exp(rng.normal(0, 0.3, 59))).tolist()
    with_freaks = [*usual[:57], 0.4, 0.4]
    assert Prediction.learn(with_freaks, 0.005).upper(ALPHA) == pytest.approx(Prediction.learn(usual, 0.005).upper(ALPHA), rel=0.1)


def test_a_weekly_rhythm_is_no_freak() -> None:
    logs = np.log(np.array([0.02 if day % 7 else 0.06 for day in range(56)]))
    assert len(without_freaks(logs)) == 56


def test_what_a_seventh_of_the_reference_did_is_no_alarm() -> None:
    two_humps = [0.02] * 51 + [0.3] * 9
    prediction = Prediction.learn(two_humps, 0.01)
    assert prediction.upper(ALPHA) == pytest.approx(0.33)
    assert prediction.survival(0.32) == pytest.approx(0.15)
    assert prediction.survival(0.34) < ALPHA


def test_with_few_windows_nobody_is_called_a_freak() -> None:
    assert len(without_freaks(np.log(np.array([0.02] * 8 + [0.9])))) == 9


def test_the_mean_noise_of_ks_is_that_of_kolmogorovs_distribution() -> None:
    assert KsNoise().mean == pytest.approx(stats.kstwobign.mean(), rel=1e-3)
    assert KsNoise().quantile(0.01) == pytest.approx(stats.kstwobign.isf(0.01), rel=1e-9)
    assert KsNoise().survival(1.2) == pytest.approx(stats.kstwobign.sf(1.2), rel=1e-9)


@pytest.mark.parametrize("shares", [[0.7, 0.3], [0.5, 0.3, 0.2], [0.98, 0.02], [0.02] * 50])
def test_the_noise_of_tvd_is_what_chance_makes(shares: list[float]) -> None:
    rng = np.random.default_rng(3)
    p, n, m = np.array(shares), 800, 16_000
    seen = np.abs(rng.multinomial(n, p, 20_000) / n - rng.multinomial(m, p, 20_000) / m).sum(axis=1) / 2
    noise, unit = TvdNoise.of(p), math.sqrt(1 / n + 1 / m)
    assert noise.mean * unit == pytest.approx(seen.mean(), rel=0.03)
    for alpha in (0.1, 0.01):
        assert (seen > noise.quantile(alpha) * unit).mean() == pytest.approx(alpha, rel=0.35)
    assert noise.survival(noise.quantile(0.01)) == pytest.approx(0.01)


@pytest.mark.parametrize("rare", [1e-3, 1e-6, 1e-8, 1e-10])
def test_the_noise_of_two_categories_keeps_its_shape_however_rare_one_is(rare: float) -> None:
    even, noise = TvdNoise.of(np.array([0.5, 0.5])), TvdNoise.of(np.array([1 - rare, rare]))
    assert noise.degrees == pytest.approx(even.degrees, rel=1e-5)
    assert noise.scale == pytest.approx(even.scale * 2 * math.sqrt(rare * (1 - rare)), rel=1e-5)


@pytest.mark.parametrize("alpha", [0.1, 0.01, 1e-4, 1e-6])
def test_the_noise_of_two_categories_is_nearly_that_of_one_normal_deviation(alpha: float) -> None:
    assert TvdNoise.of(np.array([0.5, 0.5])).quantile(alpha) == pytest.approx(stats.norm.isf(alpha / 2) / 2, rel=0.02)


def test_the_noise_of_a_single_category_is_none_at_all() -> None:
    noise = TvdNoise.of(np.array([1.0, 0.0]))
    assert (noise.mean, noise.survival(0.0), noise.survival(0.1)) == (0.0, 1.0, 0.0)


def test_a_smaller_window_has_a_wider_limit_and_stays_within_the_budget() -> None:
    rng = np.random.default_rng(4)
    days = [{"kind": drawn(rng, "abc", [0.5, 0.3, 0.2], 2000), "x": numeric(rng.normal(0, 1, 2000))} for _ in range(20)]
    reference = reference_of(days)
    for name in ("kind", "x"):
        column = reference.profile.columns[name]
        assert reference.baseline is not None
        (distances,) = reference.baseline.distances[name].values()
        limit = learn_limit(distances, reference.baseline.window_rows, column, reference.profile.rows)
        assert limit is not None
        small, usual, large = (limit.threshold(ALPHA, rows) for rows in (150, 2000, 50_000))
        assert small > 2 * usual
        assert 0.7 * usual < large <= usual  # never below what the reference's windows taught
        windows = [
            profile_of(reference.grid, {"kind": drawn(rng, "abc", [0.5, 0.3, 0.2], 150), "x": numeric(rng.normal(0, 1, 150))})
            for _ in range(300)
        ]
        alarms = sum(column_distance(column, window.columns[name]) > small for window in windows)
        assert alarms <= 0.03 * len(windows)


def test_the_p_value_reaches_the_budget_where_the_distance_reaches_the_limit() -> None:
    rng = np.random.default_rng(5)
    reference = reference_of([{"x": numeric(rng.normal(0, 1, 1000))} for _ in range(12)])
    assert reference.baseline is not None
    limit = learn_limit(reference.baseline.distances["x"]["ks"], [1000] * 12, reference.profile.columns["x"], 12_000)
    assert limit is not None
    for rows in (100, 1000, 5000):
        threshold = limit.threshold(ALPHA, rows)
        assert limit.p_value(threshold * 1.01, ALPHA, rows) < ALPHA < limit.p_value(threshold * 0.99, ALPHA, rows)


def test_two_windows_teach_no_limit() -> None:
    rng = np.random.default_rng(6)
    reference = reference_of([{"x": numeric(rng.normal(0, 1, 500))} for _ in range(2)])
    assert learn_limit([0.1, 0.1], [500, 500], reference.profile.columns["x"], 1000) is None


def test_a_baseline_compares_every_window_with_the_rest() -> None:
    days = [{"hour": numeric([1, 1, 2, 2]), "kind": categories("a", "a", "b", "b")} for _ in range(3)]
    days.append({"hour": numeric([2, 2, 2, 2]), "kind": categories("a", "a", "c", None)})
    baseline = reference_of(days).baseline
    assert baseline is not None
    assert baseline.window_rows == (4, 4, 4, 4)
    assert baseline.distances["hour"]["ks"] == pytest.approx([1 / 6, 1 / 6, 1 / 6, 0.5])
    assert baseline.distances["kind"]["tvd"][3] == pytest.approx(0.5)
    assert baseline.shares["kind"]["unseen"] == pytest.approx((0, 0, 0, 1 / 3))
    assert baseline.shares["kind"]["null"] == pytest.approx((0, 0, 0, 0.25))
    nothing = (0, 0, 0, 0)
    assert baseline.shares["hour"] == {
        "null": nothing, "wrong_type": nothing, "non_finite": nothing, "out_of_range": nothing, "same_value": (0.5, 0.5, 0.5, 1.0)
    }  # fmt: skip
    assert baseline.shares["kind"]["same_value"] == pytest.approx((0.5, 0.5, 0.5, 2 / 3))


def test_a_cut_window_at_the_end_of_the_reference_teaches_nothing() -> None:
    rng = np.random.default_rng(7)
    baseline = reference_of([{"x": numeric(rng.normal(0, 1, n))} for n in (500, 500, 500, 20)]).baseline
    assert baseline is not None
    assert len(baseline.distances["x"]["ks"]) == 3
    assert baseline.window_rows == (500, 500, 500, 20)


def test_a_window_where_a_column_has_no_values_has_no_distance() -> None:
    days = [{"x": numeric([1, 2, 3])}, {"x": numeric([np.nan] * 3)}, {"x": numeric([1, 2, 3])}, {"x": numeric([1, 2, 3])}]
    baseline = reference_of(days).baseline
    assert baseline is not None
    assert len(baseline.distances["x"]["ks"]) == 3
    assert baseline.shares["x"]["null"] == (0, 1, 0, 0)


def test_a_reference_of_one_window_or_none_has_nothing_to_compare() -> None:
    whole = profile_of(GRID, {"hour": numeric([1, 2])})
    assert build_baseline([whole], whole).distances["hour"] == {"ks": ()}
    assert build_baseline([], whole).window_rows == ()


def test_a_window_that_is_no_part_of_the_whole_is_refused() -> None:
    with pytest.raises(ValueError, match="subtract"):
        build_baseline([profile_of(GRID, {"hour": numeric([1, 2])})], profile_of(GRID, {"hour": numeric([1])}))


def test_categories_that_the_reference_itself_kept_beside_its_grid_are_not_unseen() -> None:
    grid = grid_for([{"kind": categories("a", "b")}])
    before, after = Profile.empty(grid).columns["kind"], Profile.empty(grid).columns["kind"]
    assert isinstance(before, CategoricalProfile)
    assert isinstance(after, CategoricalProfile)
    before.add(categories("a", "rare"))
    after.add(categories("a", "b", "rare", "new"))
    assert unseen_rows(after, before) == 2


def test_the_noise_of_a_numeric_column_is_kolmogorovs() -> None:
    days = [{"x": numeric([1.0, 2.0]), "kind": categories("a", "b")}]
    reference = reference_of(days)
    assert noise_of(reference.profile.columns["x"]) == KsNoise()
    assert noise_of(reference.profile.columns["kind"]) == TvdNoise.of(np.array([0.5, 0.5, 0.0]))
    assert fit_numeric(np.array([1.0])).by_value
