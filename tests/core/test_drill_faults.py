"""What each fault makes of a column: by values, and what holds of all of them."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.drift.base import ColumnProfile
from monitor.core.drill import FAULTS, FaultName
from monitor.core.drill.base import Affine
from monitor.core.drill.category import NAME
from monitor.core.drill.inject import injected
from monitor.core.drill.moved import moved, quantile_value, whole_numbers
from monitor.core.drill.recode import half_length, other_case
from monitor.core.drill.shift import offset_of
from monitor.core.drill.thinned import scaled_counts, thinned
from monitor.core.profile import (
    CategoricalGrid,
    CategoricalProfile,
    Grid,
    NumericGrid,
    NumericProfile,
    Profile,
    fit_categorical,
    fit_numeric,
)
from monitor.core.profile.grid import BOOLEANS
from monitor.core.schema import CategoricalValues, NumericValues, State
from tests.core.judged import numeric, profile_of
from tests.core.profile_batches import batch_of

COLUMN_FAULTS = [fault for fault in FAULTS.values() if fault.inject is not None]


def numbers(values: object, grid: NumericGrid | None = None) -> NumericProfile:
    data = np.asarray(values, dtype=np.float64)
    profile = NumericProfile(grid=grid or fit_numeric(data))
    profile.add(NumericValues(values=data))
    return profile


def words(*texts: str | None, grid: CategoricalGrid | None = None) -> CategoricalProfile:
    known = sorted({text for text in texts if text is not None})
    profile = CategoricalProfile(grid=grid or CategoricalGrid(categories=tuple(known)))
    codes = [CategoricalValues.NULL if text is None else known.index(text) for text in texts]
    profile.add(CategoricalValues(codes=np.array(codes, dtype=np.int32), dictionary=tuple(known)))
    return profile


def hit(name: FaultName, column: ColumnProfile, size: float, reference: ColumnProfile | None = None) -> ColumnProfile | None:
    inject = FAULTS[name].inject
    assert inject is not None
    found = inject(column, column if reference is None else reference, size)
    return None if found is None else found.column


def must(name: FaultName, column: ColumnProfile, size: float, reference: ColumnProfile | None = None) -> ColumnProfile:
    found = hit(name, column, size, reference)
    assert found is not None
    return found


# --- numbers that move ---------------------------------------------------------------------------------------


def test_whole_numbers_move_as_the_rows_would_bin_by_bin():
    """1 of 9, 2 of 3, 8 of 5: three later they are 4, 5 and 11, which is beyond the grid's last value."""
    values = np.repeat([1.0, 2.0, 8.0], [9, 3, 5])
    column = numbers(values)
    found = moved(column, Affine(offset=Fraction(3)), whole=True)
    assert found == numbers(values + 3, column.grid)
    assert (found.min, found.max, found.mean, found.n) == (4, 11, column.mean + 3, 17)


def test_a_scale_moves_whole_numbers_as_the_rows_would():
    values = np.repeat([0.0, 1.0, 2.0, 60.0, 120.0], [4, 9, 3, 5, 2])
    column = numbers(values)
    assert moved(column, Affine(factor=Fraction(60)), whole=True) == numbers(values * 60, column.grid)


def test_rows_of_a_bin_are_spread_evenly_over_it():
    """1000 rows from 0 to 9.99, edges at 0, 4 and 10: after a shift by 2, those up to 2 are below 4, and those from 8 on above 10."""
    grid = NumericGrid(edges=np.array([0.0, 4.0, 10.0]), unit=2.0**-20)
    column = numbers(np.linspace(0, 9.99, 1000), grid)
    found = moved(column, Affine(offset=Fraction(2)), whole=False)
    assert found.counts.tolist() == [0, 200, 601, 199]


