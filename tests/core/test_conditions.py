"""Conditions: opened at once, confirmed while they stand, and over only when nobody has seen them for a while."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from monitor.core.conditions import CONFIRM, HOLD, Condition, Trouble, moves
from monitor.core.incidents import IncidentState, NotifyKind

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
AWAY = Trouble(condition=Condition.KAFKA_UNREACHABLE, said="no broker answers")
FAILING = Trouble(condition=Condition.RECEIVER_FAILING, subject="slack", said="invalid_auth")


def opened(trouble: Trouble = AWAY):
    [step] = moves([], [trouble], NOW).opened
    assert step.incident is not None
    return step.incident


def test_a_new_trouble_is_an_incident_that_fires_at_once_and_is_told() -> None:
    [step] = moves([], [AWAY], NOW).opened
    assert step.incident is not None
    assert (step.incident.state, step.incident.condition, step.incident.model) == (IncidentState.FIRING, "kafka_unreachable", "*")
    assert step.incident.cause == "no broker answers"
    assert step.notify is not None
    assert step.notify.kind is NotifyKind.FIRING


def test_the_same_trouble_told_twice_is_one_incident_and_two_subjects_are_two() -> None:
    other = replace(FAILING, subject="retraining:m")
    assert len(moves([], [FAILING, FAILING, other], NOW).opened) == 2


def test_what_stands_is_confirmed_now_and_then_and_told_no_more() -> None:
    incident = opened()
    assert moves([incident], [AWAY], NOW + CONFIRM / 2).confirmed == ()
    due = moves([incident], [AWAY], NOW + CONFIRM)
    assert (due.opened, due.confirmed, due.passed) == ((), (incident.id,), ())


def test_what_nobody_sees_any_more_is_over_after_a_while_and_that_is_told() -> None:
    incident = opened()
    assert moves([incident], [], NOW + HOLD - timedelta(seconds=1)).passed == ()
    [step] = moves([incident], [], NOW + HOLD).passed
    assert step.incident is not None
    assert (step.incident.state, step.incident.resolved_at) == (IncidentState.RESOLVED, NOW + HOLD)
    assert step.notify is not None
    assert step.notify.kind is NotifyKind.RESOLVED


def test_an_acknowledged_condition_still_stands_and_still_passes() -> None:
    known = replace(opened(), state=IncidentState.ACKNOWLEDGED)
    assert moves([known], [AWAY], NOW + HOLD).opened == ()
    [step] = moves([known], [], NOW + HOLD).passed
    assert step.events[0].before is IncidentState.ACKNOWLEDGED


def test_after_a_clock_that_was_set_back_it_is_confirmed_or_over_all_the_same() -> None:
    incident, earlier = opened(), NOW - timedelta(hours=1)
    assert moves([incident], [AWAY], earlier).confirmed == (incident.id,)
    assert len(moves([incident], [], earlier).passed) == 1


def test_a_long_subject_is_told_apart_by_a_digest_and_found_again() -> None:
    long, other = (Trouble(condition=Condition.NO_EVENT_TIME, subject="t" * 248 + end, said="no time") for end in "ab")
    assert len(long.name) < 160
    assert long.name != other.name
    assert moves([opened(long)], [long], NOW).opened == ()
