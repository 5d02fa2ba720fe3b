"""The flights of 2013: the rule that a flight arrives late where it departs 15 minutes late, month by month."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk

from monitor.core.performance.metrics import METRICS
from monitor.core.performance.tally import Tally, tally_of
from monitor.core.rules import Task
from monitor.core.schema import CategoricalValues
from monitor.demo.flights import load_flights
from tests.core.performance_rows import RULES, joined


def classes(values: pd.Series) -> CategoricalValues:
    codes = np.where(values.isna(), -1, values.fillna(0).astype(int)).astype(np.int32)
    return CategoricalValues(codes=codes, dictionary=("0", "1"))


def test_days_add_up_to_the_accuracy_of_every_month():
    flights = load_flights()
    frame = flights.frame.assign(late=(flights.frame.dep_delay > 15).astype(int))
    months: dict[int, Tally] = {}
    for day, rows in frame.groupby(frame.departed_at.dt.date):
        tally = tally_of(joined(classes(rows.arrived_late), classes(rows.late)), Task.BINARY, RULES, ("0", "1"))
        months[day.month] = months.get(day.month, Tally.empty(Task.BINARY)).merge(tally)
    assert sum(month.rows for month in months.values()) == 328_521
    assert sum(month.labelled for month in months.values()) == 327_346
    known = frame.dropna(subset=["arrived_late"])
    for month, rows in known.groupby(known.departed_at.dt.month):
        expected = sk.accuracy_score(rows.arrived_late.astype(int), rows.late)
        assert METRICS["accuracy"].of(months[month]).value == pytest.approx(expected, abs=1e-9)
