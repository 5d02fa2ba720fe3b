"""False alarms and power on real days: driftd beside Evidently's defaults and "p < .05", on the same rows, as Markdown tables.

The flights of 2013 by day: January and February are the reference, March to December are judged, first as they are and then
with faults put into March. Three ways to cut days, since the answer depends on it. Deterministic: the faults are seeded.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd

from monitor.core.evaluate import Subject, evaluate
from monitor.core.incidents import OPEN, Incident, Judged, NotifyKind, step
from monitor.core.profile import Profile
from monitor.core.reference import Reference
from monitor.core.results import ALL_ROWS, Account, Check, Result, Verdict, WindowKey
from monitor.core.rules import AlertRules, Model, Task
from monitor.core.schema import Batch, CategoricalValues, Column, Kind, NumericValues, Values, to_micros
from monitor.demo.flights import data_folder, load_flights
from monitor.demo.scenario import CATEGORICAL_FEATURES, DAY, FEATURES, NUMERIC_FEATURES, flights_of_spring
from monitor.references import build_reference

QUICK = "--quick" in sys.argv  # one way to cut days instead of three
NANNYML = Path(os.environ.get("NANNYML_PYTHON", ".venv-nannyml/bin/python"))
SEED = 2013
LEVEL = 0.05  # of "p < .05", per column, uncorrected, as it is used
DRAWS = 5  # of a fault that strikes rows at random; the share of days is the mean over them
COMPARED_DAYS = 3  # days on which Evidently's stat tests called directly are compared with its Report of ValueDrift
START, MARCH_END, END = (datetime(*day, tzinfo=UTC) for day in ((2013, 3, 1), (2013, 4, 1), (2014, 1, 1)))
CHECKS = (Check.DRIFT, Check.QUALITY, Check.VOLUME)
ALERTS = AlertRules(open_after=1, resolve_after=2)
PERSISTENT = AlertRules(open_after=2, open_within=3, resolve_after=2)
COLUMNS = tuple(Column(name=name, kind=Kind.NUMERIC if name in NUMERIC_FEATURES else Kind.CATEGORICAL) for name in FEATURES)
RULES = Model(
    name="flights", task=Task.BINARY, window=DAY, allowed_lateness=timedelta(hours=1), min_rows=200, dedupe=False,
    streams=(), columns=COLUMNS,
)

Day = tuple[datetime, pd.DataFrame]
Alarms = Callable[[str, Day], bool]
"""Whether a tool alarms on a column on a day."""


# --- the days ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class SetUp:
    """Rows of the year with the six features and ``ts``, whose date is the day; local clocks are written as if they were UTC."""

    name: str
    rows: pd.DataFrame
    reference_start: datetime = datetime(2013, 1, 1, tzinfo=UTC)

    def between(self, start: datetime, end: datetime) -> pd.DataFrame:
        return self.rows[(self.rows["ts"] >= start) & (self.rows["ts"] < end)].reset_index(drop=True)

    @cached_property
    def reference(self) -> pd.DataFrame:
        return self.between(self.reference_start, START)

    @cached_property
    def days(self) -> list[Day]:
        return days_of(self.between(START, END))

    @cached_property
    def march(self) -> list[Day]:
        return [day for day in self.days if day[0] < MARCH_END]


def days_of(rows: pd.DataFrame) -> list[Day]:
    return [(start.to_pydatetime(), day) for start, day in rows.groupby(rows["ts"].dt.floor("1D"))]


def set_ups() -> list[SetUp]:
    scheduled = pd.read_csv(data_folder() / "flights.csv.zip", usecols=[*FEATURES, "year", "month", "day", "minute", "dep_time"])
    scheduled["ts"] = pd.to_datetime(scheduled[["year", "month", "day", "hour", "minute"]], utc=True)
    departed = load_flights().frame.rename(columns={"departed_at": "ts"})
    return [
        SetUp(name="flights that departed, by the local day of their schedule", rows=scheduled[scheduled["dep_time"].notna()]),
        SetUp(
            name="flights that departed, by the UTC day of departure (the daemon's windows, and the demo's)",
            rows=departed,
            reference_start=flights_of_spring().reference_start,
        ),
        SetUp(name="all flights, cancelled ones too, by the local day of their schedule", rows=scheduled),
    ]


# --- the faults ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Fault:
    """``break_it(values, rng, sd)``: what becomes of a column's values; ``sd`` is its standard deviation in the reference."""

    name: str
    column: str
    break_it: Callable[[pd.Series, np.random.Generator, float], pd.Series]
    draws: int = 1


