"""The tests by the names of Evidently, against scipy on the raw rows: to 1e-6 where values have bins of their own."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from monitor.core.drift import DRIFT_TESTS, AlarmsWhen, Measure, NotApplicable, Pair, Side, drift_test, pair_of
from monitor.core.drift.anderson import anderson_critical, anderson_p_value, deviation
from monitor.core.drift.bins import evidently_shares, sturges_edges
from monitor.core.drift.chisquare import one_sample
from monitor.core.drift.cramer_von_mises import limit_survival
from monitor.core.drift.fisher_exact import fisher_exact
from monitor.core.drift.g_test import g_test
from monitor.core.drift.hellinger import hellinger
from monitor.core.drift.kl_div import kl_div
from monitor.core.drift.missing import presence_pair
from monitor.core.drift.new_categories import novelty_pair
from monitor.core.drift.z import z_score
from monitor.core.profile import CategoricalGrid, CategoricalProfile, NumericGrid, NumericProfile, fit_numeric
from monitor.core.rules import Formula
from monitor.core.schema import Floats, Ints, Kind
from tests.core.judged import numeric
from tests.core.profile_batches import categories

EXACT = {"abs": 1e-6, "rel": 1e-6}
A, B = np.array([0.5, 0.3, 0.2]), np.array([0.4, 0.35, 0.25])
NUMERIC_TESTS = [method for method in DRIFT_TESTS.values() if Kind.NUMERIC in method.kinds and method.needs_values]
COUNTED_TESTS = [method for method in DRIFT_TESTS.values() if Kind.CATEGORICAL in method.kinds and method.pair is pair_of]


def counted(grid: NumericGrid, values: Floats) -> NumericProfile:
    profile = NumericProfile(grid=grid)
    profile.add(numeric(values))
    return profile


def numbers(reference: Floats, window: Floats) -> Pair:
    grid = fit_numeric(reference)
    return pair_of(counted(grid, reference), counted(grid, window))


def counts(reference: list[int] | Ints, window: list[int] | Ints) -> Pair:
    return Pair(reference=Side(counts=np.array(reference)), window=Side(counts=np.array(window)))


def whole(seed: int, *, shift: float = 0.4, n: int = 900, m: int = 300) -> tuple[Floats, Floats]:
    """Whole numbers, every one of the window's known to the reference, so that nothing is lost in bins."""
    rng = np.random.default_rng(seed)
    before = np.concatenate([np.arange(30.0), rng.poisson(6.0, n)])
    return before, np.minimum(rng.poisson(6.0 + shift, m), 29).astype(float)


# --- against scipy, from values and categories that are counted by themselves ------------------------------------


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("shift", [0.0, 0.3, 1.5])
def test_mannw_is_that_of_scipy_with_its_ties(seed: int, shift: float) -> None:
    before, after = whole(seed, shift=shift)
    expected = stats.mannwhitneyu(before, after, method="asymptotic")
    assert DRIFT_TESTS["mannw"].measure(numbers(before, after)).p_value == pytest.approx(expected.pvalue, **EXACT)
    less = stats.mannwhitneyu(before, after, method="asymptotic", alternative="less")
    assert DRIFT_TESTS["mannw"].by(Formula.EVIDENTLY)(numbers(before, after)).p_value == pytest.approx(less.pvalue, **EXACT)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("shift", [0.0, 0.3, 1.5])
def test_cramer_von_mises_is_that_of_scipy_with_its_ties(seed: int, shift: float) -> None:
    before, after = whole(seed, shift=shift)
    expected = stats.cramervonmises_2samp(before, after, method="asymptotic")
    found = DRIFT_TESTS["cramer_von_mises"].by(Formula.EVIDENTLY)(numbers(before, after))
    assert (found.value, found.p_value) == pytest.approx((expected.statistic, expected.pvalue), **EXACT)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("shift", [0.0, 0.3, 0.5, 1.5])
