"""False alarms where nothing changed, and what is seen where something did: driftd beside Evidently's defaults and "p < .05".

Twenty columns (14 numeric, 6 categorical) of made-up traffic: independent rows in windows of 1k, 10k and 100k, days with a weekly rhythm
and hours with a daily one, both with weather that lasts (autoregressive). Every tool sees the same windows. Then faults, with and without
0.01 % of poisoned rows. Deterministic: everything is seeded. ``--quick``: fewer windows, no 100k.
"""

from __future__ import annotations

import math
import sys
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.verdicts import CHECKS, LEVEL, alerting, header, incidents, row
from monitor.core.drift.calibration import build_baseline
from monitor.core.evaluate import Subject, evaluate
from monitor.core.profile import Grid, Profile, fit_categorical, fit_numeric
from monitor.core.reference import Reference
from monitor.core.results import Account, Result, Verdict, WindowKey
from monitor.core.rules import Budget, Model, Task
from monitor.core.schema import Batch, CategoricalValues, Floats, Ints, NumericValues, Values

QUICK = "--quick" in sys.argv
SEED = 41
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
MONDAY = datetime(2024, 1, 1, tzinfo=UTC)
REFERENCE_ROWS = 100_000  # rows of the reference that the tools of raw rows are given
GRID_ROWS = 200_000  # rows that the grid is fitted to
POISON = 1e-4  # share of rows
FAULTY = 20 if QUICK else 60  # windows with each fault
BLOCK = 10  # windows of a run in which the first alarm is waited for
SIZES = (2, 3, 5, 10, 20, 50)  # categories of the categorical columns
RUBBISH = "###"

Rows = dict[str, Floats | Ints]
"""A window: numbers, or codes of categories, by column."""


# --- the traffic ---------------------------------------------------------------------------------------------


def gamma(rng: np.random.Generator, n: int) -> Floats:
    return rng.gamma(2.0, 1.0, n)


NUMBERS: Mapping[str, Callable[[np.random.Generator, int], Floats]] = {
    "normal": lambda rng, n: rng.normal(0, 1, n),
    "normal_2": lambda rng, n: rng.normal(50, 12, n),
    "gamma": gamma,
    "gamma_2": lambda rng, n: 100 * gamma(rng, n),
    "lognormal": lambda rng, n: rng.lognormal(3, 1, n),
    "exponential": lambda rng, n: rng.exponential(5, n),
    "uniform": lambda rng, n: rng.random(n),
    "student": lambda rng, n: rng.standard_t(3, n),
    "bimodal": lambda rng, n: rng.normal(0, 1, n) + 5 * (rng.random(n) < 0.4),
    "poisson": lambda rng, n: rng.poisson(3, n).astype(float),
    "count": lambda rng, n: rng.geometric(0.2, n).astype(float),
    "mostly_zero": lambda rng, n: rng.exponential(10, n) * (rng.random(n) < 0.3),
    "flag": lambda rng, n: (rng.random(n) < 0.3).astype(float),
    "rounded": lambda rng, n: np.round(rng.normal(20, 5, n)),
}
CATEGORIES = {f"k{size}": tuple(f"{size}-{i}" for i in range(size)) for size in SIZES}
NAMES = (*NUMBERS, *CATEGORIES)
DEVIATIONS = {name: float(draw(np.random.default_rng(0), 200_000).std()) for name, draw in NUMBERS.items()}


def shares(size: int, tilt: float = 0.0) -> Floats:
    """Zipf's, tilted: the first category gains ``tilt``."""
    p = 1 / np.arange(1, size + 1)
    p /= p.sum()
    p[0], p[1:] = p[0] + tilt, p[1:] * (1 - tilt / (1 - p[0]))
    return p


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """``season`` and ``weather``: how far a window lies by rhythm and by chance, in standard deviations, or tenths of the first category.

    ``lasting``: how much of the weather is still there in the next window.
    """

    name: str
    rows: int
    window: timedelta
    reference: int
    judged: int
    season: Callable[[datetime], float] = lambda _start: 0.0
    weather: float = 0.0
    lasting: float = 0.0

    def windows(self, count: int, first: int, seed: int) -> list[tuple[datetime, Rows]]:
        rng = np.random.default_rng([SEED, seed])
        weather, found = np.zeros(len(NAMES)), []
        for at in range(first, first + count):
            start = MONDAY + at * self.window
            weather = self.lasting * weather + math.sqrt(1 - self.lasting**2) * rng.normal(0, 1, len(NAMES))
            found.append((start, draw(rng, self.rows, self.season(start) + self.weather * weather)))
        return found


