"""Every drift test against a number from elsewhere: scipy on the raw rows, or a sum done by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from scipy.spatial import distance as scipy_distance

from monitor.core.drift import DRIFT_TESTS, AlarmsWhen, Side, drift_test, pair_of
from monitor.core.drift.bins import coarse_starts, comparison_shares
from monitor.core.drift.chisquare import chisquare
from monitor.core.drift.curve import curve_of
from monitor.core.drift.jensenshannon import jensenshannon
from monitor.core.drift.ks import ks_critical, ks_distance, ks_p_value
from monitor.core.drift.psi import psi
from monitor.core.drift.transform import Change, recognise
from monitor.core.drift.tvd import tvd
from monitor.core.drift.wasserstein import wasserstein
from monitor.core.profile import CategoricalGrid, CategoricalProfile, NumericGrid, NumericProfile, fit_numeric
from monitor.core.schema import Floats, Kind
from tests.core.judged import numeric
from tests.core.profile_batches import categories

A, B = np.array([0.5, 0.3, 0.2]), np.array([0.4, 0.35, 0.25])


def counted(grid: NumericGrid, values: Floats) -> NumericProfile:
    profile = NumericProfile(grid=grid)
    profile.add(numeric(values))
    return profile


def measured(name: str, reference: Floats, window: Floats) -> float:
    grid = fit_numeric(reference)
    return DRIFT_TESTS[name].measure(pair_of(counted(grid, reference), counted(grid, window))).value


def test_psi_is_the_sum_done_by_hand() -> None:
    by_hand = -0.25 * math.log(0.5) + 0.25 * math.log(1.5)
    assert psi(np.array([0.5, 0.5]), np.array([0.25, 0.75])) == pytest.approx(by_hand, rel=1e-12)


def test_psi_is_both_relative_entropies_of_scipy() -> None:
    assert psi(A, B) == pytest.approx(stats.entropy(A, B) + stats.entropy(B, A), rel=1e-12)


def test_jensenshannon_is_the_distance_of_scipy() -> None:
    assert jensenshannon(A, B) == pytest.approx(scipy_distance.jensenshannon(A, B), rel=1e-12)
    assert jensenshannon(np.array([1.0, 0.0]), np.array([0.0, 1.0])) == pytest.approx(math.sqrt(math.log(2)), rel=1e-12)


def test_tvd_is_the_share_that_moved() -> None:
    assert tvd(A, B) == pytest.approx(0.1, rel=1e-12)


def test_ks_of_a_column_counted_by_value_is_that_of_scipy_on_the_rows() -> None:
    rng = np.random.default_rng(1)
    before, after = rng.poisson(3.0, 4000).astype(float), rng.poisson(3.3, 900).astype(float)
    expected = stats.ks_2samp(before, after, method="asymp")
    assert measured("ks", before, after) == pytest.approx(expected.statistic, abs=1e-12)


def test_ks_from_bins_is_that_of_scipy_on_the_rows_within_a_bin() -> None:
    rng = np.random.default_rng(2)
    before, after = rng.normal(0, 1, 20_000), rng.normal(0.2, 1, 3_000)
    assert measured("ks", before, after) == pytest.approx(stats.ks_2samp(before, after).statistic, abs=1 / 200)


@pytest.mark.parametrize(("n", "m", "d"), [(200, 40_000, 0.1), (2000, 40_000, 0.03), (300, 300, 0.12), (60, 1000, 0.2)])
def test_the_p_value_of_ks_is_that_of_scipy(n: int, m: int, d: float) -> None:
    exact = stats.kstwo.sf(d, round(n * m / (n + m)))
    assert ks_p_value(d, n, m) == pytest.approx(exact, rel=0.05)


def test_the_critical_distance_of_ks_has_the_p_value_it_was_asked_for() -> None:
    assert ks_p_value(ks_critical(0.01, 500, 9000), 500, 9000) == pytest.approx(0.01, rel=1e-6)


def test_wasserstein_of_a_column_counted_by_value_is_that_of_scipy_on_the_rows() -> None:
    rng = np.random.default_rng(3)
    before, after = rng.integers(0, 40, 5000).astype(float), rng.integers(5, 60, 800).astype(float)
    after = np.minimum(after, 39)
    expected = stats.wasserstein_distance(before, after) / np.std(before, ddof=1)
    assert measured("wasserstein", before, after) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("shift", "scale", "error"), [(0.3, 1.0, 0.02), (0.0, 1.5, 0.02), (5.0, 1.0, 0.1)])
def test_wasserstein_from_bins_is_that_of_scipy_on_the_rows(shift: float, scale: float, error: float) -> None:
    rng = np.random.default_rng(4)
    before, after = rng.normal(10, 3, 30_000), rng.normal(10, 3 * scale, 5_000) + 3 * shift
    expected = stats.wasserstein_distance(before, after) / np.std(before, ddof=1)
    assert measured("wasserstein", before, after) == pytest.approx(expected, rel=error)


def test_the_area_between_curves_that_cross_is_that_of_two_triangles() -> None:
    rising, steep = (np.array([0.0, 4.0]), np.array([0.0, 1.0])), (np.array([1.0, 3.0]), np.array([0.0, 1.0]))
    assert wasserstein(rising, steep) == pytest.approx(0.5)  # below 2: (1 * .25 / 2) + (1 * .25 / 2); above 2 the same
    assert wasserstein(rising, (np.array([0.0, 4.0]), np.array([0.4, 0.6]))) == pytest.approx(0.4 * 2 / 2 * 2)


def test_wasserstein_of_a_constant_that_moved_uses_the_smallest_norm() -> None:
    assert measured("wasserstein", np.full(500, 7.0), np.full(200, 7.5)) == pytest.approx(0.5 / 0.001, rel=1e-6)


def test_wasserstein_holds_up_to_the_largest_floats() -> None:
    assert measured("wasserstein", np.array([-1e308, 1e308, 0.0]), np.array([1e308, 1e308])) == pytest.approx(1.0)


def test_wasserstein_beyond_the_largest_float_is_no_finite_number() -> None:
    assert not math.isfinite(measured("wasserstein", np.zeros(50), np.array([1e308])))


def test_chisquare_is_the_contingency_test_of_scipy() -> None:
    before, after = np.array([500, 300, 200]), np.array([80, 45, 60])
    expected = stats.chi2_contingency(np.stack([before, after]), correction=False)
    found = chisquare(before, after)
    assert (found.statistic, found.p_value) == pytest.approx((expected.statistic, expected.pvalue), rel=1e-9)
    assert found.critical(found.p_value) == pytest.approx(found.statistic, rel=1e-9)


def test_chisquare_takes_sparse_categories_together() -> None:
    before, after = np.array([500, 300, 4, 3, 2, 0]), np.array([500, 300, 3, 3, 3, 0])
    merged = stats.chi2_contingency([[500, 300, 9], [500, 300, 9]], correction=False)
    assert chisquare(before, after).statistic == pytest.approx(merged.statistic, abs=1e-12)
    assert chisquare(before, after).degrees == 2


def test_chisquare_lets_a_rest_that_is_still_sparse_join_the_rarest_category() -> None:
    expected = stats.chi2_contingency([[500, 302], [400, 381]], correction=False)
    assert chisquare(np.array([500, 300, 2]), np.array([400, 380, 1])).statistic == pytest.approx(expected.statistic)


@pytest.mark.parametrize(("before", "after"), [([50, 0], [9, 0]), ([2, 1], [1, 1])])
def test_chisquare_of_one_category_or_a_handful_of_rows_is_sure_of_nothing(before: list[int], after: list[int]) -> None:
    assert chisquare(np.array(before), np.array(after)).p_value == 1.0


def test_under_no_drift_the_two_sample_chisquare_alarms_as_often_as_it_says() -> None:
    rng = np.random.default_rng(5)
    p = [0.4, 0.3, 0.2, 0.1]
    alarms = sum(chisquare(rng.multinomial(2000, p), rng.multinomial(2000, p)).p_value < 0.05 for _ in range(2000))
    assert 0.035 < alarms / 2000 < 0.065


@pytest.mark.parametrize("name", ["psi", "jensenshannon", "ks"])
def test_one_far_outlier_changes_no_verdict(name: str) -> None:
    rng = np.random.default_rng(6)
    before, after = rng.normal(0, 1, 5000), rng.normal(1, 1, 5000)
    with_outlier = np.append(after, 1e9)
    assert measured(name, before, with_outlier) == pytest.approx(measured(name, before, after), rel=0.01)


@pytest.mark.parametrize("name", ["psi", "jensenshannon"])
def test_a_window_of_some_hundred_rows_without_drift_stays_below_the_default_threshold(name: str) -> None:
    rng = np.random.default_rng(7)
    before = rng.normal(0, 1, 20_000)
    values = [measured(name, before, rng.normal(0, 1, 500)) for _ in range(50)]
    assert max(values) < DRIFT_TESTS[name].default_threshold


def test_coarse_bins_are_tenths_of_the_reference_and_heavy_values_stand_alone() -> None:
    assert coarse_starts(np.full(100, 1)).tolist() == list(range(0, 100, 10))
    assert coarse_starts(np.array([0, 1000, 0])).tolist() == [0, 1, 2]


def test_a_constant_that_moved_either_way_is_seen_by_psi() -> None:
    assert measured("psi", np.full(500, 1.0), np.full(500, 1.0001)) > 1
    assert measured("psi", np.full(500, 1.0), np.full(500, 0.9999)) > 1


def test_unseen_categories_are_a_bin_of_their_own() -> None:
    grid = CategoricalGrid(categories=("a", "b"))
    before, after = CategoricalProfile(grid=grid), CategoricalProfile(grid=grid)
    before.add(categories("a", "b"))
    after.add(categories("a", "zz", "yy", "b", None, wrong=1))
    shares = comparison_shares(pair_of(before, after))
    assert shares[0].tolist() == [0.5, 0.5, 0.0]
    assert shares[1].tolist() == [0.25, 0.25, 0.5]


def test_a_side_without_values_cannot_be_compared() -> None:
    grid = fit_numeric(np.arange(5.0))
    with pytest.raises(ValueError, match="no values"):
        pair_of(counted(grid, np.arange(5.0)), counted(grid, np.array([])))
    with pytest.raises(ValueError, match="no values"):
        _ = Side(counts=np.zeros(3, dtype=np.int64)).shares
    with pytest.raises(ValueError, match="edges"):
        curve_of(Side(counts=np.array([1, 2])))
    empty = CategoricalProfile(grid=CategoricalGrid(categories=("a",)))
    with pytest.raises(ValueError, match="no values"):
        DRIFT_TESTS["chisquare"].measure(pair_of(empty, empty))


def test_an_unknown_test_is_refused_with_the_list_of_those_that_exist() -> None:
    with pytest.raises(ValueError, match="'kolmogorov', known: TVD, anderson, chisquare, cramer_von_mises, ed"):
        drift_test("kolmogorov")


@pytest.mark.parametrize(
    ("name", "threshold", "when"),
    [
        ("psi", 0.1, AlarmsWhen.ABOVE),
        ("jensenshannon", 0.1, AlarmsWhen.ABOVE),
        ("ks", 0.05, AlarmsWhen.P_BELOW),
        ("wasserstein", 0.1, AlarmsWhen.ABOVE),
        ("chisquare", 0.05, AlarmsWhen.P_BELOW),
    ],
)
def test_names_and_default_thresholds_are_those_of_evidently(name: str, threshold: float, when: AlarmsWhen) -> None:
    method = drift_test(name)
    assert (method.name, method.default_threshold, method.alarms_when) == (name, threshold, when)
    assert method.kinds <= set(Kind)


# --- what was done to a column -------------------------------------------------------------------------------


def sides(before: Floats, after: Floats) -> tuple[Side, Side]:
    grid = fit_numeric(before)
    pair = pair_of(counted(grid, before), counted(grid, after))
    return pair.reference, pair.window


@pytest.mark.parametrize(("factor", "known"), [(60.0, True), (1 / 60, True), (1.609344, True), (1000.0, True), (5.0, False)])
def test_a_change_of_unit_is_recognised_though_the_day_differs_a_little(factor: float, known: bool) -> None:
    rng = np.random.default_rng(8)
    before = np.round(rng.gamma(2.0, 15.0, 30_000)) - 8
    found = recognise(*sides(before, (np.round(rng.gamma(2.0, 16.5, 900)) - 8) * factor))
    assert found is not None
    assert (found.change, found.known) == (Change.FACTOR, known)
    assert found.amount == pytest.approx(factor, rel=1e-9 if known else 0.25)


def test_an_offset_is_recognised() -> None:
    rng = np.random.default_rng(9)
    found = recognise(*sides(rng.normal(20, 5, 20_000), rng.normal(20, 5, 2_000) + 273.15))
    assert found is not None
    assert found.change is Change.OFFSET
    assert found.amount == pytest.approx(273.15, abs=0.5)


def test_another_shape_is_neither_factor_nor_offset() -> None:
    rng = np.random.default_rng(10)
    two_humps = np.concatenate([rng.normal(-3, 0.1, 1000), rng.normal(3, 0.1, 1000)])
    assert recognise(*sides(rng.normal(0, 1, 20_000), two_humps)) is None


def test_without_edges_nothing_is_recognised() -> None:
    blank = Side(counts=np.array([5]), edges=np.empty(0), low=1.0, high=2.0)
    assert recognise(blank, blank) is None


def test_ks_distance_stays_within_one() -> None:
    assert ks_distance(np.array([1.0, 0.0]), np.array([0.0, 1.0])) == 1.0
