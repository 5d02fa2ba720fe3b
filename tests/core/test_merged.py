"""References merged from windows, and grids fitted to row samples."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from monitor.core.drift.calibration import build_baseline
from monitor.core.merged import GRID_ROWS, canary_reference, learned_reference, sampled_reference
from monitor.core.profile import CategoricalGrid, CategoricalProfile, Grid, NumericGrid, NumericProfile, Profile
from monitor.core.reference import Reference, Source, source_of
from monitor.core.rules import Previous, Rolling, Seasonal
from monitor.core.schema import CategoricalValues, Column, Kind, NumericValues, State
from tests.core.judged import DAY, START, Data, drawn, grid_for, numeric, profile_of, reference_of
from tests.core.profile_batches import batch_of

HOUR = timedelta(hours=1)
ROLLING = Rolling(reach=14 * DAY)
COLUMNS = (
    Column(name="x", kind=Kind.NUMERIC), Column(name="few", kind=Kind.NUMERIC), Column(name="c", kind=Kind.CATEGORICAL),
    Column(name="b", kind=Kind.BOOLEAN),
)  # fmt: skip


def data(seed: int, n: int = 400) -> Data:
    rng = np.random.default_rng(seed)
    return {"x": numeric(rng.normal(size=n)), "c": drawn(rng, "ABC", (0.5, 0.3, 0.2), n)}


def learned(days: range = range(5)) -> tuple[Reference, list[Data]]:
    windows = [data(day) for day in days]
    grid = grid_for(windows)
    pairs = [(START + day * DAY, profile_of(grid, window)) for day, window in zip(days, windows, strict=True)]
    return learned_reference(ROLLING, pairs, model="m", version="1", window=DAY, notes={"left_out": {}}), windows


def test_a_merged_reference_is_what_one_built_from_the_same_rows_would_be() -> None:
    merged, windows = learned()
    built = reference_of(windows)
    assert merged.profile == built.profile
    assert merged.baseline == built.baseline
    assert merged.grid == built.grid


def test_it_says_what_it_is_made_of_and_its_hash_is_of_that() -> None:
    merged, _ = learned()
    assert merged.provenance == {
        "kind": "rolling", "windows": 5, "time_range": ["2024-03-01T00:00:00Z", "2024-03-06T00:00:00Z"], "left_out": {},
    }  # fmt: skip
    assert merged.hash == learned()[0].hash
    assert merged.hash != learned(range(4))[0].hash
    assert Reference.from_json(merged.to_json()).hash == merged.hash
    assert source_of(merged.provenance) == Source.ROLLING
    assert source_of({"file": "a.csv"}) == Source.FILE


def test_a_single_window_teaches_no_limits_but_the_rate_of_rows() -> None:
    window = profile_of(grid_for([data(1)]), data(1))
    for recipe, kind in ((Previous(windows=1), "previous"), (Seasonal(lag=DAY, count=1), "seasonal")):
        single = learned_reference(recipe, [(START, window)], model="m", version="*", window=DAY, notes={})
        assert single.baseline is None
        assert single.provenance["kind"] == kind
        assert single.provenance["time_range"] == ["2024-03-01T00:00:00Z", "2024-03-02T00:00:00Z"]


def test_a_canary_is_compared_with_rows_not_with_how_many_there_are() -> None:
    window = profile_of(grid_for([data(1)]), data(1))
    canary = canary_reference(window, model="m", version="1.4", start=START, window=HOUR)
    assert (canary.profile, canary.baseline, canary.version) == (window, None, "1.4")
    assert canary.provenance == {"kind": "canary", "stable": "1.4", "window_start": "2024-03-01T00:00:00Z"}


def test_windows_on_different_grids_are_refused() -> None:
    pairs = [(START, profile_of(grid_for([data(1)]), data(1))), (START + DAY, profile_of(grid_for([data(2)]), data(2)))]
    with pytest.raises(ValueError, match="different grids"):
        learned_reference(ROLLING, pairs, model="m", version="1", window=DAY, notes={})


# --- a grid from row samples ---------------------------------------------------------------------------------


def sampled(seed: int, n: int, rows: int) -> Profile:
    """A window on the blank grid that keeps some of its rows, with everything in them."""
    rng = np.random.default_rng(seed)
    values, states = rng.gamma(2.0, 20.0, n), rng.choice(6, n, p=[0.9, 0.02, 0.02, 0.02, 0.02, 0.02]).astype(np.uint8)
    values[0], states[0] = 5e5, State.VALUE  # an outlier that no sample need hold
    values[states != State.VALUE] = np.nan
    codes = rng.choice([-2, -1, 0, 1, 2], n, p=[0.02, 0.02, 0.6, 0.3, 0.06]).astype(np.int32)
    profile = Profile.empty(Grid.blank(COLUMNS), sample_rows=rows)
    batch = batch_of({
        "x": NumericValues(values=values, states=states),
        "few": NumericValues(values=rng.integers(0, 7, n).astype(np.float64)),
        "c": CategoricalValues(codes=codes, dictionary=("AA", "UA", f"rare{seed}")),
        "b": CategoricalValues(codes=rng.integers(-1, 2, n).astype(np.int32), dictionary=("true", "false")),
    })  # fmt: skip
    profile.fold(batch, topic_seed=seed)
    return profile


def windows_of(seeds: range, n: int, rows: int) -> list[tuple[object, Profile]]:
    return [(START + seed * HOUR, sampled(seed, n, rows)) for seed in seeds]


def test_no_grid_is_fitted_before_there_are_enough_rows() -> None:
    assert sampled_reference(windows_of(range(9), 900, 200), COLUMNS, model="m", window=HOUR) is None  # type: ignore[arg-type]
    assert sampled_reference([], COLUMNS, model="m", window=HOUR) is None


def test_a_grid_is_fitted_to_the_sampled_rows_of_all_windows() -> None:
    fitted = sampled_reference(windows_of(range(10), 900, 200), COLUMNS, model="m", window=HOUR)  # type: ignore[arg-type]
    assert fitted is not None
    assert fitted.profile.rows == GRID_ROWS
    assert fitted.provenance == {
        "kind": "samples", "rows": 2000, "windows": 10, "window_range": ["2024-03-01T00:00:00Z", "2024-03-01T10:00:00Z"],
    }  # fmt: skip
    x, few, c, b = (fitted.grid.columns[name] for name in ("x", "few", "c", "b"))
    assert isinstance(x, NumericGrid)
    assert not x.by_value
    assert 200 <= x.bins <= 260
    assert 5e5 in x.edges, "the extremes are exact, though no sample need hold them"
    assert isinstance(few, NumericGrid)
    assert few.by_value
    assert isinstance(c, CategoricalGrid)
    assert set(c.categories) == {"AA", "UA", *(f"rare{seed}" for seed in range(10))}
    assert b == CategoricalGrid(categories=("false", "true"))


def test_the_sampled_rows_are_counted_as_what_they_were() -> None:
    (_, window), *_ = pairs = windows_of(range(1), 2000, 2000)
    fitted = sampled_reference(pairs, COLUMNS, model="m", window=HOUR)  # type: ignore[arg-type]
    assert fitted is not None
    before, after = window.columns["x"], fitted.profile.columns["x"]
    assert isinstance(before, NumericProfile)
    assert isinstance(after, NumericProfile)
    for fact in ("n", "null", "nan", "pos_inf", "neg_inf", "wrong_type", "min", "max"):
        assert getattr(before, fact) == getattr(after, fact), fact
    for name in ("c", "b"):
        had, has = window.columns[name], fitted.profile.columns[name]
        assert isinstance(had, CategoricalProfile)
        assert isinstance(has, CategoricalProfile)
        assert (had.n, had.null, had.wrong_type, has.new.rows) == (has.n, has.null, has.wrong_type, 0)


def test_windows_counted_on_a_fitted_grid_differ_as_much_as_on_one_from_all_rows() -> None:
    """The largest error of D, half a standard deviation moved, is a fraction of a bin's share and of the effect floor of .05."""
    rng = np.random.default_rng(5)
    columns = (Column(name="x", kind=Kind.NUMERIC),)
    blank = Profile.empty(Grid.blank(columns), sample_rows=2000)
    blank.fold(batch_of({"x": numeric(rng.normal(size=50_000))}), topic_seed=1)
    fitted = sampled_reference([(START, blank)], columns, model="m", window=HOUR)
    assert fitted is not None
    before, after = {"x": numeric(rng.normal(size=20_000))}, {"x": numeric(rng.normal(0.5, size=20_000))}
    found = []
    for grid in (fitted.grid, grid_for([before])):
        total, moved = profile_of(grid, before), profile_of(grid, after)
        found.append(build_baseline([moved, total], moved.merge(total)).distances["x"]["ks"][0])
    assert found[0] == pytest.approx(0.1974, abs=0.01), "2 Φ(1/4) − 1, by hand"
    assert found[0] == pytest.approx(found[1], abs=0.005)
