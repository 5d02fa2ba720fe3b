"""The page's panel of performance: what stands for what, in which order, in which words, and where it is drawn."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor import contract
from monitor.core.results import Result, Verdict
from monitor.ports import Judgement
from monitor.web.chart import HEIGHT, SHOWN, SHOWN_REALISED, WIDTH, chart, recent
from monitor.web.openapi import SCHEMAS
from monitor.web.performance import (
    CHARTS,
    Curve,
    curves,
    gap_words,
    glance,
    limit_words,
    newest_words,
    realised_words,
    slice_words,
    slices,
    standing_findings,
)
from tests.edges.performance_story import (
    DAYS,
    DROPS_AT,
    LABELLED_UNTIL,
    LABELS,
    LATE,
    MODELS,
    ROWS,
    RULES,
    SEGMENTS,
    performance,
    results_of,
    revisions,
    tell,
)
from tests.edges.test_web_api import conforms
from tests.edges.web_site import Site, site
from tests.edges.web_story import DAY, EVIL, FIRST, Day


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("performance"), story=tell, models=MODELS) as made:
        yield made


def days(*numbers: int) -> list[Result]:
    return [each for number in numbers for each in results_of(Day(model=LATE.name, number=number))]


def first(results: list[Result]) -> Curve:
    return curves(results, RULES)[0]


def realised(number: int, value: float = 0.8, **changes: object) -> Result:
    made = performance(Day(model="m", number=number), "accuracy", value, estimated=False, labelled=ROWS, revision=1, ci_low=value - 0.02,
                       ci_high=value + 0.02)  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]


def estimated(number: int, value: float | None = 0.82, **changes: object) -> Result:
    return replace(performance(Day(model="m", number=number), "accuracy", value), **changes)  # type: ignore[arg-type]


# --- what is shown -------------------------------------------------------------------------------------------


def test_the_estimate_and_the_last_revision_stand_side_by_side() -> None:
    later = realised(0, 0.79, revision=2)
    (outcome,) = first([later, realised(0, 0.75), estimated(0)]).outcomes
    assert (outcome.realised, outcome.estimated, outcome.last) == (later, estimated(0), later)
    assert outcome.gap == pytest.approx(-0.03)
    assert outcome.reference == pytest.approx(0.84)


def test_a_revision_that_says_nothing_leaves_the_value_before_it() -> None:
    nothing = {"threshold": None, "reference_value": None, "estimated": None}
    silent = estimated(0, None, revision=1, verdict=Verdict.INSUFFICIENT, reason="one class", **nothing)
    (outcome,) = first([estimated(0), silent]).outcomes
    assert outcome.realised is None
    assert outcome.estimated == estimated(0)
    assert outcome.last == silent
    assert outcome.reference == pytest.approx(0.84)


def test_metrics_come_in_the_order_of_the_configuration_and_segments_and_drift_stay_out() -> None:
    extra = replace(realised(0), metric="f1_UA")
    found = curves([extra, *days(0, 1), replace(realised(0), segment="origin=JFK", metric="f1")], RULES)
    assert [curve.metric for curve in found] == ["accuracy", "roc_auc", "log_loss", "f1_UA"]
    assert {curve.version for curve in found} == {""}
    assert [len(curve.outcomes) for curve in found] == [2, 2, 2, 1]


def test_of_several_versions_each_has_a_curve_and_the_newest_comes_first() -> None:
    found = curves([realised(0), realised(5, version="0")], RULES)
    assert [(curve.metric, curve.version) for curve in found] == [("accuracy", "0"), ("accuracy", "1")]


def test_the_verdict_is_that_of_the_newest_window_that_could_be_judged() -> None:
    unknown = estimated(2, None, verdict=Verdict.INSUFFICIENT, estimated=None)
    assert first([realised(0), realised(1, verdict=Verdict.ALERT), unknown]).verdict is Verdict.ALERT
    assert first([unknown]).verdict is Verdict.INSUFFICIENT


# --- words ---------------------------------------------------------------------------------------------------


def test_the_words_beneath_tell_value_interval_labels_and_the_estimate_before() -> None:
    (outcome,) = first([estimated(0, 0.80), realised(0, 0.79, labelled=1260)]).outcomes
    assert realised_words(outcome) == "0.79 [0.77, 0.81], 63 % of 2,000 rows labelled, estimated 0.80 before"
    assert gap_words(outcome) == "realised − estimated −0.01"
    assert limit_words(outcome) == "reference 0.84, limit 0.81"


@pytest.mark.parametrize(("value", "said"), [(0.7901, "±0.00"), (0.75, "+0.04"), (0.85, "−0.06")])
def test_the_gap_has_its_sign(value: float, said: str) -> None:
    (outcome,) = first([estimated(0, value), realised(0, 0.79)]).outcomes
    assert gap_words(outcome) == f"realised − estimated {said}"


def test_without_an_estimate_or_without_labels_there_is_no_gap() -> None:
    assert gap_words(first([realised(0)]).last) == ""
    assert gap_words(first([estimated(0)]).last) == ""
    assert realised_words(first([estimated(0)]).last) == ""
    assert realised_words(first([realised(0, labelled=None)]).last) == "0.80 [0.78, 0.82]"


def test_a_window_without_labels_tells_its_estimate_or_that_it_cannot_be_said() -> None:
    assert newest_words(first([realised(0), estimated(1)])) == "0.82, estimated, no labels yet"
    nothing = estimated(1, None, verdict=Verdict.INSUFFICIENT, reason="7 of 100 labels needed")
    assert newest_words(first([realised(0), nothing])) == "cannot be said yet: 7 of 100 labels needed"
    assert newest_words(first([realised(0)])) == ""
    assert glance(first([nothing])) == "accuracy: no value yet"
    assert glance(first([realised(0), nothing])) == "accuracy 0.80 [0.78, 0.82], realised, 100 % labelled"


def test_a_limit_that_nobody_knows_is_not_told() -> None:
    assert limit_words(first([realised(0, threshold=None, reference_value=None)]).last) == ""


# --- segments ------------------------------------------------------------------------------------------------


def test_the_worst_segments_come_first_by_their_labels_rather_than_by_a_newer_estimate() -> None:
    found = slices(days(26, 28))
    assert [each.result.segment for each in found.worst][:2] == ["origin=JFK", "origin=(null)"]
    assert {each.result.window_start for each in found.worst} == {FIRST + 26 * DAY}
    assert (len(found.worst), found.others, found.unknown) == (5, len(SEGMENTS) - 5, 1)
    assert found.worst[0].result.reference_value == pytest.approx(0.84)


def test_where_no_labels_have_come_segments_are_told_by_their_estimates() -> None:
    assert all(each.result.estimated for each in slices(days(28)).worst)


def test_a_bad_segment_comes_before_a_good_one_that_is_further_off() -> None:
    near, far = realised(0, 0.80, segment="a=1", verdict=Verdict.ALERT), realised(0, 0.70, segment="a=2")
    assert [each.result.segment for each in slices([far, near]).worst] == ["a=1", "a=2"]


def test_the_search_for_the_worst_slice_is_told_in_words_and_has_no_curve() -> None:
    older, newer = (realised(n, metric="worst_slice(accuracy)", threshold=None, reason=f"a={n} is the worst of 9 slices") for n in (0, 1))
    silent = realised(2, metric="worst_slice(accuracy)", reason="no slice has 100 labelled rows")
    results = [newer, older, replace(silent, value=None), realised(1)]
    assert slice_words(results) == "a=1 is the worst of 9 slices"
    assert [curve.metric for curve in curves(results, RULES)] == ["accuracy"]
    assert slice_words([realised(1)]) == ""


def test_an_estimate_that_labels_proved_wrong_is_no_finding_any_more() -> None:
    wrong, right = estimated(0, 0.7, verdict=Verdict.ALERT), realised(0, 0.84)
    other = estimated(1, 0.7, verdict=Verdict.ALERT)
    assert standing_findings([wrong, other], [wrong, right]) == (other,)
    assert standing_findings([wrong, realised(0, verdict=Verdict.ALERT)], ()) == (realised(0, verdict=Verdict.ALERT),)


# --- the chart -----------------------------------------------------------------------------------------------


def test_estimates_are_hollow_and_dashed_and_labels_are_solid_with_a_band() -> None:
    drawn = chart(first(days(*range(DAYS))))
    assert [dot.hollow for dot in drawn.dots].count(True) == DAYS
    assert [dot.hollow for dot in drawn.dots].count(False) == LABELLED_UNTIL
    assert [len(line.split()) for line in (*drawn.realised, *drawn.estimated)] == [LABELLED_UNTIL, DAYS]
    assert [len(points.split()) for points in drawn.band] == [2 * LABELLED_UNTIL]
    assert {dot.verdict for dot in drawn.dots[: 2 * (DROPS_AT - 1)]} == {Verdict.OK}
    assert drawn.dots[-1].title == "2013-03-30 00:00: 0.79 [0.77, 0.81], estimated, no labels yet, alert"


def test_a_value_lies_within_its_band_and_a_lower_value_is_drawn_lower() -> None:
    drawn = chart(first([realised(0, 0.84), realised(1, 0.70)]))
    (high, low), (upper1, upper2, lower2, lower1) = drawn.dots, [tuple(map(float, p.split(","))) for p in drawn.band[0].split()]
    assert high.y < low.y
    assert upper1[1] < high.y < lower1[1]
    assert upper2[1] < low.y < lower2[1]
    assert (upper1[0], upper2[0]) == (high.x, low.x)


def test_windows_that_do_not_touch_are_not_joined() -> None:
    drawn = chart(first([realised(0), realised(1), realised(5)]))
    assert [len(line.split()) for line in drawn.realised] == [2, 1]
    assert [len(points.split()) for points in drawn.band] == [4, 4]


def test_a_window_without_an_interval_cuts_the_band_alone() -> None:
    drawn = chart(first([realised(0), realised(1, ci_low=None), realised(2)]))
    assert len(drawn.band) == 2
    assert len(drawn.realised) == 1


def test_where_labels_come_late_the_last_windows_that_have_some_are_kept() -> None:
    late = first([realised(n) for n in range(30)] + [estimated(n) for n in range(30, 200)])
    shown = recent(late.outcomes)
    assert len(shown) == SHOWN
    assert [outcome.start for outcome in shown if outcome.realised] == [FIRST + n * DAY for n in range(10, 30)][-SHOWN_REALISED:]
    assert shown[-1].start == FIRST + 199 * DAY
    assert [o.start for o in recent(first(days(*range(DAYS))).outcomes)] == [FIRST + n * DAY for n in range(DAYS)]


def test_an_interval_of_three_labels_does_not_flatten_the_rest() -> None:
    drawn = chart(first([realised(0, 0.84), realised(1, 0.80), realised(2, 0.82, ci_low=-5.0, ci_high=7.0)]))
    ys = [dot.y for dot in drawn.dots]
    assert max(ys) - min(ys) > HEIGHT / 4


NUMBERS = st.none() | st.floats(allow_nan=True, allow_infinity=True)


@given(st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS, NUMBERS, st.booleans()), min_size=1, max_size=6))
def test_any_values_can_be_drawn(rows: list[tuple[float | None, float | None, float | None, float | None, bool]]) -> None:
    made = [
        replace(realised(i), value=value, threshold=limit, ci_low=low, ci_high=high, estimated=guess)
        for i, (value, limit, low, high, guess) in enumerate(rows)
    ]
    drawn = chart(first(made))
    points = " ".join((*drawn.band, *drawn.realised, *drawn.estimated, *drawn.reference, *drawn.limit))
    places = [tuple(map(float, place.split(","))) for place in points.split()] + [(dot.x, dot.y) for dot in drawn.dots]
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in places)


# --- the page ------------------------------------------------------------------------------------------------


def test_the_page_draws_each_metric_and_says_what_is_known(here: Site) -> None:
    html = here.get("/models/flight-delay").text
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))
    assert html.count('<svg class="chart"') == 3
    assert html.count('<svg class="spark"') == 0, "performance has a panel of its own"
    for words in (
        "0.73 [0.70, 0.75], 63 % of 2,000 rows labelled, estimated 0.78 before",
        "(realised − estimated −0.05)",
        "2013-03-30 0.79 [0.77, 0.81], estimated, no labels yet",
        "reference 0.84, limit 0.81",
        "1 other segment no worse",
        "1 segment of which nothing can be said yet",
        "origin=JFK accuracy 0.68",
    ):
        assert words in text, words


def test_names_of_segments_are_escaped(here: Site) -> None:
    html = here.get("/models/flight-delay").text
    assert EVIL not in html
    assert "&lt;script&gt;" in html


def test_the_overview_tells_the_first_metric_in_a_line(here: Site) -> None:
    html = here.get("/").text
    assert "accuracy 0.73 [0.70, 0.75], realised, 63 % labelled" in html
    assert "mae: no value yet" in html


def test_what_cannot_be_said_yet_is_said(here: Site) -> None:
    html = here.get("/models/fare-price").text
    assert "cannot be said yet: no labels yet" in html
    assert '<svg class="chart"' not in html
    assert "Labels are waited for up to 7d after a window" in here.get("/models/bag-loss").text


def test_findings_leave_out_what_labels_proved_wrong(here: Site) -> None:
    findings = here.get("/models/flight-delay").text.split("Latest findings")[1].split("</table>")[0]
    assert findings.count("2013-03-27") == 3, "one of each metric, though each was bad twice"


def test_of_very_many_metrics_the_first_are_drawn_and_the_rest_is_counted(tmp_path_factory: pytest.TempPathFactory) -> None:
    with site(tmp_path_factory.mktemp("many"), story=tell, models=MODELS) as made:
        day = Day(model=LATE.name, number=DAYS)
        many = tuple(replace(each, metric=f"f1_{i:02}") for i in range(CHARTS) for each in revisions(day, "accuracy"))
        assert made.store.seal(day.model, day.key.end, day.key.start)
        assert made.store.record(Judgement(model=day.model, judged_until=day.key.end, previous=day.key.start, results=many))
        html = made.get("/models/flight-delay").text
    assert html.count('<svg class="chart"') == CHARTS
    assert "and 3 more; the API has them all" in html


def test_a_model_without_performance_has_no_panel(tmp_path_factory: pytest.TempPathFactory) -> None:
    with site(tmp_path_factory.mktemp("none")) as made:
        assert "Performance of the last windows" not in made.get("/models/flight-delay").text


def test_the_story_is_as_long_as_its_labels_are_late() -> None:
    assert timedelta(days=DAYS - LABELLED_UNTIL) < RULES.label_delay


def test_the_page_and_the_api_tell_where_labels_went(here: Site) -> None:
    words = "52,956 labels received = 52,900 matched + 12 revised + 3 repeated + 41 expired; 1,900 predictions never got one"
    assert words in here.get("/models/flight-delay").text
    assert "0 labels received = nothing" in here.get("/models/fare-price").text
    told = here.get("/api/v1/models/flight-delay/labels").json()
    assert told == contract.label_account_object(LATE.name, LABELS)
    conforms(told, SCHEMAS["LabelAccount"], "LabelAccount")
    assert here.get("/api/v1/models/bag-loss/labels").json()["received"] == 0


def test_a_scrape_tells_how_many_labels_wait(here: Site) -> None:
    assert 'driftd_labels_waiting{model="flight-delay"} 0.0' in here.get("/metrics").text
