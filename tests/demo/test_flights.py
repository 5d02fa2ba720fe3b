from __future__ import annotations

from datetime import UTC, datetime

import pandas as pd
import pytest

from monitor.demo.flights import Flights, data_folder
from monitor.errors import UsageError


def of(flights: Flights, prediction_id: str) -> pd.Series[object]:
    return flights.frame[flights.frame["prediction_id"] == prediction_id].iloc[0]


def test_the_year_has_as_many_flights_as_the_package_says(flights: Flights) -> None:
    assert (flights.scheduled, flights.departed, flights.labelled) == (336_776, 328_521, 327_346)


def test_every_flight_has_an_id_of_its_own(flights: Flights) -> None:
    assert flights.frame["prediction_id"].is_unique


def test_flights_come_in_the_order_of_departure(flights: Flights) -> None:
    assert flights.frame["departed_at"].is_monotonic_increasing


def test_the_first_flight_of_the_year_left_houston_bound_at_17_minutes_past_ten_utc(flights: Flights) -> None:
    first = of(flights, "UA1545-EWR-20130101T1015Z")  # 05:17 in New York to 08:30 in Houston, scheduled 08:19
    assert first["departed_at"] == datetime(2013, 1, 1, 10, 17, tzinfo=UTC)
    assert first["arrived_at"] == datetime(2013, 1, 1, 14, 30, tzinfo=UTC)
    assert first["arrived_late"] == 0
    assert first["hour"] == 5


def test_a_flight_to_san_juan_lands_on_atlantic_time(flights: Flights) -> None:
    to_bqn = of(flights, "B6725-JFK-20130101T1045Z")  # left 05:44, landed 10:04 on the island's clock, which is one hour ahead
    assert to_bqn["arrived_at"] == datetime(2013, 1, 1, 14, 4, tzinfo=UTC)


def test_no_flight_lands_sooner_than_its_time_in_the_air_allows(flights: Flights) -> None:
    raw = pd.read_csv(data_folder() / "flights.csv.zip", usecols=["dep_time", "air_time", "time_hour", "carrier", "flight"])
    under_way = flights.frame["arrived_at"] - flights.frame["departed_at"]
    assert under_way.notna().sum() == flights.labelled
    assert under_way.sum() / pd.Timedelta(minutes=1) > raw.loc[raw["dep_time"].notna(), "air_time"].sum()
    assert under_way.min() > pd.Timedelta(minutes=20)  # the shortest hop, Newark to Bradley, takes 21 to 30 minutes in the air
    assert under_way.max() < pd.Timedelta(hours=13)  # the longest, JFK to Honolulu, up to 11 hours 35


def test_more_than_15_minutes_is_late_and_15_are_not(flights: Flights) -> None:
    raw = pd.read_csv(data_folder() / "flights.csv.zip", usecols=["arr_delay"])["arr_delay"]
    assert flights.frame["arrived_late"].sum() == (raw > 15).sum()
    assert (raw == 15).sum() > 0


def test_between_takes_the_start_and_leaves_the_end(flights: Flights) -> None:
    start, end = datetime(2013, 3, 1, 12, 0, tzinfo=UTC), datetime(2013, 3, 1, 13, 0, tzinfo=UTC)
    hour = flights.between(start, end)
    assert len(hour) > 0
    assert hour["departed_at"].min() >= start
    assert hour["departed_at"].max() < end
    assert list(hour.index) == list(range(len(hour)))


def test_a_missing_data_package_is_named_with_the_command_that_installs_it() -> None:
    with pytest.raises(UsageError, match=r"'no_such_package'.*pip install 'driftd\[demo\]'"):
        data_folder("no_such_package")
