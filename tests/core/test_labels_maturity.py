"""How labels come in over time, and what a metric comes to once all of them are there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from statistics import stdev

import numpy as np
import pytest

from monitor.core.labels.labels import Joined
from monitor.core.labels.maturity import AGES, Arrivals, arrivals_of, expected
from monitor.core.labels.predicted import Predicted
from monitor.core.schema import CategoricalValues, to_micros

END = datetime(2013, 3, 2, tzinfo=UTC)
DELAY = timedelta(hours=64)


def joined(*hours: float | None) -> Joined:
    """A row for each label, that came so many hours after the window's end; those before half of the delay say yes."""
    there = np.array([hour is not None for hour in hours])
    after = np.array([0.0 if hour is None else hour for hour in hours])
    codes = np.where(there, (after >= 32).astype(np.int32), CategoricalValues.NULL).astype(np.int32)
    labels = CategoricalValues(codes=codes, dictionary=("yes", "no"))
    rows = Predicted(ids=np.arange(len(hours), dtype=np.uint64))
    times = np.where(there, to_micros(END) + (after * 3_600_000_000).astype(np.int64), 0)
    return Joined(rows=rows, labels=labels, times=times)


def share_of_yes(rows: Joined) -> dict[str, float]:
    assert isinstance(rows.labels, CategoricalValues)
    return {"yes": float((rows.labels.codes == 0).mean())}


def arrivals(early: float, final: float, delay: timedelta = DELAY) -> Arrivals:
    return Arrivals(delay=delay, shares=(0.5,) * 7 + (0.75,), values={"yes": (None,) * 3 + (early,) * 4 + (final,)})


def test_shares_and_metrics_are_noted_at_each_age() -> None:
    found = arrivals_of(joined(-5, 1, 10, 40, 90, None), END, DELAY, share_of_yes)
    assert found is not None
    assert found.shares == tuple(n / 6 for n in (1, 2, 2, 2, 2, 3, 3, 5)), "what came after the delay counts at its end"
    assert found.values["yes"] == (1.0,) * 7 + (0.6,)
    assert Arrivals.of(found.document()) == found


def test_a_window_without_labels_teaches_nothing() -> None:
    assert arrivals_of(joined(None, None), END, DELAY, share_of_yes) is None


def test_what_is_expected_is_the_value_moved_as_earlier_windows_moved() -> None:
    learned = [arrivals(0.9, 0.8), arrivals(0.9, 0.7), arrivals(0.8, 0.8)]
    found = expected("yes", 0.95, DELAY / 8, DELAY, learned)
    assert found is not None
    moves = [-0.1, -0.2, 0.0]
    spread = 1.96 * stdev(moves) * (4 / 3) ** 0.5
    assert (found.share, found.value) == (0.75, pytest.approx(0.85))
    assert (found.low, found.high) == (pytest.approx(0.85 - spread), pytest.approx(0.85 + spread))


def test_nothing_is_expected_of_a_final_value_nor_from_too_few_windows_nor_of_an_age_that_had_no_value() -> None:
    learned = [arrivals(0.9, 0.8)] * 3
    assert expected("yes", 0.9, DELAY, DELAY, learned) is None
    assert expected("yes", 0.9, DELAY / 8, DELAY, learned[:2]) is None
    assert expected("no", 0.9, DELAY / 8, DELAY, learned) is None
    assert expected("yes", 0.9, timedelta(), DELAY, learned) is None
    assert expected("yes", 0.9, -DELAY, DELAY, learned) is None


def test_windows_that_waited_for_another_time_teach_nothing() -> None:
    learned = [arrivals(0.9, 0.8), arrivals(0.9, 0.8), arrivals(0.9, 0.8, DELAY * 2)]
    assert expected("yes", 0.9, DELAY / 8, DELAY, learned) is None


def test_a_document_that_is_none_teaches_nothing() -> None:
    whole = arrivals(0.9, 0.8).document()
    assert len(AGES) == 8
    for broken in ({}, {**whole, "shares": [0.5]}, {**whole, "delay_microseconds": "1d"}, {**whole, "values": []}):
        assert Arrivals.of(broken) is None