@pytest.mark.filterwarnings("ignore")
def test_anderson_is_that_of_scipy_with_its_ties(seed: int, shift: float) -> None:
    before, after = whole(seed, shift=shift)
    expected = stats.anderson_ksamp([before, after])
    found = DRIFT_TESTS["anderson"].measure(numbers(before, after))
    assert (found.value, found.p_value) == pytest.approx((expected.statistic, expected.pvalue), **EXACT)


@pytest.mark.filterwarnings("ignore")
def test_the_critical_values_of_anderson_are_those_of_the_table() -> None:
    table = stats.anderson_ksamp([np.arange(20.0), np.arange(30.0)]).critical_values
    for level, critical in zip([0.25, 0.1, 0.05, 0.025, 0.01, 0.005, 0.001], table, strict=True):
        assert anderson_p_value(critical) == pytest.approx(level, rel=0.05)
        if 0.001 < level < 0.25:
            assert anderson_p_value(anderson_critical(level)) == pytest.approx(level, rel=1e-9)
    assert (anderson_critical(0.0005), anderson_critical(0.3)) == (math.inf, -math.inf)


def test_the_deviation_of_anderson_is_the_sum_over_all_ranks() -> None:
    n, m = 13.0, 30.0
    total = int(n + m)
    h = sum(1 / i for i in range(1, total))
    g = sum(1 / ((total - i) * j) for i in range(1, total - 1) for j in range(i + 1, total))
    both = 1 / n + 1 / m
    a = (4 * g - 6) + (10 - 6 * g) * both
    b = (2 * g - 4) * 4 + 8 * h * 2 + (2 * g - 14 * h - 4) * both - 8 * h + 4 * g - 6
    c = (6 * h + 2 * g - 2) * 4 + (4 * h - 4 * g + 6) * 2 + (2 * h - 6) * both + 4 * h
    d = (2 * h + 6) * 4 - 8 * h
    expected = math.sqrt((a * total**3 + b * total**2 + c * total + d) / ((total - 1) * (total - 2) * (total - 3)))
    assert deviation(n, m) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("shift", [0.0, 0.1, 0.5])
def test_the_t_tests_are_those_of_scipy_on_the_rows(shift: float) -> None:
    rng = np.random.default_rng(3)
    before, after = rng.lognormal(0, 1, 3000), rng.lognormal(0, 1.2, 400) + shift
    pair = numbers(before, after)
    welch, student = stats.ttest_ind(before, after, equal_var=False), stats.ttest_ind(before, after)
    assert DRIFT_TESTS["t_test"].measure(pair).p_value == pytest.approx(welch.pvalue, **EXACT)
    assert DRIFT_TESTS["t_test"].measure(pair).value == pytest.approx(abs(welch.statistic), **EXACT)
    assert DRIFT_TESTS["t_test"].by(Formula.EVIDENTLY)(pair).p_value == pytest.approx(student.pvalue, **EXACT)


def test_ed_is_the_energy_distance_of_scipy() -> None:
    before, after = whole(5)
    expected = stats.energy_distance(before, after)
    assert DRIFT_TESTS["ed"].measure(numbers(before, after)).value == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("before", "after"), [([700, 300], [60, 40]), ([500, 300, 200], [80, 45, 60]), ([50, 60, 70, 80], [90, 60, 70, 80])]
)
def test_g_test_is_the_likelihood_ratio_of_scipy(before: list[int], after: list[int]) -> None:
    expected = stats.chi2_contingency([before, after], correction=False, lambda_="log-likelihood")
    found = g_test(np.array(before), np.array(after))
    assert (found.statistic, found.p_value) == pytest.approx((expected.statistic, expected.pvalue), **EXACT)


def test_the_one_sample_chisquare_is_that_of_scipy() -> None:
    before, after = np.array([500, 300, 200, 0]), np.array([80, 45, 60, 0])
    expected = stats.chisquare(after[:3], before[:3] * 0.185)
    found = one_sample(before, after)
    assert (found.statistic, found.p_value) == pytest.approx((expected.statistic, expected.pvalue), **EXACT)
    never_seen = one_sample(np.array([500, 0]), np.array([99, 1]))
    assert math.isfinite(never_seen.statistic)
    assert never_seen.p_value == 0.0
    with pytest.raises(ValueError, match="no values"):
        DRIFT_TESTS["chisquare"].by(Formula.EVIDENTLY)(counts([1, 2], [0, 0]))