def test_whole_numbers_in_a_wide_bin_are_spread_evenly_over_the_whole_numbers_in_it():
    """3, 4 and 5, a hundred times each, in a bin from 3 to 6: one more puts the fives, and no others, into the next bin."""
    grid = NumericGrid(edges=np.array([3.0, 6.0]), unit=1.0)
    column = numbers(np.repeat([3.0, 4.0, 5.0], 100), grid)
    assert moved(column, Affine(offset=Fraction(1)), whole=True).counts.tolist() == [0, 200, 100]
    assert moved(column, Affine(offset=Fraction(1)), whole=False).counts.tolist() == [0, 300, 0], "spread over 3 to 5, none comes to 6"


def test_what_is_no_number_does_not_move():
    column = NumericProfile(grid=fit_numeric(np.arange(10.0)))
    states = np.array([State.VALUE, State.NULL, State.NAN, State.POS_INF, State.NEG_INF, State.WRONG_TYPE], dtype=np.uint8)
    column.add(NumericValues(values=np.arange(6.0), states=states))
    found = must(FaultName.SCALE, column, 60.0)
    assert isinstance(found, NumericProfile)
    assert (found.null, found.nan, found.pos_inf, found.neg_inf, found.wrong_type, found.n) == (1, 1, 1, 1, 1, 1)


def test_the_moments_of_moved_rows_are_those_of_rows_that_moved():
    rng = np.random.default_rng(3)
    values = rng.gamma(2, 30, 5000)
    column = numbers(values)
    for size in (0.1, 0.5, 1.0):
        found = must(FaultName.SHIFT, column, size)
        assert isinstance(found, NumericProfile)
        assert found.mean == pytest.approx(values.mean() + size * values.std(ddof=1), rel=1e-9)
        assert found.std == pytest.approx(values.std(ddof=1), rel=1e-9)
    for factor in (0.01, 60.0, 1000.0):
        found = must(FaultName.SCALE, column, factor)
        assert isinstance(found, NumericProfile)
        assert found.mean == pytest.approx(values.mean() * factor, rel=1e-9)
        assert found.std == pytest.approx(values.std(ddof=1) * factor, rel=1e-9)


def test_whole_numbers_shift_by_whole_numbers_and_not_at_all_where_that_is_nothing():
    hours = numbers(np.repeat(np.arange(24.0), 50))
    assert whole_numbers(hours)
    assert [offset_of(hours, size, whole=True) for size in (0.05, 0.1, 0.5)] == [None, 1, 3], "the deviation is 6.9"
    assert hit(FaultName.SHIFT, numbers(np.repeat([0.0, 1.0], 50)), 0.5) is None
    rng = np.random.default_rng(1)
    assert not whole_numbers(numbers(rng.normal(0, 1, 1000)))
    assert not whole_numbers(numbers(np.concatenate([np.zeros(500), rng.gamma(2, 3, 500)]))), "many zeros are no whole numbers"
    assert not whole_numbers(NumericProfile(grid=fit_numeric(np.arange(3.0))))


def test_a_column_that_never_varies_has_no_shift_and_one_without_values_is_left_alone():
    assert hit(FaultName.SHIFT, numbers([5.5] * 9), 1.0) is None
    empty = NumericProfile(grid=fit_numeric(np.arange(300.0) / 7))
    assert hit(FaultName.SCALE, empty, 60.0) == empty
    assert hit(FaultName.SHIFT, empty, 60.0) is None
    assert hit(FaultName.CONSTANT, empty, 1.0) is None
    assert quantile_value(empty, 0.5) is None


def test_numbers_at_the_end_of_floats_stay_finite():
    column = numbers([1e306, -1e306, 3.0])
    found = must(FaultName.SCALE, column, 1000.0)
    assert isinstance(found, NumericProfile)
    assert found.n == 3
    assert np.isfinite([found.min, found.max]).all()


# --- rows that change ----------------------------------------------------------------------------------------


def test_nulls_take_rows_of_every_bin_alike():
    column = numbers(np.repeat([1.0, 2.0], [60, 40]))
    found = must(FaultName.NULLS, column, 0.25)
    assert isinstance(found, NumericProfile)
    assert (found.null, found.total, found.n) == (25, 100, 75)
    assert found.counts[column.counts > 0].tolist() == [45, 30]
    assert found.mean == column.mean