def draw(rng: np.random.Generator, n: int, moved: Floats | float = 0.0) -> Rows:
    moved = np.broadcast_to(moved, len(NAMES))
    numbers = {name: make(rng, n) + lattice(name, float(m)) for (name, make), m in zip(NUMBERS.items(), moved, strict=False)}
    codes = {
        name: rng.choice(len(texts), n, p=shares(len(texts), 0.1 * float(np.clip(m, -1, 1)))).astype(np.int32)
        for (name, texts), m in zip(CATEGORIES.items(), moved[len(NUMBERS) :], strict=True)
    }
    return {**numbers, **codes}


def lattice(name: str, moved: float) -> float:
    """Columns of whole numbers do not drift with the weather: a lattice that moves is another column."""
    return 0.0 if name in ("poisson", "count", "mostly_zero", "flag", "rounded") else moved * DEVIATIONS[name]


def weekend(start: datetime) -> float:
    return 0.4 if start.weekday() >= 5 else 0.0


def daytime(start: datetime) -> float:
    return 0.5 * math.sin(2 * math.pi * start.hour / 24)


def traffics() -> list[Traffic]:
    days = 60 if QUICK else 210
    found = [
        Traffic(name=f"independent rows, {n:,} a day", rows=n, window=DAY, reference=28, judged=days)
        for n in ((1000, 10_000) if QUICK else (1000, 10_000, 100_000))
    ]
    week = Traffic(
        name="days with a weekly rhythm and lasting weather, 5,000 rows", rows=5000, window=DAY, reference=56, judged=days,
        season=weekend, weather=0.1, lasting=0.5,
    )  # fmt: skip
    hours = Traffic(
        name="hours with a daily rhythm and lasting weather, 1,000 rows", rows=1000, window=HOUR, reference=24 * 21,
        judged=24 * (5 if QUICK else 30), season=daytime, weather=0.1, lasting=0.8,
    )  # fmt: skip
    return [*found, week, hours]


# --- the tools -----------------------------------------------------------------------------------------------


def values_of(rows: Rows) -> dict[str, Values]:
    found: dict[str, Values] = {name: NumericValues(values=np.asarray(rows[name], dtype=np.float64)) for name in NUMBERS}
    for name, texts in CATEGORIES.items():
        found[name] = CategoricalValues(codes=np.asarray(rows[name], dtype=np.int32), dictionary=(*texts, RUBBISH))
    return found


def profile_of(grid: Grid, rows: Rows) -> Profile:
    size = len(rows["normal"])
    profile = Profile.empty(grid)
    profile.fold(Batch(offsets=np.arange(size), times=np.zeros(size, dtype=np.int64), versions=None, ids=None, columns=values_of(rows)))
    return profile


