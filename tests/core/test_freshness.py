"""Freshness: the newest row's age counts up to where everything is read, so that a backlog is never old."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.freshness import Newest, Reading, newest_of, stale

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


def reading(row_age: timedelta | None, read_ago: timedelta | None) -> Reading:
    return Reading(max_time=None if row_age is None else NOW - row_age, read_until=None if read_ago is None else NOW - read_ago)


def test_the_newest_row_of_all_partitions_counts_and_the_partition_that_was_read_to_its_end_the_longest_ago() -> None:
    found = newest_of([reading(5 * HOUR, MINUTE), reading(2 * HOUR, 3 * MINUTE), reading(None, MINUTE)])
    assert found == Newest(time=NOW - 2 * HOUR, age=2 * HOUR - 3 * MINUTE)


@pytest.mark.parametrize(
    "partitions",
    [
        [],
        [reading(None, MINUTE)],  # nothing has come yet: there is no row to be old
        [reading(9000 * HOUR, None)],  # the first start on a year-old topic
        [reading(HOUR, MINUTE), reading(HOUR, None)],  # what one partition holds nobody knows yet
    ],
)
def test_nothing_is_said_where_nothing_is_known(partitions: list[Reading]) -> None:
    assert newest_of(partitions) is None
    assert stale(newest_of(partitions), MINUTE, "m") is None


def test_a_backlog_of_hours_is_not_stale_while_it_is_read() -> None:
    """Away for five hours with rows that were fresh then: whatever is read since, the age is that of the time before."""
    for read in range(6):
        found = newest_of([reading((5 - read) * HOUR, 5 * HOUR)])
        assert stale(found, HOUR, "m") is None


@pytest.mark.parametrize(("age", "said"), [(HOUR, False), (HOUR + timedelta(seconds=1), True)])
def test_older_than_the_limit_is_stale_and_just_as_old_is_not(age: timedelta, said: bool) -> None:
    assert (stale(Newest(time=NOW - age, age=age), HOUR, "m") is not None) is said


def test_what_is_said_names_the_model_the_age_the_row_and_the_limit() -> None:
    said = stale(Newest(time=NOW - 3 * HOUR, age=3 * HOUR), HOUR, "flights")
    assert said == (
        "the newest row of flights is 3 h old (event time 2026-05-04 09:00 UTC), freshness is 1 h; its topic is read to the end, "
        "and holds nothing newer"
    )


@given(st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 1000)), min_size=1, max_size=6), st.integers(0, 1000))
def test_one_more_row_never_makes_the_newest_older(partitions: list[tuple[int, int]], row: int) -> None:
    before = [reading(age * MINUTE, ago * MINUTE) for age, ago in partitions]
    after = [Reading(max_time=max(before[0].max_time or NOW, NOW - row * MINUTE), read_until=before[0].read_until), *before[1:]]
    old, new = newest_of(before), newest_of(after)
    assert old is not None
    assert new is not None
    assert new.age <= old.age
