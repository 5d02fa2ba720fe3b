"""Profiles, references and subjects for the tests of checks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np

from monitor.core.drift.calibration import build_baseline
from monitor.core.evaluate import Subject
from monitor.core.profile import CategoricalGrid, Grid, NumericGrid, Profile, fit_categorical, fit_numeric
from monitor.core.reference import Reference
from monitor.core.results import Account, Check, Result, WindowKey
from monitor.core.rules import Model, Task
from monitor.core.schema import CategoricalValues, Column, Kind, NumericValues, Role, Values
from tests.core.profile_batches import batch_of

DAY = timedelta(days=1)
START = datetime(2024, 3, 1, tzinfo=UTC)
Data = Mapping[str, Values]

RULES = Model(
    name="m", task=Task.BINARY, window=DAY, allowed_lateness=timedelta(0), min_rows=100, dedupe=False, streams=(), columns=()
)


def numeric(values: object) -> NumericValues:
    return NumericValues(values=np.asarray(values, dtype=np.float64))


def drawn(rng: np.random.Generator, names: str, shares: Sequence[float], n: int) -> CategoricalValues:
    codes = rng.choice(len(names), n, p=shares).astype(np.int32)
    return CategoricalValues(codes=codes, dictionary=tuple(names))


def texts(values: CategoricalValues) -> list[str]:
    return [values.dictionary[code] for code in values.codes if code >= 0]


def grid_for(data: Sequence[Data]) -> Grid:
    """The grid that a reference of these windows has."""
    columns: dict[str, NumericGrid | CategoricalGrid] = {}
    for name, first in data[0].items():
        if isinstance(first, NumericValues):
            columns[name] = fit_numeric(np.concatenate([np.asarray(d[name].values) for d in data]))  # type: ignore[union-attr]
        else:
            columns[name] = fit_categorical([t for d in data for t in texts(d[name])])  # type: ignore[arg-type]
    return Grid(columns)


def profile_of(grid: Grid, data: Data) -> Profile:
    profile = Profile.empty(grid)
    if data:
        profile.fold(batch_of(dict(data)))
    return profile


def reference_of(data: Sequence[Data], *, with_windows: bool = True, grid: Grid | None = None) -> Reference:
    """A reference whose windows are ``data``."""
    grid = grid or grid_for(data)
    windows = [profile_of(grid, d) for d in data]
    total = windows[0]
    for window in windows[1:]:
        total = total.merge(window)
    baseline = build_baseline(windows, total) if with_windows else None
    return Reference(model="m", version="1", grid=grid, profile=total, baseline=baseline, window=DAY)


def key_of(day: int = 0) -> WindowKey:
    return WindowKey(model="m", version="1", start=START + day * DAY, end=START + (day + 1) * DAY)


def subject_of(reference: Reference | None, data: Data, *, day: int = 0, account: Account | None = None) -> Subject:
    grid = grid_for([data]) if reference is None else reference.grid
    profile = profile_of(grid, data)
    return Subject(
        key=key_of(day),
        account=account or Account(counted=profile.rows),
        profile=profile if profile.rows else None,
        reference=reference,
        known_versions=("1", "2"),
    )


def only(results: Sequence[Result], check: Check, column: str | None, metric: str) -> Result:
    found = [r for r in results if (r.check, r.column, r.metric) == (check, column, metric)]
    assert len(found) == 1, [(r.check, r.column, r.metric) for r in results]
    return found[0]


def rules_with(**changes: object) -> Model:
    return replace(RULES, **changes)  # type: ignore[arg-type]


def feature(name: str, kind: Kind, role: Role = Role.FEATURE) -> Column:
    return Column(name=name, kind=kind, role=role)

