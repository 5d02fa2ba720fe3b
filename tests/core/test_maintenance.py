"""Times of maintenance: once and again and again, by clocks that change."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.maintenance import OneOff, maintained
from monitor.core.recurring import Recurring

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
BERLIN = ZoneInfo("Europe/Berlin")
XMAS = OneOff(starts=datetime(2026, 12, 24, tzinfo=UTC), ends=datetime(2026, 12, 27, tzinfo=UTC), reason="holidays")
SATURDAY = frozenset({5})


def times(entry: Recurring, first: datetime, days: int) -> list[tuple[datetime, datetime]]:
    """Every time of maintenance that touches one of these days' hours."""
    found = [maintained([entry], first + n * HOUR, first + (n + 1) * HOUR) for n in range(24 * days)]
    return sorted({(each.starts, each.ends) for each in found if each is not None})


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]


@pytest.mark.parametrize(("start", "end", "within"), [
    (utc(2026, 12, 23), utc(2026, 12, 24), False),  # ends as it begins
    (utc(2026, 12, 23), utc(2026, 12, 24, 0, 1), True),
    (utc(2026, 12, 25), utc(2026, 12, 26), True),
    (utc(2026, 12, 26, 23), utc(2026, 12, 27), True),
    (utc(2026, 12, 27), utc(2026, 12, 28), False),
    (utc(2026, 12, 1), utc(2026, 12, 31), True),
])  # fmt: skip
def test_a_window_is_in_maintenance_where_the_two_overlap(start: datetime, end: datetime, within: bool) -> None:
    found = maintained([XMAS], start, end)
    assert (found is not None) is within
    assert found is None or (found.starts, found.ends, found.reason) == (XMAS.starts, XMAS.ends, "holidays")


def test_by_the_clocks_of_the_place_it_begins_an_hour_earlier_in_summer() -> None:
    weekly = Recurring(at=time(2), days=SATURDAY, lasts=4 * HOUR, zone=BERLIN)
    assert times(weekly, utc(2026, 1, 5), 14) == [(utc(2026, 1, 10, 1), utc(2026, 1, 10, 5)), (utc(2026, 1, 17, 1), utc(2026, 1, 17, 5))]
    assert times(weekly, utc(2026, 7, 6), 7) == [(utc(2026, 7, 11), utc(2026, 7, 11, 4))]


def test_in_the_night_in_which_the_clocks_change_it_is_as_long_as_ever() -> None:
    """2026-03-29 leaves out 02:00 to 03:00 in Berlin, 2026-10-25 has it twice."""
    daily = Recurring(at=time(2, 30), lasts=HOUR, zone=BERLIN)
    assert times(daily, utc(2026, 3, 28, 12), 1) == [(utc(2026, 3, 29, 1, 30), utc(2026, 3, 29, 2, 30))], "at 03:30"
    assert times(daily, utc(2026, 10, 24, 12), 1) == [(utc(2026, 10, 25, 0, 30), utc(2026, 10, 25, 1, 30))], "the first of the two"
    long = Recurring(at=time(1), lasts=4 * HOUR, zone=BERLIN)
    assert times(long, utc(2026, 3, 28, 12), 1) == [(utc(2026, 3, 29), utc(2026, 3, 29, 4))], "01:00 to 06:00 by the clock"


def test_it_may_last_over_midnight_and_over_the_end_of_a_week() -> None:
    weekend = Recurring(at=time(22), days=SATURDAY, lasts=50 * HOUR, zone=UTC)
    assert maintained([weekend], utc(2026, 11, 30, 23), utc(2026, 12, 1)) is not None, "a Monday"
    assert maintained([weekend], utc(2026, 12, 1), utc(2026, 12, 1, 1)) is None


def test_of_several_the_earliest_is_told() -> None:
    daily = Recurring(at=time(0), lasts=HOUR, zone=UTC, reason="backup")
    found = maintained([daily, XMAS], utc(2026, 12, 24), utc(2026, 12, 25))
    assert found is not None
    assert found.reason == "backup", "both begin then, and it ends first"
    long = maintained([daily, XMAS], utc(2026, 12, 25), utc(2026, 12, 26))
    assert long is not None
    assert long.reason == "holidays"


def test_without_maintenance_there_is_none() -> None:
    assert maintained([], utc(2026, 12, 24), utc(2026, 12, 25)) is None


@given(at=st.times(), days=st.sets(st.integers(0, 6), min_size=1), hours=st.integers(1, 23), zone=st.sampled_from(["UTC", "Europe/Berlin",
       "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]), day=st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)),
       length=st.integers(1, 31 * 24))  # fmt: skip
def test_a_moment_is_in_maintenance_exactly_where_a_walk_over_all_days_says_so(
    at: time, days: set[int], hours: int, zone: str, day: datetime, length: int
) -> None:
    """The oracle: every local day of the years, its beginning by the clocks of the place."""
    entry = Recurring(at=at, days=frozenset(days), lasts=hours * HOUR, zone=ZoneInfo(zone))
    start = day.replace(tzinfo=UTC)
    end = start + length * HOUR
    local = [(start - 3 * DAY).date() + n * DAY for n in range(length // 24 + 8)]
    begins = [datetime.combine(d, at, tzinfo=entry.zone).astimezone(UTC) for d in local if d.weekday() in days]
    expected = min((b for b in begins if b < end and b + hours * HOUR > start), default=None)
    found = maintained([entry], start, end)
    assert (found and found.starts) == expected
    assert entry.covers(start) is any(b <= start < b + hours * HOUR for b in begins)
