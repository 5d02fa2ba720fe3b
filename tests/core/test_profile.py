"""Profiles of windows: the same bits however rows are split and merged, and the same numbers as numpy and pandas."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.core.profile import CategoricalProfile, Grid, NumericProfile, Profile, fit_categorical, fit_numeric
from monitor.core.schema import Batch, CategoricalValues, Column, Kind, NumericValues, State
from monitor.errors import DecodeError
from tests.core.profile_batches import GRID, batch_of, categories, numbers, rows

SEED = 12345
ROWS = rows(1500)


def folded(*batches: Batch, grid: Grid = GRID, sample_rows: int = 20) -> Profile:
    profile = Profile.empty(grid, sample_rows)
    for batch in batches:
        profile.fold(batch, SEED)
    return profile


WHOLE = folded(ROWS)


def parts(cuts: list[int]) -> list[Batch]:
    edges = [0, *sorted(cuts), len(ROWS)]
    return [ROWS.take(np.arange(low, high)) for low, high in pairwise(edges)]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, len(ROWS)), max_size=6), st.randoms(use_true_random=False))
def test_any_split_and_any_order_of_merging_gives_the_same_bytes(cuts: list[int], random: object) -> None:
    profiles = [folded(part) for part in parts(cuts)]
    while len(profiles) > 1:
        random.shuffle(profiles)  # type: ignore[attr-defined]
        profiles.append(profiles.pop().merge(profiles.pop()))
    assert profiles[0].to_bytes() == WHOLE.to_bytes()
    assert profiles[0].hash == WHOLE.hash


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(0, len(ROWS)), max_size=6))
def test_batch_boundaries_do_not_show(cuts: list[int]) -> None:
    assert folded(*parts(cuts)).to_bytes() == WHOLE.to_bytes()


@settings(max_examples=15, deadline=None)
@given(st.permutations(range(8)))
def test_the_order_of_rows_does_not_show(order: list[int]) -> None:
    pieces = parts([200 * i for i in range(1, 8)])
    assert folded(*(pieces[i] for i in order)).to_bytes() == WHOLE.to_bytes()


@settings(max_examples=15, deadline=None)
@given(st.integers(1, len(ROWS) - 1))
def test_minus_takes_back_what_was_merged(cut: int) -> None:
    first, second = (folded(part) for part in parts([cut]))
    left = first.merge(second).minus(second)
    assert left.rows == first.rows
    for name, column in first.columns.items():
        rest = left.columns[name]
        assert rest.counts.tolist() == column.counts.tolist()
        assert (rest.null, rest.wrong_type, rest.n) == (column.null, column.wrong_type, column.n)
        if isinstance(column, NumericProfile):
            assert isinstance(rest, NumericProfile)
            assert (rest.total_units, rest.total_squares, rest.non_finite) == (column.total_units, column.total_squares, column.non_finite)
            assert rest.min <= column.min  # type: ignore[operator]
            assert rest.max >= column.max  # type: ignore[operator]
        else:
            assert isinstance(rest, CategoricalProfile)
            assert rest.new.rows == column.new.rows
            assert {k: v for k, v in column.new.kept.items() if k in rest.new.kept} == dict(rest.new.kept)
    assert not left.sample.rows


def test_minus_of_all_leaves_nothing() -> None:
    nothing = WHOLE.minus(WHOLE)
    assert nothing == Profile.empty(GRID)


def test_minus_of_what_is_no_part_is_refused() -> None:
    one, two = folded(batch_of({"hour": numbers(1.0)})), folded(batch_of({"hour": numbers(2.0)}))
    with pytest.raises(ValueError, match="no part"):
        one.minus(two)
    with pytest.raises(ValueError, match="cannot subtract 1500 rows from 1"):
        one.minus(WHOLE)
    for texts, others in ((("AA",), (None,)), (("x",), ("y",)), ((None,), ("x",))):
        with pytest.raises(ValueError, match="no part"):
            folded(batch_of({"carrier": categories(*texts)})).minus(folded(batch_of({"carrier": categories(*others)})))


def test_profiles_on_different_grids_cannot_be_combined() -> None:
    other = Profile.empty(Grid.blank([Column(name="hour", kind=Kind.NUMERIC)]))
    for combine in (WHOLE.merge, WHOLE.minus):
        with pytest.raises(ValueError, match="different grids"):
            combine(other)


def test_columns_must_be_those_of_the_grid() -> None:
    with pytest.raises(ValueError, match="do not fit the grid's"):
        Profile(grid=GRID, rows=0, columns={}, sample=WHOLE.sample)


def test_merging_leaves_both_as_they_were() -> None:
    before = WHOLE.to_bytes()
    both = WHOLE.merge(WHOLE.without_sample())
    both.fold(ROWS)
    assert WHOLE.to_bytes() == before
    assert both.rows == 3 * len(ROWS)


def test_counts_and_moments_equal_numpy_and_pandas() -> None:
    values = np.random.default_rng(2).gamma(2.0, 30.0, 50_000)
    values[::50] = np.nan
    profile = folded(batch_of({"delay": NumericValues(values=values)}), sample_rows=0).columns["delay"]
    assert isinstance(profile, NumericProfile)
    series = pd.Series(values)
    counts, _ = np.histogram(values[~np.isnan(values)], bins=np.concatenate([[-1e9], profile.grid.edges, [1e9]]))
    assert profile.counts.tolist() == counts.tolist()
    assert (profile.null, profile.n, profile.total) == (1000, 49_000, 50_000)
    assert profile.mean == pytest.approx(series.mean(), abs=1e-11)
    assert profile.std == pytest.approx(series.std(), rel=1e-11)
    assert profile.variance == pytest.approx(series.var(), rel=1e-11)
    assert (profile.min, profile.max) == (series.min(), series.max())
    assert profile.cdf == pytest.approx([(series.dropna() < edge).mean() for edge in profile.grid.edges])


def test_every_row_of_a_column_is_somewhere() -> None:
    for name, column in WHOLE.columns.items():
        assert column.total == len(ROWS), name


@pytest.mark.fault(30)
def test_what_is_no_number_is_counted_apart() -> None:
    states = np.array([State.VALUE, State.NULL, State.NAN, State.NAN, State.POS_INF, State.NEG_INF, State.WRONG_TYPE], dtype=np.uint8)
    profile = folded(batch_of({"hour": NumericValues(values=np.zeros(7), states=states)})).columns["hour"]
    assert isinstance(profile, NumericProfile)
    assert (profile.null, profile.nan, profile.pos_inf, profile.neg_inf, profile.wrong_type) == (1, 2, 1, 1, 1)
    assert (profile.n, profile.non_finite, profile.total) == (1, 4, 7)


def test_non_finite_values_that_no_state_tells_of_are_not_values() -> None:
    values = np.array([np.inf, 1.0, -np.inf, np.nan, -np.inf])
    states = np.zeros(5, dtype=np.uint8)
    for column, nulls, nans in ((NumericValues(values=values), 1, 0), (NumericValues(values=values, states=states), 0, 1)):
        profile = folded(batch_of({"hour": column})).columns["hour"]
        assert isinstance(profile, NumericProfile)
        assert (profile.null, profile.nan, profile.pos_inf, profile.neg_inf, profile.n) == (nulls, nans, 1, 2, 1)


def test_values_of_another_kind_are_wrong_types_and_their_nulls_nulls() -> None:
    profile = folded(batch_of({"hour": categories("AA", None), "carrier": numbers(1.0, np.nan)}))
    states = np.array([State.NULL, State.VALUE], dtype=np.uint8)
    profile.fold(batch_of({"night": NumericValues(values=np.zeros(2), states=states)}))
    for name in ("hour", "carrier", "night"):
        assert (profile.columns[name].null, profile.columns[name].wrong_type, profile.columns[name].n) == (1, 1, 0)


def test_a_column_that_a_batch_does_not_carry_counts_nothing() -> None:
    profile = folded(batch_of({"hour": numbers(1.0, 2.0)}))
    assert profile.rows == 2
    assert profile.columns["delay"].total == 0


def test_an_empty_batch_changes_nothing() -> None:
    assert folded(ROWS.take(np.arange(0))) == Profile.empty(GRID, 20)


def test_bytes_and_json_come_back_equal() -> None:
    assert Profile.from_bytes(WHOLE.to_bytes(), GRID) == WHOLE
    assert Profile.from_json(WHOLE.to_json(), GRID) == WHOLE.without_sample()
    assert Profile.from_json(WHOLE.to_json(), GRID).to_json() == WHOLE.to_json()
    assert Profile.from_bytes(Profile.empty(GRID).to_bytes(), GRID) == Profile.empty(GRID)


def test_json_holds_no_raw_rows() -> None:
    assert WHOLE.sample.rows
    assert "sample" not in WHOLE.to_json()
    assert WHOLE.hash == WHOLE.without_sample().hash
    assert WHOLE.without_sample() != WHOLE


def test_a_column_takes_little_room() -> None:
    numeric = Grid({f"delay{i}": GRID.columns["delay"] for i in range(20)})
    profile = folded(batch_of(dict.fromkeys(numeric.columns, ROWS.columns["delay"])), grid=numeric, sample_rows=0)
    assert len(profile.to_bytes()) < 20 * 1500


@settings(max_examples=60, deadline=None)
@given(st.integers(0, len(WHOLE.to_bytes()) - 1), st.integers(1, 255))
def test_a_corrupt_blob_is_a_decode_error(at: int, change: int) -> None:
    """Or it is the same profile: deflate may say one content in several ways."""
    blob = bytearray(WHOLE.to_bytes())
    blob[at] ^= change
    try:
        found = Profile.from_bytes(bytes(blob), GRID)
    except DecodeError:
        return
    assert found == WHOLE


@pytest.mark.parametrize("blob", [b"", b"x", WHOLE.to_bytes()[:-1]])
def test_a_blob_cut_short_is_a_decode_error(blob: bytes) -> None:
    with pytest.raises(DecodeError, match="cannot be read"):
        Profile.from_bytes(blob, GRID)


def test_a_blob_of_another_grid_is_a_decode_error() -> None:
    with pytest.raises(DecodeError, match="is on grid"):
        Profile.from_bytes(WHOLE.to_bytes(), Grid.blank([]))


def test_a_json_profile_of_another_grid_or_other_columns_is_a_decode_error() -> None:
    with pytest.raises(DecodeError, match=r"profile\.grid"):
        Profile.from_json(WHOLE.to_json(), Grid.blank([]))
    with pytest.raises(DecodeError, match=r"profile\.columns: expected"):
        Profile.from_json(WHOLE.to_json().replace('"night"', '"knight"'), GRID)
    with pytest.raises(DecodeError, match=r"profile\.rows: expected a whole number from 0"):
        Profile.from_json(WHOLE.to_json().replace('"rows":1500}', '"rows":-1}'), GRID)
    with pytest.raises(DecodeError, match=r"counts: expected \d+ counts from 0"):
        Profile.from_json(WHOLE.to_json().replace('"counts":[', '"counts":[1,', 1), GRID)


def test_a_profile_says_what_it_is() -> None:
    assert repr(WHOLE).startswith("Profile(rows=1500, columns=['carrier', 'delay', 'hour', 'night']")
    assert WHOLE != "profile"


def test_the_number_of_values_is_that_of_now_whenever_it_is_asked_for() -> None:
    grid = Grid({"x": fit_numeric(np.arange(10.0)), "c": fit_categorical(["a", "b"])})
    numbers, texts = Profile.empty(grid).columns["x"], Profile.empty(grid).columns["c"]
    for n in (1, 2, 3):
        numbers.add(NumericValues(values=np.array([1.0])))
        texts.add(CategoricalValues(codes=np.array([0, 1], dtype=np.int32), dictionary=("a", "new")))
        assert (numbers.n, texts.n) == (n, 2 * n)
    assert (numbers.merge(numbers).n, texts.merge(texts).n) == (6, 12)  # type: ignore[arg-type]
    assert (numbers.n, texts.n) == (3, 6)