def strike(share: float, instead: object) -> Callable[[pd.Series, np.random.Generator, float], pd.Series]:
    """A share of the rows, chosen at random, gets another value."""
    return lambda values, rng, _sd: values.where(rng.random(len(values)) >= share, instead)


FAULTS = (
    Fault(name="`dep_delay` in seconds (×60)", column="dep_delay", break_it=lambda values, _rng, _sd: values * 60),
    Fault(name="`dep_delay` + 0.5 standard deviations", column="dep_delay", break_it=lambda values, _rng, sd: values + 0.5 * sd),
    Fault(name="`dep_delay` + 0.2 standard deviations", column="dep_delay", break_it=lambda values, _rng, sd: values + 0.2 * sd),
    Fault(name="5 % of `dep_delay` missing", column="dep_delay", break_it=strike(0.05, np.nan), draws=DRAWS),
    Fault(name="10 % of the carriers become UA", column="carrier", break_it=strike(0.10, "UA"), draws=DRAWS),
    Fault(name="15 % of the origins become JFK", column="origin", break_it=strike(0.15, "JFK"), draws=DRAWS),
    Fault(name="`hour` + 1", column="hour", break_it=lambda values, _rng, _sd: values + 1),
    Fault(name="`distance` in km (×1.609)", column="distance", break_it=lambda values, _rng, _sd: values * 1.609),
)


def broken_march(set_up: SetUp, fault: Fault, draws: int | None = None) -> list[Day]:
    """The days of March with the fault in them, once per draw."""
    return broken(set_up.between(START, MARCH_END), set_up.reference, fault, draws or fault.draws)


def broken(rows: pd.DataFrame, reference: pd.DataFrame, fault: Fault, draws: int) -> list[Day]:
    rng = np.random.default_rng([SEED, [known.name for known in FAULTS].index(fault.name)])
    sd = float(reference[fault.column].std()) if fault.column in NUMERIC_FEATURES else 0.0
    struck = [rows.assign(**{fault.column: fault.break_it(rows[fault.column], rng, sd)}) for _ in range(draws)]
    return [day for frame in struck for day in days_of(frame)]


# --- the tools -----------------------------------------------------------------------------------------------


class Driftd:
    """The package itself: reference from a file, days folded into profiles, judged under the default rules."""

    def __init__(self, reference: pd.DataFrame, features: Sequence[str] = FEATURES) -> None:
        self.rules = replace(RULES, columns=tuple(column for column in COLUMNS if column.name in features))
        with tempfile.TemporaryDirectory(prefix="driftd-bench-") as folder:
            path = Path(folder) / "reference.parquet"
            reference[[*features, "ts"]].to_parquet(path, index=False)
            self.reference: Reference = build_reference(path, self.rules, time_column="ts")

    def judge(self, day: Day) -> tuple[Result, ...]:
        start, rows = day
        profile = Profile.empty(self.reference.grid)
        profile.fold(batch_of(start, rows, [column.name for column in self.rules.columns]))
        key = WindowKey(model=RULES.name, version="*", start=start, end=start + DAY)
        return evaluate(Subject(key=key, account=Account(counted=len(rows)), profile=profile, reference=self.reference), self.rules)

    def alarms(self, column: str, day: Day) -> bool:
        return any(result.column == column for result in alerting(self.judge(day)))


def batch_of(start: datetime, rows: pd.DataFrame, features: Sequence[str]) -> Batch:
    columns: dict[str, Values] = {name: values_of(rows[name]) for name in features}
    times = np.full(len(rows), to_micros(start))
    return Batch(offsets=np.arange(len(rows)), times=times, versions=None, ids=None, columns=columns)


def values_of(values: pd.Series) -> Values:
    if values.name in NUMERIC_FEATURES:
        return NumericValues(values=values.to_numpy(dtype=float))
    codes, texts = pd.factorize(values)
    return CategoricalValues(codes=codes.astype(np.int32), dictionary=tuple(map(str, texts)))


def alerting(results: Iterable[Result], *checks: Check) -> list[Result]:
    return [result for result in results if result.verdict is Verdict.ALERT and result.check in (checks or CHECKS)]


