"""Windows at the ends of a reference that its data cuts: half a day is no day, and nights without traffic are no cut."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from monitor.core.rules import Model, Task
from monitor.core.schema import Column, Kind
from monitor.references import build_reference
from monitor.references.build import whole_windows

DAY, HOUR = timedelta(days=1), 3_600_000_000
DAYS = 24 * HOUR


def spans(*hours: tuple[float, float]) -> dict[int, tuple[int, int]]:
    """First and last row of each day, in hours."""
    return {i * DAYS: (i * DAYS + int(first * HOUR), i * DAYS + int(last * HOUR)) for i, (first, last) in enumerate(hours)}


@pytest.mark.parametrize(
    ("days", "whole"),
    [
        ([(0, 24)] * 5, [0, 1, 2, 3, 4]),
        ([(12, 24), *[(0, 24)] * 4], [1, 2, 3, 4]),
        ([*[(0, 24)] * 4, (0, 19)], [0, 1, 2, 3]),
        ([(6, 24), (0, 24), (0, 24), (0, 24), (0, 3)], [1, 2, 3]),
        ([(5, 23)] * 5, [0, 1, 2, 3, 4]),  # no rows at night
        ([(5, 23), (6, 22), (5, 23), (5, 22), (6, 23)], [0, 1, 2, 3, 4]),
        ([(0, 24), (0, 9), (0, 24), (0, 24)], [0, 1, 2, 3]),  # a hole inside is not a cut
        ([(12, 24), (0, 24), (0, 9)], [0, 1, 2]),  # too few to tell
    ],
)
def test_cut_windows_are_told_from_quiet_hours(days: list[tuple[float, float]], whole: list[int]) -> None:
    assert whole_windows(spans(*days), DAY) == [i * DAYS for i in whole]


def test_a_cut_day_teaches_no_limit_and_its_rows_still_count(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    start = datetime(2024, 3, 1, tzinfo=UTC)
    times = pd.date_range(start, start + 8 * DAY - timedelta(hours=9), freq="2min")
    hours = times.hour.to_numpy()
    pd.DataFrame({"ts": times, "x": rng.normal(hours / 6, 1.0)}).to_parquet(tmp_path / "r.parquet")
    model = Model(
        name="m", task=Task.BINARY, window=DAY, allowed_lateness=timedelta(0), min_rows=1, dedupe=False, streams=(),
        columns=(Column(name="x", kind=Kind.NUMERIC),),
    )  # fmt: skip
    reference = build_reference(tmp_path / "r.parquet", model, time_column="ts")
    assert reference.baseline is not None
    assert reference.baseline.window_rows == (720,) * 7
    assert max(reference.baseline.distances["x"]["ks"]) < 0.1  # the last 15 hours lie .15 away
    assert reference.profile.rows == len(times)