def test_rows_without_a_value_are_hit_as_others_are():
    column = words(*["a"] * 50, *[None] * 50)
    found = must(FaultName.NULLS, column, 0.5)
    assert (found.null, found.total) == (75, 100)


def test_a_constant_is_the_median_or_the_most_frequent_category():
    column = numbers(np.repeat([1.0, 2.0, 9.0], [10, 80, 10]))
    found = must(FaultName.CONSTANT, column, 1.0)
    assert found == numbers([2.0] * 100, column.grid)
    half = must(FaultName.CONSTANT, column, 0.5)
    assert isinstance(half, NumericProfile)
    assert half.counts[column.counts > 0].tolist() == [5, 90, 5]
    categories = words(*"abbbc", None)
    assert must(FaultName.CONSTANT, categories, 1.0) == words(*"bbbbbb", grid=categories.grid)


def test_the_median_of_a_wide_bin_lies_within_it():
    rng = np.random.default_rng(2)
    values = rng.normal(10, 2, 10_000)
    assert quantile_value(numbers(values), 0.5) == pytest.approx(np.median(values), abs=0.02)
    grid = NumericGrid(edges=np.array([3.0, 6.0]), unit=1.0)
    assert quantile_value(numbers([3.0, 4.0, 5.0], grid), 0.5) == 3.0, "a whole number of the bin"


def test_a_new_category_has_its_share_and_a_name():
    column = words(*"a" * 60, *"b" * 40)
    found = must(FaultName.NEW_CATEGORY, column, 0.05)
    assert isinstance(found, CategoricalProfile)
    assert (found.counts.tolist(), found.new.rows, dict(found.new.kept)) == ([57, 38], 5, {NAME: 5})
    assert hit(FaultName.NEW_CATEGORY, numbers([1, 2, 3]), 0.05) is None


def test_another_case_or_a_cut_makes_categories_new_or_others():
    column = words("AA", "AA", "aa", "UA", None)
    found = must(FaultName.RECASE, column, 1.0)
    assert isinstance(found, CategoricalProfile)
    assert found.counts[column.grid.positions["aa"]] == 3
    assert (dict(found.new.kept), found.null, found.total) == ({"ua": 1}, 1, 5)
    cut = must(FaultName.TRUNCATE, column, 1.0)
    assert isinstance(cut, CategoricalProfile)
    assert dict(cut.new.kept) == {"A": 2, "a": 1, "U": 1}
    assert other_case(words("aa", "b").grid)("aa") == "AA", "all is lower case already"
    assert half_length(CategoricalGrid())("abc") == "a"


def test_categories_that_were_new_are_written_another_way_too():
    grid = words("AA", "UA").grid
    column = words("AA", "WN", grid=grid)
    found = must(FaultName.RECASE, column, 1.0)
    assert isinstance(found, CategoricalProfile)
    assert dict(found.new.kept) == {"aa": 1, "wn": 1}
    unnamed = replace(column, new=replace(column.new, rows=5))
    assert must(FaultName.RECASE, unnamed, 1.0).total == unnamed.total


@pytest.mark.parametrize("column", [numbers([1, 2, 3]), words("1", "2"), CategoricalProfile(grid=CategoricalGrid(categories=BOOLEANS))])
def test_numbers_booleans_and_texts_without_letters_have_no_case(column):
    assert hit(FaultName.RECASE, column, 1.0) is None


def test_a_missing_column_counts_no_row():
    assert must(FaultName.MISSING, numbers([1, 2, 3]), 1.0).total == 0
    assert must(FaultName.MISSING, words("a", "b"), 1.0).total == 0


# --- what holds of all ---------------------------------------------------------------------------------------

ANY_NUMBERS = st.lists(st.one_of(st.integers(-50, 50).map(float), st.floats(-1e6, 1e6)), min_size=1, max_size=60)
ANY_WORDS = st.lists(st.one_of(st.none(), st.sampled_from(["AA", "aa", "UA", "Wn", "DL1", "ü"])), min_size=1, max_size=60)


