"""``python -m benchmarks.holdout FILE``: days of another year, which no constant was chosen on.

FILE is the table flights-3m of the package vega-datasets (3.2.1): 3 million flights within the US, January to June of 2001, with the delay
of their arrival. January and February are the reference, March to June are judged by day, first as they are, then with faults in March.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import UTC, datetime

import pandas as pd

from benchmarks.verdicts import FAULTS, PERSISTENT, Driftd, alerting, broken, days_of, header, incidents, row, strike
from monitor.core.results import Check

START, MARCH_END, END = (datetime(2001, month, 1, tzinfo=UTC) for month in (3, 4, 7))
AIRPORTS = {"all of the US": (), "New York": ("EWR", "JFK", "LGA"), **{name: (name,) for name in ("ORD", "ATL", "DFW", "LAX")}}


def read(path: str) -> pd.DataFrame:
    """With the names of the other flights: there is no carrier, and ``dep_delay`` is the delay of arrival."""
    flights = pd.read_parquet(path).rename(columns={"date": "ts", "destination": "dest", "delay": "dep_delay"})
    flights["ts"] = pd.to_datetime(flights["ts"], utc=True)
    return flights.assign(hour=flights["ts"].dt.hour)


def report(name: str, flights: pd.DataFrame) -> None:
    features = tuple(name for name in ("dep_delay", "distance", "hour", "origin", "dest") if flights[name].nunique() > 1)
    reference, later = flights[flights["ts"] < START], flights[(flights["ts"] >= START) & (flights["ts"] < END)]
    tool = Driftd(reference, features)
    judged = [(day[0], tool.judge(day)) for day in days_of(later)]
    bad = [start for start, results in judged if alerting(results, Check.DRIFT)]
    told = [incidents(judged, Check.DRIFT).began, incidents(judged, Check.DRIFT, rules=PERSISTENT).began]
    march = later[later["ts"] < MARCH_END]
    cells = [f"{len(starts)}, {sum(start < MARCH_END for start in starts)}" for starts in (bad, *told)]
    most = {column: reference[column].value_counts().index[0] for column in ("origin", "dest")}
    faults = [fault for fault in FAULTS if fault.column in ("dep_delay", "distance", "hour")]
    faults.append(replace(FAULTS[4], column="dest", break_it=strike(0.10, most["dest"])))
    seen = [[tool.alarms(fault.column, day) for day in broken(march, reference, fault, 1)] for fault in faults]
    row(name, len(judged), *cells, *(f"{sum(alarms) / len(alarms):.2f}" for alarms in seen))


def main(path: str) -> None:
    flights = read(path)
    header("flights of 2001", "days", "days with drift, in March", "incidents, in March", "incidents by 2 of 3, in March",
           *(fault.name for fault in FAULTS if fault.column in ("dep_delay", "distance", "hour")), "10 % of `dest`")  # fmt: skip
    for name, airports in AIRPORTS.items():
        report(name, flights[flights["origin"].isin(airports)].reset_index(drop=True) if airports else flights)


if __name__ == "__main__":
    main(sys.argv[1])
