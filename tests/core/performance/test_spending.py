"""Many looks at one window: together they keep to its share of false alarms, and the last one has nearly all of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from monitor.core.labels.labels import Joined
from monitor.core.performance.learn import learn_part
from monitor.core.performance.spending import SMALLEST, level_at
from monitor.core.performance.tally import Tally, tally_of
from monitor.core.performed import realised
from monitor.core.profile import Grid, Profile
from monitor.core.reference import Reference
from monitor.core.results import Check, Result, Verdict, WindowKey
from monitor.core.rules import Budget, DriftRules, Model, PerformanceRules, Task
from tests.core.performance_rows import binary_window

DAY = timedelta(days=1)
START = datetime(2013, 3, 1, tzinfo=UTC)
KEY = WindowKey(model="m", version="1", start=START, end=START + DAY)
RULES = PerformanceRules(metrics=("accuracy",), max_drop=0.0, label_delay=30 * DAY, min_labelled=50)
OFTEN = Budget(alarms=0.5, per=DAY)  # so that what is above the budget shows in 200 windows
MODEL = Model(
    name="m", task=Task.BINARY, window=DAY, allowed_lateness=timedelta(0), min_rows=100, dedupe=False, streams=(), columns=(),
    performance=RULES, drift=DriftRules(budget=OFTEN),
)  # fmt: skip
ALPHA = 0.5 * 0.2  # of a window, all metrics and the estimate together: a fifth is for performance
SHARES = np.linspace(0.1, 1.0, 10)


def test_a_look_is_as_sure_as_the_limit_of_o_brien_and_fleming_asks():
    for share in (0.25, 0.5, 1.0):
        limit = stats.norm.isf(0.05 / 2) / share**0.5
        assert level_at(0.05, share, last=False) == pytest.approx(stats.norm.sf(limit), rel=1e-9)
    assert level_at(0.05, 1.0, last=False) == pytest.approx(0.025)
    assert level_at(0.05, 0.5, last=False) == pytest.approx(0.0028, abs=0.0001)


def test_the_last_look_has_what_is_left():
    assert level_at(0.05, 0.6, last=True) == pytest.approx(0.05 - 2 * level_at(0.05, 0.6, last=False))
    assert level_at(0.05, 0.6, last=True) > 0.03
    assert level_at(0.05, 1.0, last=True) == level_at(0.05, 1.0, last=False)


@given(st.floats(1e-9, 0.5), st.floats(0, 1), st.floats(0, 1))
def test_later_looks_may_be_less_sure_and_none_may_spend_more_than_all(alpha: float, one: float, other: float) -> None:
    less, more = sorted((one, other))
    assert SMALLEST <= level_at(alpha, less, last=False) <= level_at(alpha, more, last=False) <= max(alpha, SMALLEST)
    assert level_at(alpha, less, last=False) <= level_at(alpha, less, last=True) <= max(alpha, SMALLEST)


@pytest.mark.parametrize("common", [0.0, 1.0, 10.0])
def test_a_hundred_looks_spend_no_more_than_one_window_has(common: float) -> None:
    """``common``: the variance that looks share (the reference's error), of that of a whole window's labels."""
    rng = np.random.default_rng(1)
    shares = np.linspace(0.01, 1, 100)
    sums = np.cumsum(rng.normal(0, 0.1, (20_000, 100)), axis=1)
    worse = sums / shares + np.sqrt(common) * rng.normal(0, 1, (20_000, 1))
    z = worse / np.sqrt(1 / shares + common)
    for alpha in (0.05, 0.01):
        limits = stats.norm.isf([level_at(alpha, share, last=share == 1) for share in shares])
        alarms = (z > limits).any(axis=1).mean()
        assert alarms <= alpha + 3 * np.sqrt(alpha / 20_000)
        assert alarms >= alpha / 2 - 3 * np.sqrt(alpha / 20_000)


def test_a_real_change_is_seen_by_the_last_look_nearly_as_often_as_by_one_alone() -> None:
    """Of four standard errors at the budget's usual level."""
    alpha = 0.002
    looked, alone = (stats.norm.cdf(4 - stats.norm.isf(level)) for level in (level_at(alpha, 1.0, last=True), alpha))
    assert alone - looked < 0.08


# --- through the check ----------------------------------------------------------------------------------------


def reference() -> Reference:
    rng = np.random.default_rng(0)
    tallies = [tally_of(binary_window(rng, 2000), Task.BINARY, RULES, ("false", "true", "0", "1")) for _ in range(60)]
    total = Tally.empty(Task.BINARY)
    for tally in tallies:
        total = total.merge(tally)
    grid = Grid({})
    part = learn_part(total, tallies, ("false", "true", "0", "1"), ("1", "true"))
    return Reference(model="m", version="1", grid=grid, profile=Profile.empty(grid), baseline=None, window=DAY, performance=part)


def looks(window: Joined, compared: Reference) -> list[Result]:
    """Ten revisions of one window, a tenth of the labels more at each; the last when nothing more comes."""
    found: list[Result] = []
    n = len(window)
    for share in SHARES:
        codes = np.where(np.arange(n) < round(share * n), window.labels.codes, -1).astype(np.int32)  # type: ignore[union-attr]
        seen = replace(window, labels=replace(window.labels, codes=codes))
        age = 31 * DAY if share == 1 else DAY
        found += realised(KEY, seen, compared, MODEL, versions=1, learned=(), age=age)
    return [result for result in found if result.check is Check.PERFORMANCE]


def test_two_hundred_stationary_windows_of_ten_revisions_each_keep_to_the_budget():
    rng, compared = np.random.default_rng(5), reference()
    alarmed = sum(any(r.verdict is Verdict.ALERT for r in looks(binary_window(rng, 500), compared)) for _ in range(200))
    assert alarmed <= stats.binom.isf(0.01, 200, ALPHA)
    assert alarmed >= 1, "a test of a limit that nothing can reach would prove nothing"


def test_a_drop_is_seen_once_enough_labels_are_there_and_at_the_end_at_the_latest():
    rng, compared = np.random.default_rng(6), reference()
    found = [r for r in looks(binary_window(rng, 2000, sharp=0.3), compared) if r.metric == "accuracy"]
    assert found[-1].verdict is Verdict.ALERT
    limits = [r.threshold for r in found]
    assert limits == sorted(limits), "the more labels, the nearer the limit"
