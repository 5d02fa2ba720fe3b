"""Moments as whole numbers: exact, whatever the values."""

from __future__ import annotations

import math
import statistics
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from monitor.core.profile import NumericGrid, NumericProfile, fit_numeric
from monitor.core.profile.moments import CHUNK, LIMIT, moments, root
from monitor.core.schema import Floats, NumericValues

finite = st.floats(allow_nan=False, allow_infinity=False)
BIGGEST = float(np.finfo(np.float64).max)


def profile(values: Floats, grid: NumericGrid | None = None) -> NumericProfile:
    column = NumericProfile(grid=grid or fit_numeric(values))
    column.add(NumericValues(values=values))
    return column


def by_hand(values: Floats, center: float, unit: float) -> tuple[int, int]:
    """The same sums by Python integers: rounded half to even from the float difference, beyond 2^53 units from the exact one."""
    units = []
    for value in values.tolist():
        near, exact = Fraction(0), (Fraction(value) - Fraction(center)) / Fraction(unit)
        if math.isfinite(value - center):
            near = Fraction(value - center) / Fraction(unit)
        units.append(round(near if abs(exact) <= LIMIT else exact))
    return sum(units), sum(unit * unit for unit in units)


@settings(deadline=None)  # a busy machine is no failure
@given(hnp.arrays(np.float64, st.integers(0, 60), elements=finite), finite, st.integers(-1074, 971))
def test_sums_equal_python_integers_for_any_values(values: Floats, center: float, exponent: int) -> None:
    ordered, unit = np.sort(values), math.ldexp(1.0, exponent)
    assert moments(ordered, center, unit) == by_hand(ordered, center, unit)


@settings(deadline=None)  # a busy machine is no failure
@given(hnp.arrays(np.float64, st.integers(1, 60), elements=st.floats(-1e9, 1e9)), st.floats(-1e9, 1e9))
def test_sums_equal_python_integers_for_usual_values(values: Floats, center: float) -> None:
    assert moments(np.sort(values), center, 2.0**-20) == by_hand(values, center, 2.0**-20)


@pytest.mark.parametrize("size", [1, CHUNK, CHUNK + 1, 3 * CHUNK])
@pytest.mark.parametrize("scale", [1.0, 2.0**20, 2.0**21, 2.0**40, 2.0**41, LIMIT, LIMIT * 4])
def test_sums_stay_exact_at_every_size_and_at_full_limbs(size: int, scale: float) -> None:
    below = float(np.nextafter(scale, 0) // 1)
    for values in (np.full(size, scale), np.full(size, -scale), np.full(size, below), np.linspace(-scale, scale, size)):
        ordered = np.sort(np.rint(values))
        whole = [int(value) for value in ordered.tolist()]
        assert moments(ordered, 0.0, 1.0) == (sum(whole), sum(value * value for value in whole))


def test_whole_numbers_have_exact_means() -> None:
    values = np.random.default_rng(1).integers(-60, 1300, 99_991).astype(np.float64)
    column = profile(values)
    assert column.mean == float(Fraction(int(values.sum()), len(values)))
    assert column.std == pytest.approx(statistics.stdev(map(int, values)), rel=1e-15)
    big = np.array([10.0**15 + 1, 10.0**15 + 3, 10.0**15 + 4, 5.0])
    assert profile(big).mean == float(Fraction(3 * 10**15 + 13, 4))


def test_means_agree_with_an_exact_sum_to_a_millionth_of_a_millionth_of_the_scale() -> None:
    rng = np.random.default_rng(4)
    for values in (rng.normal(0, 1e-9, 5000), rng.normal(1e6, 1, 5000), rng.gamma(2, 1e9, 5000), rng.standard_cauchy(5000)):
        column = profile(values)
        spread = float(np.quantile(values, 0.995) - np.quantile(values, 0.005))
        exact = sum(map(Fraction, values.tolist())) / len(values)
        assert abs(Fraction(column.mean or 0) - exact) < 1e-11 * spread + 4e-16 * abs(values.mean())


def test_without_a_reference_means_are_good_to_ten_digits_after_the_point() -> None:
    values = np.random.default_rng(4).random(5000)
    assert profile(values, NumericGrid(edges=np.empty(0))).mean == pytest.approx(values.mean(), abs=1e-11)


def test_a_live_value_far_beyond_the_reference_is_summed_exactly() -> None:
    grid = fit_numeric(np.random.default_rng(1).normal(size=1000))
    column = profile(np.array([1e30, 1.0, -1e30]), grid)
    assert column.mean == pytest.approx(1 / 3, abs=1e-10)
    assert (column.min, column.max) == (-1e30, 1e30)


@pytest.mark.parametrize("grid", [None, *(fit_numeric(np.array(values)) for values in ([1.0, 2.0], [-BIGGEST, 5.0], [5e-324]))])
def test_the_largest_and_smallest_floats_do_not_overflow(grid: NumericGrid | None) -> None:
    column = profile(np.array([BIGGEST, BIGGEST, -BIGGEST, 5e-324]), grid)
    assert column.mean == pytest.approx(BIGGEST / 4)
    assert column.variance == math.inf
    assert column.std == pytest.approx(BIGGEST * math.sqrt(11 / 12), rel=1e-9)
    assert profile(np.array([BIGGEST, -BIGGEST]), grid).std == math.inf
    assert profile(np.array([BIGGEST]), grid).mean == BIGGEST


def test_subnormal_values_keep_their_mean() -> None:
    assert profile(np.array([5e-324, 15e-324, 10e-324])).mean == 10e-324


@settings(deadline=None)  # a busy machine is no failure
@given(hnp.arrays(np.float64, st.integers(1, 30), elements=finite))
def test_a_mean_lies_between_the_extremes(values: Floats) -> None:
    column = profile(values)
    assert values.min() <= column.mean <= values.max()  # type: ignore[operator]
    assert column.std is None or column.std >= 0


def test_too_few_values_have_no_moments() -> None:
    assert (profile(np.empty(0)).mean, profile(np.empty(0)).std) == (None, None)
    one = profile(np.array([3.0]))
    assert (one.mean, one.variance, one.std) == (3.0, None, None)


def test_equal_values_have_no_spread() -> None:
    assert profile(np.full(7, 0.1)).std == 0.0


def test_minus_zero_is_zero() -> None:
    assert math.copysign(1, profile(np.array([-0.0])).min or 0.0) == 1.0
    assert profile(np.array([0.0, -0.0])).document() == profile(np.array([-0.0, 0.0])).document()


@settings(deadline=None)  # a busy machine is no failure
@given(st.fractions(min_value=0))
def test_roots_are_good_to_sixteen_digits(value: Fraction) -> None:
    assert float(root(value)) == pytest.approx(math.sqrt(value), rel=1e-15)


def test_counts_must_fit_the_bins() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        NumericProfile(grid=fit_numeric(np.array([1.0])), counts=np.zeros(9, dtype=np.int64))
