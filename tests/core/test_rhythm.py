"""The rhythm of hours and weekdays: found where it is, not found where it is not, and used for the window's own season."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from scipy import stats

from monitor.core.drift.calibration import build_baseline, column_distance, expected_false_alarms, odd_windows, season_gap
from monitor.core.drift.ks import largest_gap
from monitor.core.drift.rhythm import choose_cycles, column_windows, expected_shares
from monitor.core.drift.tvd import moved_share
from monitor.core.evaluate import evaluate
from monitor.core.profile import Profile
from monitor.core.reference import Baseline, Cycle, Reference, Season
from monitor.core.results import Check, Verdict
from monitor.core.rules import AlertRules, Budget, DriftRules, MinEffect
from tests.core.judged import Data, drawn, grid_for, numeric, profile_of, reference_of, rules_with, subject_of

MONDAY = datetime(2024, 2, 5, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


def windows_of(data: list[Data]) -> tuple[list[Profile], Profile]:
    grid = grid_for(data)
    windows = [profile_of(grid, d) for d in data]
    total = windows[0]
    for window in windows[1:]:
        total = total.merge(window)
    return windows, total


def taught(data: list[Data], step: timedelta = DAY) -> tuple[Baseline, Profile]:
    windows, total = windows_of(data)
    return build_baseline(windows, total, [MONDAY + i * step for i in range(len(data))]), total


def shop(rng: np.random.Generator, weekday: int, n: int = 1500) -> Data:
    """Weekends are another country."""
    shares = [0.2, 0.8] if weekday >= 5 else [0.7, 0.3]
    return {"kind": drawn(rng, "ab", shares, n), "x": numeric(rng.normal(0, 1, n))}


def test_a_weekly_rhythm_is_found_in_the_column_that_has_it_and_in_no_other() -> None:
    rng = np.random.default_rng(1)
    baseline, _ = taught([shop(rng, i % 7) for i in range(42)])
    assert {name: tuple(rhythm) for name, rhythm in baseline.rhythm.items()} == {"kind": (Cycle.WEEKDAY,)}
    assert {season.windows for season in baseline.rhythm["kind"][Cycle.WEEKDAY].values()} == {6}
    assert max(baseline.distances["kind"]["tvd"]) < 0.15  # against the whole a Saturday lies .36 away
    assert baseline.freaks == ()


def test_a_daily_and_a_weekly_rhythm_are_found_together() -> None:
    rng = np.random.default_rng(2)
    data = [{"x": numeric(rng.normal(i % 24 / 12 + (2.0 if i // 24 % 7 >= 5 else 0.0), 1.0, 300))} for i in range(24 * 28)]
    baseline, _ = taught(data, HOUR)
    assert tuple(baseline.rhythm["x"]) == (Cycle.HOUR, Cycle.WEEKDAY)  # as a stored reference has them: sums of floats hang on the order


def test_a_rhythm_that_was_seen_too_seldom_is_none() -> None:
    rng = np.random.default_rng(3)
    baseline, _ = taught([shop(rng, i % 7) for i in range(14)])
    assert baseline.rhythm == {}


def test_without_times_there_is_no_rhythm() -> None:
    rng = np.random.default_rng(4)
    windows, total = windows_of([shop(rng, i % 7) for i in range(42)])
    assert build_baseline(windows, total).rhythm == {}


def test_a_noise_column_seldom_gets_a_rhythm() -> None:
    rng = np.random.default_rng(5)
    found = 0
    for _ in range(40):
        baseline, _ = taught([{"x": numeric(rng.normal(0, 1, 300))} for _ in range(42)])
        found += bool(baseline.rhythm)
    assert found <= 2


def test_the_usual_weekend_is_quiet_and_a_weekend_on_a_tuesday_is_not() -> None:
    rng = np.random.default_rng(6)
    data = [shop(rng, i % 7) for i in range(42)]
    windows, total = windows_of(data)
    baseline = build_baseline(windows, total, [MONDAY + i * DAY for i in range(42)])
    reference = Reference(model="m", version="1", grid=windows[0].grid, profile=total, baseline=baseline, window=DAY)

    def verdict(start: datetime, day: Data) -> Verdict:
        subject = subject_of(reference, day, day=(start - datetime(2024, 3, 1, tzinfo=UTC)).days)
        found = [r for r in evaluate(subject, rules_with()) if (r.check, r.column) == (Check.DRIFT, "kind")]
        return found[0].verdict

    saturday, tuesday = datetime(2024, 3, 23, tzinfo=UTC), datetime(2024, 3, 26, tzinfo=UTC)
    assert verdict(saturday, shop(rng, 5)) is Verdict.OK
    assert verdict(tuesday, shop(rng, 1)) is Verdict.OK
    assert verdict(tuesday, shop(rng, 5)) is Verdict.ALERT
    assert verdict(saturday, shop(rng, 1)) is Verdict.ALERT


def test_distances_are_leave_one_out_from_the_season() -> None:
    data: list[Data] = [{"x": numeric([1.0] * 8 + [2.0] * 2 if i % 7 < 5 else [1.0] * 2 + [2.0] * 8)} for i in range(28)]
    windows, total = windows_of(data)
    found = column_windows([w.columns["x"] for w in windows], total.columns["x"], [MONDAY + i * DAY for i in range(28)])
    assert choose_cycles(found) == (Cycle.WEEKDAY,)
    monday = found.distances((Cycle.WEEKDAY,))[0]
    others = (19 * 0.8 + 8 * 0.2) / 27  # the share of 1 on the other days; three other Mondays, one part of the whole
    assert monday == pytest.approx(0.8 - (0.75 * 0.8 + 0.25 * others))
    assert found.distances(())[0] == pytest.approx(0.8 - others)


def test_an_unseen_season_is_compared_with_the_whole_and_two_cycles_add() -> None:
    whole = np.array([0.5, 0.5])
    weekday = {0: Season(windows=1, counts=(9, 1))}
    assert expected_shares(whole, {Cycle.WEEKDAY: weekday}, MONDAY + DAY) == pytest.approx(whole)
    assert expected_shares(whole, {Cycle.WEEKDAY: weekday}, MONDAY) == pytest.approx([0.7, 0.3])
    both = {Cycle.WEEKDAY: {0: Season(windows=9, counts=(1, 0))}, Cycle.HOUR: {0: Season(windows=9, counts=(10, 0))}}
    assert expected_shares(whole, both, MONDAY) == pytest.approx([1.0, 0.0])  # .5 + .45 + .45, cut and made whole


def test_distances_of_differences_are_those_of_the_tests() -> None:
    a, b = np.array([0.2, 0.3, 0.5]), np.array([0.4, 0.3, 0.3])
    assert largest_gap(a - b) == pytest.approx(0.2)
    assert moved_share(np.stack([a - b, b - b])) == pytest.approx([0.2, 0.0])
    reference = reference_of([{"x": numeric([1, 1, 2, 3])}]).profile.columns["x"]
    assert column_distance(reference, reference) == 0.0


def test_the_gap_of_a_season_is_what_its_windows_may_differ_from_the_whole_by() -> None:
    rng = np.random.default_rng(10)
    baseline, total = taught([shop(rng, i % 7) for i in range(42)])
    saturday = season_gap(total.columns["kind"], baseline.rhythm["kind"], MONDAY + 5 * DAY)
    assert saturday == pytest.approx(6 / 7 * 0.5 * 5 / 7, abs=0.02)  # .2 against the mean of .7 and .2, a seventh of the whole mixed in
    assert season_gap(total.columns["x"], {}, MONDAY) == 0.0


# --- freaks --------------------------------------------------------------------------------------------------


def test_a_day_that_is_odd_in_several_columns_teaches_nothing() -> None:
    rng = np.random.default_rng(7)

    def day(storm: bool) -> Data:
        return {
            "x": numeric(rng.normal(2.0 if storm else 0.0, 1.0, 1500)),
            "kind": drawn(rng, "ab", [0.3, 0.7] if storm else [0.7, 0.3], 1500),
        }

    baseline, _ = taught([day(i in (20, 21)) for i in range(42)])
    assert baseline.freaks == (MONDAY + 20 * DAY, MONDAY + 21 * DAY)
    assert len(baseline.distances["x"]["ks"]) == len(baseline.distances["kind"]["tvd"]) == 40
    assert max(baseline.distances["x"]["ks"]) < 0.1
    assert len(baseline.shares["x"]["null"]) == 42


def test_few_windows_are_freaks_and_one_column_makes_none() -> None:
    odd = np.array([9.0, 8.0, 7.0, *[0.0] * 17])
    assert np.flatnonzero(odd_windows([odd, odd])).tolist() == [0, 1]
    assert not odd_windows([odd, np.zeros(20)]).any()
    assert not odd_windows([odd]).any()
    assert len(odd_windows([])) == 0


def test_columns_that_always_go_together_are_one_witness() -> None:
    rng = np.random.default_rng(9)
    usual, other = rng.normal(0, 1, 30), rng.normal(0, 1, 30)
    feature, score, apart = (np.concatenate([[9.0], values]) for values in (usual, usual + rng.normal(0, 0.5, 30), other))
    feature, score, apart = (np.minimum(values, [9.0, *[1.9] * 30]) for values in (feature, score, apart))
    assert not odd_windows([feature, score]).any(), "a model's score is odd whenever its feature is"
    assert np.flatnonzero(odd_windows([feature, score, apart])).tolist() == [0]


# --- floors and the budget -----------------------------------------------------------------------------------


def test_floors_are_those_of_the_rules() -> None:
    rng = np.random.default_rng(8)
    steady = reference_of([{"x": numeric(rng.normal(0, 1, 20_000)), "kind": drawn(rng, "ab", [0.5, 0.5], 20_000)} for _ in range(20)])
    moved: Data = {"x": numeric(rng.normal(0.08, 1, 20_000)), "kind": drawn(rng, "ab", [0.52, 0.48], 20_000)}

    def alarms(floors: MinEffect) -> set[str | None]:
        rules = rules_with(drift=DriftRules(min_effect=floors))
        return {r.column for r in evaluate(subject_of(steady, moved), rules) if r.verdict is Verdict.ALERT and r.check is Check.DRIFT}

    assert alarms(MinEffect()) == set()
    assert alarms(MinEffect(ks=0.01, tvd=0.01)) == {"x", "kind"}
    assert alarms(MinEffect(wasserstein=0.05)) == {"x"}


def test_few_rows_that_move_far_are_seen_below_the_floor_of_d_and_poisoned_rows_are_not() -> None:
    rng = np.random.default_rng(9)
    reference = reference_of([{"x": numeric(rng.normal(0, 1, 20_000))} for _ in range(20)])
    values = rng.normal(0, 1, 20_000)
    far, poisoned = values.copy(), values.copy()
    far[:700], poisoned[:2] = 8.0, 1e9
    said = {}
    for name, column in {"far": far, "poisoned": poisoned, "usual": values}.items():
        (x,) = [r for r in evaluate(subject_of(reference, {"x": numeric(column)}), rules_with()) if r.check is Check.DRIFT]
        said[name] = x.verdict
    assert said == {"far": Verdict.ALERT, "poisoned": Verdict.OK, "usual": Verdict.OK}


@pytest.mark.parametrize(
    ("alerts", "chance"),
    [
        (AlertRules(), 1.0),
        (AlertRules(open_after=2), 1 / 30),
        (AlertRules(open_after=2, open_within=3), 1 - (29 / 30) ** 2),
        (AlertRules(open_after=3, open_within=5), float(stats.binom.sf(1, 4, 1 / 30))),
    ],
)
def test_the_expected_number_of_false_alarms_is_the_budget_thinned_by_persistence(alerts: AlertRules, chance: float) -> None:
    assert expected_false_alarms(Budget(), DAY, alerts) == pytest.approx(chance)
    assert math.isclose(expected_false_alarms(Budget(alarms=2), 30 * DAY, AlertRules()), 0.5)  # one window cannot alarm twice
