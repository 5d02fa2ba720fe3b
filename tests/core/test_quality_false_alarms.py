"""False alarms and power of the quality limits on stationary data: all kinds of columns, seeded."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from monitor.core.drift.calibration import alpha_per_window
from monitor.core.quality import judge_quality
from monitor.core.reference import Reference
from monitor.core.results import Verdict
from monitor.core.rules import Budget, QualityRules
from monitor.core.schema import CategoricalValues, Column, Kind, NumericValues, Values
from tests.core.judged import DAY, profile_of, reference_of

WINDOWS = 200
ALPHA = alpha_per_window(Budget(), DAY)  # 1 per 30 days, of day windows
Draw = Callable[[np.random.Generator, int], Values]


def numbers(draw: Callable[[np.random.Generator, int], object], nulls: float = 0.0) -> Draw:
    def drawn(rng: np.random.Generator, n: int) -> Values:
        values = np.asarray(draw(rng, n), dtype=np.float64).copy()
        values[rng.random(n) < nulls] = np.nan
        return NumericValues(values=values)

    return drawn


def names(size: int, exponent: float) -> Draw:
    """Categories with shares 1 / rank^exponent, those of a high rank rarer than a reference can know."""
    shares = np.arange(1, size + 1) ** -exponent
    edges = np.cumsum(shares / shares.sum())
    dictionary = tuple(f"c{i}" for i in range(size))

    def drawn(rng: np.random.Generator, n: int) -> Values:
        codes = np.minimum(edges.searchsorted(rng.random(n)), size - 1)
        return CategoricalValues(codes=codes.astype(np.int32), dictionary=dictionary)

    return drawn


COLUMNS: dict[str, Draw] = {
    "normal": numbers(lambda rng, n: rng.normal(0, 1, n)),
    "uniform": numbers(lambda rng, n: rng.uniform(0, 1, n)),
    "gamma": numbers(lambda rng, n: rng.gamma(2, 20, n), nulls=0.05),
    "lognormal": numbers(lambda rng, n: rng.lognormal(0, 2, n), nulls=0.5),
    "cauchy": numbers(lambda rng, n: rng.standard_cauchy(n)),
    "student": numbers(lambda rng, n: rng.standard_t(3, n), nulls=0.001),
    "poisson": numbers(lambda rng, n: rng.poisson(3, n)),
    "geometric": numbers(lambda rng, n: rng.geometric(0.1, n)),
    "whole": numbers(lambda rng, n: np.round(rng.normal(0, 5000, n))),
    "mostly zero": numbers(lambda rng, n: rng.exponential(1, n) * (rng.random(n) < 0.05)),
    "rare flag": numbers(lambda rng, n: rng.random(n) < 0.01),
    "rarer flag": numbers(lambda rng, n: rng.random(n) < 0.001),
    "constant": numbers(lambda rng, n: np.full(n, 7.0)),
    "hours": numbers(lambda rng, n: rng.integers(0, 24, n)),
    "two": names(2, 1.0),
    "five": names(5, 1.0),
    "fifty": names(50, 1.0),
    "long tail": names(300, 1.5),
    "endless": names(5000, 1.2),
    "one mostly": names(20, 4.0),
}
KINDS = tuple(
    Column(name=name, kind=Kind.NUMERIC if isinstance(draw(np.random.default_rng(0), 1), NumericValues) else Kind.CATEGORICAL)
    for name, draw in COLUMNS.items()
)


def window(rng: np.random.Generator, n: int) -> dict[str, Values]:
    return {name: draw(rng, n) for name, draw in COLUMNS.items()}


def alarms(reference: Reference, data: dict[str, Values]) -> list[tuple[str | None, str, float | None, float | None]]:
    found = judge_quality(KINDS, profile_of(reference.grid, data), reference, QualityRules(), ALPHA)
    assert {f.verdict for f in found} <= {Verdict.OK, Verdict.ALERT}
    return [(f.column, f.metric, f.value, f.threshold) for f in found if f.verdict is Verdict.ALERT]


@pytest.mark.parametrize(("n", "reference_windows", "told"), [
    (1_000, 15, True), (1_000, 15, False), (1_000, 1, False), (200, 5, True), (10_000, 5, True), (10_000, 1, False),
])  # fmt: skip
def test_stationary_windows_raise_no_more_alarms_than_the_budget_allows(n: int, reference_windows: int, told: bool) -> None:
    rng = np.random.default_rng([n, reference_windows, told])
    reference = reference_of([window(rng, n) for _ in range(reference_windows)], with_windows=told)
    found = [alarm for _ in range(WINDOWS) for alarm in alarms(reference, window(rng, n))]
    budget = WINDOWS * ALPHA
    assert len(found) <= budget + 3 * math.sqrt(budget), found


def broken(rng: np.random.Generator, n: int, name: str, instead: object, share: float) -> dict[str, Values]:
    """A window in which a share of a column's rows has another value."""
    data, hit = window(rng, n), rng.random(n) < share
    column = data[name]
    if isinstance(column, NumericValues):
        data[name] = NumericValues(values=np.where(hit, instead, column.values))  # type: ignore[arg-type]  # a number
    else:
        codes = np.where(hit, len(column.dictionary), column.codes).astype(np.int32)
        data[name] = CategoricalValues(codes=codes, dictionary=(*column.dictionary, str(instead)))
    return data


@pytest.mark.parametrize(("n", "least"), [(1_000, 0.93), (10_000, 1.0)])
@pytest.mark.parametrize(
    ("name", "metric", "instead", "share"),
    [
        ("normal", "null_share", math.nan, 0.05),
        ("student", "null_share", math.nan, 0.05),
        ("fifty", "unseen_share", "new", 0.02),
        ("two", "unseen_share", "new", 0.02),
        ("uniform", "out_of_range_share", -1.0, 0.02),
        ("hours", "out_of_range_share", 99.0, 0.02),
        ("normal", "out_of_range_share", 1e9, 0.02),
        ("poisson", "same_value_share", 0.0, 0.99),
        ("mostly zero", "same_value_share", 0.0, 1.0),
        ("five", "same_value_share", "unknown", 0.97),
    ],
)
def test_what_is_broken_is_seen(n: int, least: float, name: str, metric: str, instead: object, share: float) -> None:
    rng = np.random.default_rng([n, len(name), len(metric)])
    reference = reference_of([window(rng, n) for _ in range(10)])
    seen = [any(a[:2] == (name, metric) for a in alarms(reference, broken(rng, n, name, instead, share))) for _ in range(30)]
    assert np.mean(seen) >= least
