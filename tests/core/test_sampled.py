"""What is asked of row samples, and the limit of the domain classifier."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from monitor.core.drift.domain import FLOOR, NOT_LEARNED, WIDENED, Usual, chance, comparable_rows, learn_area_limit, parts_of
from monitor.core.drift.sampled import (
    DRAWN_ROWS,
    MAX_CATEGORIES,
    Origin,
    SampledColumn,
    Samples,
    capped,
    is_well_named,
    samples_of,
)
from monitor.core.profile import RowSample
from monitor.core.reference import Reference, difference
from monitor.core.schema import Column, Kind
from tests.core.judged import reference_of
from tests.reports.samples import data, kept, subject

COLUMNS = (Column(name="x", kind=Kind.NUMERIC), Column(name="c", kind=Kind.CATEGORICAL), Column(name="gone", kind=Kind.NUMERIC))
ROWS = data(np.random.default_rng(1), 300)


@pytest.mark.parametrize(("name", "well"), [
    ("evidently:ks", True), ("evidently:perc_text_content_drift", True), ("evidently:", False), ("evidently:a b", False),
    ("evidently:__import__", False), ("evidently:" + "x" * 65, False), ("ks", False), ("evidently:ks\n", False),
])
def test_a_name_has_its_form(name: str, well: bool) -> None:
    assert is_well_named(name) == well


def test_samples_hold_the_rows_of_both_sides_of_the_columns_that_both_know() -> None:
    window = subject(ROWS, ROWS, windows=3)
    assert window.profile is not None
    assert window.reference is not None
    samples = samples_of(COLUMNS, window.profile, window.reference)
    assert sorted(samples.columns) == ["c", "x"]
    assert (samples.window_rows, samples.reference_rows, samples.origin) == (200, 300, Origin.ROWS)
    assert len(samples.starts) == 300
    assert sorted(samples.columns["x"].reference) == sorted(ROWS["x"].values.tolist())  # type: ignore[union-attr, type-var]


def test_what_is_no_value_of_its_kind_is_none() -> None:
    rows = RowSample(columns=("c", "x", "y"), size=4, rows={1: ("a", 1.0, 0.0), 2: ("<wrong type>", "NaN", 0.0), 3: (None, None, 0.0)})
    reference = replace(reference_of([ROWS], with_windows=False), sample=rows)
    window = subject(ROWS, ROWS)
    assert window.profile is not None
    samples = samples_of(COLUMNS, window.profile, reference)
    assert samples.columns["x"].reference == (1.0, None, None)
    assert samples.columns["c"].reference == ("a", None, None)
    assert samples.starts == ()


def test_without_kept_rows_they_are_drawn() -> None:
    window = subject(ROWS, ROWS, keep=False)
    assert window.profile is not None
    assert window.reference is not None
    samples = samples_of(COLUMNS, window.profile, window.reference)
    assert (samples.origin, len(samples.columns["x"].reference)) == (Origin.DRAWN, DRAWN_ROWS)


def test_rare_categories_become_others_by_both_samples_together() -> None:
    column = SampledColumn(name="c", kind=Kind.CATEGORICAL, reference=tuple(f"k{i:03}" for i in range(150)), window=("k149", "k149", None))
    found = capped(column)
    assert len(set(found.reference)) == MAX_CATEGORIES + 1
    assert found.window == ("k149", "k149", None)
    assert found.reference[:99] == column.reference[:99]
    assert set(found.reference[99:149]) == {"(other)"}
    assert capped(replace(column, kind=Kind.NUMERIC)) == replace(column, kind=Kind.NUMERIC)


# --- kept rows in the reference's document -------------------------------------------------------------------


def test_a_reference_without_rows_has_the_document_that_it_always_had() -> None:
    reference = reference_of([ROWS], with_windows=False)
    assert "sample" not in reference.content()


def test_kept_rows_survive_the_document_and_are_part_of_its_hash() -> None:
    bare = reference_of([ROWS], with_windows=False)
    full = kept(bare, ROWS, windows=3)
    again = Reference.from_json(full.to_json())
    assert (again.sample, again.hash) == (full.sample, full.hash)
    assert full.hash != bare.hash
    assert difference(bare, full) == ["rows kept as they are: 0 → 300"]


# --- the limit of the domain classifier ----------------------------------------------------------------------


def test_chance_is_the_mann_whitney_statistic_s_and_a_little_more() -> None:
    rng = np.random.default_rng(5)
    areas = [stats.mannwhitneyu(rng.normal(size=40), rng.normal(size=90)).statistic / 3600 for _ in range(4_000)]
    assert chance(40, 90) / WIDENED == pytest.approx(np.std(areas), rel=0.05)


def test_without_windows_the_limit_is_that_of_independent_rows() -> None:
    limit = learn_area_limit(NOT_LEARNED, 5_000, 200)
    assert limit.threshold(0.001) == pytest.approx(0.5 + stats.norm.isf(0.001) * chance(5_000, 200))
    assert limit.p_value(limit.threshold(0.001)) == pytest.approx(0.001)
    assert learn_area_limit(NOT_LEARNED, 10**6, 10**6).threshold(0.01) == FLOOR
    assert learn_area_limit(NOT_LEARNED, 30, 30).threshold(1e-9) == 1.0


def test_windows_that_differ_by_chance_alone_widen_nothing() -> None:
    areas = tuple(np.random.default_rng(2).normal(0.5, 0.8 * chance(4_900, 100), 20).tolist())
    limit = learn_area_limit(Usual(areas=areas, rows=(100,) * 20), 5_000, 100)
    assert (limit.freedom, limit.spread) == (None, chance(5_000, 100))


def test_windows_that_differ_by_custom_widen_the_limit_to_a_prediction_interval() -> None:
    areas = (0.5, 0.7, 0.55, 0.65, 0.6, 0.52, 0.68, 0.62, 0.58)
    limit = learn_area_limit(Usual(areas=areas, rows=(100,) * 9), 5_000, 100)
    noise = chance(4_900, 100) ** 2
    spread = np.sqrt((np.var(areas, ddof=1) - noise) * (1 + 1 / 9) + chance(5_000, 100) ** 2)
    assert limit.threshold(0.05) == pytest.approx(np.mean(areas) + stats.t.isf(0.05, 8) * spread)
    assert limit.p_value(0.7) == pytest.approx(stats.t.sf((0.7 - np.mean(areas)) / spread, 8))


def samples(starts: list[float | None], window_rows: int = 200) -> Samples:
    return Samples(columns={}, window_rows=window_rows, reference_rows=len(starts), origin=Origin.ROWS, starts=tuple(starts))


def test_parts_are_windows_with_enough_rows_evenly_spaced() -> None:
    starts: list[float | None] = [float(i % 50) for i in range(50 * 40)] + [99.0] * 3 + [None] * 5
    parts = parts_of(samples(starts))
    assert len(parts) == 20
    assert all(len({starts[at] for at in part}) == 1 for part in parts)
    assert {starts[part[0]] for part in parts} >= {0.0, 49.0}
    assert comparable_rows(parts, 200) == 40
    assert parts_of(samples([float(i % 7) for i in range(700)])) == []
    assert comparable_rows([], 200) == 200
