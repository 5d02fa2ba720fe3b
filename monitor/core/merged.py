"""References that are merged from stored windows on one grid, and the grid itself where no reference data gives one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import reduce
from types import MappingProxyType

import numpy as np

from monitor.core.drift.calibration import build_baseline
from monitor.core.drift.multivariate import MIN_WINDOWS as MIN_TOGETHER
from monitor.core.drift.multivariate import learn_together
from monitor.core.performance.part import PerformancePart
from monitor.core.profile import CategoricalProfile, Grid, NumericProfile, Profile, fit_categorical, fit_numeric
from monitor.core.profile.fit import MAX_BY_VALUE
from monitor.core.profile.grid import BOOLEANS, ColumnGrid
from monitor.core.profile.sample import WRONG_TYPE, Row, Scalar
from monitor.core.reference import ANY_VERSION, Reference, SegmentPart, Source, Together
from monitor.core.rules import Previous, Recipe, Rolling, Seasonal
from monitor.core.schema import Batch, CategoricalValues, Column, Floats, Kind, NumericValues, State, Values, rfc3339
from monitor.core.segments import segment_parts

NO_WINDOWS: Mapping[str, Sequence[tuple[datetime, Profile]]] = MappingProxyType({})
NO_PROFILES: Mapping[str, Profile] = MappingProxyType({})
MIN_BASELINE = 2  # leave-one-out needs a rest
GRID_ROWS = 2000
"""Sampled rows from which a grid is fitted: ten per quantile bin. Edges a little off cost nothing, for both sides are counted on them."""

SOURCES = {Rolling: Source.ROLLING, Seasonal: Source.SEASONAL, Previous: Source.PREVIOUS}
STATES: Mapping[Scalar, int] = {
    None: State.NULL, "NaN": State.NAN, "Infinity": State.POS_INF, "-Infinity": State.NEG_INF, WRONG_TYPE: State.WRONG_TYPE,
}  # fmt: skip


Windows = Sequence[tuple[datetime, Profile]]
"""Starts and profiles, ascending."""


def learned_reference(
    recipe: Recipe, windows: Windows, *, model: str, version: str, window: timedelta, notes: Mapping[str, object],
    names: Collection[str] = (), segments: Mapping[str, Windows] = NO_WINDOWS,
) -> Reference:  # fmt: skip
    """The reference that these windows come to, with the limits that they teach; ``segments``: the windows of each, by its name.

    ``names``: the columns that are watched together.
    ``version`` is the one whose windows they are, "*" where they are those of all. ``notes`` become part of the provenance.
    """
    return windows_reference(SOURCES[type(recipe)], windows, model=model, version=version, window=window, notes=notes, names=names,
                             segments=segments)


def windows_reference(
    source: Source, windows: Windows, *, model: str, version: str, window: timedelta, notes: Mapping[str, object],
    names: Collection[str] = (), segments: Mapping[str, Windows] = NO_WINDOWS, performance: PerformancePart | None = None,
) -> Reference:  # fmt: skip
    """As ``learned_reference``, of windows that no recipe chose. ``performance``: how well the model did in them."""
    whole = _part(windows)
    first, last = windows[0][0], windows[-1][0] + window
    return Reference(
        model=model,
        version=version,
        grid=whole.profile.grid,
        profile=whole.profile,
        baseline=None if whole.baseline is None else replace(whole.baseline, together=_together(windows, whole.profile, names)),
        segments=_by_column({name: _part(found) for name, found in segments.items()}),
        provenance={
            "kind": str(source),
            "windows": len(windows),
            "time_range": [rfc3339(first), rfc3339(last)],
            **notes,
        },
        window=window,
        performance=performance,
    )


def _part(windows: Windows) -> SegmentPart:
    profiles = [profile.without_sample() for _, profile in windows]
    total = reduce(Profile.merge, profiles)
    if len(profiles) < MIN_BASELINE:
        return SegmentPart(profile=total)
    return SegmentPart(profile=total, baseline=build_baseline(profiles, total, [start for start, _ in windows]))


def _together(windows: Windows, total: Profile, names: Collection[str]) -> Together | None:
    """Nothing from so few windows that nothing is judged by it."""
    return learn_together([profile for _, profile in windows], total, names) if len(windows) >= MIN_TOGETHER else None


def _by_column(parts: Mapping[str, SegmentPart]) -> dict[str, dict[str, SegmentPart]]:
    found: dict[str, dict[str, SegmentPart]] = {}
    for name in sorted(parts):
        column, value = segment_parts(name)
        found.setdefault(column, {})[value] = parts[name]
    return found


def canary_reference(
    stable: Profile, *, model: str, version: str, start: datetime, window: timedelta, segments: Mapping[str, Profile] = NO_PROFILES
) -> Reference:
    """The stable version's window as the reference of the others. It says nothing of how many rows are usual: shares are set by hand."""
    provenance = {"kind": str(Source.CANARY), "stable": version, "window_start": rfc3339(start)}
    parts = _by_column({name: SegmentPart(profile=profile.without_sample()) for name, profile in segments.items()})
    return Reference(model=model, version=version, grid=stable.grid, profile=stable, provenance=provenance, window=window, segments=parts)