class Driftd:
    """The package itself, with a reference of windows; ``None`` of a result means that it was not decided."""

    def __init__(self, traffic: Traffic, reference: list[tuple[datetime, Rows]]) -> None:
        some = reference[: max(GRID_ROWS // traffic.rows, 1)]
        numbers = {name: fit_numeric(np.concatenate([rows[name] for _, rows in some])) for name in NUMBERS}
        codes = {name: np.concatenate([rows[name] for _, rows in some]) for name in CATEGORIES}
        texts = {name: fit_categorical([CATEGORIES[name][code] for code in codes[name]]) for name in CATEGORIES}
        grid = Grid({**numbers, **texts})
        windows = [profile_of(grid, rows) for _, rows in reference]
        total = windows[0]
        for window in windows[1:]:
            total = total.merge(window)
        baseline = build_baseline(windows, total, [start for start, _ in reference])
        self.reference = Reference(model="m", grid=grid, profile=total, baseline=baseline, window=traffic.window)
        self.rules = Model(
            name="m", task=Task.BINARY, window=traffic.window, allowed_lateness=timedelta(0), min_rows=100, dedupe=False,
            streams=(), columns=(),
        )  # fmt: skip

    def judge(self, start: datetime, rows: Rows) -> tuple[Result, ...]:
        profile = profile_of(self.reference.grid, rows)
        key = WindowKey(model="m", version="*", start=start, end=start + self.rules.window)
        return evaluate(Subject(key=key, account=Account(counted=profile.rows), profile=profile, reference=self.reference), self.rules)

    def alarms(self, start: datetime, rows: Rows) -> set[str]:
        return {result.column or "*" for result in alerting(self.judge(start, rows))}


class RawRows:
    """Tools that compare rows: they are given the reference's last ``REFERENCE_ROWS`` rows."""

    def __init__(self, reference: list[tuple[datetime, Rows]]) -> None:
        self.before = {name: np.concatenate([rows[name] for _, rows in reference])[-REFERENCE_ROWS:] for name in NAMES}

    def alarms(self, _start: datetime, rows: Rows) -> set[str]:
        return {name for name in NAMES if self.alarm(name, self.before[name], rows[name])}

    def alarm(self, name: str, before: Any, now: Any) -> bool:
        raise NotImplementedError


class Evidently(RawRows):
    """Its default stat test and threshold per column."""

    def __init__(self, reference: list[tuple[datetime, Rows]]) -> None:
        super().__init__(reference)
        from evidently import ColumnType
        from evidently.legacy.calculations.stattests.registry import get_stattest

        self.kinds = {name: ColumnType.Numerical if name in NUMBERS else ColumnType.Categorical for name in NAMES}
        self.series = {name: pd.Series(values) for name, values in self.before.items()}
        self.tests = {name: get_stattest(self.series[name], self.series[name][:1000], self.kinds[name], None) for name in NAMES}

    def alarm(self, name: str, before: Any, now: Any) -> bool:  # noqa: ARG002 - it keeps its own series of them
        test = self.tests[name]
        return bool(test.func(self.series[name], pd.Series(now).dropna(), self.kinds[name], test.default_threshold)[1])


class Significance(RawRows):
    """Two-sample Kolmogorov-Smirnov for numbers, chi-square for categories, each at p < .05."""

    def alarm(self, name: str, before: Any, now: Any) -> bool:
        from scipy import stats

        if name in NUMBERS:
            return bool(stats.ks_2samp(before, now[~np.isnan(now)]).pvalue < LEVEL)
        counts = np.stack([np.bincount(side[side >= 0], minlength=len(CATEGORIES[name]) + 1) for side in (before, now)])
        return bool(stats.chi2_contingency(counts[:, counts.sum(axis=0) > 0]).pvalue < LEVEL)


# --- faults --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Fault:
    """``columns``: those it strikes, each is counted; ``strike`` changes a window."""

    name: str
    columns: tuple[str, ...]
    strike: Callable[[Rows, np.random.Generator], Rows]


def shifted(sd: float) -> Fault:
    columns = ("normal", "gamma")
    return Fault(name=f"shift by {sd:g} sd", columns=columns, strike=lambda rows, _rng: {c: rows[c] + sd * DEVIATIONS[c] for c in columns})


def moved(rows: Rows, rng: np.random.Generator, column: str, points: float) -> Rows:
    """A share of all rows goes from the first category to the second."""
    codes = rows[column].copy()
    first = np.flatnonzero(codes == 0)
    codes[rng.permutation(first)[: round(points * len(codes))]] = 1
    return {column: codes}


def instead(rows: Rows, rng: np.random.Generator, column: str, share: float, value: float) -> Rows:
    return {column: np.where(rng.random(len(rows[column])) < share, value, rows[column]).astype(rows[column].dtype)}


FAULTS = (
    *(shifted(sd) for sd in (0.1, 0.2, 0.5, 1.0)),
    Fault(name="5-point move, 2 categories", columns=("k2",), strike=lambda rows, rng: moved(rows, rng, "k2", 0.05)),
    Fault(name="5-point move, 10 categories", columns=("k10",), strike=lambda rows, rng: moved(rows, rng, "k10", 0.05)),
    Fault(name="5 % nulls", columns=("normal",), strike=lambda rows, rng: instead(rows, rng, "normal", 0.05, np.nan)),
    Fault(name="one new category, 3 %", columns=("k5",), strike=lambda rows, rng: instead(rows, rng, "k5", 0.03, 5)),
    Fault(name="unit change, ×100", columns=("gamma",), strike=lambda rows, _rng: {"gamma": rows["gamma"] * 100}),
    Fault(
        name="two columns swapped", columns=("exponential", "lognormal"),
        strike=lambda rows, _rng: {"exponential": rows["lognormal"], "lognormal": rows["exponential"]},
    ),
)  # fmt: skip


def poisoned(rows: Rows, rng: np.random.Generator) -> Rows:
    """0.01 % of the rows, at least one, hold 1e9, -1e9 or 1e300, and rubbish for a category."""
    size = len(rows["normal"])
    at = rng.choice(size, max(round(POISON * size), 1), replace=False)
    found = {name: rows[name].copy() for name in NAMES}
    for name in NUMBERS:
        found[name][at] = rng.choice([1e9, -1e9, 1e300], len(at))
    for name, texts in CATEGORIES.items():
        found[name][at] = len(texts)
    return found


# --- the tables ----------------------------------------------------------------------------------------------


def budget(traffic: Traffic) -> float:
    """False alarms that the judged time may have."""
    given = Budget()
    return given.alarms * (traffic.judged * traffic.window / given.per)


def quiet(traffics_: list[Traffic]) -> None:
    header(
        "nothing changed", "windows", "false incidents allowed: budget, + 3 standard errors", "driftd: incidents, windows with an alarm",
        "Evidently: windows with an alarm", "p < .05: windows with an alarm", "verdicts that 0.01 % poison changes",
    )  # fmt: skip
    for traffic in traffics_:
        reference = traffic.windows(traffic.reference, 0, 1)
        tools = (driftd, evidently, significance) = Driftd(traffic, reference), Evidently(reference), Significance(reference)
        judged, found, changed = [], [0] * len(tools), 0
        rng = np.random.default_rng([SEED, 3])
        compared = min(traffic.judged, 50 if traffic.rows > 10_000 or traffic.window < DAY else traffic.judged)
        for at in range(traffic.judged):
            (start, rows), = traffic.windows(1, traffic.reference + at, 100 + at) if not traffic.lasting else [later(traffic, at)]
            results = driftd.judge(start, rows)
            judged.append((start, results))
            found[0] += bool(alerting(results))
            if at < compared:
                changed += sum(a != b for a, b in zip(verdicts(results), verdicts(driftd.judge(start, poisoned(rows, rng))), strict=True))
                found[1] += bool(evidently.alarms(start, rows))
                found[2] += bool(significance.alarms(start, rows))
        allowed = budget(traffic)
        others = [f"{count} of {compared}" for count in found[1:]]
        row(
            traffic.name, traffic.judged, f"{allowed:.1f}, {allowed + 3 * math.sqrt(allowed):.1f}",
            f"**{len(incidents(judged, *CHECKS).began)}**, {found[0]}", *others, changed,
        )  # fmt: skip


LATER: dict[str, list[tuple[datetime, Rows]]] = {}


def later(traffic: Traffic, at: int) -> tuple[datetime, Rows]:
    """Windows with weather that lasts are drawn in one go."""
    if traffic.name not in LATER:
        LATER.clear()
        LATER[traffic.name] = traffic.windows(traffic.judged, traffic.reference, 2)
    return LATER[traffic.name][at]


def verdicts(results: tuple[Result, ...]) -> list[Verdict]:
    return [result.verdict for result in results]


def loud(n: int) -> None:
    traffic = replace(traffics()[0], rows=n, judged=FAULTY)
    reference = traffic.windows(traffic.reference, 0, 1)
    tools = {"driftd": Driftd(traffic, reference), "Evidently": Evidently(reference), "p < .05": Significance(reference)}
    told = f"{n:,} rows: share of {FAULTY} windows in which the column alarms, and windows until it does"
    header(told, *tools, "driftd, 0.01 % poisoned")
    days = traffic.windows(FAULTY, traffic.reference, 4)
    for index, fault in enumerate(FAULTS):
        rng = np.random.default_rng([SEED, 5, index])
        broken = [(start, {**rows, **fault.strike(rows, rng)}) for start, rows in days]
        cells = [seen(tool, fault, broken) for tool in tools.values()]
        row(fault.name, *cells, seen(tools["driftd"], fault, [(start, poisoned(rows, rng)) for start, rows in broken]))


def seen(tool: Driftd | RawRows, fault: Fault, days: list[tuple[datetime, Rows]]) -> str:
    alarms = np.array([[column in found for column in fault.columns] for found in (tool.alarms(start, rows) for start, rows in days)])
    blocks = alarms.reshape(-1, BLOCK, len(fault.columns))
    waits = np.where(blocks.any(axis=1), blocks.argmax(axis=1) + 1.0, math.inf)
    wait = float(np.median(waits))
    return f"{alarms.mean():.0%}".replace("%", " %") + f", {wait:.0f}" * math.isfinite(wait) + f", > {BLOCK}" * math.isinf(wait)


def main() -> None:
    warnings.filterwarnings("ignore", category=FutureWarning)  # Evidently's and its libraries' own
    quiet(traffics())
    for n in (10_000,) if QUICK else (1000, 10_000):
        loud(n)


if __name__ == "__main__":
    main()
