"""How sure it is, in words."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from monitor.core.cause import ColumnCause
from monitor.core.cause.sureness import sure_of
from monitor.core.results import ALL_ROWS, Check, Result, Verdict

START = datetime(2024, 3, 1, tzinfo=UTC)
LEAD = ColumnCause(name="x", metric="ks", value=0.6, threshold=0.2, effect=0.5, sentence="x moved")
DRIFT = Result(
    model="m", version="1", segment=ALL_ROWS, window_start=START, window_end=START + timedelta(days=1), check=Check.DRIFT, column="x",
    metric="ks", value=0.6, threshold=0.2, p_value=3e-4, verdict=Verdict.ALERT, reason="x moved", rows=100,
)  # fmt: skip
DROP = replace(DRIFT, check=Check.PERFORMANCE, column=None, metric="f1", value=0.7, threshold=0.8, p_value=None, ci_low=0.68, ci_high=0.72,
               reference_value=0.85)  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "x: ks 0.6 is 3 times its limit 0.2, by chance in about 1 of 3,000 windows"),
        ({"p_value": 4e-7}, "x: ks 0.6 is 3 times its limit 0.2, by chance in about 1 of 2 million windows"),
        ({"p_value": 0.0}, "x: ks 0.6 is 3 times its limit 0.2, by chance in less than 1 of 10 million windows"),
        ({"p_value": None}, "x: ks 0.6 is 3 times its limit 0.2"),
        ({"p_value": 0.9}, "x: ks 0.6 is 3 times its limit 0.2"),
        ({"threshold": 0.58}, "x: ks 0.6, limit 0.58, by chance in about 1 of 3,000 windows"),
        ({"threshold": 0.0}, "x: ks 0.6, limit 0, by chance in about 1 of 3,000 windows"),
        ({"threshold": None}, "x: by chance in about 1 of 3,000 windows"),
        ({"threshold": None, "p_value": None}, ""),
        ({"verdict": Verdict.WARN}, ""),
    ],
)
def test_of_a_column_it_is_told_how_far_beyond_the_limit_and_how_rare_by_chance(changes: dict[str, Any], said: str) -> None:
    assert sure_of([replace(DRIFT, **changes)], LEAD) == said


def test_the_result_that_the_column_is_told_by_is_taken_before_others() -> None:
    other = replace(DRIFT, metric="psi", value=9.0, threshold=1.0, p_value=None)
    assert sure_of([other, DRIFT], LEAD).startswith("x: ks 0.6")
    assert sure_of([other], LEAD) == "x: psi 9 is 9 times its limit 1"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "the interval [0.68, 0.72] of f1 is all below the limit 0.80"),
        ({"ci_high": 0.82}, "the interval [0.68, 0.82] of f1 is all below the reference's 0.85, the limit is 0.80"),
        ({"ci_high": 0.90}, "the interval [0.68, 0.90] of f1 reaches the reference's 0.85, the limit is 0.80"),
        ({"metric": "log_loss", "value": 0.9, "ci_low": 0.86, "ci_high": 0.94},
         "the interval [0.86, 0.94] of log_loss is all above the limit 0.80"),
        ({"ci_low": None}, ""),
    ],
)
def test_of_a_drop_it_is_told_what_its_interval_is_beyond(changes: dict[str, Any], said: str) -> None:
    changed = replace(DROP, **changes)
    if changed.metric == "log_loss":
        changed = replace(changed, reference_value=0.6)
    assert sure_of([changed], None) == said


def test_both_are_told_and_nothing_where_nothing_is_bad() -> None:
    assert sure_of([DRIFT, DROP], LEAD).count(";") == 1
    assert sure_of([], None) == ""
