"""What mutes: silences and what they match, the age of windows, and conditions."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from monitor.core.audit import Via
from monitor.core.conditions import Condition, Trouble, moves
from monitor.core.incidents import Incident, IncidentState, MuteReason, NotifyKind, Step, TransitionReason
from monitor.core.leading import Lead, leading
from monitor.core.muting import Hold, by_age, by_silence, most_age, mute, mute_condition, told_late, untold, wish
from monitor.core.results import Verdict
from monitor.core.rules import AlertRules, Model, PerformanceRules, Switch, Task
from monitor.core.silences import About, Silence, new_silence, silence_audit, silence_for, silencing
from monitor.errors import UsageError

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
INCIDENT = Incident(id="inc_1", model="m", state=IncidentState.FIRING, severity=Verdict.ALERT, since=NOW, updated_at=NOW, notified_at=NOW)
ALL = Silence(id="sil_1", model="*", starts_at=NOW, ends_at=NOW + HOUR, by="eve")
X, Y, WHOLE = About(check="drift", column="x"), About(check="drift", column="y"), About(check="volume")


@pytest.mark.parametrize(("silences", "told", "held"), [
    ([], [X], False),
    ([ALL], [X, Y, WHOLE], True),
    ([ALL], [], False),  # nothing that could be matched
    ([replace(ALL, model="m")], [X], True),
    ([replace(ALL, model="o")], [X], False),
    ([replace(ALL, check="drift")], [X, Y], True),
    ([replace(ALL, check="drift")], [X, WHOLE], False),
    ([replace(ALL, column="x")], [X], True),
    ([replace(ALL, column="x")], [X, Y], False),
    ([replace(ALL, column="x")], [About(check="quality", column="x")], True),
    ([replace(ALL, column="x")], [WHOLE], False),  # of a column, not of the whole model
    ([replace(ALL, check="quality", column="x")], [X], False),
    ([replace(ALL, column="x"), replace(ALL, id="sil_2", column="y")], [X, Y], True),  # two that match it together
    ([replace(ALL, incident="inc_1")], [X, WHOLE], True),
    ([replace(ALL, incident="inc_2")], [X], False),
    ([replace(ALL, ends_at=NOW)], [X], False),
    ([replace(ALL, starts_at=NOW + HOUR, ends_at=NOW + DAY)], [X], False),
])  # fmt: skip
def test_a_message_is_held_back_where_all_that_it_tells_of_is_matched(silences: list[Silence], told: list[About], held: bool) -> None:
    assert (silencing(silences, INCIDENT, told, NOW) is not None) is held


def test_of_several_silences_the_one_that_ends_last_is_named() -> None:
    longer = replace(ALL, id="sil_2", ends_at=NOW + DAY)
    other = replace(ALL, id="sil_3", column="z", ends_at=NOW + 2 * DAY)
    assert silencing([ALL, longer, other], INCIDENT, [X], NOW) == longer
    assert by_silence(replace(longer, reason="we know")).detail == "until 2026-11-28T12:00:00Z by eve, we know (sil_2)"


def test_a_silence_for_an_incident_matches_it_alone() -> None:
    made = silence_for(INCIDENT, until=NOW + HOUR, by="eve", at=NOW, reason="we know")
    assert (made.model, made.incident, made.check, made.column, made.reason) == ("m", "inc_1", None, None, "we know")
    assert silencing([made], INCIDENT, [X, WHOLE], NOW) == made
    assert silencing([made], replace(INCIDENT, id="inc_2"), [X], NOW) is None
    again = silence_for(INCIDENT, until=NOW + DAY, by="eve", at=NOW)
    assert again.id == made.id, "said twice at one moment it is one"
    assert silence_for(replace(INCIDENT, id="inc_2"), until=NOW + DAY, by="eve", at=NOW).id != made.id
    entry = silence_audit(made, by="eve", at=NOW, via=Via.SLACK, action="silence")
    assert (entry.subject, entry.detail) == ("inc_1", f"{made.id}, incident inc_1, until 2026-11-27T13:00:00Z, we know")


def test_what_is_over_and_what_would_never_end_is_not_silenced() -> None:
    with pytest.raises(UsageError, match="inc_1 is resolved: there is nothing to silence"):
        silence_for(replace(INCIDENT, state=IncidentState.RESOLVED), until=NOW + HOUR, by="eve", at=NOW)
    with pytest.raises(UsageError, match="is over already"):
        new_silence(model="m", until=NOW, by="eve", at=NOW)
    with pytest.raises(UsageError, match="is too long; expected at most 366 days"):
        new_silence(model="m", until=NOW + 367 * DAY, by="eve", at=NOW)


@pytest.mark.parametrize(("checks", "lead"), [
    (["drift", "quality", "performance"], Lead.DATA_FAULT),
    (["performance", "volume"], Lead.DATA_FAULT),
    (["performance", "drift"], Lead.DRIFT),
    (["performance"], Lead.DECAY),
    (["stale_data"], None),
    ([], None),
])  # fmt: skip
def test_a_data_fault_leads_drift_and_drift_leads_decay(checks: list[str], lead: Lead | None) -> None:
    assert leading(checks) is lead


MODEL = Model(name="m", task=Task.BINARY, window=HOUR, allowed_lateness=10 * timedelta(minutes=1), min_rows=1, dedupe=False, streams=(),
              columns=(), alerts=AlertRules(repeat_after=DAY),
              performance=PerformanceRules(metrics=("roc_auc",), max_drop=0.1, label_delay=30 * DAY))  # fmt: skip


@pytest.mark.parametrize(("given", "revised", "most"), [
    (None, False, DAY + HOUR + timedelta(minutes=10)),
    (None, True, 31 * DAY + HOUR + timedelta(minutes=10)),
    (2 * HOUR, False, 2 * HOUR),
    (2 * HOUR, True, 30 * DAY + 2 * HOUR),
    (Switch.OFF, True, None),
])  # fmt: skip
def test_how_old_a_window_may_be(given: timedelta | Switch | None, revised: bool, most: timedelta | None) -> None:
    assert most_age(replace(MODEL, alerts=replace(MODEL.alerts, max_age=given)), revised=revised) == most


def test_a_window_is_old_when_it_ended_longer_ago_than_that() -> None:
    assert by_age(NOW - HOUR, NOW, HOUR) is None
    assert by_age(NOW + HOUR, NOW, HOUR) is None, "a clock that went back"
    assert by_age(NOW - DAY, NOW, None) is None
    found = by_age(NOW - 2 * HOUR, NOW, HOUR)
    assert found is not None
    assert (found.reason, found.detail) == (MuteReason.OLD_WINDOW, "it ended at 2026-11-27T10:00:00Z")


def test_nothing_is_wished_where_there_is_no_incident_or_another_one() -> None:
    held = replace(INCIDENT, muted=MuteReason.SILENCED, notified_at=None)
    assert wish(Step(incident=None), held) is None
    assert wish(Step(incident=replace(INCIDENT, id="inc_2", bad_windows=5)), held) is None
    assert mute(Step(incident=None), held, NOW, None) == Step(incident=None)
    worse = Step(incident=replace(held, bad_windows=1))
    assert wish(worse, held) is not None
    others = (None, INCIDENT, replace(held, muted=MuteReason.MAINTENANCE), replace(held, notified_at=NOW), replace(held, muted=None))
    assert untold(held)
    assert not any(map(untold, others))


def begun() -> Step:
    [opened] = moves([], [Trouble(condition=Condition.KAFKA_UNREACHABLE, said="Kafka is away")], NOW).opened
    return opened


def test_a_condition_that_is_silenced_says_so_in_its_line_of_history_and_is_told_late() -> None:
    hold = Hold(reason=MuteReason.SILENCED, detail="until then")
    opened = mute_condition(begun(), hold)
    assert opened.notify is None
    assert opened.incident is not None
    assert (opened.incident.muted, opened.incident.notified_at) == ("silenced", None)
    assert [event.detail for event in opened.events] == ["Kafka is away (held back: silenced: until then)"]
    late = told_late(opened.incident, NOW + HOUR)
    assert late.incident is not None
    assert late.notify is not None
    assert (late.notify.kind, late.notify.reason) == (NotifyKind.FIRING, TransitionReason.TOLD_LATE)
    assert (late.incident.muted, late.incident.notified_at) == (None, NOW + HOUR)
    assert mute_condition(begun(), None) == begun()


def test_the_end_of_a_condition_is_told_to_those_who_were_told_of_it() -> None:
    told = begun().incident
    silent = mute_condition(begun(), Hold(reason=MuteReason.SILENCED)).incident
    assert told is not None
    assert silent is not None
    for incident, kind in ((told, NotifyKind.RESOLVED), (silent, None)):
        [passed] = moves([incident], [], NOW + DAY).passed
        assert (passed.notify and passed.notify.kind) == kind


def test_of_the_conditions_that_stand_those_are_named_of_which_nobody_was_told() -> None:
    trouble = Trouble(condition=Condition.KAFKA_UNREACHABLE, said="Kafka is away")
    silent = mute_condition(begun(), Hold(reason=MuteReason.SILENCED)).incident
    assert silent is not None
    assert moves([silent], [trouble], NOW).held == (silent,)
    assert moves([silent], [], NOW).held == ()
    assert moves([replace(silent, state=IncidentState.ACKNOWLEDGED)], [trouble], NOW).held == ()
