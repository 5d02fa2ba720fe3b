"""Grids: where the edges lie and what they promise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from monitor.core.profile import BOOLEANS, CategoricalGrid, Grid, NumericGrid, fit_categorical, fit_numeric
from monitor.core.profile.fit import BINS, HALF_BIN, MAX_CATEGORIES, TAIL_EDGES
from monitor.core.schema import Column, Kind
from monitor.errors import DecodeError

BIGGEST = float(np.finfo(np.float64).max)
finite = st.floats(allow_nan=False, allow_infinity=False)


def test_a_continuous_column_gets_quantile_bins_and_tails() -> None:
    values = np.random.default_rng(3).normal(size=1_000_000)
    grid = fit_numeric(values)
    assert not grid.by_value
    assert len(grid.edges) == BINS - 1 + 2 * TAIL_EDGES + 2 * TAIL_EDGES
    shares = np.diff(np.searchsorted(np.sort(values), grid.edges)) / len(values)
    assert shares.max() <= 1.02 / BINS
    assert grid.edges[TAIL_EDGES - 1] == values.min()
    assert grid.edges[-TAIL_EDGES] == np.nextafter(values.max(), np.inf)
    for share in (0.25, 0.5, 0.9):
        assert np.abs(grid.edges - np.quantile(values, share)).min() < 1e-3


def test_the_edges_beyond_an_end_grow_geometrically() -> None:
    grid = fit_numeric(np.random.default_rng(3).uniform(0, 1, 50_000))
    steps = grid.edges[-TAIL_EDGES + 1 :] - grid.edges[-TAIL_EDGES]
    assert steps[1:] / steps[:-1] == pytest.approx(4.0)
    assert steps[0] == pytest.approx(0.25, rel=0.05)


def test_a_value_that_holds_much_of_the_mass_is_an_atom() -> None:
    rng = np.random.default_rng(5)
    for much, atom in ((1.2, True), (0.8, False)):
        grid = fit_numeric(np.concatenate([rng.normal(size=20_000), np.full(int(20_000 * HALF_BIN * much), 0.25)]))
        at = int(grid.bins_of(np.array([0.25]))[0])
        assert grid.atoms[at] == atom
        assert grid.edges[at - 1] <= 0.25


def test_a_column_of_few_values_is_counted_by_value() -> None:
    grid = fit_numeric(np.array([3.0, 1.0, 2.0, 2.0, np.nan, np.inf]))
    assert grid.by_value
    assert grid.edges.tolist() == [1.0, np.nextafter(1.0, 2), 2.0, np.nextafter(2.0, 3), 3.0, np.nextafter(3.0, 4)]
    assert grid.bins_of(np.array([0.0, 1.0, 1.5, 2.0, 3.0, 9.0])).tolist() == [0, 1, 2, 3, 5, 6]
    assert grid.atoms.tolist() == [False, True, False, True, False, True, False]


def test_a_constant_column_is_counted_by_value() -> None:
    grid = fit_numeric(np.full(1000, 1.0))
    assert grid.bins_of(np.array([1.0, 1.0001])).tolist() == [1, 2]


@pytest.mark.parametrize(("count", "by_value"), [(256, True), (257, False)])
def test_by_value_ends_at_256_distinct_values(count: int, by_value: bool) -> None:
    assert fit_numeric(np.arange(count, dtype=float)).by_value is by_value


def test_a_sample_is_not_counted_by_value_unless_all_distinct_values_are_known() -> None:
    sample = np.array([1.0, 2.0, 3.0])
    assert not fit_numeric(sample, low=0.0, high=900.0).by_value
    known = fit_numeric(sample, low=0.0, high=900.0, distinct=np.array([0.0, 1.0, 2.0, 3.0, 900.0]))
    assert known.by_value
    assert known.atoms.sum() == 5


def test_no_finite_value_makes_one_bin() -> None:
    assert fit_numeric(np.array([np.nan, np.inf])).bins == 1


def test_the_largest_float_has_the_last_bin_to_itself() -> None:
    grid = fit_numeric(np.array([0.0, BIGGEST]))
    assert grid.bins_of(np.array([BIGGEST])).tolist() == [grid.bins - 1]
    assert bool(grid.atoms[-1])


def test_zero_and_minus_zero_are_one_value() -> None:
    assert fit_numeric(np.array([0.0, -0.0, 5.0])) == fit_numeric(np.array([-0.0, 5.0, -0.0]))


@settings(deadline=None)  # a busy machine is no failure
@given(hnp.arrays(np.float64, st.integers(1, 400), elements=finite))
def test_any_finite_values_make_a_grid_whose_bins_hold_them(values: np.ndarray) -> None:
    grid = fit_numeric(values)
    at = grid.bins_of(values)
    below = np.concatenate([[-np.inf], grid.edges])[at]
    above = np.concatenate([grid.edges, [np.inf]])[at]
    assert ((below <= values) & (values < above)).all()
    assert Grid.from_json(Grid({"x": grid}).to_json()) == Grid({"x": grid})


@settings(deadline=None)  # a busy machine is no failure
@given(st.integers(0, 2**32))
def test_any_many_values_make_increasing_edges(seed: int) -> None:
    values = np.frombuffer(np.random.default_rng(seed).bytes(8 * 500))  # every size of float, subnormal to 1e308
    grid = fit_numeric(values)
    assert not grid.by_value
    assert (np.diff(grid.edges) > 0).all()


def test_the_unit_is_far_below_the_scale_and_no_more_than_one_for_whole_numbers() -> None:
    values = np.random.default_rng(1).normal(0, 1e-3, 10_000)
    assert fit_numeric(values).unit <= np.std(values) * 2**-32
    assert fit_numeric(np.arange(1e12, 1e15, 1e12)).unit <= 1.0


@pytest.mark.parametrize("edges", [[1.0, 1.0], [2.0, 1.0], [np.nan], [0.0, np.inf]])
def test_edges_that_do_not_increase_are_refused(edges: list[float]) -> None:
    with pytest.raises(ValueError, match="strictly increasing"):
        NumericGrid(edges=np.array(edges))


def test_a_unit_that_is_no_power_of_two_is_refused() -> None:
    with pytest.raises(ValueError, match="power of two"):
        NumericGrid(edges=np.array([1.0]), unit=0.3)


def test_edges_cannot_be_changed() -> None:
    mine = np.array([1.0, 2.0])
    grid = NumericGrid(edges=mine)
    mine[0] = 9.0
    assert grid.edges.tolist() == [1.0, 2.0]
    with pytest.raises(ValueError, match="read-only"):
        grid.edges[0] = 9.0


def test_categories_must_be_sorted_and_distinct() -> None:
    with pytest.raises(ValueError, match="sorted and distinct"):
        CategoricalGrid(categories=("b", "a"))


def test_the_most_frequent_categories_make_the_grid() -> None:
    counts = {f"c{i:04}": 1 for i in range(MAX_CATEGORIES)} | {"z": 2, "y": 5}
    grid = fit_categorical(counts)
    assert len(grid.categories) == MAX_CATEGORIES
    assert {"y", "z", "c0000"} <= set(grid.categories)
    assert "c0999" not in grid.categories
    assert fit_categorical(["b", "a", "b"]).categories == ("a", "b")


def test_a_blank_grid_has_one_bin_or_the_two_booleans() -> None:
    columns = [Column(name=kind.value, kind=kind) for kind in Kind]
    blank = Grid.blank(columns)
    assert blank.columns["numeric"] == NumericGrid(edges=np.empty(0))
    assert blank.columns["categorical"] == CategoricalGrid()
    assert blank.columns["boolean"] == CategoricalGrid(categories=BOOLEANS)


def test_a_hash_tells_grids_apart_and_does_not_depend_on_the_order_of_columns() -> None:
    a, b = fit_numeric(np.arange(9.0)), fit_numeric(np.arange(8.0))
    assert Grid({"x": a, "y": b}) == Grid({"y": b, "x": a})
    assert len({Grid({"x": a, "y": b}), Grid({"y": b, "x": a}), Grid({"x": b, "y": b})}) == 2
    assert Grid({"x": a}).hash != Grid({"x": b}).hash


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "grid: expected an object, found list"),
        ("{", "grid: not JSON"),
        ('{"x": 1}', "grid.x: expected an object"),
        ('{"x": {"kind": "text"}}', "grid.x.kind: expected one of"),
        ('{"x": {"kind": 4}}', "grid.x.kind: expected a text"),
        ('{"x": {"kind": "categorical", "categories": ["b", "a"]}}', "sorted and distinct"),
        ('{"x": {"kind": "categorical", "categories": [1]}}', "a list of texts"),
        ('{"x": {"kind": "numeric", "edges": [2, 1], "by_value": false, "center": 0, "unit": 1}}', "strictly increasing"),
        ('{"x": {"kind": "numeric", "edges": ["a"], "by_value": false, "center": 0, "unit": 1}}', "a list of numbers"),
        ('{"x": {"kind": "numeric", "edges": [1e999], "by_value": false, "center": 0, "unit": 1}}', "finite numbers"),
        ('{"x": {"kind": "numeric", "edges": [], "by_value": 0, "center": 0, "unit": 1}}', "true or false"),
        ('{"x": {"kind": "numeric", "edges": [], "by_value": true, "center": null, "unit": 1}}', "grid.x.center: expected a number"),
        ('{"x": {"kind": "numeric", "edges": [], "by_value": true, "center": NaN, "unit": 1}}', "NaN is no JSON number"),
    ],
)
def test_a_broken_grid_document_is_named(text: str, said: str) -> None:
    with pytest.raises(DecodeError, match=said.replace("[", r"\[")):
        Grid.from_json(text)
