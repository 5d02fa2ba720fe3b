"""Message bodies: plain data, whole, short enough, and readable again."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from monitor.core.incidents import Incident, IncidentState, Notify, NotifyKind, TransitionReason, acknowledge
from monitor.core.messages import (
    MAX_COLUMNS,
    MAX_TEXT,
    ColumnLine,
    IncidentMessage,
    Occasion,
    from_body,
    incident_dedupe,
    incident_message,
    message_body,
    model_url,
    span,
    to_body,
    with_earlier,
)
from monitor.core.results import Account, Check, Result, Verdict
from monitor.core.retraining import Retraining, RetrainingState
from monitor.core.retraining_messages import MAX_RESULTS, Case, retraining_body, retraining_dedupe, retraining_request
from monitor.errors import DecodeError

START = datetime(2013, 7, 1, tzinfo=UTC)
DAY = timedelta(days=1)
FIRING = Notify(kind=NotifyKind.FIRING, reason=TransitionReason.OPEN_AFTER_REACHED)
REPEAT = Notify(kind=NotifyKind.REPEAT, reason=TransitionReason.REPEAT_INTERVAL_ELAPSED)
RESOLVED = Notify(kind=NotifyKind.RESOLVED, reason=TransitionReason.RESOLVE_AFTER_REACHED)
INCIDENT = Incident(
    id="inc_1", model="flight-delay", state=IncidentState.FIRING, severity=Verdict.ALERT, since=START, updated_at=START + DAY,
    bad_windows=1, checks=("drift",), columns=("dep_delay", "p_late"), cause="dep_delay: ×60", summary="drift alert on dep_delay, p_late",
)


def test_a_first_message_says_what_happened_since_when_and_why() -> None:
    lines = (ColumnLine(column="dep_delay", sentence="dep_delay: mean 12.6 → 756"),)
    said = incident_message(
        Occasion(incident=INCIDENT, notify=FIRING, headline="dep_delay: ×60", columns=lines, account=Account(counted=9, late=1))
    )
    assert said.sentence == "flight-delay: drift alert on dep_delay, p_late, since 2013-07-01 00:00 UTC"
    assert (said.cause, said.columns, said.lasted) == ("dep_delay: ×60", lines, 86400.0)
    assert said.account is not None
    assert said.account.received == 10


def test_a_reminder_says_how_long_it_goes_on() -> None:
    incident = replace(INCIDENT, updated_at=START + 3 * DAY, bad_windows=3)
    said = incident_message(Occasion(incident=incident, notify=REPEAT))
    assert said.sentence == "flight-delay: still going on after 3 d (3 bad windows): drift alert on dep_delay, p_late"


def test_a_resolution_says_how_long_it_was_and_keeps_the_cause_and_the_columns() -> None:
    incident = replace(INCIDENT, updated_at=START + 3 * DAY, resolved_at=START + 3 * DAY, state=IncidentState.RESOLVED)
    said = incident_message(Occasion(incident=incident, notify=RESOLVED))
    assert said.sentence == "flight-delay: resolved after 3 d (1 bad window; resolve_after reached)"
    assert said.cause == "dep_delay: ×60"
    assert [line.column for line in said.columns] == ["dep_delay", "p_late"]


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 min"), (59, "0 min"), (60, "1 min"), (3600, "1 h"), (3660, "1 h 1 min"), (86_460, "1 d 1 min"), (604_800, "7 d")],
)
def test_a_duration_is_said_in_its_two_largest_units(seconds: int, said: str) -> None:
    assert span(timedelta(seconds=seconds)) == said


def test_a_body_goes_through_json_and_comes_back_as_it_was() -> None:
    occasion = Occasion(incident=INCIDENT, notify=FIRING, account=Account(counted=9), page_url="https://drift.example/")
    stored = json.loads(json.dumps(message_body(occasion), allow_nan=False))
    assert from_body(stored, IncidentMessage) == incident_message(occasion)
    assert stored["since"] == "2013-07-01T00:00:00Z"


def test_a_body_from_before_performance_was_told_is_still_read() -> None:
    told = incident_message(Occasion(incident=INCIDENT, notify=FIRING, performance="f1 fell"))
    old = {name: value for name, value in to_body(told).items() if name not in ("performance", "sure", "acknowledged_by")}
    assert from_body(old, IncidentMessage) == replace(told, performance="")


def test_who_acknowledged_it_is_told() -> None:
    taken = acknowledge(replace(INCIDENT, notified_at=START + DAY), by="ann", at=START + 2 * DAY)
    assert taken.incident is not None
    assert taken.notify is not None
    said = incident_message(Occasion(incident=taken.incident, notify=taken.notify))
    assert said.sentence == ("flight-delay: drift alert on dep_delay, p_late, since 2013-07-01 00:00 UTC; acknowledged by ann")
    assert (said.kind, said.acknowledged_by) == (NotifyKind.UPDATE, "ann")


def test_an_incident_that_nobody_was_told_of_is_acknowledged_in_silence() -> None:
    assert acknowledge(INCIDENT, by="ann", at=START).notify is None


def test_a_change_that_is_no_acknowledgement_is_told_by_its_reason() -> None:
    update = Notify(kind=NotifyKind.UPDATE, reason=TransitionReason.RESOLVED_BY_PERSON)
    assert incident_message(Occasion(incident=INCIDENT, notify=update)).sentence.endswith("UTC; resolved by a person")


def test_the_end_keeps_what_was_told_of_columns_and_performance() -> None:
    lines = (ColumnLine(column="dep_delay", sentence="dep_delay: mean 12.6 → 756"),)
    first = incident_message(Occasion(incident=INCIDENT, notify=FIRING, columns=lines, performance="f1 fell", evidence="D 0.6",
                                      sure="p 1e-9", headline="dep_delay: ×60", account=Account(counted=7)))
    end = incident_message(Occasion(incident=replace(INCIDENT, state=IncidentState.RESOLVED), notify=RESOLVED, account=Account(counted=9)))
    whole = with_earlier(end, first)
    assert (whole.columns, whole.performance, whole.evidence, whole.sure) == (lines, "f1 fell", "D 0.6", "p 1e-9")
    assert (whole.sentence, whole.kind, whole.account) == (end.sentence, NotifyKind.RESOLVED, Account(counted=9))
    person = with_earlier(replace(end, account=None), first)
    assert person.account == Account(counted=7)


def test_what_a_message_tells_itself_is_not_taken_from_an_earlier_one() -> None:
    first = incident_message(Occasion(incident=INCIDENT, notify=FIRING, performance="f1 fell"))
    later = incident_message(Occasion(incident=INCIDENT, notify=REPEAT, performance="f1 fell further"))
    assert with_earlier(later, first) == later
    other = incident_message(Occasion(incident=replace(INCIDENT, id="inc_2"), notify=RESOLVED))
    assert with_earlier(other, first) == other


def test_a_drop_of_performance_goes_to_the_trainer_with_its_interval() -> None:
    dropped = replace(
        evidence(0), check=Check.PERFORMANCE, column=None, metric="f1", value=0.6, segment="s" * 200, ci_low=0.5, ci_high=math.inf,
        labelled=7, estimated=False,
    )  # fmt: skip
    request = retraining_request(REQUEST, Case(cause="f1 fell", performance="f1 fell", results=(dropped,)))
    (told,) = request.results
    assert (told.ci_low, told.ci_high, told.labelled, told.estimated, len(told.segment)) == (0.5, None, 7, False, 100)
    assert request.performance == "f1 fell"


def test_a_body_that_is_no_message_names_what_is_wrong() -> None:
    body = dict(message_body(Occasion(incident=INCIDENT, notify=FIRING)))
    with pytest.raises(DecodeError, match=r"no IncidentMessage: .*severity"):
        from_body({**body, "severity": "terrible"}, IncidentMessage)


def test_many_and_long_columns_are_cut_and_counted() -> None:
    lines = tuple(ColumnLine(column="c" * 5000, sentence="s" * 5000) for _ in range(MAX_COLUMNS + 3))
    said = incident_message(Occasion(incident=INCIDENT, notify=FIRING, columns=lines))
    assert (len(said.columns), said.more_columns) == (MAX_COLUMNS, 3)
    assert all(len(line.column) == len(line.sentence) == MAX_TEXT for line in said.columns)


def test_a_lone_surrogate_from_a_log_can_be_written() -> None:
    said = incident_message(Occasion(incident=INCIDENT, notify=FIRING, headline="category \ud800 appeared"))
    assert said.cause == "category ? appeared"
    said.cause.encode()


def test_the_link_leads_to_the_models_page() -> None:
    assert model_url("https://drift.example/", "a/b c") == "https://drift.example/models/a%2Fb%20c"
    assert model_url(None, "m") is None


def test_dedupe_keys_tell_receivers_kinds_and_times_apart() -> None:
    later = replace(INCIDENT, updated_at=START + 2 * DAY)
    keys = {
        incident_dedupe("slack", INCIDENT, FIRING),
        incident_dedupe("other", INCIDENT, FIRING),
        incident_dedupe("slack", INCIDENT, REPEAT),
        incident_dedupe("slack", later, REPEAT),
    }
    assert len(keys) == 4
    assert incident_dedupe("slack", INCIDENT, FIRING) in keys


def evidence(n: int, verdict: Verdict = Verdict.ALERT) -> Result:
    return Result(
        model="m", version="1", segment="*", window_start=START + n * DAY, window_end=START + (n + 1) * DAY, check=Check.DRIFT, column="x",
        metric="psi", value=math.inf, threshold=0.2, p_value=None, verdict=verdict, reason="x moved", rows=10,
    )


REQUEST = Retraining(
    id="ret_1", model="m", version="1", state=RetrainingState.REQUESTED, reason="drift alerted", incident="inc_1", columns=("x",),
    requested_at=START,
)


def test_a_request_to_retrain_has_the_frame_of_standard_webhooks_and_its_evidence() -> None:
    rows = [evidence(n) for n in range(MAX_RESULTS + 5)] + [evidence(99, Verdict.OK)]
    body = json.loads(json.dumps(retraining_body(retraining_request(REQUEST, Case(cause="x: ×60", results=tuple(rows)))), allow_nan=False))
    assert (body["type"], body["timestamp"]) == ("driftd.retraining.requested", "2013-07-01T00:00:00Z")
    assert body["data"]["id"] == "ret_1"
    assert body["data"]["cause"] == "x: ×60"
    assert len(body["data"]["results"]) == MAX_RESULTS
    assert body["data"]["results"][0]["window_start"] == "2013-07-15T00:00:00Z"
    assert body["data"]["results"][0]["value"] is None
    assert (body["data"]["results"][0]["segment"], body["data"]["results"][0]["estimated"]) == ("*", None)
    assert retraining_dedupe("retraining:m", REQUEST) == "retraining:m:ret_1"