def test_z_is_two_proportions_by_hand_and_its_square_the_chisquare() -> None:
    together = (700 + 60) / 1100
    by_hand = (60 / 100 - 700 / 1000) / math.sqrt(together * (1 - together) * (1 / 1000 + 1 / 100))
    assert z_score((700, 300), (60, 40)) == pytest.approx(by_hand, rel=1e-12)
    found = DRIFT_TESTS["z"].measure(counts([700, 300], [60, 40]))
    expected = stats.chi2_contingency([[700, 300], [60, 40]], correction=False)
    assert (found.value**2, found.p_value) == pytest.approx((expected.statistic, expected.pvalue), **EXACT)
    assert z_score((5, 0), (3, 0)) == 0.0


def test_z_counts_a_new_category_among_the_others() -> None:
    assert DRIFT_TESTS["z"].measure(counts([300, 700, 0], [30, 60, 10])).value == pytest.approx(abs(z_score((700, 300), (60, 40))))


@pytest.mark.parametrize(
    ("before", "after"), [((8, 2), (1, 5)), ((900, 100), (40, 12)), ((0, 7), (3, 4)), ((3, 0), (4, 0)), ((12, 12), (12, 12))]
)
def test_fisher_exact_is_that_of_scipy(before: tuple[int, int], after: tuple[int, int]) -> None:
    expected = stats.fisher_exact([list(after), list(before)]).pvalue
    assert math.exp(fisher_exact(before, after)) == pytest.approx(expected, **EXACT)
    found = DRIFT_TESTS["fisher_exact"].measure(counts([*before], [*after]))
    assert found.p_value == pytest.approx(expected, **EXACT)
    assert found.value == pytest.approx(-math.log10(expected), abs=1e-6)
    assert found.critical(0.01) == pytest.approx(2)
    assert found.critical(0.0) == math.inf


def test_fisher_exact_leaves_very_many_tables_to_z() -> None:
    with pytest.raises(NotApplicable, match="ask for z"):
        fisher_exact((500_000, 500_000), (300_000, 300_000))


def test_kl_div_is_the_relative_entropy_of_scipy() -> None:
    assert kl_div(A, B) == pytest.approx(stats.entropy(A, B), rel=1e-12)
    assert kl_div(A, B) != pytest.approx(kl_div(B, A), rel=1e-3)


def test_hellinger_is_one_minus_the_coefficient_of_bhattacharyya() -> None:
    assert hellinger(A, B) == pytest.approx(math.sqrt(1 - np.sum(np.sqrt(A * B))), rel=1e-9)
    assert hellinger(np.array([1.0, 0.0]), np.array([0.0, 1.0])) == pytest.approx(1.0)


def test_tvd_by_name_is_the_share_of_rows_that_moved() -> None:
    assert DRIFT_TESTS["TVD"].measure(counts([50, 30, 20], [40, 35, 25])).value == pytest.approx(0.1)


@pytest.mark.parametrize(("x", "p"), [(0.34730, 0.10), (0.46136, 0.05), (0.74346, 0.01), (0.0005, 1.0)])
def test_the_limit_of_cramer_von_mises_is_that_of_the_published_table(x: float, p: float) -> None:
    assert limit_survival(x) == pytest.approx(p, abs=2e-5)  # Anderson and Darling 1952, Ann. Math. Stat. 23, table 1


# --- from bins, on values that are all different -----------------------------------------------------------------


