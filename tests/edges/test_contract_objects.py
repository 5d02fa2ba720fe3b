from __future__ import annotations

import json
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from monitor import contract
from monitor.core.incidents import Incident, IncidentEvent, IncidentState, TransitionReason
from monitor.core.results import Account, Result, Verdict, WindowKey
from monitor.core.retraining import Retraining, RetrainingState
from monitor.core.schema import Reason
from monitor.ports import LabelAccount, Quarantined, QuarantineRow, StoredReference, StoredWindow, TopicPartition
from tests.edges.web_story import FAULT_DAYS, OPEN_ID, Day, incident, results_of

AT = datetime(2013, 4, 1, 6, tzinfo=UTC)
RESULT = results_of(Day(model="m", number=0))[0]


def test_a_result_object_has_the_names_of_the_contract_in_its_order() -> None:
    assert ", ".join(contract.result_object(RESULT)) == (
        "model, version, segment, window_start, window_end, check, column, metric, value, threshold, "
        "p_value, verdict, reason, rows, revision, reference, ci_low, ci_high, labelled, estimated, reference_value"
    )
    assert set(contract.result_object(RESULT)) == {field.name for field in fields(Result)}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), None])
def test_a_number_that_json_cannot_say_is_null(value: float | None) -> None:
    text = json.dumps(contract.result_object(replace(RESULT, value=value, p_value=value)), allow_nan=False)
    assert json.loads(text)["value"] is None


def test_a_window_object_carries_an_account_that_adds_up() -> None:
    key = WindowKey(model="m", version="1", start=AT, end=AT + timedelta(hours=1))
    account = Account(counted=5, late=4, duplicate=3, quarantined=2, sampled_out=1)
    assert contract.window_object(StoredWindow(key=key, account=account, profile=None)) == {
        "model": "m",
        "version": "1",
        "segment": "*",
        "window_start": "2013-04-01T06:00:00Z",
        "window_end": "2013-04-01T07:00:00Z",
        "received": 15,
        "counted": 5,
        "late": 4,
        "duplicate": 3,
        "quarantined": 2,
        "sampled_out": 1,
        "incomplete": False,
    }


def test_a_label_account_adds_up() -> None:
    account = LabelAccount(matched=5, revised=4, repeated=3, expired=2, waiting=1, unlabelled=9)
    told = contract.label_account_object("m", account)
    assert set(told) == {field.name for field in fields(LabelAccount)} | {"model", "received"}
    assert (told["received"], told["unlabelled"]) == (15, 9)


def test_an_incident_object_leaves_nothing_out_and_can_bring_its_history() -> None:
    found = incident(OPEN_ID, FAULT_DAYS, IncidentState.FIRING)
    event = IncidentEvent(incident=OPEN_ID, at=AT, before=None, after=IncidentState.FIRING, reason=TransitionReason.OPEN_AFTER_REACHED)
    told = contract.incident_history_object(found, [event])
    assert set(told) == {field.name for field in fields(Incident)} | {"events"}
    assert told["events"] == [
        {"incident": OPEN_ID, "at": "2013-04-01T06:00:00Z", "before": None, "after": "firing", "reason": "open_after reached", "detail": ""}
    ]
    assert (told["since"], told["resolved_at"], told["severity"]) == ("2013-05-06T00:00:00Z", None, str(Verdict.ALERT))
    json.dumps(told)


def test_a_retraining_object_leaves_nothing_out() -> None:
    asked = Retraining(
        id="r", model="m", version="1", state=RetrainingState.REQUESTED, reason="why", incident=None, columns=("a",), requested_at=AT
    )
    told = contract.retraining_object(asked)
    assert set(told) == {field.name for field in fields(Retraining)}
    assert (told["columns"], told["requested_at"]) == (["a"], "2013-04-01T06:00:00Z")


def test_a_quarantined_message_is_shown_as_text_whatever_its_bytes() -> None:
    entry = Quarantined(
        model="m",
        stream="predictions",
        partition=TopicPartition("t", 2),
        offset=9,
        reason=Reason.NOT_UTF8,
        detail="byte 0",
        sample=b"\xff\xfe" + b"x" * 1000,
        at=AT,
    )
    told = contract.quarantine_object(QuarantineRow(id=1, entry=entry))
    assert (told["topic"], told["partition"], told["offset"], told["reason"]) == ("t", 2, 9, "not_utf8")
    assert str(told["sample"]).startswith("\\xff\\xfexxx")
    assert len(str(told["sample"])) == contract.SAMPLE_CHARACTERS


def test_a_reference_object_leaves_nothing_out() -> None:
    reference = StoredReference(
        model="m", version="*", number=1, hash="h", active=True, rows=2, columns=3, created_at=AT, provenance={"a": 1}
    )
    assert set(contract.reference_object(reference)) == {field.name for field in fields(StoredReference)} | {"kind"}
    json.dumps(contract.reference_object(reference))


@pytest.mark.parametrize("text", ["2013-04-01T06:00:00Z", "2013-04-01T06:00:00", "2013-04-01 06:00", "2013-04-01T08:00:00+02:00"])
def test_a_moment_is_read_as_people_write_it(text: str) -> None:
    assert contract.parse_moment(text) == AT
    assert contract.parse_moment(text).tzinfo is UTC


def test_a_date_is_its_first_moment_and_nonsense_is_refused() -> None:
    assert contract.parse_moment("2013-04-01") == datetime(2013, 4, 1, tzinfo=timezone.utc)  # noqa: UP017 - the zone itself is meant
    with pytest.raises(ValueError, match="'soon' is no time: expected one like 2013-01-31"):
        contract.parse_moment("soon")
