"""Second moments of pairs of columns: exact whatever the batches, and those of numpy."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.profile import CategoricalGrid, Grid, NumericGrid, Profile, fit_numeric
from monitor.core.profile.comoments import MOST_COLUMNS, CoMoments, paired, scale_of
from monitor.core.schema import Batch, Floats, NumericValues, State
from monitor.errors import DecodeError
from tests.core.profile_batches import GRID, batch_of, rows

COVARIANCE = np.array([[1.0, 0.8, 0.0], [0.8, 1.0, -0.3], [0.0, -0.3, 1.0]])
DRAWN: Floats = np.random.default_rng(5).multivariate_normal([3.0, -2.0, 50.0], COVARIANCE, 20_000)
NAMES = ("a", "b", "c")
NORMAL = Grid({name: fit_numeric(DRAWN[:, i]) for i, name in enumerate(NAMES)})


def batch(values: Floats) -> Batch:
    return batch_of({name: NumericValues(values=values[:, i].copy()) for i, name in enumerate(NAMES)})


def folded(grid: Grid, *batches: Batch) -> Profile:
    profile = Profile.empty(grid)
    for part in batches:
        profile.fold(part)
    return profile


def moments_of(profile: Profile) -> CoMoments:
    assert profile.comoments is not None
    return profile.comoments


def test_covariances_are_those_of_numpy_up_to_rounding() -> None:
    found = moments_of(folded(NORMAL, batch(DRAWN)))
    steps = np.array([2.0**12 / scale_of(grid) for grid in NORMAL.columns.values() if isinstance(grid, NumericGrid)])
    covariance = found.second(found.mean) / np.outer(steps, steps)
    assert covariance == pytest.approx(np.cov(DRAWN.T, bias=True), abs=2e-3)


@given(cuts=st.lists(st.integers(0, 400), max_size=6))
def test_any_split_into_batches_and_profiles_gives_the_same_sums(cuts: list[int]) -> None:
    whole = rows(400)
    edges = sorted({0, *cuts, 400})
    parts = [whole.take(np.arange(start, stop)) for start, stop in pairwise(edges)]
    merged = folded(GRID)
    for part in parts:
        merged = folded(GRID, part).merge(merged)
    assert moments_of(merged).document() == moments_of(folded(GRID, *parts)).document() == moments_of(folded(GRID, whole)).document()


def test_chunks_do_not_show() -> None:
    many = np.tile(DRAWN, (2, 1))  # 40,000 rows: three chunks
    one, two = moments_of(folded(NORMAL, batch(many))), moments_of(folded(NORMAL, batch(DRAWN), batch(DRAWN)))
    assert one.document() == two.document()


def test_minus_takes_back_what_was_merged() -> None:
    first, second = folded(NORMAL, batch(DRAWN[:300])), folded(NORMAL, batch(DRAWN[300:900]))
    assert moments_of(first.merge(second).minus(second)).document() == moments_of(first).document()


def test_a_row_without_a_finite_value_counts_as_the_center() -> None:
    values = NumericValues(values=np.array([np.nan, np.inf, 3.0]), states=np.array([State.NULL, State.VALUE, State.WRONG_TYPE], np.uint8))
    found = moments_of(folded(NORMAL, batch_of({"a": values})))
    assert (found.rows, found.sums.tolist(), found.products.any()) == (3, [0, 0, 0], False)


@pytest.mark.parametrize("size", [1e9, 1e308, -1e308])
def test_one_row_of_rubbish_in_ten_thousand_changes_a_variance_by_under_a_twentieth(size: float) -> None:
    clean = moments_of(folded(NORMAL, batch(DRAWN[:10_000])))
    poisoned = DRAWN[:10_000].copy()
    poisoned[17, 0] = size
    found = moments_of(folded(NORMAL, batch(poisoned)))
    assert found.second(found.mean)[0, 0] == pytest.approx(clean.second(clean.mean)[0, 0], rel=0.05)


def test_a_column_of_the_smallest_or_largest_floats_does_no_harm() -> None:
    tiny, huge = np.array([0.0, 5e-324, 1e-323]), np.array([-1.7e308, 0.0, 1.7e308])
    grid = Grid({"a": fit_numeric(tiny), "b": fit_numeric(huge)})
    found = moments_of(folded(grid, batch_of({"a": NumericValues(values=tiny), "b": NumericValues(values=huge)})))
    assert found.rows == 3
    assert np.isfinite(found.second(found.mean)).all()


def test_products_are_kept_for_two_to_sixty_four_numeric_columns_whose_scale_is_known() -> None:
    numeric = fit_numeric(np.arange(5.0))
    assert paired({"a": numeric, "text": CategoricalGrid(), "blank": NumericGrid(edges=np.empty(0))}) == ()
    assert paired({"a": numeric, "text": CategoricalGrid(), "b": numeric}) == ("a", "b")
    assert len(paired({f"c{i}": numeric for i in range(MOST_COLUMNS)})) == MOST_COLUMNS
    assert paired({f"c{i}": numeric for i in range(MOST_COLUMNS + 1)}) == ()


def test_bytes_and_json_come_back_equal() -> None:
    profile = folded(GRID, rows(300))
    assert moments_of(Profile.from_bytes(profile.to_bytes(), GRID)).document() == moments_of(profile).document()
    assert moments_of(Profile.from_json(profile.to_json(), GRID)).document() == moments_of(profile).document()


def test_a_profile_written_before_there_were_second_moments_has_none_and_gives_none() -> None:
    new = folded(GRID, rows(300))
    old = Profile(grid=GRID, rows=new.rows, columns=new.columns, sample=new.sample)
    assert Profile.from_bytes(old.to_bytes(), GRID).comoments is None
    assert "comoments" not in old.document()
    assert (old.merge(new).comoments, new.minus(old).comoments) == (None, None)


@pytest.mark.parametrize(
    ("rows", "sums", "products"),
    [
        (1, [0], [0, 0, 0]),
        (1, [0, 0], [0, 0]),
        (-1, [0, 0], [0, 0, 0]),
        (1, [9_000, 0], [0, 0, 0]),
        (1, [0, 0], [-1, 0, 0]),
        (0, [0, 0], [0, 1, 0]),
    ],
)
def test_moments_that_no_rows_have_are_refused(rows: int, sums: list[int], products: list[int]) -> None:
    with pytest.raises(ValueError, match=r"fit|no -?[0-9]+ rows"):
        CoMoments.of_parts(("a", "b"), rows, np.array(sums), np.array(products))


def test_a_document_with_moments_that_are_none_is_a_decode_error() -> None:
    text = folded(GRID, rows(30)).to_json()
    with pytest.raises(DecodeError, match=r"profile\.comoments\.products"):
        Profile.from_json(text.replace('"comoments":{"products":[', '"comoments":{"products":[-'), GRID)
    with pytest.raises(DecodeError, match="63 bits"):
        Profile.from_json(text.replace('"comoments":{"products":[', '"comoments":{"products":[99999999999999999999,'), GRID)


def test_no_rows_have_no_mean() -> None:
    with pytest.raises(ValueError, match="no rows"):
        _ = CoMoments.empty(("a", "b")).mean
