"""The picture of an incident as plain data: bars that add up, a course that is in order, small enough whatever is in it."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.cause import Cause, ColumnCause, explain
from monitor.core.cause.scene import scene_of
from monitor.core.evaluate import Subject, evaluate
from monitor.core.incidents import Incident, IncidentState
from monitor.core.messages import from_body
from monitor.core.picture import Bars, Course, Picture, Point, Tick
from monitor.core.picture.axis import axis_of, value_text
from monitor.core.picture.bars import MOST_BARS, MOST_CATEGORIES, REST, column_bars
from monitor.core.picture.course import COURSE_WINDOWS, course_of, shown_result, within
from monitor.core.picture.taken import MOST_BYTES, MOST_COLUMNS, fitting, taken
from monitor.core.profile import Profile, RowSample
from monitor.core.results import ALL_ROWS, Check, Result, Verdict
from tests.core.judged import DAY, START, Data, drawn, numeric, reference_of, rules_with, subject_of
from tests.core.profile_batches import batch_of

RNG = np.random.default_rng(7)
INCIDENT = Incident(
    id="inc_1", model="m", state=IncidentState.FIRING, severity=Verdict.ALERT, since=START, updated_at=START + DAY, columns=("x",),
)


def bars_of(reference: Data, window: Data, name: str = "x", sampled: int = 0) -> Bars | None:
    made = subject_of(reference_of([reference]), window)
    if sampled and made.profile is not None:
        made.profile.sample = RowSample(columns=("x",), size=sampled).fold(batch_of(dict(window)), 1)
    scene = scene_of(name, made)
    return None if scene is None else column_bars(scene, "moved")


def drawn_bars(reference: Data, window: Data, sampled: int = 0) -> Bars:
    bars = bars_of(reference, window, sampled=sampled)
    assert bars is not None
    return bars


# --- numbers -------------------------------------------------------------------------------------------------


def test_bars_of_whole_numbers_are_their_histogram() -> None:
    before, after = RNG.integers(0, 60, 4000), RNG.integers(20, 60, 500)
    bars = drawn_bars({"x": numeric(before)}, {"x": numeric(after)})
    width = 60 / len(bars.now)
    assert width == int(width), "no bar ends between two whole numbers"
    for shares, values in ((bars.reference, before), (bars.now, after)):
        counted, _ = np.histogram(values, bins=np.arange(0, 60 + width, width))
        assert shares == pytest.approx(counted / len(values), abs=1e-4)


def test_bars_of_measurements_are_near_their_histogram() -> None:
    before, after = RNG.normal(0, 1, 20_000), RNG.normal(0.8, 1, 20_000)
    bars = drawn_bars({"x": numeric(before)}, {"x": numeric(after)})
    assert 12 <= len(bars.now) <= MOST_BARS
    at = [tick.at for tick in bars.ticks]
    values = [float(tick.text) for tick in bars.ticks]
    width = (values[1] - values[0]) / (at[1] - at[0])
    edges = values[0] + (np.arange(len(bars.now) + 1) - at[0]) * width
    edges[0], edges[-1] = -np.inf, np.inf
    for shares, data in ((bars.reference, before), (bars.now, after)):
        assert shares == pytest.approx(np.histogram(data, edges)[0] / len(data), abs=0.02)


def test_after_a_change_of_unit_both_sides_are_seen_on_a_stretched_axis() -> None:
    delay = RNG.gamma(2, 10, 5000)
    bars = drawn_bars({"x": numeric(delay)}, {"x": numeric(delay[:900] * 60)}, sampled=200)
    assert bars.stretched
    assert sum(share > 0.01 for share in bars.reference) >= 5
    assert sum(share > 0.01 for share in bars.now) >= 4
    assert sum(min(pair) for pair in zip(bars.reference, bars.now, strict=True)) < 0.2, "they lie apart"
    assert [tick.text for tick in bars.ticks][:2] == ["2", "20"], "each tick is about as far from the next"


def test_the_sample_tells_how_rows_lie_beyond_the_reference() -> None:
    """Of values beyond its grid a profile knows only how many; the sampled ones show where."""
    after = np.concatenate([np.full(400, 300.0), np.full(400, 700.0)])
    told = drawn_bars({"x": numeric(RNG.uniform(0, 100, 3000))}, {"x": numeric(after)}, sampled=200)
    assert sum(share > 0.05 for share in told.now) == 2
    untold = drawn_bars({"x": numeric(RNG.uniform(0, 100, 3000))}, {"x": numeric(after)})
    assert sum(share > 0.05 for share in untold.now) > 2


def test_few_values_have_a_bar_each_and_what_is_new_one_more() -> None:
    bars = drawn_bars({"x": numeric([1, 1, 2, 5])}, {"x": numeric([1, 2, 2, 7])})
    assert [tick.text for tick in bars.ticks] == ["1", "2", "5", REST]
    assert (bars.reference, bars.now) == ((0.5, 0.25, 0.25, 0.0), (0.25, 0.5, 0.0, 0.25))


def test_one_single_value_on_both_sides_is_a_bar() -> None:
    bars = drawn_bars({"x": numeric([3.0] * 50)}, {"x": numeric([3.0] * 9)})
    assert (bars.reference, bars.now) == ((1.0,), (1.0,))


FLOATS = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-5, 5).map(float)


@given(st.lists(FLOATS, min_size=1, max_size=40), st.lists(FLOATS, min_size=1, max_size=40))
def test_any_numbers_make_bars_that_add_up_or_none(before: list[float], after: list[float]) -> None:
    bars = bars_of({"x": numeric(before)}, {"x": numeric(after)}, sampled=10)
    if bars is not None:
        assert_sound(bars)


def assert_sound(bars: Bars) -> None:
    assert len(bars.reference) == len(bars.now) <= MOST_BARS
    for side in (bars.reference, bars.now):
        assert all(0 <= share <= 1 for share in side)
        assert sum(side) == pytest.approx(1.0, abs=1e-4 * len(side))
    assert all(0 <= tick.at <= len(bars.now) for tick in bars.ticks)
    json.dumps(msgspec.to_builtins(bars), allow_nan=False).encode()


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (-0.0, "0"), (0.25, "0.25"), (1500.0, "1500"), (12_345.0, "12.3k"), (2e6, "2M"), (-3e9, "-3G"), (1e-7, "1e-07"),
     (1e15, "1e+15")],
)  # fmt: skip
def test_a_number_below_an_axis_is_short(value: float, text: str) -> None:
    assert value_text(value) == text


@pytest.mark.parametrize("ends", [(-1e308, 1e308), (0.0, 1.5e308), (math.inf, math.inf)])
def test_a_range_beyond_arithmetic_has_no_axis(ends: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="a range that no axis has"):
        axis_of([ends, ends], MOST_BARS)


@given(st.floats(-1e140, 1e140), st.floats(0, 1e140), st.floats(-1e140, 1e140), st.floats(0, 1e140), st.booleans())
def test_every_axis_rises_has_ticks_in_it_and_holds_both_ranges(a: float, b: float, c: float, d: float, whole: bool) -> None:
    axis = axis_of([(a, a + b), (c, c + d)], MOST_BARS, whole=whole)
    assert 1 <= axis.bars <= MOST_BARS
    assert (np.diff(axis.edges) > 0).all()
    assert all(0 <= tick.at <= axis.bars for tick in axis.ticks)
    assert axis.share(np.array([a, c])).sum() == pytest.approx(1.0)


# --- categories ----------------------------------------------------------------------------------------------


def test_bars_of_categories_are_their_shares_the_largest_of_the_reference_first() -> None:
    before, after = drawn(RNG, ["A", "B", "C"], [0.2, 0.5, 0.3], 900), drawn(RNG, ["A", "B", "N"], [0.6, 0.2, 0.2], 300)
    bars = drawn_bars({"x": before}, {"x": after})
    assert [tick.text for tick in bars.ticks] == ["B", "C", "A", "N (new)"]
    counted = Counter(after.dictionary[code] for code in after.codes)
    assert bars.now == pytest.approx([counted[name] / 300 for name in "BCAN"], abs=1e-4)
    assert (bars.named, bars.reference[-1]) == (True, 0.0)


def test_many_categories_are_told_in_one_bar_but_those_that_matter() -> None:
    names = [f"c{n:02d}" for n in range(40)]
    flat = [0.025] * 40
    moved = [0.5, *[0.5 / 39] * 39]
    bars = drawn_bars({"x": drawn(RNG, names, flat, 4000)}, {"x": drawn(RNG, names, moved, 900)})
    labels = [tick.text for tick in bars.ticks]
    assert len(labels) == MOST_CATEGORIES
    assert labels[-1] == REST
    assert "c00" in labels, "it has half of the window"
    assert_sound(bars)


@given(st.lists(st.text(max_size=60), min_size=1, max_size=30), st.lists(st.text(max_size=60), min_size=1, max_size=30))
def test_any_categories_make_bars_with_short_names(before: list[str], after: list[str]) -> None:
    sides = [drawn(np.random.default_rng(0), sorted(set(names)), [1 / len(set(names))] * len(set(names)), 50) for names in (before, after)]
    bars = bars_of({"x": sides[0]}, {"x": sides[1]})
    assert bars is not None
    assert_sound(bars)
    assert all(0 < len(tick.text) <= 30 and tick.text.isprintable() for tick in bars.ticks)


@pytest.mark.parametrize("window", [{"x": numeric([math.nan] * 5)}, {"x": numeric([])}])
def test_a_column_without_values_has_no_bars(window: Data) -> None:
    assert bars_of({"x": numeric([1.0, 2.0])}, window) is None


def test_a_column_that_is_not_known_has_no_bars() -> None:
    assert bars_of({"x": numeric([1.0, 2.0])}, {"x": numeric([1.0])}, name="label") is None


# --- the course ----------------------------------------------------------------------------------------------


def result(day: int, value: float | None = 0.8, **changes: Any) -> Result:
    made = Result(
        model="m", version="1", segment=ALL_ROWS, window_start=START + day * DAY, window_end=START + (day + 1) * DAY,
        check=Check.PERFORMANCE, column=None, metric="accuracy", value=value, threshold=0.75, p_value=None, verdict=Verdict.OK, reason="ok",
        rows=100, ci_low=0.7, ci_high=0.9, labelled=100, estimated=False, reference_value=0.82,
    )
    return replace(made, **changes)


def drifted(day: int, value: float = 0.3, **changes: Any) -> Result:
    drift: dict[str, Any] = {
        "check": Check.DRIFT, "column": "x", "metric": "ks", "threshold": 0.1, "verdict": Verdict.ALERT, "ci_low": None, "ci_high": None,
        "labelled": None, "estimated": None, "reference_value": None,
    }  # fmt: skip
    return result(day, value, **{**drift, **changes})


CAUSE = Cause(headline="x: ×60", columns=(ColumnCause(name="x", metric="ks", value=0.3, threshold=0.1, effect=0.5, sentence="x: ×60"),))


def test_the_worst_drop_leads_and_without_one_the_metric_that_is_asked_for_first() -> None:
    well, log_loss = result(0), result(0, metric="log_loss")
    assert shown_result([log_loss, well, drifted(0)], CAUSE, ["accuracy", "log_loss"]) == well
    dropped = replace(log_loss, verdict=Verdict.ALERT)
    assert shown_result([dropped, well], CAUSE, ["accuracy", "log_loss"]) == dropped


def test_where_performance_is_not_judged_the_leading_columns_distance_is_shown() -> None:
    other = drifted(0, 0.9, column="y")
    segment = drifted(0, segment="carrier=AA")
    unknown = result(0, None, verdict=Verdict.INSUFFICIENT)
    assert shown_result([other, segment, drifted(0), unknown], CAUSE) == drifted(0)
    assert shown_result([unknown], CAUSE) is None
    assert shown_result([unknown], Cause(headline="")) is None


def test_a_leading_column_without_a_distance_of_its_own_is_shown_by_what_there_is() -> None:
    nulls = drifted(0, 0.5, check=Check.QUALITY, metric="null_share")
    cause = Cause(headline="x", columns=(replace(CAUSE.columns[0], metric="null_share", value=0.5),))
    assert shown_result([nulls, drifted(0)], cause) == nulls
    assert shown_result([drifted(0)], cause) == drifted(0)


def test_where_the_last_window_did_not_drop_the_metric_that_did_before_in_the_incident_leads() -> None:
    well, log_loss = result(3), result(3, metric="log_loss", estimated=True)
    dropped = [result(1, metric="log_loss", verdict=Verdict.ALERT), result(2, metric="f1", verdict=Verdict.ALERT)]
    assert within(well, [well, log_loss], dropped, START + DAY) == log_loss
    assert within(well, [well, log_loss], dropped, START + 2 * DAY) == well, "that was before the incident"
    assert within(well, [well], dropped, START) == well
    worse = replace(well, verdict=Verdict.ALERT)
    assert within(worse, [worse, log_loss], dropped, START) == worse
    assert within(drifted(3), [log_loss], dropped, START) == drifted(3)


def test_a_course_has_the_last_revision_of_every_window_in_their_order() -> None:
    history = [result(2, 0.7), result(0, 0.9, estimated=True), result(1, None), result(0, 0.85, revision=1), result(1, 0.6, version="2"),
               result(1, 0.5, metric="log_loss"), result(1, 0.4, segment="a=b")]
    course = course_of(result(2, 0.7), history)
    assert course is not None
    assert [(point.value, point.estimated) for point in course.points] == [(0.85, False), (0.7, False)]
    assert (course.title, course.reference) == ("accuracy, last 2 days", 0.82)


def test_one_window_is_no_course_and_many_are_cut_at_the_old_end() -> None:
    assert course_of(result(0), [result(0)]) is None
    course = course_of(result(99), [result(day) for day in range(100)])
    assert course is not None
    assert (len(course.points), course.points[-1].start) == (COURSE_WINDOWS, START + 99 * DAY)


def test_a_course_of_a_distance_says_of_which_column_and_segment() -> None:
    hourly = {"window_start": START, "window_end": START + timedelta(hours=1), "segment": "carrier=AA"}
    course = course_of(drifted(0, **hourly), [drifted(0, **hourly), drifted(1, segment="carrier=AA")])
    assert course is not None
    assert course.title == "x: ks, distance from the reference in carrier=AA, last 2 hours"


@pytest.mark.parametrize(("size", "unit"), [(7 * DAY, "weeks"), (3 * DAY, "windows")])
def test_windows_are_named_by_their_length(size: timedelta, unit: str) -> None:
    both = [result(0, window_end=START + size), result(20, window_end=START + 20 * DAY + size)]
    course = course_of(both[1], both)
    assert course is not None
    assert course.title.endswith(unit)


# --- the whole -----------------------------------------------------------------------------------------------


def judged(shift: float) -> tuple[list[Subject], list[Result], Cause]:
    data = {name: numeric(RNG.normal(0, 1, 2000)) for name in "uvwxyz"}
    subject = subject_of(reference_of([data]), {name: numeric(RNG.normal(shift, 1, 500)) for name in "uvwxyz"})
    rules = rules_with()
    results = list(evaluate(subject, rules))
    return [subject], results, explain(results, [subject], rules)


def test_a_picture_shows_the_first_columns_and_counts_the_others_and_goes_through_json() -> None:
    subjects, results, cause = judged(2.0)
    picture = taken(INCIDENT, "m: drift alert", cause, subjects, results, drifted(0), [drifted(0), drifted(1)])
    assert picture is not None
    assert len(picture.columns) == MOST_COLUMNS
    assert picture.more_columns == len(cause.columns) - MOST_COLUMNS == 2
    assert (picture.columns[0].column, picture.title) == (cause.columns[0].name, "m: drift alert")
    assert picture.window == "2024-03-01 00:00 UTC to 2024-03-02 00:00 UTC"
    stored = json.loads(json.dumps(msgspec.to_builtins(picture), allow_nan=False))
    assert from_body(stored, Picture) == picture
    assert len(json.dumps(stored)) < 1.2 * MOST_BYTES


def test_where_nothing_can_be_drawn_there_is_no_picture() -> None:
    subjects, results, cause = judged(2.0)
    assert taken(INCIDENT, "m", cause, [], results, drifted(0), [drifted(0), drifted(1)]) is None
    blind = [replace(subjects[0], profile=None)]
    assert taken(INCIDENT, "m", cause, blind, results) is None
    with_course = taken(INCIDENT, "m", cause, blind, results, drifted(0), [drifted(0), drifted(1)])
    assert with_course is not None
    assert (with_course.columns, with_course.more_columns) == ((), len(cause.columns))


def test_the_version_that_is_ill_is_shown() -> None:
    subjects, results, cause = judged(2.0)
    well = replace(subjects[0], key=replace(subjects[0].key, version="2"), account=replace(subjects[0].account, counted=10_000))
    segment = replace(subjects[0], key=replace(subjects[0].key, segment="a=b"))
    picture = taken(INCIDENT, "m", cause, [well, segment, *subjects], results)
    assert picture is not None
    assert picture.window == "2024-03-01 00:00 UTC to 2024-03-02 00:00 UTC"


TEXT = st.text(max_size=400)
SHARES = st.lists(st.floats(0, 1).map(lambda share: round(share, 4)), min_size=1, max_size=24).map(tuple)
TICKS = st.lists(st.builds(Tick, at=st.floats(0, 24), text=st.text(max_size=22)), max_size=24).map(tuple)
NUMBER = st.none() | st.floats(-1e9, 1e9)
BARS = st.builds(Bars, column=st.text(max_size=40), sentence=st.text(max_size=90), reference=SHARES, now=SHARES, ticks=TICKS)
POINTS = st.builds(Point, start=st.integers(0, 1000).map(lambda day: START + day * DAY), value=st.floats(-1e9, 1e9), low=NUMBER,
                   high=NUMBER, threshold=NUMBER, bad=st.booleans(), estimated=st.booleans())  # fmt: skip
PICTURES = st.builds(
    Picture, incident=st.just("inc_1"), title=st.text(max_size=200), cause=st.text(max_size=300), window=st.text(max_size=200),
    since=st.just(START), columns=st.lists(BARS, max_size=4).map(tuple), more_columns=st.integers(0, 100),
    course=st.none() | st.builds(Course, title=st.text(max_size=100), reference=NUMBER,
                                 points=st.lists(POINTS, min_size=2, max_size=40).map(tuple)),
)  # fmt: skip


@given(PICTURES)
def test_any_picture_is_made_to_fit_and_what_went_is_counted(picture: Picture) -> None:
    small = fitting(picture)
    assert len(msgspec.json.encode(small)) <= MOST_BYTES
    assert small.more_columns - picture.more_columns == len(picture.columns) - len(small.columns)
    if picture.columns:
        assert small.columns or small.course is not None, "something is left to see"


def test_a_profile_that_was_counted_on_another_grid_is_not_drawn() -> None:
    subjects, results, cause = judged(2.0)
    other = reference_of([{name: numeric(RNG.normal(0, 1, 50)) for name in "uvwxyz"}])
    strange = replace(subjects[0], profile=Profile.empty(other.grid))
    assert taken(INCIDENT, "m", cause, [strange], results) is None