@pytest.mark.parametrize("size", [1_000, 100_000])
@pytest.mark.filterwarnings("ignore")
def test_ranks_within_bins_cost_little_whatever_the_number_of_rows(size: int) -> None:
    rng = np.random.default_rng(21)
    before, after = rng.normal(0, 1, size), rng.normal(0.3 / math.sqrt(size / 100), 1, size)
    pair = numbers(before, after)
    p = {name: DRIFT_TESTS[name].measure(pair).p_value for name in ("mannw", "cramer_von_mises", "anderson")}
    assert p["mannw"] == pytest.approx(stats.mannwhitneyu(before, after).pvalue, rel=0.1)
    assert p["cramer_von_mises"] == pytest.approx(stats.cramervonmises_2samp(before, after).pvalue, rel=0.15)
    assert p["anderson"] == pytest.approx(stats.anderson_ksamp([before, after]).pvalue, rel=0.15)
    assert DRIFT_TESTS["ed"].measure(pair).value == pytest.approx(stats.energy_distance(before, after), rel=0.05)


def test_values_between_known_ones_lie_where_the_moments_say() -> None:
    before, _ = whole(7)
    for moved in (before + 0.1, before * 1.609344, np.append(before, np.linspace(3.1, 3.9, 500))):
        expected = stats.wasserstein_distance(before, moved) / np.std(before, ddof=1)
        assert DRIFT_TESTS["wasserstein"].measure(numbers(before, moved)).value == pytest.approx(expected, rel=0.05, abs=0.002)
    shifted = DRIFT_TESTS["ed"].measure(numbers(before, before + 0.1)).value
    assert shifted == pytest.approx(stats.energy_distance(before, before + 0.1), rel=0.01)


def test_a_lone_value_between_known_ones_has_no_spread_to_go_by() -> None:
    before, _ = whole(8)
    assert DRIFT_TESTS["wasserstein"].measure(numbers(before, np.array([3.2]))).value > 0
    assert math.isfinite(DRIFT_TESTS["wasserstein"].measure(numbers(np.arange(9.0), np.array([1e200, -1e200, 0.5]))).value)
    widest = numbers(np.array([-1.5e308, 1.5e308]), np.array([1.0, 2.0, 5.0]))
    assert DRIFT_TESTS["ed"].measure(widest).value > 0


# --- as Evidently ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [25, 1_000, 4_096])
def test_the_bins_of_evidently_are_those_of_numpy(n: int) -> None:
    values = np.random.default_rng(n).gamma(2.0, 1.0, n)
    expected = np.histogram_bin_edges(values, bins="sturges")
    assert sturges_edges(float(values.min()), float(values.max()), n).tolist() == expected.tolist()


def test_up_to_twenty_values_are_bins_of_their_own_and_more_are_binned_equally_wide() -> None:
    few, after = np.repeat(np.arange(20.0), 5), np.repeat([3.0, 25.0], 4)
    shares = evidently_shares(numbers(few, after))
    assert sorted(shares[0].tolist()) == [0.0] + [0.05] * 20
    assert sorted(shares[1].tolist())[-2:] == [0.5, 0.5]
    many = np.repeat(np.arange(21.0), 5)
    bins = np.histogram_bin_edges(np.append(many, many), "sturges")
    assert evidently_shares(numbers(many, many))[0] == pytest.approx(np.histogram(many, bins)[0] / len(many), abs=1e-12)


def test_one_far_value_blinds_the_formula_of_evidently_and_not_our_own() -> None:
    rng = np.random.default_rng(6)
    before, after = rng.normal(0, 1, 5000), np.append(rng.normal(1, 1, 5000), 1e9)
    psi = DRIFT_TESTS["psi"]
    assert psi.by(Formula.EVIDENTLY)(numbers(before, after)).value < 0.01
    assert psi.by(Formula.DRIFTD)(numbers(before, after)).value > 0.5


def test_a_range_that_no_float_holds_is_refused() -> None:
    with pytest.raises(ValueError, match="no float holds"):
        sturges_edges(-1e308, 1e308, 100)


def test_what_a_profile_cannot_tell_as_evidently_is_refused() -> None:
    assert sorted(name for name, method in DRIFT_TESTS.items() if method.as_evidently is None) == [
        "TVD", "g_test", "hellinger", "missing", "new_categories",
    ]
    with pytest.raises(ValueError, match="does not tell TVD as Evidently"):
        DRIFT_TESTS["TVD"].by(Formula.EVIDENTLY)


