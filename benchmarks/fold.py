"""What folding costs: ``python -m benchmarks.fold`` prints CPU microseconds per row of 20 columns (14 numeric, 6 categorical)."""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from datetime import timedelta

import numpy as np

from monitor.core.fold import Folder
from monitor.core.profile import CategoricalGrid, Grid, Profile, fit_numeric
from monitor.core.rules import Model, Task
from monitor.core.schema import Batch, CategoricalValues, NumericValues, Values

NUMERIC, CATEGORICAL, CATEGORIES = 14, 6, 50


def columns(rows: int, seed: int) -> dict[str, Values]:
    """Ten continuous columns, four of whole numbers, six of 50 categories."""
    rng = np.random.default_rng(seed)
    names = tuple(f"c{i:02}" for i in range(CATEGORIES))
    numeric: dict[str, Values] = {
        f"n{i}": NumericValues(values=rng.gamma(2.0, 20.0, rows) if i % 4 else rng.integers(0, 24, rows).astype(float))
        for i in range(NUMERIC)
    }
    return numeric | {
        f"c{i}": CategoricalValues(codes=rng.integers(0, CATEGORIES, rows).astype(np.int32), dictionary=names) for i in range(CATEGORICAL)
    }


def grid() -> Grid:
    """Fitted to 100,000 rows of the same kind."""
    reference = columns(100_000, 0)
    return Grid(
        {
            name: fit_numeric(values.values) if isinstance(values, NumericValues) else CategoricalGrid(categories=values.dictionary)
            for name, values in reference.items()
        }
    )


def cut(whole: dict[str, Values], batch_rows: int, batches: int) -> list[Batch]:
    """The rows in batches of so many each."""
    return [
        Batch(
            offsets=np.arange(at, at + batch_rows),
            times=np.zeros(batch_rows, dtype=np.int64),
            versions=None,
            ids=None,
            columns={name: values.take(np.arange(at, at + batch_rows)) for name, values in whole.items()},
        )
        for at in range(0, batch_rows * batches, batch_rows)
    ]


def measure(batch_rows: int, batches: int, sample_rows: int) -> float:
    """CPU microseconds per row."""
    parts = cut(columns(batch_rows * batches, 1), batch_rows, batches)
    profile = Profile.empty(grid(), sample_rows)
    started = time.process_time()
    for part in parts:
        profile.fold(part, topic_seed=1)
    return (time.process_time() - started) / (batch_rows * batches) * 1e6


def batches_of(batch_rows: int, batches: int, values: int) -> list[Batch]:
    """As above, with one column more, ``s``, of so many values."""
    whole = columns(batch_rows * batches, 1)
    codes = np.random.default_rng(2).integers(0, values, batch_rows * batches).astype(np.int32)
    whole["s"] = CategoricalValues(codes=codes, dictionary=tuple(f"s{i:02}" for i in range(values)))
    return cut(whole, batch_rows, batches)


def measure_segments(batch_rows: int, batches: int, values: int, *, apart: bool) -> float:
    """CPU microseconds per row of a folder, whose rows are kept apart by the values of ``s``, or not."""
    parts, of = batches_of(batch_rows, batches, values), FOLDED if apart else replace(FOLDED, segments=())
    names = tuple(f"s{i:02}" for i in range(values))
    on = Grid({**grid().columns, "s": CategoricalGrid(categories=names)})
    folder = Folder(of, lambda _: on, own_of=lambda _: {"s": names})
    folder.assign(("t", 0), seed=1, max_time=None, seen={})
    started = time.process_time()
    for part in parts:
        folder.fold(("t", 0), part)
    folder.drain()
    return (time.process_time() - started) / (batch_rows * batches) * 1e6


FOLDED = Model(
    name="m", task=Task.BINARY, window=timedelta(days=1), allowed_lateness=timedelta(0), min_rows=1, dedupe=False, streams=(), columns=(),
    segments=("s",),
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000, help="rows to fold for each batch size")
    rows = parser.parse_args().rows
    for batch_rows in (500, 5_000, 50_000):
        cost = min(measure(batch_rows, max(rows // batch_rows, 1), sample_rows=200) for _ in range(3))
        print(f"batches of {batch_rows:6}: {cost:.2f} µs/row of {NUMERIC + CATEGORICAL} columns")
        plain = min(measure_segments(batch_rows, max(rows // batch_rows, 1), 3, apart=False) for _ in range(3))
        for values in (3, 50):
            apart = min(measure_segments(batch_rows, max(rows // batch_rows, 1), values, apart=True) for _ in range(3))
            print(f"  and a segment column of {values:2} values: {apart:.2f} µs/row, {apart / plain:.2f} times {plain:.2f} without it")


if __name__ == "__main__":
    main()
