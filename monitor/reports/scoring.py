"""Evidently's stat tests on one column. Runs in the worker only."""

from __future__ import annotations

import random
from importlib.metadata import version

import numpy as np
import pandas as pd
from evidently import ColumnType
from evidently.legacy.calculations.stattests import registry

from monitor.reports import wire

SEED = 0
"""Some tests permute: the same samples give the same score."""


def known() -> wire.Known:
    """The tests that can be asked for."""
    return wire.Known(version=version("evidently"), names=sorted(registry._registered_stat_tests))


def score(request: wire.Test) -> wire.Answer:
    """One test on one column, its values without those that are missing."""
    column = request.column
    kind = ColumnType.Numerical if column.numeric else ColumnType.Categorical
    try:
        test = registry.get_registered_stattest(request.name, kind)
    except registry.StatTestInvalidFeatureTypeError:
        return wire.Unfit()
    except registry.StatTestNotFoundError:
        return wire.Failed(why=f"Evidently has no test {request.name!r}; it has {', '.join(known().names)}")
    random.seed(SEED)
    np.random.seed(SEED)
    result = test(series(column.reference, column.numeric), series(column.window, column.numeric), kind, request.threshold)
    return wire.Score(score=float(result.drift_score), drifted=bool(result.drifted), threshold=float(result.actual_threshold))


def series(values: list[float | str | None], numeric: bool) -> pd.Series[float | str]:
    """The values that are there, as Evidently takes them."""
    kept = [value for value in values if value is not None]
    made: pd.Series[float | str] = pd.Series(kept, dtype="float64" if numeric else "object")
    return made
