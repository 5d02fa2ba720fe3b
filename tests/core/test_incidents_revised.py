"""What labels of earlier windows do to an incident that is open now."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from monitor.core.incidents import Incident, IncidentState, Judged, Notify, NotifyKind, TransitionReason, revise, step
from monitor.core.results import Check, Result, Verdict
from monitor.core.rules import AlertRules

HOUR = timedelta(hours=1)
START = datetime(2013, 3, 1, tzinfo=UTC)
RULES = AlertRules(open_after=1, resolve_after=2, repeat_after=24 * HOUR)


def results(hour: int, verdict: Verdict, *, estimated: bool = False) -> tuple[Result, ...]:
    """Accuracy by labels or by estimate, beside a volume as usual."""
    volume = Result(
        model="m", version="1", segment="*", window_start=START + hour * HOUR, window_end=START + (hour + 1) * HOUR, check=Check.VOLUME,
        column=None, metric="rows", value=40, threshold=20, p_value=0.5, verdict=Verdict.OK, reason="", rows=40,
    )  # fmt: skip
    accuracy = replace(volume, check=Check.PERFORMANCE, metric="accuracy", verdict=verdict)
    return replace(accuracy, estimated=estimated, labelled=0 if estimated else 40), volume


def judged(hour: int, verdict: Verdict, *, estimated: bool = False, revision: int = 0) -> Judged:
    end = START + (hour + 1) * HOUR
    return Judged(model="m", start=START + hour * HOUR, end=end, results=results(hour, verdict, estimated=estimated), revision=revision)


def opened(hour: int) -> Incident:
    incident = step(None, judged(hour, Verdict.ALERT), RULES).incident
    assert incident is not None
    return incident


def test_windows_before_the_incident_that_labels_show_to_be_well_do_not_end_it() -> None:
    incident = opened(20)
    for hour in (3, 4, 19):
        taken = revise(incident, results(hour, Verdict.OK, estimated=True), judged(hour, Verdict.OK, revision=1), RULES)
        assert (taken.incident, taken.events, taken.notify) == (incident, (), None)


def test_a_pending_incident_is_nothing_by_windows_since_it_began_and_not_by_those_before() -> None:
    pending = step(None, judged(20, Verdict.ALERT), replace(RULES, open_after=2)).incident
    assert pending is not None
    before = revise(pending, results(19, Verdict.OK, estimated=True), judged(19, Verdict.OK, revision=1), RULES)
    assert before.incident == pending
    own = revise(pending, results(20, Verdict.ALERT), judged(20, Verdict.OK, revision=2), RULES).incident
    assert own is not None
    assert own.state is IncidentState.RESOLVED


def test_windows_after_it_and_its_own_that_labels_show_to_be_well_end_it() -> None:
    incident = opened(20)
    first = revise(incident, results(20, Verdict.ALERT, estimated=True), judged(20, Verdict.OK, revision=1), RULES).incident
    assert first is not None
    assert first.good_windows == 1
    last = revise(first, results(21, Verdict.OK, estimated=True), judged(21, Verdict.OK, revision=1), RULES).incident
    assert last is not None
    assert last.state is IncidentState.RESOLVED


def test_a_bad_window_that_stays_bad_as_its_labels_come_interrupts_no_row_of_good_ones() -> None:
    better = step(opened(20), judged(21, Verdict.OK), RULES).incident
    assert better is not None
    assert better.good_windows == 1
    after = revise(better, results(20, Verdict.ALERT), judged(20, Verdict.ALERT, revision=2), RULES).incident
    assert after is not None
    assert (after.good_windows, after.bad_windows) == (1, 1)
    ended = step(after, judged(22, Verdict.OK), RULES).incident
    assert ended is not None
    assert ended.state is IncidentState.RESOLVED


def test_people_are_told_at_once_and_once_when_a_drift_that_they_know_of_turns_out_to_cost_performance() -> None:
    known = replace(opened(5), checks=("drift",))
    costly = revise(known, judged(5, Verdict.OK, estimated=True).results, judged(5, Verdict.ALERT, revision=1), AlertRules())
    assert costly.notify == Notify(kind=NotifyKind.REPEAT, reason=TransitionReason.PERFORMANCE_DROPPED_TOO)
    assert costly.incident is not None
    assert costly.incident.checks == ("drift", "performance")
    again = revise(costly.incident, judged(6, Verdict.OK, estimated=True).results, judged(6, Verdict.ALERT, revision=1), AlertRules())
    assert again.notify is None
    waiting = replace(known, state=IncidentState.PENDING, fired_at=None, notified_at=None)
    assert revise(waiting, (), judged(5, Verdict.ALERT), AlertRules(open_after=9)).notify is None
