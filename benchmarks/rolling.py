"""What a rolling reference costs: ``python -m benchmarks rolling``. CPU milliseconds per judged window, SQLite on disk.

Five weeks of hours of 50 columns (40 numeric, 10 of 20 categories), compared with the 336 hours of the last 14 days.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from monitor.clock import SystemClock
from monitor.core.profile import Grid, Profile, fit_categorical, fit_numeric
from monitor.core.recipes import past_of, slots
from monitor.core.reference import Reference
from monitor.core.results import Account, WindowKey
from monitor.core.rules import Model, Previous, Recipe, Rolling, Seasonal, Task
from monitor.core.schema import Batch, CategoricalValues, NumericValues
from monitor.pipeline import References, Standards
from monitor.ports import Checkpoint, Store, WindowDelta
from monitor.storage import open_store

NUMERIC, CATEGORICAL, ROWS, HOURS = 40, 10, 1000, 35 * 24
HOUR = timedelta(hours=1)
START = datetime(2024, 1, 1, tzinfo=UTC)
NAMES = tuple(f"k{i}" for i in range(20))
MODEL = Model(name="m", task=Task.BINARY, window=HOUR, allowed_lateness=0 * HOUR, min_rows=200, dedupe=False, streams=(), columns=())


def batch(rng: np.random.Generator) -> Batch:
    """One hour's rows."""
    numbers = {f"n{i}": NumericValues(values=rng.gamma(2.0, 20.0, ROWS)) for i in range(NUMERIC)}
    words = {f"c{i}": CategoricalValues(codes=rng.integers(0, 20, ROWS).astype(np.int32), dictionary=NAMES) for i in range(CATEGORICAL)}
    return Batch(offsets=np.arange(ROWS), times=np.zeros(ROWS, dtype=np.int64), versions=None, ids=None, columns=numbers | words)


def fill(store: Store) -> None:
    """A grid, and every hour's window."""
    rng = np.random.default_rng(1)
    grid = Grid({
        **{f"n{i}": fit_numeric(rng.gamma(2.0, 20.0, 50_000)) for i in range(NUMERIC)},
        **{f"c{i}": fit_categorical(NAMES) for i in range(CATEGORICAL)},
    })  # fmt: skip
    profile = Profile.empty(grid)
    profile.fold(batch(rng))
    store.add_reference(Reference(model="m", grid=grid, profile=profile, window=HOUR), activate=True, at=START)
    for hour in range(HOURS):
        window = Profile.empty(grid, sample_rows=200)
        window.fold(batch(rng), topic_seed=hour)
        key = WindowKey(model="m", version="1", start=START + hour * HOUR, end=START + (hour + 1) * HOUR)
        store.checkpoint(Checkpoint(at=START, windows=(WindowDelta(key=key, account=Account(counted=ROWS), profile=window),)))


def measure(store: Store, recipe: Recipe, hours: range) -> list[float]:
    """CPU milliseconds of finding each hour's reference, the first one from an empty memory."""
    clock, model = SystemClock(), replace(MODEL, recipe=recipe)
    standards, took = Standards(store, References(store, clock), clock), []
    for hour in hours:
        windows = store.windows("m", START + hour * HOUR)
        begun = time.process_time()
        (found,) = standards.of(model, windows).values()
        took.append((time.process_time() - begun) * 1000)
        if found.reference is None:
            raise SystemExit(f"no reference: {found.unready}{found.damage}")
    return took


def main() -> None:
    """Print a line per recipe."""
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(f"sqlite:///{Path(folder) / 'driftd.db'}")
        fill(store)
        asked = slots(Rolling(reach=14 * 24 * HOUR), START + 800 * HOUR, HOUR, past_of((), START + 800 * HOUR))
        print(f"rolling: 14d is {len(asked)} windows of {NUMERIC + CATEGORICAL} columns; CPU ms per judged window")
        for name, recipe in (
            ("rolling 14d", Rolling(reach=14 * 24 * HOUR)), ("seasonal 7d x 4", Seasonal(lag=7 * 24 * HOUR, count=4)),
            ("previous 1", Previous(windows=1)),
        ):  # fmt: skip
            took = measure(store, recipe, range(28 * 24 + 12, 32 * 24 + 12))
            print(f"  {name:16} mean {np.mean(took):8.1f}   median {np.median(took):8.1f}   largest {max(took):8.1f}")
        store.close()


if __name__ == "__main__":
    main()
