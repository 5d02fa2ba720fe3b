"""Which windows a reference is merged from, by value and for any history of incidents."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.recipes import Candidate, Disturbance, LeftOut, Past, choose, least, past_of, slots, told
from monitor.core.results import WindowKey
from monitor.core.rules import Previous, Recipe, Rolling, Seasonal

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
START = datetime(2024, 3, 1, tzinfo=UTC)
ROLLING, WEEKS = Rolling(reach=5 * DAY), Seasonal(lag=7 * DAY, count=3)


def at(days: float) -> datetime:
    return START + days * DAY


def days(recipe: Recipe, day: float, *disturbances: Disturbance) -> list[float]:
    """The days of the windows that the window of a day is compared with."""
    return [(start - START) / DAY for start in slots(recipe, at(day), DAY, past_of(disturbances, at(day)))]


def incident(since: float, until: float | None, *, fired: bool = True, expected: bool = False) -> Disturbance:
    return Disturbance(since=at(since), until=None if until is None else at(until), fired=fired, expected=expected)


# --- without incidents ---------------------------------------------------------------------------------------


def test_a_rolling_reference_is_of_the_windows_right_before() -> None:
    assert days(ROLLING, 10) == [5, 6, 7, 8, 9]


def test_a_seasonal_reference_is_of_the_same_time_in_earlier_seasons() -> None:
    assert days(WEEKS, 30) == [9, 16, 23]
    starts = slots(Seasonal(lag=DAY, count=2), at(3) + 5 * HOUR, HOUR, Past())
    assert starts == (at(1) + 5 * HOUR, at(2) + 5 * HOUR)


def test_the_previous_windows_are_counted() -> None:
    assert days(Previous(windows=1), 10) == [9]
    assert days(Previous(windows=2), 10) == [8, 9]


def test_a_long_rolling_reference_moves_on_in_a_fourteenth_of_its_length() -> None:
    """14 days of hours move on once a day, at midnight UTC: every hour of a day is compared with the same reference."""
    fortnight = Rolling(reach=14 * DAY)
    by_hour = {slots(fortnight, at(20) + hour * HOUR, HOUR, Past()) for hour in range(24)}
    assert len(by_hour) == 1
    (starts,) = by_hour
    assert (len(starts), starts[0], starts[-1]) == (14 * 24, at(6), at(20) - HOUR)
    assert slots(fortnight, at(21), HOUR, Past())[-1] == at(21) - HOUR


# --- with incidents ------------------------------------------------------------------------------------------


def test_windows_of_an_incident_are_passed_over_and_the_reference_reaches_back_further() -> None:
    assert days(ROLLING, 10, incident(7, 9)) == [3, 4, 5, 6, 9]
    assert days(WEEKS, 30, incident(16, 17)) == [2, 9, 23]
    assert days(Previous(windows=1), 10, incident(8, 10)) == [7]


def test_while_an_incident_is_open_the_reference_stands_still() -> None:
    for day in range(20, 400, 37):
        assert days(ROLLING, day, incident(19, None)) == [14, 15, 16, 17, 18]
    assert days(WEEKS, 40, incident(19, None)) == [-2, 5, 12]


def test_an_incident_is_open_until_the_window_that_ended_it() -> None:
    """What a later window knows of it is not known to an earlier one, so that judging again finds the same."""
    assert days(ROLLING, 10, incident(7, 11)) == [2, 3, 4, 5, 6]
    assert days(ROLLING, 11, incident(7, 11)) == [2, 3, 4, 5, 6]
    assert days(ROLLING, 12, incident(7, 11)) == [3, 4, 5, 6, 11]
    assert days(ROLLING, 7, incident(7, 11)) == [2, 3, 4, 5, 6], "the window that opens it"


def test_an_incident_that_never_fired_is_learned_once_it_is_over() -> None:
    assert days(ROLLING, 8, incident(7, 9, fired=False)) == [2, 3, 4, 5, 6]
    assert days(ROLLING, 9, incident(7, 9, fired=False)) == [4, 5, 6, 7, 8]


def test_what_a_person_expected_is_learned_and_what_was_before_is_forgotten() -> None:
    expected = incident(7, 9, expected=True)
    assert days(ROLLING, 8, expected) == [2, 3, 4, 5, 6]
    assert days(ROLLING, 9, expected) == [7, 8]
    assert days(ROLLING, 20, expected) == [15, 16, 17, 18, 19]
    assert days(WEEKS, 30, expected) == [9, 16, 23]
    assert days(WEEKS, 20, expected) == [13]
    assert days(ROLLING, 9, incident(2, 4), expected) == [7, 8]


def test_incidents_that_overlap_count_as_one() -> None:
    assert past_of([incident(3, 8), incident(5, 6), incident(8, 9)], at(20)).spans == ((at(3), at(8)), (at(8), at(9)))
    assert past_of([incident(3, None), incident(5, 6)], at(20)).spans == ((at(3), None),)
    assert past_of([incident(3, 5), incident(4, 7)], at(20)).spans == ((at(3), at(7)),)
    assert days(ROLLING, 10, incident(3, 8), incident(5, 6)) == [0, 1, 2, 8, 9]


RECIPES = st.one_of(
    st.integers(1, 40).map(lambda n: Rolling(reach=n * DAY)),
    st.builds(Seasonal, lag=st.integers(1, 10).map(lambda n: n * DAY), count=st.integers(1, 12)),
    st.integers(1, 20).map(lambda n: Previous(windows=n)),
)
DISTURBANCES = st.lists(
    st.builds(
        lambda since, length, fired, expected: incident(since, None if length is None else since + length, fired=fired, expected=expected),
        st.integers(0, 60), st.none() | st.integers(1, 30), st.booleans(), st.booleans(),
    ),
    max_size=6,
)  # fmt: skip


@given(RECIPES, DISTURBANCES, st.integers(1, 80))
def test_whatever_the_incidents_only_undisturbed_windows_before_are_chosen(
    recipe: Recipe, disturbances: list[Disturbance], day: int
) -> None:
    now = at(day)
    past = past_of(disturbances, now)
    found = slots(recipe, now, DAY, past)
    asked = {Rolling: lambda r: r.reach // DAY, Seasonal: lambda r: r.count, Previous: lambda r: r.windows}[type(recipe)](recipe)
    assert len(found) == asked or past.begins is not None
    assert list(found) == sorted(set(found))
    for start in found:
        assert start < now
        assert past.begins is None or start >= past.begins
        for each in disturbances:
            ended = each.until is not None and each.until <= now
            ignored = each.since >= now or (ended and (each.expected or not each.fired))
            assert ignored or start < each.since or (each.until is not None and ended and start >= each.until)


@given(RECIPES, DISTURBANCES, st.integers(1, 80))
def test_no_undisturbed_window_in_between_is_passed_over(recipe: Recipe, disturbances: list[Disturbance], day: int) -> None:
    """An independent count, window by window."""
    past = past_of(disturbances, at(day))
    step = recipe.lag if isinstance(recipe, Seasonal) else DAY
    width = max((recipe.reach // DAY) // 14, 1) if isinstance(recipe, Rolling) else 1
    epoch_day = (at(day) - datetime(1970, 1, 1, tzinfo=UTC)) // DAY
    start = at(day) - (epoch_day % width) * DAY
    asked = least_asked(recipe)
    expected: list[datetime] = []
    while len(expected) < asked:
        start -= step
        if past.begins is not None and start < past.begins:
            break
        if not any(since < start + DAY and (until is None or until > start) for since, until in past.spans):
            expected.append(start)
    assert list(slots(recipe, at(day), DAY, past)) == expected[::-1]


def least_asked(recipe: Recipe) -> int:
    if isinstance(recipe, Rolling):
        return recipe.reach // DAY
    return recipe.count if isinstance(recipe, Seasonal) else recipe.windows


# --- which of them can be used -------------------------------------------------------------------------------


def candidate(day: int, *, rows: int = 500, grid: str | None = "g", incomplete: bool = False, version: str = "1") -> Candidate:
    key = WindowKey(model="m", version=version, start=at(day), end=at(day + 1))
    return Candidate(key=key, rows=rows, grid=grid, incomplete=incomplete)


def test_windows_without_rows_incomplete_small_or_on_another_grid_are_left_out_with_the_reason() -> None:
    found = [candidate(0), candidate(1, rows=0, grid=None), candidate(2, incomplete=True), candidate(3, rows=99), candidate(4, grid="h")]
    choice = choose([at(day) for day in range(6)], found, "g", 100)
    assert choice.starts == (at(0),)
    assert choice.left_out == {LeftOut.NO_ROWS: 2, LeftOut.INCOMPLETE: 1, LeftOut.FEW_ROWS: 1, LeftOut.OTHER_GRID: 1}
    assert choice.told(ROLLING, DAY) == (
        "warming up: 1 of 5 windows, 3 needed (1 incomplete, 1 on another grid, 1 under min_rows, 2 without rows)"
    )


def test_the_versions_of_a_window_are_fit_together_or_not_at_all() -> None:
    together = [candidate(0, rows=60), candidate(0, rows=60, version="2"), candidate(0, rows=0, grid=None, version="3")]
    assert choose([at(0)], together, "g", 100).starts == (at(0),)
    assert choose([at(0)], [*together, candidate(0, grid="h", version="4")], "g", 100).left_out == {LeftOut.OTHER_GRID: 1}
    assert choose([at(0)], [*together, candidate(0, incomplete=True, version="4")], "g", 100).left_out == {LeftOut.INCOMPLETE: 1}


@pytest.mark.parametrize(
    ("recipe", "needed"),
    [(Rolling(reach=14 * DAY), 7), (Rolling(reach=3 * DAY), 3), (Seasonal(lag=DAY, count=4), 3), (Seasonal(lag=DAY, count=9), 5),
     (Seasonal(lag=DAY, count=1), 1), (Previous(windows=1), 1), (Previous(windows=2), 2)],
)  # fmt: skip
def test_half_of_the_windows_are_enough_and_three_at_least(recipe: Recipe, needed: int) -> None:
    assert least(recipe, DAY) == needed


@pytest.mark.parametrize(
    ("recipe", "said"),
    [(Rolling(reach=14 * DAY), "the windows of the last 14 days"), (Rolling(reach=3 * HOUR), "the windows of the last 3:00:00"),
     (WEEKS, "the windows 7 days before, 3 times back"), (Seasonal(lag=DAY, count=1), "the windows 1 day before"),
     (Previous(windows=1), "the previous window"), (Previous(windows=3), "the previous 3 windows")],
)  # fmt: skip
def test_a_recipe_is_told_to_people(recipe: Recipe, said: str) -> None:
    assert told(recipe) == said
