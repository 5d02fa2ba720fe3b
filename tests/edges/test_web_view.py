from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from monitor.core.incidents import IncidentState
from monitor.core.results import Account, Check, Verdict, WindowKey
from monitor.ports import StoredWindow, VerdictCount
from monitor.web.draw import SPARK_HEIGHT, STRIP_WINDOWS, spark, strip
from monitor.web.view import Measure, Point, Standing, account_lines, cells, measures, standing, worst
from tests.edges.web_story import DAY, FAULT_DAYS, FIRST, FLIGHTS, OPEN_ID, Day, incident, results_of

T = datetime(2013, 1, 1, tzinfo=UTC)


def counted(verdict: Verdict, count: int = 1, day: int = 0, check: Check = Check.DRIFT) -> VerdictCount:
    return VerdictCount(window_start=T + day * DAY, window_end=T + (day + 1) * DAY, check=check, verdict=verdict, count=count)


def test_a_window_that_could_not_be_judged_is_never_shown_as_ok() -> None:
    assert worst([Verdict.OK, Verdict.INSUFFICIENT]) is Verdict.INSUFFICIENT
    assert worst([Verdict.OK, Verdict.ERROR, Verdict.WARN]) is Verdict.ERROR
    assert worst([]) is Verdict.SKIPPED


def test_a_window_that_had_nothing_to_compare_with_is_not_ok_however_well_its_volume_is() -> None:
    skipped, well = counted(Verdict.SKIPPED), counted(Verdict.OK, check=Check.VOLUME)
    assert [cell.worst for cell in cells([skipped, well])] == [Verdict.SKIPPED]
    assert [cell.worst for cell in cells([skipped, counted(Verdict.OK), well])] == [Verdict.OK]  # another version was judged
    assert standing(None, [skipped, well]) is Standing.NOT_JUDGED


def test_cells_are_windows_in_order_with_their_counts_in_words() -> None:
    made = cells([counted(Verdict.OK, 5, day=1), counted(Verdict.OK, 3), counted(Verdict.ALERT, 2)])
    assert [(cell.start, cell.worst, cell.said) for cell in made] == [(T, Verdict.ALERT, "2 alert, 3 ok"), (T + DAY, Verdict.OK, "5 ok")]


@pytest.mark.parametrize(
    ("verdict", "stands"),
    [
        (Verdict.OK, Standing.OK),
        (Verdict.WARN, Standing.WARN),
        (Verdict.ALERT, Standing.PENDING),
        (Verdict.ERROR, Standing.ERROR),
        (Verdict.INSUFFICIENT, Standing.INSUFFICIENT),
        (Verdict.SKIPPED, Standing.NOT_JUDGED),
    ],
)
def test_without_an_incident_the_last_window_speaks(verdict: Verdict, stands: Standing) -> None:
    assert standing(None, [counted(Verdict.ALERT), counted(verdict, day=1)]) is stands


def test_an_open_incident_speaks_before_the_last_window_and_a_resolved_one_does_not() -> None:
    firing = incident(OPEN_ID, FAULT_DAYS, IncidentState.FIRING)
    assert standing(firing, [counted(Verdict.OK)]) is Standing.FIRING
    assert standing(replace(firing, state=IncidentState.RESOLVED), [counted(Verdict.OK)]) is Standing.OK
    assert standing(None, []) is Standing.WAITING


def test_a_later_revision_takes_the_place_of_an_earlier_one_and_segments_stay_out() -> None:
    first = results_of(Day(model=FLIGHTS.name, number=0))[0]
    rows = [replace(first, revision=1, value=0.5), first, replace(first, segment="origin=JFK", value=0.9)]
    assert [[point.value for point in measure.points] for measure in measures(rows)] == [[0.5]]


def test_measures_without_a_limit_are_left_out_and_the_worst_come_first() -> None:
    rows = [result for number in (65, 66) for result in results_of(Day(model=FLIGHTS.name, number=number))]
    rows.append(replace(rows[0], metric="psi", threshold=None))
    found = measures(rows)
    assert [(m.column, m.metric) for m in found][:2] == [("dep_delay", "ks"), ("late", "tvd")]
    assert "psi" not in {m.metric for m in found}


def test_accounts_of_versions_are_added_up_and_segments_are_not() -> None:
    def window(version: str, segment: str, rows: int, day: int = 0) -> StoredWindow:
        key = WindowKey(model="m", version=version, segment=segment, start=T + day * DAY, end=T + (day + 1) * DAY)
        return StoredWindow(key=key, account=Account(counted=rows), profile=None)

    first = replace(window("1", "*", 10), incomplete=True)
    lines = account_lines([first, window("2", "*", 5), window("1", "a=b", 9), window("1", "*", 30, day=1)], 2)
    assert [(line.start, line.account.received, line.share) for line in lines] == [(T + DAY, 30, 1.0), (T, 15, 0.5)]
    assert [line.incomplete for line in lines] == [False, True]


def points(*values: float | None, limit: float | None = 0.2) -> Measure:
    made = tuple(Point(start=FIRST + i * timedelta(days=1), value=v, threshold=limit, verdict=Verdict.OK) for i, v in enumerate(values))
    return Measure(check="drift", column="x", metric="ks", points=made, reason="")


def test_a_window_without_a_value_is_a_gap_in_the_line() -> None:
    assert [len(line.split()) for line in spark(points(0.1, 0.1, None, 0.1)).lines] == [2, 1]


def test_an_outlier_is_drawn_at_the_edge_and_flattens_nothing() -> None:
    marks = spark(points(0.1, 0.2, 1e9)).marks
    assert marks[0].y - marks[1].y > 1
    assert all(0 <= mark.y <= SPARK_HEIGHT for mark in marks)
    assert marks[2].title == "2013-03-03 00:00: 1e+09 (limit 0.2), ok"


@pytest.mark.parametrize("values", [(), (0.0,), (None,), (float("nan"), 0.1), (float("inf"), 0.1), (-3.0, -3.0)])
def test_any_values_can_be_drawn(values: tuple[float | None, ...]) -> None:
    for limit in (None, 0.0, 0.2):
        drawing = spark(points(*values, limit=limit))
        assert "nan" not in "".join((*drawing.lines, *drawing.limits))


def test_a_strip_is_aligned_to_its_right_edge_and_worse_is_taller() -> None:
    bars = strip(cells([counted(Verdict.OK, day=n) for n in range(STRIP_WINDOWS + 5)] + [counted(Verdict.ALERT, day=STRIP_WINDOWS + 5)]))
    assert len(bars) == STRIP_WINDOWS
    assert bars[-1].x == (STRIP_WINDOWS - 1) * 10
    assert bars[-1].height > bars[0].height
    assert strip(cells([counted(Verdict.OK)]))[0].x == (STRIP_WINDOWS - 1) * 10
