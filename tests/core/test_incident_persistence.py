"""Incidents of what comes and goes: some bad windows of a few open one, and a change that lies about its limit is one, not ten."""

from __future__ import annotations

from dataclasses import replace

import pytest

from monitor.core.incidents import Incident, IncidentState, step
from monitor.core.results import Check, Result, Verdict
from monitor.core.rules import AlertRules
from monitor.core.signals import Signal, signal
from tests.core.test_incidents import result, run, window

TWO_OF_THREE = AlertRules(open_after=2, open_within=3)
STATES = {None: ".", IncidentState.PENDING: "p", IncidentState.FIRING: "f", IncidentState.RESOLVED: "r"}


def states(letters: str, rules: AlertRules) -> str:
    return "".join(STATES[s.incident and s.incident.state] for s in run(letters, rules))


@pytest.mark.parametrize(
    ("windows", "expected"),
    [("BB", "pf"), ("BGB", "ppf"), ("BGGB", "pprp"), ("BGGBGB", "pprppf"), ("BIGB", "pppf"), ("BGBGG", "ppffr"), ("BBGG", "pffr")],
)
def test_two_bad_windows_of_three_open_an_incident(windows: str, expected: str) -> None:
    assert states(windows, TWO_OF_THREE) == expected


def test_three_of_five_are_counted_from_the_first_bad_window() -> None:
    rules = AlertRules(open_after=3, open_within=5)
    assert states("BGGBB", rules) == "ppppf"
    assert states("BGBGG", rules) == "ppppr"


def test_as_many_within_as_needed_is_in_a_row() -> None:
    for letters in ("BGB", "BB", "BGBB", "BIBGG"):
        assert states(letters, AlertRules(open_after=2, open_within=2)) == states(letters, AlertRules(open_after=2))


def test_the_history_says_of_how_many_windows_they_were() -> None:
    fired = run("BGB", TWO_OF_THREE)[-1]
    assert fired.events[-1].detail == "2 bad of 3 windows"
    assert fired.incident is not None
    assert (fired.incident.bad_windows, fired.incident.good_windows) == (2, 0)


# --- not well again yet --------------------------------------------------------------------------------------


def near(n: int, *, p: float | None = 0.02, value: float = 0.15, column: str = "x", check: Check = Check.DRIFT) -> Result:
    return replace(result(n, Verdict.OK, check, column), value=value, threshold=0.2, p_value=p)


def opened() -> Incident:
    incident = run("B", AlertRules())[-1].incident
    assert incident is not None
    return incident


def test_a_column_under_its_limit_that_still_looks_unusual_is_not_well_again() -> None:
    incident: Incident | None = opened()
    for n in range(1, 10):
        incident = step(incident, window(n, near(n)), AlertRules()).incident
        assert incident is not None
        assert incident.state is IncidentState.FIRING
    for n in (10, 11):
        incident = step(incident, window(n, near(n, p=0.4)), AlertRules()).incident
    assert incident is not None
    assert incident.state is IncidentState.RESOLVED


def test_good_windows_with_an_unusual_one_between_are_not_in_a_row() -> None:
    incident: Incident | None = opened()
    for n, p in ((1, 0.4), (2, 0.02), (3, 0.4)):
        incident = step(incident, window(n, near(n, p=p)), AlertRules()).incident
    assert incident is not None
    assert (incident.state, incident.good_windows) == (IncidentState.FIRING, 1)


@pytest.mark.parametrize(
    "other",
    [
        near(1, p=None),  # a distance with a limit of its own
        near(1, value=0.09),  # certain, but small
        near(1, column="y"),  # another column
        near(1, check=Check.QUALITY),
    ],
)
def test_what_else_is_below_its_limit_is_well(other: Result) -> None:
    assert signal([other], opened()) is Signal.GOOD


def test_of_many_columns_one_that_is_a_little_unusual_holds_nothing() -> None:
    many = replace(opened(), columns=tuple("xabcdefghi"))
    assert signal([near(1, p=0.02)], many) is Signal.GOOD, "among ten columns chance makes one such nearly every fifth window"
    assert signal([near(1, p=0.009)], many) is Signal.HELD


def test_without_an_incident_an_unusual_window_is_good() -> None:
    assert signal([near(1)]) is Signal.GOOD
    pending = run("B", TWO_OF_THREE)[-1].incident
    assert signal([near(1)], pending) is Signal.GOOD