@pytest.mark.parametrize("name", ["es", "empirical_mmd"])
def test_a_test_that_needs_rows_says_where_to_have_it(name: str) -> None:
    with pytest.raises(ValueError, match=f"evidently:{name} runs it on the window's row sample"):
        drift_test(name)


@pytest.mark.parametrize(
    ("name", "threshold", "when"),
    [
        ("kl_div", 0.1, AlarmsWhen.ABOVE), ("hellinger", 0.1, AlarmsWhen.ABOVE), ("TVD", 0.1, AlarmsWhen.ABOVE),
        ("ed", 0.1, AlarmsWhen.ABOVE), ("g_test", 0.1, AlarmsWhen.P_BELOW), ("z", 0.05, AlarmsWhen.P_BELOW),
        ("fisher_exact", 0.1, AlarmsWhen.P_BELOW), ("t_test", 0.05, AlarmsWhen.P_BELOW), ("mannw", 0.05, AlarmsWhen.P_BELOW),
        ("cramer_von_mises", 0.1, AlarmsWhen.P_BELOW), ("anderson", 0.1, AlarmsWhen.P_BELOW),
        ("missing", 0.03, AlarmsWhen.ABOVE), ("new_categories", 0.01, AlarmsWhen.ABOVE),
    ],
)  # fmt: skip
def test_default_thresholds(name: str, threshold: float, when: AlarmsWhen) -> None:
    assert (drift_test(name).default_threshold, drift_test(name).alarms_when) == (threshold, when)


# --- nulls and new categories ------------------------------------------------------------------------------------


def test_missing_is_how_far_the_share_of_nulls_moved() -> None:
    grid = fit_numeric(np.arange(10.0))
    before, after = counted(grid, np.arange(10.0)), counted(grid, np.append(np.arange(6.0), [np.nan] * 4))
    found = DRIFT_TESTS["missing"].measure(presence_pair(before, after))
    assert found.value == pytest.approx(0.4)
    assert found.p_value == pytest.approx(stats.chi2_contingency([[0, 10], [4, 6]], correction=False).pvalue)
    assert DRIFT_TESTS["missing"].measure(presence_pair(after, before)).value == pytest.approx(0.4)
    nothing = counted(grid, np.full(5, np.nan))
    assert DRIFT_TESTS["missing"].measure(presence_pair(before, nothing)).value == 1.0
    assert DRIFT_TESTS["missing"].measure(presence_pair(nothing, nothing)).value == 0.0
    with pytest.raises(ValueError, match="no values"):
        DRIFT_TESTS["missing"].measure(presence_pair(before, NumericProfile(grid=grid)))


def test_new_categories_are_those_that_the_reference_has_no_row_of() -> None:
    grid = CategoricalGrid(categories=("a", "b", "gone"))
    before, after = CategoricalProfile(grid=grid), CategoricalProfile(grid=grid)
    before.add(categories("a", "a", "b", "rare"))
    after.add(categories("a", "b", "gone", "rare", "zz", None, "a", "a", "a", "a"))
    assert DRIFT_TESTS["new_categories"].measure(novelty_pair(before, after)).value == pytest.approx(2 / 9)
    with pytest.raises(ValueError, match="no categories"):
        novelty_pair(counted(fit_numeric(np.arange(3.0)), np.arange(3.0)), after)


# --- what cannot be asked ----------------------------------------------------------------------------------------


def test_two_categories_are_asked_for_two() -> None:
    for name in ("z", "fisher_exact"):
        with pytest.raises(NotApplicable, match="the reference has 3: ask for chisquare"):
            DRIFT_TESTS[name].measure(counts([5, 5, 5], [5, 5, 5]))
        with pytest.raises(ValueError, match="no values"):
            DRIFT_TESTS[name].measure(counts([5, 5], [0, 0]))
    with pytest.raises(ValueError, match="no values"):
        DRIFT_TESTS["g_test"].measure(counts([5, 5], [0, 0]))