def columns_of(values: list[float], texts: list[str | None]) -> list[tuple[ColumnProfile, ColumnProfile]]:
    """Windows of the first halves, on the grids of all."""
    column, category = numbers(values), words(*texts)
    return [(numbers(values[: len(values) // 2], column.grid), column), (words(*texts[: len(texts) // 2], grid=category.grid), category)]


@given(ANY_NUMBERS, ANY_WORDS)
def test_every_fault_conserves_the_rows_and_makes_nothing_that_is_no_number(values, texts):
    for here, there in columns_of(values, texts):
        for fault in COLUMN_FAULTS:
            for size in fault.sizes:
                found = hit(fault.name, here, size.value, there)
                if found is None:
                    continue
                assert found.total == (0 if fault.name is FaultName.MISSING else here.total), (fault.name, size.text)
                assert (found.counts >= 0).all()
                if isinstance(found, NumericProfile) and found.n:
                    assert found.min is not None and found.max is not None and found.mean is not None  # noqa: PT018
                    assert found.min <= found.mean <= found.max
                    assert found.variance is None or found.variance >= 0


@given(ANY_NUMBERS, ANY_WORDS)
def test_a_fault_of_size_nothing_changes_nothing(values, texts):
    nothing = {FaultName.SHIFT: 0.0, FaultName.SCALE: 1.0, FaultName.NULLS: 0.0, FaultName.CONSTANT: 0.0, FaultName.NEW_CATEGORY: 0.0}
    for here, there in columns_of(values, texts):
        for name, size in nothing.items():
            found = hit(name, here, size, there)
            assert found is None or found == here, name


@given(ANY_NUMBERS, st.sampled_from([0.1, 0.2, 0.3, 0.5, 1.0]))
def test_a_shift_and_the_same_shift_back_return(values, size):
    """Moments to the bit; the curve within the rows of the fullest bin that is not one value."""
    column = numbers(values)
    whole = whole_numbers(column)
    offset = offset_of(column, size, whole=whole)
    if offset is None:
        return
    there = moved(column, Affine(offset=offset), whole=whole)
    back = moved(there, Affine(offset=-offset), whole=whole)
    assert (back.total_units, back.total_squares, back.n) == (column.total_units, column.total_squares, column.n)
    most = max(int(np.where(column.grid.atoms, 0, side.counts).max()) for side in (column, there))
    assert np.abs(back.cdf - column.cdf).max(initial=0) * column.n <= most + 2


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=50), st.floats(0, 3))
def test_scaled_counts_have_the_asked_sum_and_are_off_by_less_than_a_row(counts, share):
    whole = np.array(counts, dtype=np.int64)
    rows = round(int(whole.sum()) * share)
    found = scaled_counts(whole, rows)
    assert found.sum() == (rows if whole.sum() else 0)
    assert (found >= 0).all()
    if whole.sum():
        assert np.abs(found - whole * (rows / whole.sum())).max() <= 1


@given(ANY_NUMBERS, st.floats(0, 2))
def test_a_part_of_the_rows_keeps_mean_and_spread(values, share):
    column = numbers(values)
    found = thinned(column, round(column.total * share))
    assert isinstance(found, NumericProfile)
    if found.n > 1 and column.n > 1:
        assert found.mean == pytest.approx(column.mean, abs=1e-6 * (1 + abs(column.max - column.min)))
        assert found.total_squares * found.n >= found.total_units**2


# --- whole windows -------------------------------------------------------------------------------------------


def window(seed: int = 0) -> Profile:
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 1, 2000)
    data = {"x": numeric(x), "y": numeric(2 * x + rng.normal(0, 0.5, 2000)), "c": CategoricalValues(
        codes=rng.integers(0, 3, 2000).astype(np.int32), dictionary=("A", "B", "C"))}
    grid = Grid({"x": fit_numeric(data["x"].values), "y": fit_numeric(data["y"].values), "c": fit_categorical("ABC")})
    profile = Profile.empty(grid, sample_rows=100)
    profile.fold(batch_of(data), topic_seed=1)
    return profile


def folded(profile: Profile, **data: object) -> Profile:
    return profile_of(profile.grid, data)  # type: ignore[arg-type]


def test_only_the_column_with_the_fault_changes_and_the_profile_can_be_stored():
    before = window()
    for fault in COLUMN_FAULTS:
        for name in before.columns:
            found = injected(before, before, name, fault, fault.sizes[-1].value)
            if found is None:
                continue
            assert found.rows == before.rows
            assert all(found.columns[other] is before.columns[other] for other in before.columns if other != name)
            assert Profile.from_bytes(found.to_bytes(), before.grid) == found


def test_the_sampled_rows_are_hit_as_all_rows_are():
    before = window()
    nulls = injected(before, before, "x", FAULTS[FaultName.NULLS], 0.25)
    shifted = injected(before, before, "x", FAULTS[FaultName.SHIFT], 1.0)
    assert nulls is not None
    assert shifted is not None
    assert nulls.sample.values("x").count(None) == 25
    assert nulls.sample.values("y") == before.sample.values("y")
    moved_by = np.array(shifted.sample.values("x"), dtype=float) - np.array(before.sample.values("x"), dtype=float)
    assert moved_by == pytest.approx(before.columns["x"].std, rel=1e-6)
    named = injected(before, before, "c", FAULTS[FaultName.NEW_CATEGORY], 0.05)
    assert named is not None
    assert named.sample.sightings("c")[NAME] == 5
    lower = injected(before, before, "c", FAULTS[FaultName.RECASE], 1.0)
    assert lower is not None
    assert set(lower.sample.sightings("c")) == {"a", "b", "c"}


@pytest.mark.parametrize(("fault", "size"), [(FaultName.SHIFT, 0.5), (FaultName.SCALE, 60.0), (FaultName.SCALE, 0.01),
                                             (FaultName.CONSTANT, 1.0), (FaultName.CONSTANT, 0.25), (FaultName.NULLS, 0.25)])
def test_second_moments_are_those_of_rows_with_the_fault(fault, size):
    """Folded again from rows with the fault: mean and covariance with the other column within 3 % of the deviations' product."""
    rng = np.random.default_rng(5)
    x = rng.normal(0, 1, 20_000)
    y = 2 * x + rng.normal(0, 0.5, 20_000)
    grid = Grid({"x": fit_numeric(x), "y": fit_numeric(y)})
    before = profile_of(grid, {"x": numeric(x), "y": numeric(y)})
    found = injected(before, before, "x", FAULTS[fault], size)
    struck = rng.random(20_000) < size
    changed = {
        FaultName.SHIFT: lambda: x + size * x.std(), FaultName.SCALE: lambda: x * size,
        FaultName.CONSTANT: lambda: np.where(struck, np.median(x), x), FaultName.NULLS: lambda: np.where(struck, np.nan, x),
    }[fault]()
    real = profile_of(grid, {"x": numeric(changed), "y": numeric(y)})
    assert found is not None and found.comoments is not None and real.comoments is not None  # noqa: PT018
    ours, theirs = ((m.mean, m.second(m.mean)) for m in (found.comoments, real.comoments))
    spread = np.sqrt(np.maximum(np.diagonal(theirs[1]), 1.0))
    assert ours[0] == pytest.approx(theirs[0], abs=0.03 * spread.max())
    assert ours[1] / np.outer(spread, spread) == pytest.approx(theirs[1] / np.outer(spread, spread), abs=0.03)


def test_second_moments_stay_where_nothing_moves():
    before = window()
    for name, size in ((FaultName.SHIFT, 0.0), (FaultName.SCALE, 1.0), (FaultName.NULLS, 0.0)):
        found = injected(before, before, "x", FAULTS[name], size)
        assert found is not None
        assert found == before
