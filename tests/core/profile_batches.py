"""Batches for the tests of profiles: every kind of value, and a grid that fits some of them."""

from __future__ import annotations

import numpy as np

from monitor.core.profile import BOOLEANS, CategoricalGrid, Grid, fit_numeric
from monitor.core.schema import Batch, CategoricalValues, Floats, NumericValues, State, Values

GRID = Grid(
    {
        "delay": fit_numeric(np.random.default_rng(11).gamma(2.0, 20.0, 5_000)),
        "hour": fit_numeric(np.arange(24.0)),
        "carrier": CategoricalGrid(categories=("AA", "DL", "UA")),
        "night": CategoricalGrid(categories=BOOLEANS),
    }
)


def batch_of(columns: dict[str, Values], first_offset: int = 0) -> Batch:
    size = max(len(column.values if isinstance(column, NumericValues) else column.codes) for column in columns.values())
    return Batch(
        offsets=np.arange(first_offset, first_offset + size),
        times=np.zeros(size, dtype=np.int64),
        versions=None,
        ids=None,
        columns=columns,
    )


def numbers(*values: float) -> NumericValues:
    return NumericValues(values=np.array(values, dtype=np.float64))


def categories(*texts: str | None, wrong: int = 0) -> CategoricalValues:
    dictionary = tuple(dict.fromkeys(text for text in texts if text is not None))
    codes = [CategoricalValues.NULL if text is None else dictionary.index(text) for text in texts] + [CategoricalValues.WRONG] * wrong
    return CategoricalValues(codes=np.array(codes, dtype=np.int32), dictionary=dictionary)


def rows(size: int, seed: int = 7) -> Batch:
    """Rows with everything in them: nulls, non-finite values, wrong types, outliers, -0.0, many new categories."""
    rng = np.random.default_rng(seed)
    delay: Floats = rng.gamma(2.0, 25.0, size)
    delay[rng.random(size) < 0.02] = rng.choice([1e308, -1e308, 5e-324, 0.0, -0.0, 1e12, -7e30])
    states = rng.choice(6, size, p=[0.9, 0.02, 0.02, 0.02, 0.02, 0.02]).astype(np.uint8)
    delay[states != State.VALUE] = np.nan
    hour = rng.integers(0, 26, size).astype(np.float64)
    hour[rng.random(size) < 0.05] = np.nan
    dictionary = ("UA", "AA", "x" * 300, *(f"n{i}" for i in range(900)))
    return batch_of(
        {
            "delay": NumericValues(values=delay, states=states),
            "hour": NumericValues(values=hour),
            "carrier": CategoricalValues(codes=rng.integers(-2, len(dictionary), size).astype(np.int32), dictionary=dictionary),
            "night": CategoricalValues(codes=rng.integers(-1, 2, size).astype(np.int32), dictionary=("true", "false")),
            "unknown": CategoricalValues(codes=np.zeros(size, dtype=np.int32), dictionary=("?",)),
        }
    )