@pytest.mark.parametrize("name", ["t_test", "cramer_von_mises"])
def test_one_row_has_no_spread(name: str) -> None:
    with pytest.raises(NotApplicable, match="needs 2 values"):
        DRIFT_TESTS[name].measure(numbers(np.arange(9.0), np.array([3.0])))


def test_anderson_needs_four_values() -> None:
    with pytest.raises(NotApplicable, match="needs 4 values"):
        DRIFT_TESTS["anderson"].measure(numbers(np.arange(2.0), np.array([1.0])))


def test_constants_that_differ_have_a_finite_t_and_equal_ones_none() -> None:
    t_test = DRIFT_TESTS["t_test"].measure
    moved = t_test(numbers(np.full(50, 7.0), np.full(20, 8.0)))
    assert math.isfinite(moved.value)
    assert moved.p_value == 0.0
    for value in (7.0, 0.0):
        still = t_test(numbers(np.full(50, value), np.full(20, value)))
        assert (still.value, still.p_value) == (0.0, 1.0)
    with pytest.raises(ValueError, match="no float holds the variance"):
        t_test(numbers(np.array([-1e308, 1e308, 0.0]), np.array([1e308, -1e308])))


# --- properties --------------------------------------------------------------------------------------------------

SIZES = st.integers(1, 30)
COUNTS = st.integers(1, 8).flatmap(lambda k: st.tuples(*[arrays(np.int64, k, elements=st.integers(0, 500))] * 2)).filter(
    lambda both: both[0].any() and both[1].any()
)
COLUMNS = st.tuples(*[arrays(np.float64, SIZES, elements=st.floats(-1e6, 1e6) | st.integers(0, 5).map(float))] * 2)


def asked(method: object, pair: Pair, formula: Formula = Formula.DRIFTD) -> Measure | None:
    assert hasattr(method, "by")
    try:
        found: Measure = method.by(formula)(pair)
    except NotApplicable:
        return None
    return found


def sound(found: Measure) -> None:
    assert math.isfinite(found.value)
    if found.p_value is not None:
        assert 0 <= found.p_value <= 1 + 1e-12
        if 0.001 < found.p_value < 0.249:
            assert found.critical(found.p_value) == pytest.approx(found.value, rel=1e-5, abs=1e-6)


@settings(max_examples=150, deadline=None)
@given(COUNTS)
def test_counts_of_any_kind_have_a_sound_measure_and_equal_sides_no_difference(both: tuple[Ints, Ints]) -> None:
    for method in COUNTED_TESTS:
        for formula in Formula if method.as_evidently else (Formula.DRIFTD,):
            found, same = asked(method, counts(*both), formula), asked(method, counts(both[0], both[0]), formula)
            if found is not None and same is not None:
                sound(found)
                assert same.value == pytest.approx(0.0, abs=1e-6)
                assert same.p_value is None or same.p_value > 0.999


@settings(max_examples=150, deadline=None)
@given(COUNTS)
def test_what_is_said_to_be_symmetric_is(both: tuple[Ints, Ints]) -> None:
    names = ["psi", "jensenshannon", "hellinger", "TVD", "chisquare", "g_test"]
    for name in names:
        one, other = (asked(DRIFT_TESTS[name], pair) for pair in (counts(*both), counts(*both[::-1])))
        assert one is not None
        assert other is not None
        assert one.value == pytest.approx(other.value, rel=1e-9, abs=1e-9)
    bounds = {"hellinger": 1.0, "TVD": 1.0, "jensenshannon": math.sqrt(math.log(2)) + 1e-9}
    for name, most in bounds.items():
        found = asked(DRIFT_TESTS[name], counts(*both))
        assert found is not None
        assert 0 <= found.value <= most


@settings(max_examples=80, deadline=None)
@given(COLUMNS)
def test_numbers_of_any_kind_have_a_sound_measure_and_equal_sides_no_difference(both: tuple[Floats, Floats]) -> None:
    pair, alike = numbers(*both), numbers(both[0], both[0])
    for method in NUMERIC_TESTS:
        found, same = asked(method, pair), asked(method, alike)
        if found is not None:
            sound(found)
        if same is not None and method.alarms_when is AlarmsWhen.ABOVE:
            assert same.value == pytest.approx(0.0, abs=1e-6)
        elif same is not None:
            assert same.p_value is not None
            assert same.p_value >= 0.25 - 1e-9
        if method.as_evidently is not None:
            also = asked(method, pair, Formula.EVIDENTLY)
            assert also is None or math.isfinite(also.value)


