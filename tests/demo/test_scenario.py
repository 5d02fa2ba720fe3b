from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from monitor.demo.scenario import DAY, Fault, flights_of_spring


def test_from_march_to_mid_may_there_are_79_days_and_seven_of_them_are_faulty() -> None:
    spring = flights_of_spring()
    assert spring.days == len(spring.day_starts()) == 79
    assert len(spring.fault_days()) == 7
    assert spring.fault_days() < set(spring.day_starts())


def test_quiet_weeks_come_before_the_fault_and_after_it() -> None:
    spring = flights_of_spring()
    assert spring.fault is not None
    assert spring.fault.start - spring.start >= timedelta(weeks=4)
    assert spring.end - spring.fault.end >= timedelta(weeks=2)


def test_a_scenario_without_a_fault_has_no_faulty_days() -> None:
    assert flights_of_spring(fault=False).fault_days() == frozenset()


def test_a_day_with_one_faulty_hour_is_a_faulty_day() -> None:
    spring = flights_of_spring()
    noon = datetime(2013, 4, 3, 12, tzinfo=UTC)
    hour = Fault(column="dep_delay", factor=60, start=noon, end=noon + timedelta(hours=1))
    assert replace(spring, fault=hour).fault_days() == {datetime(2013, 4, 3, tzinfo=UTC)}


def test_production_goes_on_past_the_last_day_so_that_it_can_close() -> None:
    spring = flights_of_spring()
    assert spring.produce_until - spring.end > timedelta(hours=1)


def test_a_fault_that_ends_before_it_starts_is_refused() -> None:
    with pytest.raises(ValueError, match="a fault ends after it starts"):
        Fault(column="dep_delay", factor=60, start=datetime(2013, 4, 2, tzinfo=UTC), end=datetime(2013, 4, 1, tzinfo=UTC))


def test_a_scenario_that_runs_backwards_is_refused() -> None:
    spring = flights_of_spring()
    with pytest.raises(ValueError, match="a scenario runs forward"):
        replace(spring, end=spring.start - DAY)
