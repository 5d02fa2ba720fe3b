"""The range of a numeric column: what a reference teaches, what is given, and how many rows lie outside."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from monitor.core.evaluate import evaluate
from monitor.core.profile import Grid, NumericGrid, NumericProfile, fit_numeric
from monitor.core.profile.extent import MARGIN, Extent, extent_of, out_of_range_share, with_ends
from monitor.core.quality.ranges import beyond_extremes
from monitor.core.reference import Reference
from monitor.core.results import Check, Result, Verdict
from monitor.core.rules import GivenRange, QualityRules
from tests.core.judged import numeric, only, reference_of, rules_with, subject_of

finite = st.floats(min_value=-1e300, max_value=1e300)


def column(values: object, grid: NumericGrid | None = None) -> NumericProfile:
    array = np.asarray(values, dtype=np.float64)
    profile = NumericProfile(grid=grid or fit_numeric(array))
    profile.add(numeric(array))
    return profile


def learned(values: object) -> Extent:
    found = extent_of(column(values))
    assert found is not None
    return found


def test_the_range_is_that_of_the_values_widened_by_at_most_a_quarter() -> None:
    values = np.random.default_rng(1).normal(0, 1, 50_000)
    extent, width = learned(values), float(values.max() - values.min())
    assert values.min() - MARGIN * width <= extent.low <= values.min()
    assert values.max() <= extent.high <= values.max() + MARGIN * width
    assert extent.exact


def test_a_column_that_was_never_negative_is_not_widened_below_zero_nor_the_reverse() -> None:
    values = np.random.default_rng(1).uniform(1, 100, 5_000)
    assert learned(values).low == values.min()
    assert learned(-values).high == -values.min()


def test_a_column_of_few_values_has_their_range() -> None:
    extent = learned([float(i % 24) for i in range(1000)])
    assert (extent.low, extent.high) == (0.0, 23.0)


def test_a_few_poisoned_rows_of_the_reference_make_no_range() -> None:
    rng = np.random.default_rng(2)
    values = rng.normal(0, 1, 100_000)
    values[:8] = (1e9, -1e9, 1e9, 5e8, -5e8, 1e12, 1e300, -1e300)
    extent = learned(values)
    assert (extent.trimmed, extent.low > -12, extent.high < 12) == (20, True, True)


def test_without_values_there_is_no_range() -> None:
    assert extent_of(NumericProfile(grid=fit_numeric(np.arange(5.0)))) is None
    empty = column([], grid=fit_numeric(np.arange(5.0)))
    assert out_of_range_share(empty, empty) == 0.0


def test_a_grid_of_one_bin_and_the_widest_numbers_leave_the_range_open() -> None:
    assert (learned_on := extent_of(column([1.0, 2.0], NumericGrid(edges=np.empty(0))))) is not None
    assert (learned_on.low, learned_on.high) == (-np.inf, np.inf)
    wide = learned([-1.7e308, 0.0, 1.7e308])
    assert wide.outside(column([-1.7e308, 1.7e308], fit_numeric(np.array([-1.7e308, 0.0, 1.7e308])))) == 0


@settings(deadline=None, max_examples=200)  # a busy machine is no failure
@given(st.lists(finite, min_size=1, max_size=300), st.lists(finite, max_size=50))
def test_the_rows_outside_are_those_that_a_comparison_of_the_values_counts(before: list[float], more: list[float]) -> None:
    reference = column(before)
    extent = extent_of(reference)
    assert extent is not None
    window = column(more, reference.grid)
    assert extent.outside(window) == sum(not extent.low <= value <= extent.high for value in more)
    assert extent.outside(reference) == 0
    assert extent.exact


@settings(deadline=None, max_examples=200)
@given(st.lists(finite, min_size=1, max_size=300), st.lists(finite, max_size=50), finite, finite)
def test_a_given_range_is_counted_to_the_row_on_its_own_grid_and_from_below_on_another(
    before: list[float], more: list[float], one: float, other: float
) -> None:
    low, high = sorted((one, other))
    plain = fit_numeric(np.array(before))
    grid, true = with_ends(plain, low, high), sum(not low <= value <= high for value in more)
    extent = Extent.of(grid, low, high)
    assert extent.exact
    assert extent.outside(column(more, grid)) == true
    least = Extent.of(plain, low, high)
    assert (true > 0) <= least.outside(column(more, plain)) <= true
    assert grid.edges.size <= plain.edges.size + 2
    assert Grid.from_json(Grid({"x": grid}).to_json()) == Grid({"x": grid})


@pytest.mark.parametrize(("low", "high", "rows"), [(None, 2.0, 2), (2.0, None, 1), (None, None, 0)])
def test_a_range_may_be_open(low: float | None, high: float | None, rows: int) -> None:
    ends = GivenRange(min=low, max=high).ends
    grid = with_ends(fit_numeric(np.arange(4.0)), *ends)
    assert Extent.of(grid, *ends).outside(column([1, 2, 2.5, 3], grid)) == rows


@pytest.mark.parametrize(("rows", "reference_rows", "trimmed"), [(1000, 1000, 0), (500, 5000, 0), (2000, 300, 0), (1000, 20_000, 2)])
def test_so_many_values_lie_beyond_the_extremes_by_chance(rows: int, reference_rows: int, trimmed: int) -> None:
    alpha = 0.02
    limit = round(beyond_extremes(rows, reference_rows, trimmed, alpha) * rows)
    # exact: in a random order of all rows, how many of the window's come before the s-th of the reference's (both ends make one)
    exact = stats.nhypergeom(rows + reference_rows, rows, 2 * (trimmed + 1)).sf(limit)
    assert exact <= alpha
    assert stats.nhypergeom(rows + reference_rows, rows, 2 * (trimmed + 1)).sf(limit - 2) > alpha / 2


def test_nothing_is_beyond_a_reference_without_rows() -> None:
    assert beyond_extremes(10, 0, 0, 0.01) == 1.0


# --- the check -----------------------------------------------------------------------------------------------


def days(grid: Grid | None = None, n: int = 1000) -> Reference:
    rng = np.random.default_rng(3)
    return reference_of([{"age": numeric(rng.uniform(18, 90, n))} for _ in range(12)], grid=grid)


def judged(reference: Reference, values: object, rules: QualityRules | None = None) -> Result:
    results = evaluate(subject_of(reference, {"age": numeric(values)}), rules_with(quality=rules or QualityRules()))
    return only(results, Check.QUALITY, "age", "out_of_range_share")


def ages(stray: float, share: float, n: int = 1000) -> np.ndarray:
    values = np.random.default_rng(4).uniform(18, 90, n)
    values[: int(share * n)] = stray
    return values


@pytest.mark.parametrize("stray", [999.0, -1.0, 1e308])
def test_two_per_cent_of_stray_values_are_an_alert_though_the_bulk_stays(stray: float) -> None:
    found = judged(days(), ages(stray, 0.02))
    assert (found.value, found.threshold, found.verdict) == (0.02, 0.01, Verdict.ALERT)
    assert found.reason == "age: 2 % outside the range 0.188 to 108, limit 1 %"


def test_a_given_range_replaces_the_learned_one() -> None:
    reference = days(Grid({"age": with_ends(fit_numeric(np.random.default_rng(3).uniform(18, 90, 10_000)), 21.0, 120.0)}))
    found = judged(reference, ages(999.0, 0.02), QualityRules(ranges={"age": GivenRange(min=21.0, max=120.0)}, max_out_of_range_share=0.0))
    young = int((ages(999.0, 0.02) < 21).sum())
    assert (found.value, found.threshold, found.verdict) == ((20 + young) / 1000, 0.0, Verdict.ALERT)
    assert found.reason == f"age: {(20 + young) / 10:.3g} % outside the range 21 to 120, limit 0 %"


def test_what_the_reference_has_outside_of_a_given_range_is_usual() -> None:
    rules = QualityRules(ranges={"age": GivenRange(max=80.0)})
    found = judged(days(), ages(50.0, 0.0), rules)
    assert (found.verdict, found.threshold is not None and found.threshold > 0.2) == (Verdict.OK, True)
    assert judged(days(), ages(999.0, 0.2), rules).verdict is Verdict.ALERT


def test_a_range_that_is_no_edge_of_the_grid_is_said_to_be_a_lower_bound() -> None:
    found = judged(days(), ages(-1.0, 0.3), QualityRules(ranges={"age": GivenRange(min=-0.5)}, max_out_of_range_share=0.0))
    assert (found.value, found.verdict) == (0.001, Verdict.ALERT)
    assert found.reason == "age: at least 0.1 % outside the range from -0.5, limit 0 %"


def test_one_far_value_changes_no_verdict() -> None:
    for values in (ages(50.0, 0.0), ages(999.0, 0.02)):
        poisoned = np.append(values, 1e300)
        assert judged(days(), values).verdict is judged(days(), poisoned).verdict