@settings(max_examples=60, deadline=None)
@given(COUNTS)
def test_more_rows_of_the_same_difference_are_more_significant(both: tuple[Ints, Ints]) -> None:
    for name in ("chisquare", "g_test", "z", "fisher_exact"):
        few, many = asked(DRIFT_TESTS[name], counts(*both)), asked(DRIFT_TESTS[name], counts(both[0] * 9, both[1] * 9))
        if few is not None and many is not None and few.value > 1e-6 and both[0].min() > 20 and both[1].min() > 20:
            assert many.p_value is not None
            assert few.p_value is not None
            assert many.p_value <= few.p_value


@pytest.mark.parametrize("name", ["mannw", "cramer_von_mises", "anderson", "t_test", "ks"])
def test_more_rows_of_the_same_shift_are_more_significant(name: str) -> None:
    before, after = np.arange(60.0), np.arange(60.0)[5:]
    p = [DRIFT_TESTS[name].measure(numbers(np.tile(before, k), np.tile(after, k))).p_value for k in (1, 4, 16)]
    assert p[0] > p[1] > p[2]  # type: ignore[operator]


@pytest.mark.parametrize("name", ["z", "g_test", "fisher_exact"])
def test_under_no_drift_a_test_of_counts_alarms_about_as_often_as_it_says(name: str) -> None:
    rng = np.random.default_rng(10)
    pairs = [counts(rng.multinomial(2000, [0.7, 0.3]), rng.multinomial(1000, [0.7, 0.3])) for _ in range(1500)]
    p = [DRIFT_TESTS[name].measure(pair).p_value for pair in pairs]
    assert 0.03 < np.mean(np.array(p) < 0.05) < 0.07


@pytest.mark.parametrize("name", ["mannw", "cramer_von_mises", "anderson", "t_test", "ks"])
def test_under_no_drift_a_test_of_whole_numbers_alarms_no_more_often_than_it_says(name: str) -> None:
    rng = np.random.default_rng(12)
    p = [DRIFT_TESTS[name].measure(numbers(rng.poisson(5.0, 5000) + 0.0, rng.poisson(5.0, 500) + 0.0)).p_value for _ in range(400)]
    assert np.mean(np.array(p) <= 0.05) < 0.08


def test_ties_as_scipy_counts_them_make_cramer_von_mises_alarm_without_drift() -> None:
    rng = np.random.default_rng(13)
    before, after = rng.poisson(5.0, 10_000) + 0.0, rng.poisson(5.0, 1_000) + 0.0
    pair = numbers(before, after)
    test = DRIFT_TESTS["cramer_von_mises"]
    theirs, own = test.by(Formula.EVIDENTLY)(pair), test.measure(pair)
    assert theirs.p_value == pytest.approx(stats.cramervonmises_2samp(before, after).pvalue, abs=1e-6)
    assert theirs.p_value is not None
    assert theirs.p_value < 1e-6
    assert own.p_value is not None
    assert own.p_value > 0.05
    shares = pair.reference.shares
    added = float(np.sum(shares**3)) * (10_000**2 - 1_000**2) ** 2 / (12 * 1e7 * 11_000)
    assert theirs.value - own.value == pytest.approx(added, rel=0.05)


@pytest.mark.parametrize("name", ["mannw", "cramer_von_mises", "anderson", "t_test"])
def test_under_no_drift_a_test_of_bins_alarms_about_as_often_as_it_says(name: str) -> None:
    rng = np.random.default_rng(11)
    p = [DRIFT_TESTS[name].measure(numbers(rng.gamma(2, 1, 1000), rng.gamma(2, 1, 500))).p_value for _ in range(600)]
    assert 0.025 < np.mean(np.array(p) <= 0.05) < 0.08
