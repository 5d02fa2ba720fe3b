"""Values drawn from profiles: no chance in them, and as near to the rows as the counts are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from monitor.core.profile import CategoricalGrid, CategoricalProfile, NumericProfile, fit_numeric
from monitor.core.profile.categorical import NewCategories
from monitor.core.profile.pseudo import drawn_values
from monitor.core.schema import NumericValues


def profile(values: list[float]) -> NumericProfile:
    made = NumericProfile(grid=fit_numeric(np.array(values)))
    made.add(NumericValues(values=np.array(values)))
    return made


def test_numbers_have_the_distribution_of_the_rows() -> None:
    rows = np.random.default_rng(1).gamma(2.0, 20.0, 100_000)
    drawn = np.array(drawn_values(profile(rows.tolist()), 5_000))
    assert stats.ks_2samp(rows, drawn).statistic < 0.003
    assert stats.wasserstein_distance(rows, drawn) / rows.std() < 0.005
    assert list(drawn) == sorted(drawn)


def test_values_that_were_counted_one_by_one_come_back_as_they_are() -> None:
    assert drawn_values(profile([0.0] * 6 + [1.5] * 3 + [7.0]), 10) == (*[0.0] * 6, *[1.5] * 3, 7.0)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=40), st.integers(1, 50))
def test_no_number_leaves_the_range_of_the_rows(values: list[float], size: int) -> None:
    drawn = drawn_values(profile(values), size)
    assert len(drawn) == size
    assert all(min(values) <= value <= max(values) for value in drawn if isinstance(value, float))


def test_categories_come_by_largest_remainders_the_new_ones_too() -> None:
    column = CategoricalProfile(grid=CategoricalGrid(categories=("a", "b")), counts=np.array([5, 3]),
                                new=NewCategories(rows=2, kept={"z": 1}))
    assert drawn_values(column, 10) == ("(other)", "a", "a", "a", "a", "a", "b", "b", "b", "z")
    assert drawn_values(column, 4) == ("(other)", "a", "a", "b")  # of 0.4, 2, 1.2 and 0.4 seats


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=20).filter(any), st.integers(1, 500))
def test_as_many_categories_as_asked_and_none_off_by_more_than_one(counts: list[int], size: int) -> None:
    names = tuple(f"{i:02}" for i in range(len(counts)))
    drawn = drawn_values(CategoricalProfile(grid=CategoricalGrid(categories=names), counts=np.array(counts)), size)
    assert len(drawn) == size
    for name, count in zip(names, counts, strict=True):
        assert abs(drawn.count(name) - count / sum(counts) * size) < 1  # type: ignore[arg-type]


@pytest.mark.parametrize("column", [NumericProfile(grid=fit_numeric(np.empty(0))), CategoricalProfile(grid=CategoricalGrid())])
def test_nothing_is_drawn_from_nothing(column: NumericProfile | CategoricalProfile) -> None:
    assert drawn_values(column, 5) == ()
