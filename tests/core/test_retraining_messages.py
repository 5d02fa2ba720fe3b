"""What is told of a request to retrain, why data looks faulty, and what of it to leave out."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from monitor.core.cause import Cause, ColumnCause
from monitor.core.cause.signatures import SIGNATURES
from monitor.core.data_fault import BROKEN, data_fault
from monitor.core.incidents import Incident, IncidentState
from monitor.core.messages import ColumnLine, from_body, to_body
from monitor.core.results import Check, Result, Verdict
from monitor.core.retraining import Retraining, RetrainingState
from monitor.core.retraining_messages import (
    MAX_BODY,
    SAID,
    Case,
    ReferenceLine,
    RetrainingNote,
    RetrainingRequest,
    callback_url,
    note_dedupe,
    retraining_body,
    retraining_note,
    retraining_request,
)
from monitor.core.training_data import MOST_SPANS, training_data

START = datetime(2013, 7, 1, tzinfo=UTC)
DAY = timedelta(days=1)
ASKED = Retraining(id="ret_1", model="m", version="1", state=RetrainingState.REQUESTED, reason="drift alerted", incident="inc_1",
                   columns=("x",), requested_at=START)
INCIDENT = Incident(id="inc_1", model="m", state=IncidentState.FIRING, severity=Verdict.ALERT, since=START - 3 * DAY, updated_at=START,
                    checks=("drift",), summary="drift alert on x")


def result(check: Check = Check.DRIFT, verdict: Verdict = Verdict.ALERT, **changes: object) -> Result:
    made = Result(model="m", version="1", segment="*", window_start=START, window_end=START + DAY, check=check, column="x", metric="psi",
                  value=1.0, threshold=0.2, p_value=None, verdict=verdict, reason="x moved", rows=10)
    return replace(made, **changes)  # type: ignore[arg-type]


def performance(metric: str, day: int, verdict: Verdict = Verdict.OK, **changes: object) -> Result:
    start = START + day * DAY
    return result(Check.PERFORMANCE, verdict, column=None, metric=metric, window_start=start, window_end=start + DAY,
                  ci_low=0.9, ci_high=1.1, labelled=9, estimated=False, **changes)


# --- the request ---------------------------------------------------------------------------------------------


def test_a_request_tells_incident_columns_metrics_reference_and_where_to_report() -> None:
    rows = (result(), performance("roc_auc", 0), performance("roc_auc", 1), performance("f1", 1, Verdict.ALERT),
            performance("f1", 1, segment="a=b"), performance("worst_slice(f1)", 1), performance("log_loss", 1, value=None))
    case = Case(results=rows, incident=INCIDENT, columns=(ColumnLine(column="x", sentence="x: mean 1 → 2"),),
                reference=ReferenceLine(number=3, hash="abc"), page_url="https://d.example/", api_url="https://d.example/")
    request = retraining_request(ASKED, case)
    assert (request.incident_since, request.incident_summary) == (START - 3 * DAY, "drift alert on x")
    assert request.column_lines == (ColumnLine(column="x", sentence="x: mean 1 → 2"),)
    assert [(m.metric, m.window_start, m.ci_low, m.ci_high) for m in request.metrics] == [
        ("f1", START + DAY, 0.9, 1.1), ("roc_auc", START + DAY, 0.9, 1.1),
    ]
    assert request.reference == ReferenceLine(number=3, hash="abc")
    assert request.callback_url == "https://d.example/api/v1/retrainings/ret_1/status"
    assert from_body(to_body(request), RetrainingRequest) == request


def test_without_an_address_nobody_can_report() -> None:
    assert callback_url(None, "ret_1") is None
    assert retraining_request(ASKED, Case()).callback_url is None


@pytest.mark.parametrize("text", ["x", "µ", "🛫", '"', "\x00", "\ud800"])
def test_a_request_is_never_larger_than_it_may_be(text: str) -> None:
    long = text * 1000
    rows = tuple(result(column=long, reason=long, segment=long, window_end=START + n * DAY) for n in range(30))
    metrics = tuple(performance(f"m{n}", n, reason=long) for n in range(30))
    case = Case(cause=long, performance=long, results=rows + metrics, incident=replace(INCIDENT, summary=long),
                columns=tuple(ColumnLine(column=long, sentence=long) for _ in range(30)), page_url="https://d.example")
    body = retraining_body(retraining_request(replace(ASKED, columns=tuple(f"{n}{long}" for n in range(10))), case))
    sent = json.dumps(body["data"], ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    assert len(sent) <= MAX_BODY + 200, "msgspec and json escape a few characters in another way"
    assert body["data"]["id"] == "ret_1"  # type: ignore[index]


def test_a_small_request_loses_nothing() -> None:
    rows = tuple(result(window_end=START + n * DAY) for n in range(10))
    assert len(retraining_body(retraining_request(ASKED, Case(results=rows)))["data"]["results"]) == 10  # type: ignore[index]


# --- what people are told ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "changes", "sentence"),
    [
        (RetrainingState.PROPOSED, {}, "m: retraining is proposed: drift alerted"),
        (RetrainingState.REQUESTED, {}, "m: retraining is asked for: drift alerted"),
        (RetrainingState.REQUESTED, {"detail": "approved by ann"}, "m: retraining is asked for: approved by ann"),
        (RetrainingState.ACCEPTED, {}, "m: retraining is accepted"),
        (RetrainingState.RUNNING, {"detail": "on June"}, "m: retraining is running: on June"),
        (RetrainingState.SUCCEEDED, {"new_version": "8", "detail": "on June"}, "m: retraining succeeded: version 8, on June"),
        (RetrainingState.FAILED, {"detail": "no rows"}, "m: retraining failed: no rows"),
        (RetrainingState.CANCELLED, {"detail": "cancelled by bo"}, "m: retraining is cancelled: cancelled by bo"),
    ],
)
def test_people_are_told_each_state_in_one_sentence(state: RetrainingState, changes: dict[str, str], sentence: str) -> None:
    note = retraining_note(replace(ASKED, state=state, **changes), page_url="https://d.example")  # type: ignore[arg-type]
    assert note.sentence == sentence
    assert ("approve" in note.hint) == (state is RetrainingState.PROPOSED)
    assert (note.incident, note.at, note.url) == ("inc_1", START, "https://d.example/models/m")
    assert from_body(to_body(note), RetrainingNote) == note
    assert set(SAID) == set(RetrainingState)


def test_each_state_is_told_once() -> None:
    keys = {note_dedupe("slack", replace(ASKED, state=state)) for state in RetrainingState}
    assert len(keys | {note_dedupe("mail", ASKED)}) == len(RetrainingState) + 1


# --- data faults ---------------------------------------------------------------------------------------------


def cause(signature: str) -> Cause:
    column = ColumnCause(name="x", metric="psi", value=1.0, threshold=0.2, effect=1.0, sentence="x moved", signature=signature)
    return Cause(headline="x moved", columns=(column,))


@pytest.mark.parametrize("signature", sorted(SIGNATURES))
def test_a_signature_is_a_fault_or_a_move_of_the_world(signature: str) -> None:
    said = data_fault((), cause(signature), None)
    assert bool(said) == (signature in BROKEN) == (signature not in ("factor", "offset"))
    assert said in ("", f"x: {BROKEN.get(signature)}")


@pytest.mark.parametrize(
    ("results", "checks", "said"),
    [
        ((), (), ""),
        ((result(),), ("drift", "performance"), ""),
        ((result(Check.QUALITY, Verdict.WARN), result(Check.VOLUME, Verdict.INSUFFICIENT)), (), ""),
        ((result(Check.QUALITY),), (), "quality alerts"),
        ((result(Check.VOLUME), result(Check.QUALITY)), (), "quality and volume alert"),
        ((result(Check.QUALITY),), ("volume",), "quality and volume alert"),
        ((result(),), ("drift", "quality"), "quality alerts in this incident"),
    ],
)
def test_alerts_of_the_data_are_faults_of_this_window_or_of_the_incident(
    results: tuple[Result, ...], checks: tuple[str, ...], said: str
) -> None:
    assert data_fault(results, None, replace(INCIDENT, checks=checks)) == said


# --- the data to train on ------------------------------------------------------------------------------------


def test_the_range_ends_where_labels_can_have_come_and_faults_are_left_out() -> None:
    over = replace(INCIDENT, id="inc_a", checks=("drift", "quality"), since=START - 9 * DAY, resolved_at=START - 7 * DAY)
    going = replace(INCIDENT, id="inc_b", checks=("volume",), since=START - 2 * DAY, updated_at=START - DAY)
    found = training_data(now=START, label_delay=5 * DAY, first=START - 30 * DAY, changed_at=START - 3 * DAY,
                          incidents=[going, INCIDENT, over])
    assert (found.start, found.end, found.changed_at) == (START - 30 * DAY, START - 5 * DAY, START - 3 * DAY)
    assert [(span.start, span.end, span.incident, span.why) for span in found.leave_out] == [
        (START - 9 * DAY, START - 7 * DAY, "inc_a", "quality"), (START - 2 * DAY, START - DAY, "inc_b", "volume"),
    ]


def test_a_range_never_ends_before_it_begins_and_names_the_newest_spans() -> None:
    many = [replace(INCIDENT, id=f"inc_{n:02}", checks=("quality",), since=START - (40 - n) * DAY) for n in range(30)]
    found = training_data(now=START, label_delay=5 * DAY, first=START - DAY, changed_at=None, incidents=many)
    assert (found.start, found.end) == (START - 5 * DAY, START - 5 * DAY)
    assert [span.incident for span in found.leave_out] == [f"inc_{n}" for n in range(30 - MOST_SPANS, 30)]
    assert training_data(now=START, label_delay=DAY, first=None, changed_at=None, incidents=()).start is None


def test_a_number_that_json_cannot_say_is_none() -> None:
    [told] = retraining_request(ASKED, Case(results=(result(value=math.inf, threshold=math.nan),))).results
    assert (told.value, told.threshold) == (None, None)
