"""Categorical columns: known categories are exact, new ones bounded."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.core.profile import CategoricalGrid, CategoricalProfile
from monitor.core.profile.canonical import parse
from monitor.core.profile.categorical import KEPT, MAX_TEXT, category_hash, category_text
from monitor.core.schema import CategoricalValues
from monitor.errors import DecodeError
from tests.core.profile_batches import categories

GRID = CategoricalGrid(categories=("AA", "DL"))


def counted(*values: CategoricalValues, grid: CategoricalGrid = GRID) -> CategoricalProfile:
    profile = CategoricalProfile(grid=grid)
    for some in values:
        profile.add(some)
    return profile


def many(texts: list[str]) -> CategoricalValues:
    positions = {text: i for i, text in enumerate(dict.fromkeys(texts))}
    return CategoricalValues(codes=np.array([positions[text] for text in texts], dtype=np.int32), dictionary=tuple(positions))


def test_known_new_null_and_wrong_are_counted_apart() -> None:
    profile = counted(categories("AA", "ZZ", "AA", None, "YY", "ZZ", wrong=2))
    assert profile.counts.tolist() == [2, 0]
    assert (profile.null, profile.wrong_type, profile.n, profile.total) == (1, 2, 5, 8)
    assert dict(profile.new.kept) == {"YY": 1, "ZZ": 2}
    assert (profile.new.rows, profile.new.other, profile.new.distinct) == (3, 0, 2)


def test_a_dictionary_text_without_rows_is_no_new_category() -> None:
    assert counted(CategoricalValues(codes=np.array([0], dtype=np.int32), dictionary=("AA", "ZZ"))).new.distinct == 0


def test_two_spellings_that_become_one_text_are_added_up() -> None:
    values = CategoricalValues(codes=np.array([0, 1], dtype=np.int32), dictionary=("\ud800", "\udfff"))
    assert dict(counted(values).new.kept) == {"?": 2}


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 2000))
def test_kept_categories_are_exact_and_the_rest_is_other(seed: int, distinct: int) -> None:
    rng = np.random.default_rng(seed)
    texts = [f"new{i}" for i in rng.integers(0, distinct, 3000)]
    truth = Counter(texts)
    profile = counted(*(many(texts[at : at + 250]) for at in range(0, 3000, 250)))
    assert profile.new.rows == 3000
    assert len(profile.new.kept) == min(KEPT, len(truth))
    assert all(truth[text] == count for text, count in profile.new.kept.items())
    assert set(profile.new.kept) == set(sorted(truth, key=category_hash)[:KEPT])
    assert profile.new.other == 3000 - sum(profile.new.kept.values())


def test_the_number_of_new_categories_is_estimated_within_a_fifth() -> None:
    for distinct in (257, 1000, 50_000):
        profile = counted(many([f"id-{i}" for i in range(distinct)]))
        assert profile.new.distinct == pytest.approx(distinct, rel=0.2)


def test_a_long_category_is_cut_and_told_apart_by_its_hash() -> None:
    a, b = category_text("x" * 300 + "a"), category_text("x" * 300 + "b")
    assert a != b
    assert a.startswith("x" * MAX_TEXT)
    assert len(a) < MAX_TEXT + 20
    assert category_text("short") == "short"


def test_a_long_reference_category_is_found_again() -> None:
    long = "y" * 500
    profile = counted(many([long, long]), grid=CategoricalGrid(categories=(category_text(long),)))
    assert profile.counts.tolist() == [2]
    assert profile.new.rows == 0


def test_half_a_surrogate_pair_becomes_valid_text() -> None:
    assert category_text("a\ud800b") == "a?b"
    assert category_text("Zürich ✈") == "Zürich ✈"


def test_minus_is_refused_where_a_category_would_be_negative() -> None:
    with pytest.raises(ValueError, match="no part"):
        counted(many(["x", "y", "y"])).new.minus(counted(many(["x", "x", "y"])).new)


def test_counts_must_fit_the_categories() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        CategoricalProfile(grid=GRID, counts=np.zeros(3, dtype=np.int64))


def test_a_document_with_more_kept_rows_than_rows_is_refused() -> None:
    text = '{"counts": [0, 0], "null": 0, "wrong_type": 0, "new": {"rows": 1, "kept": {"x": 2}}}'
    with pytest.raises(DecodeError, match=r"column.new.kept: expected at most 256 categories of 1 rows"):
        CategoricalProfile.of(parse(text, "column"), GRID)
    with pytest.raises(DecodeError, match=r"column.new: expected an object, found nothing"):
        CategoricalProfile.of(parse('{"counts": [0, 0]}', "column"), GRID)