class Evidently:
    """Its default stat test and threshold per column, called directly: ValueDrift's scores without the cost of its widgets."""

    def __init__(self, set_up: SetUp) -> None:
        from evidently import ColumnType
        from evidently.legacy.calculations.stattests.registry import get_stattest

        self.kinds = {name: ColumnType.Numerical if name in NUMERIC_FEATURES else ColumnType.Categorical for name in FEATURES}
        self.reference = {name: set_up.reference[name].dropna() for name in FEATURES}
        first = set_up.days[0][1]
        self.tests = {name: get_stattest(self.reference[name], first[name].dropna(), self.kinds[name], None) for name in FEATURES}

    def measure(self, column: str, day: Day) -> tuple[float, bool]:
        test = self.tests[column]
        found = test.func(self.reference[column], day[1][column].dropna(), self.kinds[column], test.default_threshold)
        return float(found[0]), bool(found[1])

    def alarms(self, column: str, day: Day) -> bool:
        return self.measure(column, day)[1]

    def largest_difference_to_report(self, set_up: SetUp) -> float:
        """Direct scores against those of ``Report([ValueDrift(column) …])`` on some days."""
        from evidently import DataDefinition, Dataset, Report
        from evidently.metrics import ValueDrift

        kinds = DataDefinition(numerical_columns=list(NUMERIC_FEATURES), categorical_columns=list(CATEGORICAL_FEATURES))
        reference = Dataset.from_pandas(set_up.reference[list(FEATURES)], data_definition=kinds)
        differences = []
        for day in set_up.days[:: len(set_up.days) // COMPARED_DAYS][:COMPARED_DAYS]:
            current = Dataset.from_pandas(day[1][list(FEATURES)], data_definition=kinds)
            said = Report([ValueDrift(column=name) for name in FEATURES]).run(current, reference).dict()["metrics"]
            differences += [abs(said[i]["value"] - self.measure(name, day)[0]) for i, name in enumerate(FEATURES)]
        return float(max(differences))


class Significance:
    """Two-sample Kolmogorov-Smirnov for numbers and chi-square for categories, alarm at p < .05."""

    def __init__(self, set_up: SetUp) -> None:
        self.reference = {name: set_up.reference[name].dropna() for name in FEATURES}

    def alarms(self, column: str, day: Day) -> bool:
        from scipy import stats

        before, now = self.reference[column], day[1][column].dropna()
        if column in NUMERIC_FEATURES:
            return bool(stats.ks_2samp(before, now).pvalue < LEVEL)
        counts = pd.concat([before.value_counts(), now.value_counts()], axis=1).fillna(0).to_numpy()
        return bool(stats.chi2_contingency(counts.T).pvalue < LEVEL)


class NannyML:
    """Run in a virtual environment of its own, which ``make bench-verdicts`` makes where it installs: Jensen-Shannon, daily chunks."""

    def __init__(self, set_up: SetUp) -> None:
        with tempfile.TemporaryDirectory(prefix="driftd-bench-") as name:
            folder = Path(name)
            frames = {"reference": set_up.reference, "judged": set_up.between(START, END)}
            frames |= {f"judged{i}": pd.concat([day[1] for day in broken_march(set_up, fault, draws=1)]) for i, fault in enumerate(FAULTS)}
            for file, rows in frames.items():
                rows[[*FEATURES, "ts"]].to_parquet(folder / f"{file}.parquet", index=False)
            script = Path(__file__).with_name("nannyml_days.py")
            done = subprocess.run([str(NANNYML), str(script), name], capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"NannyML: {done.stderr.strip().splitlines()[-1:]}")
        said = json.loads(done.stdout.splitlines()[-1])
        self.name = f"NannyML {said['version']}"
        alarms = {file: {column: {datetime.fromisoformat(day).replace(tzinfo=UTC) for day in days} for column, days in columns.items()}
                  for file, columns in said["alarms"].items()}  # fmt: skip
        self.found: dict[str, set[datetime]] = alarms["judged.parquet"]
        self.faults = {fault.name: alarms[f"judged{i}.parquet"][fault.column] for i, fault in enumerate(FAULTS)}

    def share(self, fault: Fault, set_up: SetUp) -> str:
        before = len([day for day in self.found[fault.column] if day < MARCH_END])
        return f"{len(self.faults[fault.name]) / len(set_up.march):.0%} ({before / len(set_up.march):.0%})".replace("%", " %")


# --- the tables ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Told:
    """When each incident fired, and by window whether one was open then."""

    began: list[datetime]
    open: list[bool]


def incidents(judged: list[tuple[datetime, tuple[Result, ...]]], *checks: Check, rules: AlertRules = ALERTS) -> Told:
    """By the package's own rules."""
    current: Incident | None = None
    began: list[datetime] = []
    lasted: list[bool] = []
    for start, results in judged:
        chosen = tuple(result for result in results if result.check in (checks or CHECKS))
        taken = step(current, Judged(model=RULES.name, start=start, end=start + DAY, results=chosen), rules)
        current = taken.incident
        if taken.notify is not None and taken.notify.kind is NotifyKind.FIRING and current is not None:
            began.append(current.since)
        lasted.append(current is not None and current.state in OPEN)
    return Told(began=began, open=lasted)


def days_of_alarm(bad: Iterable[datetime], days: list[Day]) -> list[tuple[datetime, tuple[Result, ...]]]:
    """What another tool says, as results, so that its incidents are counted by the same rules."""
    alarmed = set(bad)
    return [(start, (result_of(start, Verdict.ALERT if start in alarmed else Verdict.OK),)) for start, _ in days]


def result_of(start: datetime, verdict: Verdict) -> Result:
    return Result(
        model=RULES.name, version="*", segment=ALL_ROWS, window_start=start, window_end=start + DAY, check=Check.DRIFT, column=None,
        metric="alarm", value=None, threshold=None, p_value=None, verdict=verdict, reason="", rows=0,
    )  # fmt: skip


def row(*cells: object) -> None:
    print("| " + " | ".join(map(str, cells)) + " |")


def header(*cells: str) -> None:
    print()
    row(*cells)
    row(*["---"] * len(cells))


def in_march(starts: Iterable[datetime]) -> int:
    return sum(start < MARCH_END for start in starts)


def report(set_up: SetUp) -> None:
    driftd, evidently, significance = Driftd(set_up.reference), Evidently(set_up), Significance(set_up)
    judged = [(day[0], driftd.judge(day)) for day in set_up.days]
    others = {f"Evidently {version('evidently')}": evidently.alarms, "KS / chi-square, p < .05": significance.alarms}
    found = {name: alarm_days(alarms, set_up.days) for name, alarms in others.items()}
    nannyml = NannyML(set_up) if NANNYML.is_file() else None
    if nannyml is not None:
        found[nannyml.name] = nannyml.found
    print(f"\n### {set_up.name}\n")
    print(f"Reference: {len(set_up.reference):,} rows, {len(days_of(set_up.reference))} days. Judged: {len(set_up.days)} days.")
    gap = evidently.largest_difference_to_report(set_up)
    print(f"Evidently's tests called directly differ from its Report of ValueDrift by at most {gap:.1g} on {COMPARED_DAYS} days.")

    days = (f"days with an alarm, of {len(set_up.days)}", f"in March, of {len(set_up.march)}")
    header("nothing injected", *days, "incidents", "in March", "days with one open", "incidents, 2 of 3", "in March", "days with one open")
    for checks in (CHECKS, *((check,) for check in CHECKS)):
        bad = [start for start, results in judged if alerting(results, *checks)]
        name = "**driftd**" if checks is CHECKS else f"driftd: {checks[0]}"
        row(name, len(bad), in_march(bad), *counted(judged, *checks))
    for name, columns in found.items():
        bad = sorted(set().union(*columns.values()))
        row(name, len(bad), in_march(bad), *counted(days_of_alarm(bad, set_up.days), Check.DRIFT))

    header(f"days with an alarm by column, of {len(set_up.days)}", "driftd: drift", "driftd: quality", *found)
    for column in FEATURES:
        ours = [sum(any(r.column == column for r in alerting(results, check)) for _, results in judged) for check in CHECKS[:2]]
        row(f"`{column}`", *ours, *(len(columns[column]) for columns in found.values()))

    tools = {"driftd": driftd.alarms, **others}
    last = [] if nannyml is None else [nannyml.name]
    header("fault in March: days on which its column alarms (in brackets: without the fault)", *tools, *last)
    for fault in FAULTS:
        broken = broken_march(set_up, fault)
        cells = [f"{share(alarms, fault, broken)} ({share(alarms, fault, set_up.march)})" for alarms in tools.values()]
        row(fault.name, *cells, *([] if nannyml is None else [nannyml.share(fault, set_up)]))


def counted(judged: list[tuple[datetime, tuple[Result, ...]]], *checks: Check) -> list[int]:
    """Incidents, those of March and days with one open, when one bad window opens an incident and when two of three do."""
    told = [incidents(judged, *checks, rules=rules) for rules in (ALERTS, PERSISTENT)]
    return [number for one in told for number in (len(one.began), in_march(one.began), sum(one.open))]


def alarm_days(alarms: Alarms, days: list[Day]) -> dict[str, set[datetime]]:
    return {column: {day[0] for day in days if alarms(column, day)} for column in FEATURES}


def share(alarms: Alarms, fault: Fault, days: list[Day]) -> str:
    return f"{sum(alarms(fault.column, day) for day in days) / len(days):.0%}".replace("%", " %")


def main() -> None:
    warnings.filterwarnings("ignore", category=FutureWarning)  # Evidently's and its libraries' own
    if not NANNYML.is_file():
        print(f"NannyML is left out: no {NANNYML}; `make bench-verdicts` makes it where it installs")
    for set_up in set_ups()[: 1 if QUICK else None]:
        report(set_up)


if __name__ == "__main__":
    main()