# --- a grid from row samples ---------------------------------------------------------------------------------


def sampled_reference(
    windows: Windows, columns: Sequence[Column], *, model: str, window: timedelta
) -> Reference | None:
    """A grid for windows that were counted on the blank one, fitted to their row samples; None while these are under ``GRID_ROWS``.

    As a reference it holds the sampled rows and no limits, and nothing is judged by it. The extremes of numbers are exact, and so
    are the 256 new categories that a window keeps.
    """
    rows = [row for _, profile in windows for row in profile.sample.rows.values()]
    if len(rows) < GRID_ROWS:
        return None
    names = windows[0][1].sample.columns
    kinds = {column.name: column.kind for column in columns}
    scalars = dict(zip(names, zip(*rows, strict=True), strict=True)) if names else {}
    profiles = [profile for _, profile in windows]
    grid = Grid({name: _grid_of(name, kinds.get(name, Kind.CATEGORICAL), scalars[name], profiles) for name in names})
    profile = Profile.empty(grid)
    profile.fold(_batch(scalars, kinds, len(rows)))
    starts = sorted(start for start, _ in windows)
    return Reference(
        model=model,
        version=ANY_VERSION,
        grid=grid,
        profile=profile,
        provenance={
            "kind": str(Source.SAMPLES),
            "rows": len(rows),
            "windows": len(windows),
            "window_range": [rfc3339(starts[0]), rfc3339(starts[-1] + window)],
        },
        window=window,
    )


def _grid_of(name: str, kind: Kind, scalars: Sequence[Scalar], windows: Sequence[Profile]) -> ColumnGrid:
    if kind is Kind.NUMERIC:
        return _numeric_grid(name, scalars, windows)
    if kind is Kind.BOOLEAN:
        return fit_categorical(BOOLEANS)
    counts = Counter(text for text in scalars if isinstance(text, str) and text != WRONG_TYPE)
    for window in windows:
        column = window.columns[name]
        if isinstance(column, CategoricalProfile):
            counts.update(column.new.kept)
    return fit_categorical(counts)


def _numeric_grid(name: str, scalars: Sequence[Scalar], windows: Sequence[Profile]) -> ColumnGrid:
    values = _finite(scalars)
    columns = [column for column in (window.columns[name] for window in windows) if isinstance(column, NumericProfile)]
    low = min((column.min for column in columns if column.min is not None), default=None)
    high = max((column.max for column in columns if column.max is not None), default=None)
    if low is None or high is None:
        return fit_numeric(values)
    seen = np.unique(np.append(values, (low, high)))
    distinct = seen if len(seen) <= MAX_BY_VALUE else None
    return fit_numeric(values if len(values) else seen, low=low, high=high, distinct=distinct)


def _finite(scalars: Sequence[Scalar]) -> Floats:
    return np.array([scalar for scalar in scalars if isinstance(scalar, float)], dtype=np.float64)


def _batch(scalars: Mapping[str, Row], kinds: Mapping[str, Kind], rows: int) -> Batch:
    """Sampled rows as they were before they were sampled."""
    columns = {name: _values(values, kinds.get(name, Kind.CATEGORICAL)) for name, values in scalars.items()}
    return Batch(offsets=np.arange(rows), times=np.zeros(rows, dtype=np.int64), versions=None, ids=None, columns=columns)


def _values(scalars: Row, kind: Kind) -> Values:
    if kind is Kind.NUMERIC:
        states = np.array([State.VALUE if isinstance(s, float) else STATES.get(s, State.WRONG_TYPE) for s in scalars], dtype=np.uint8)
        return NumericValues(values=np.array([s if isinstance(s, float) else np.nan for s in scalars]), states=states)
    dictionary = tuple(dict.fromkeys(s for s in scalars if isinstance(s, str) and s != WRONG_TYPE))
    codes: dict[Scalar, int] = {text: code for code, text in enumerate(dictionary)}
    codes |= {None: CategoricalValues.NULL, WRONG_TYPE: CategoricalValues.WRONG}
    return CategoricalValues(codes=np.array([codes[s] for s in scalars], dtype=np.int32), dictionary=dictionary)
