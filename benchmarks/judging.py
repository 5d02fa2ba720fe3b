"""What a verdict costs: 100 columns from two profiles, whatever the row count; and Evidently's report on 100k × 50 rows in the same run."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd

from monitor.core.drift.calibration import build_baseline
from monitor.core.evaluate import Subject, evaluate
from monitor.core.profile import Grid, Profile, fit_categorical, fit_numeric
from monitor.core.reference import Reference
from monitor.core.results import Account, WindowKey
from monitor.core.rules import Model, Task
from monitor.core.schema import Batch, CategoricalValues, NumericValues, Values

DAY = timedelta(days=1)
START = datetime(2024, 1, 1, tzinfo=UTC)
WINDOWS, WINDOW_ROWS = 28, 1000
REPORT_ROWS, REPORT_COLUMNS = 100_000, 50
LETTERS = tuple("abcdefghij")


def frame(columns: int, rows: int, seed: int) -> pd.DataFrame:
    """Seven of ten columns are numbers."""
    rng = np.random.default_rng(seed)
    numbers = {f"n{i}": rng.normal(i, 1, rows) for i in range(columns * 7 // 10)}
    return pd.DataFrame({**numbers, **{f"c{i}": rng.choice(LETTERS, rows) for i in range(columns - len(numbers))}})


def profile_of(grid: Grid, rows: pd.DataFrame) -> Profile:
    columns: dict[str, Values] = {}
    for name in rows.columns:
        if name.startswith("n"):
            columns[name] = NumericValues(values=rows[name].to_numpy())
        else:
            codes, texts = pd.factorize(rows[name])
            columns[name] = CategoricalValues(codes=codes.astype(np.int32), dictionary=tuple(map(str, texts)))
    profile, size = Profile.empty(grid), len(rows)
    profile.fold(Batch(offsets=np.arange(size), times=np.zeros(size, dtype=np.int64), versions=None, ids=None, columns=columns))
    return profile


def reference_of(columns: int) -> Reference:
    days = [frame(columns, WINDOW_ROWS, seed) for seed in range(WINDOWS)]
    rows = pd.concat(days)
    grid = Grid({
        name: fit_numeric(rows[name].to_numpy()) if name.startswith("n") else fit_categorical(list(rows[name])) for name in rows.columns
    })
    windows = [profile_of(grid, day) for day in days]
    total = windows[0]
    for window in windows[1:]:
        total = total.merge(window)
    baseline = build_baseline(windows, total, [START + i * DAY for i in range(WINDOWS)])
    return Reference(model="m", grid=grid, profile=total, baseline=baseline, window=DAY)


def judged(reference: Reference, profile: Profile) -> Callable[[], object]:
    rules = Model(
        name="m", task=Task.BINARY, window=DAY, allowed_lateness=timedelta(0), min_rows=1, dedupe=False, streams=(), columns=()
    )
    key = WindowKey(model="m", version="*", start=START, end=START + DAY)
    subject = Subject(key=key, account=Account(counted=profile.rows), profile=profile, reference=reference)
    return lambda: evaluate(subject, rules)


def seconds(call: Callable[[], object], repeats: int) -> float:
    """CPU seconds of the fastest call."""
    best = float("inf")
    for _ in range(repeats):
        began = time.process_time()
        call()
        best = min(best, time.process_time() - began)
    return best


def evidently(columns: int) -> Callable[[], object]:
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    before, now = frame(columns, REPORT_ROWS, 1), frame(columns, REPORT_ROWS, 2)
    numbers = [name for name in before.columns if name.startswith("n")]
    kinds = DataDefinition(numerical_columns=numbers, categorical_columns=[name for name in before.columns if name not in numbers])
    return lambda: Report([DataDriftPreset()]).run(
        Dataset.from_pandas(now, data_definition=kinds), Dataset.from_pandas(before, data_definition=kinds)
    )


def main() -> None:
    warnings.filterwarnings("ignore")  # Evidently's and its libraries' own
    reference = reference_of(100)
    small = profile_of(reference.grid, frame(100, 10_000, 99))
    large = small
    for _ in range(7):
        large = large.merge(large)
    for profile in (small, large):
        print(f"100 columns, window of {profile.rows:>9,} rows: {1000 * seconds(judged(reference, profile), 20):.1f} ms for all verdicts")
    fifty = reference_of(REPORT_COLUMNS)
    ours = seconds(judged(fifty, profile_of(fifty.grid, frame(REPORT_COLUMNS, REPORT_ROWS, 2))), 20)
    theirs = seconds(evidently(REPORT_COLUMNS), 1)
    said = f"driftd {1000 * ours:.1f} ms, Evidently's DataDriftPreset {theirs:.1f} s"
    print(f"{REPORT_COLUMNS} columns × {REPORT_ROWS:,} rows: {said}: {theirs / ours:,.0f} ×")


if __name__ == "__main__":
    main()
