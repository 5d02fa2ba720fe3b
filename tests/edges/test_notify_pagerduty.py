"""Incidents to PagerDuty, told to a server that refuses what its documentation refuses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given

from monitor.clock import SystemClock
from monitor.core.incidents import IncidentState, NotifyKind
from monitor.core.messages import IncidentMessage, from_body
from monitor.core.results import Verdict
from monitor.demo import scripted_http as http
from monitor.demo.scripted_http import Request
from monitor.errors import Permanent, Retryable
from monitor.notify import pagerduty
from monitor.notify.pagerduty import event_of
from monitor.ports import Receiver
from monitor.settings.secret import Secret
from monitor.settings.targets import PagerDutySettings
from tests.edges.told import INCIDENT, delivery, messages, telling
from tests.pagerduty_server import MAX_BYTES, PagerDutyServer

KEY = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def server() -> Iterator[PagerDutyServer]:
    made = PagerDutyServer(KEY)
    yield made
    made.close()


def pager(server: PagerDutyServer, key: str = KEY) -> Receiver:
    return pagerduty.made("pager", PagerDutySettings(url=server.root + "/", routing_key=key), SystemClock())  # type: ignore[arg-type]


def test_an_incident_triggers_is_reminded_of_and_resolves_as_one_alert(server: PagerDutyServer) -> None:
    sender = pager(server)
    assert sender.send(delivery()).detail == "answered 202"
    assert server.alerts == {INCIDENT.id: "triggered"}
    sender.send(delivery(NotifyKind.REPEAT))
    assert server.alerts == {INCIDENT.id: "triggered"}
    sender.send(delivery(NotifyKind.RESOLVED))
    assert server.alerts == {INCIDENT.id: "resolved"}
    assert [event["event_action"] for event in server.events] == ["trigger", "trigger", "resolve"]
    assert server.events[2] == {"routing_key": KEY, "event_action": "resolve", "dedup_key": INCIDENT.id}


def test_an_acknowledgement_stops_the_calls_and_the_end_still_resolves(server: PagerDutyServer) -> None:
    sender = pager(server)
    sender.send(delivery())
    taken = replace(INCIDENT, state=IncidentState.ACKNOWLEDGED, acknowledged_by="eve")
    sender.send(delivery(NotifyKind.UPDATE, incident=taken))
    assert server.alerts == {INCIDENT.id: "acknowledged"}
    sender.send(delivery(NotifyKind.RESOLVED))
    assert server.alerts == {INCIDENT.id: "resolved"}


def test_another_change_that_calls_nobody_is_not_sent(server: PagerDutyServer) -> None:
    change = replace(from_body(delivery(NotifyKind.UPDATE).body, IncidentMessage), reason="something else")
    assert pager(server).send(telling(change)).detail == "not sent: nobody is called"
    assert server.requests == []


def test_a_trigger_says_what_happened_how_bad_and_where_to_look(server: PagerDutyServer) -> None:
    pager(server).send(delivery())
    (event,) = server.events
    payload = event["payload"]
    assert isinstance(payload, dict)
    details = payload.pop("custom_details")
    assert payload == {
        "summary": "Alert: flight-delay: drift alert on dep_delay, p_late, since 2013-07-01 00:00 UTC", "source": "flight-delay",
        "severity": "critical", "timestamp": "2026-05-04T12:00:00Z", "component": "flight-delay", "group": "driftd", "class": "drift",
    }  # fmt: skip
    assert from_body(details, IncidentMessage).cause == INCIDENT.cause
    assert event["links"] == [{"href": "https://driftd.example.com/models/flight-delay", "text": "Open driftd"}]


def test_a_warning_is_one_and_no_page_means_no_link(server: PagerDutyServer) -> None:
    pager(server).send(delivery(incident=replace(INCIDENT, severity=Verdict.WARN, checks=()), url=None))
    (event,) = server.events
    payload = event["payload"]
    assert isinstance(payload, dict)
    assert (payload["severity"], payload["class"], event["links"], "client_url" in event) == ("warning", "incident", [], False)


def test_the_end_of_what_pagerduty_never_heard_of_is_taken_and_opens_nothing(server: PagerDutyServer) -> None:
    pager(server).send(delivery(NotifyKind.RESOLVED))
    assert server.alerts == {}


CHECKER = PagerDutyServer(KEY)
CHECKER.close()


@given(messages())
def test_whatever_an_incident_holds_pagerduty_takes_its_event(message: IncidentMessage) -> None:
    body = json.dumps({"routing_key": KEY, **event_of(message, telling(message))}).encode()
    assert len(body) < MAX_BYTES
    reply = CHECKER.process(Request(method="POST", path="/v2/enqueue", headers={}, body=body))
    assert reply.status == 202, reply.body


@pytest.mark.parametrize("key", ["too-short", "f" * 32])
def test_a_wrong_key_is_refused_with_pagerdutys_reason_and_never_told(server: PagerDutyServer, key: str) -> None:
    with pytest.raises(Permanent, match=r"PagerDuty \(pager\) answered 400: Event object is invalid; .*routing_key") as caught:
        pager(server, key).send(delivery())
    assert key not in str(caught.value)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"message": 1, "errors": 2}', b'{"errors": []}', b"[" * 100_000])
def test_a_refusal_without_a_reason_is_one_all_the_same(server: PagerDutyServer, body: bytes) -> None:
    server.script(http.answers(400, body))
    with pytest.raises(Permanent, match="answered 400"):
        pager(server).send(delivery())


def test_too_many_events_wait(server: PagerDutyServer) -> None:
    server.script(http.answers(429, retry_after="7"))
    with pytest.raises(Retryable, match="answered 429") as caught:
        pager(server).send(delivery())
    assert caught.value.retry_after == 7.0


def test_a_key_in_a_file_is_read_at_each_use(server: PagerDutyServer, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("f" * 32)
    sender = pagerduty.made("pager", PagerDutySettings(url=server.root, routing_key=Secret(file=file)), SystemClock())
    with pytest.raises(Permanent):
        sender.send(delivery())
    file.write_text(KEY + "\n")
    sender.send(delivery())
    assert server.alerts == {INCIDENT.id: "triggered"}


def test_settings_without_a_key_make_no_receiver() -> None:
    with pytest.raises(ValueError, match="without routing_key"):
        pagerduty.made("pager", PagerDutySettings(), SystemClock())
