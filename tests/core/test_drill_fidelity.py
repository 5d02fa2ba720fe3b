"""What a drill says of a fault in a profile is what would be said of rows with the fault, folded anew."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pandas as pd
import pytest

from monitor.core.drill import FAULTS, Fault, FaultName, Size
from monitor.core.drill.category import NAME
from monitor.core.drill.inject import injected
from monitor.core.drill.moved import quantile_value, whole_numbers
from monitor.core.drill.scene import alerts_of
from monitor.core.drill.shift import offset_of
from monitor.core.evaluate import Subject, evaluate
from monitor.core.profile import NumericProfile
from monitor.core.reference import Reference
from monitor.core.schema import CategoricalValues, NumericValues
from monitor.demo.flights import load_flights
from monitor.demo.scenario import CATEGORICAL_FEATURES, NUMERIC_FEATURES
from tests.core.judged import RULES, Data, numeric, profile_of, reference_of, subject_of

Rows = dict[str, np.ndarray]
LEAST = 0.95
"""Of the verdicts that must agree. Where rows are hit at random they differ by the draw alone."""
FINE = replace(FAULTS[FaultName.SHIFT], sizes=tuple(Size(value=size, text=f"{size:g} sd") for size in (0.02, 0.04, 0.06, 0.08, 0.1, 0.15)))
"""Shifts about as large as what is just seen."""
OF_ROWS = (FaultName.NULLS, FaultName.CONSTANT, FaultName.NEW_CATEGORY, FaultName.RECASE, FaultName.TRUNCATE)
FAULTS_OF_ROWS = tuple(FAULTS[name] for name in OF_ROWS)
MOVES = (FINE, FAULTS[FaultName.SHIFT], FAULTS[FaultName.SCALE])


def data_of(rows: Rows) -> Data:
    found: dict[str, NumericValues | CategoricalValues] = {}
    for name, values in rows.items():
        if values.dtype == object:
            codes, texts = pd.factorize(values)
            found[name] = CategoricalValues(codes=codes.astype(np.int32), dictionary=tuple(map(str, texts)))
        else:
            found[name] = numeric(values)
    return found


@lru_cache(maxsize=1)
def flights() -> tuple[list[Rows], list[Rows]]:
    """The days of January and February, and those of March."""
    frame = load_flights().frame
    days = [{name: day[name].to_numpy(dtype=object if name in CATEGORICAL_FEATURES else float)
             for name in (*NUMERIC_FEATURES, *CATEGORICAL_FEATURES)} for _, day in frame.groupby(frame["departed_at"].dt.floor("1D"))]
    return days[1:59], days[60:91]


def made_up() -> tuple[list[Rows], list[Rows]]:
    """Shapes that grids are hard on: two humps, many zeros, long tails, few whole numbers, rounded numbers."""
    rng = np.random.default_rng(7)

    def day(_: int) -> Rows:
        n = int(rng.integers(600, 1400))
        return {
            "humps": np.where(rng.random(n) < 0.5, rng.normal(-3, 1, n), rng.normal(3, 1, n)),
            "zeros": np.where(rng.random(n) < 0.6, 0.0, rng.gamma(2, 10, n)),
            "tail": rng.lognormal(3, 1.2, n),
            "few": rng.poisson(4, n).astype(float),
            "rounded": np.round(rng.gamma(2, 40, n), 1),
            "uniform": rng.uniform(0, 1, n),
        }

    return [day(i) for i in range(40)], [day(i) for i in range(15)]


def broken(rows: Rows, reference: Reference, name: str, fault: Fault, size: float) -> Rows | None:
    """The rows with the fault in one column; None where the column has none."""
    there, rng, values = reference.profile.columns[name], np.random.default_rng(1), rows[name]
    struck = rng.permutation(len(values)) < round(size * len(values)) if fault.name not in (FaultName.SHIFT, FaultName.SCALE) else None
    number = isinstance(there, NumericProfile)
    match fault.name:
        case FaultName.SHIFT if isinstance(there, NumericProfile):
            offset = offset_of(there, size, whole=whole_numbers(there))
            return None if offset is None else {**rows, name: values + float(offset)}
        case FaultName.SCALE if number:
            return {**rows, name: values * size}
        case FaultName.NULLS:
            return {**rows, name: np.where(struck, np.nan if number else None, values)}
        case FaultName.CONSTANT if isinstance(there, NumericProfile):
            return {**rows, name: np.where(struck, quantile_value(there, 0.5), values)}
        case FaultName.CONSTANT:
            return {**rows, name: np.where(struck, there.grid.categories[int(there.counts.argmax())], values)}
        case FaultName.NEW_CATEGORY if not number:
            return {**rows, name: np.where(struck, NAME, values)}
        case FaultName.RECASE if not number:
            return {**rows, name: np.array([text.lower() for text in values], dtype=object)}
        case FaultName.TRUNCATE if not number:
            longest = max(map(len, there.grid.categories)) // 2
            return {**rows, name: np.array([text[:max(longest, 1)] for text in values], dtype=object)}
        case _:
            return None


def verdicts(subject: Subject, name: str) -> bool:
    return any(column in (name, "") for _, _, _, column, _ in alerts_of(evaluate(subject, RULES)))


def agreement(reference_days: list[Rows], days: list[Rows], faults: tuple[Fault, ...]) -> tuple[int, int, list[str]]:
    """Verdicts that agree, of all, and those that do not."""
    reference = reference_of([data_of(day) for day in reference_days])
    same, total, others = 0, 0, []
    for at, day in enumerate(days):
        before = subject_of(reference, data_of(day))
        assert before.profile is not None
        for column in day:
            for fault in faults:
                for size in fault.sizes:
                    real = broken(day, reference, column, fault, size.value)
                    profile = injected(before.profile, reference.profile, column, fault, size.value)
                    if real is None or profile is None:
                        assert real is None, "a fault of rows has one of profiles"
                        continue
                    theirs = verdicts(replace(before, profile=profile_of(reference.grid, data_of(real))), column)
                    ours = verdicts(replace(before, profile=profile), column)
                    same, total = same + (ours == theirs), total + 1
                    others += [] if ours == theirs else [f"{at} {column} {fault.name} {size.text}: {ours} {theirs}"]
    return same, total, others


@pytest.mark.parametrize(("days", "faults", "every", "least"), [
    (flights, MOVES, 1, 700),
    (flights, FAULTS_OF_ROWS, 4, 500),
    (made_up, MOVES, 1, 1000),
    (made_up, FAULTS_OF_ROWS, 2, 400),
])
def test_verdicts_on_profiles_agree_with_those_on_rows(days: Callable[[], tuple[list[Rows], list[Rows]]], faults, every, least):
    reference, judged = days()
    same, total, others = agreement(reference, judged[::every], faults)
    print(f"{same} of {total} verdicts agree ({same / total:.2%})", *others, sep="\n")
    assert total >= least
    assert same / total >= LEAST, others


def test_the_curve_of_shifted_numbers_is_near_that_of_shifted_rows():
    """D between both, in shares of the rows: the fullest bin that is not one value has .5 %."""
    reference_days, days = made_up()
    reference = reference_of([data_of(day) for day in reference_days])
    worst = 0.0
    for day in days:
        for column in day:
            here = profile_of(reference.grid, data_of(day)).columns[column]
            for size in FAULTS[FaultName.SHIFT].sizes:
                real = broken(day, reference, column, FAULTS[FaultName.SHIFT], size.value)
                inject = FAULTS[FaultName.SHIFT].inject
                found = None if inject is None else inject(here, reference.profile.columns[column], size.value)
                if real is None or found is None:
                    continue
                there = profile_of(reference.grid, data_of(real)).columns[column]
                assert isinstance(found.column, NumericProfile)
                assert isinstance(there, NumericProfile)
                worst = max(worst, float(np.abs(found.column.cdf - there.cdf).max()))
    print(f"the largest gap is {worst:.4f}")
    assert worst < 0.02


