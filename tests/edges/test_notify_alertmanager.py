"""Incidents as alerts, told to a real Alertmanager: it groups them, shows them, and tells of their end."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from monitor.clock import SystemClock
from monitor.core.incidents import NotifyKind
from monitor.core.messages import IncidentMessage, from_body
from monitor.core.results import Verdict
from monitor.demo import scripted_http as http
from monitor.errors import Permanent, Retryable
from monitor.notify import alertmanager
from monitor.notify.alertmanager import FAR, MAX_TEXT, alert_of, labels_of
from monitor.settings.targets import AlertmanagerSettings
from tests.alertmanager import AlertmanagerServer, running
from tests.edges.told import INCIDENT, NOW, delivery, messages
from tests.webhook_server import WebhookReceiver

MINUTE = timedelta(minutes=1)


def message(kind: NotifyKind = NotifyKind.FIRING, **parts: object) -> IncidentMessage:
    return replace(from_body(delivery(kind).body, IncidentMessage), **parts)  # type: ignore[arg-type]


# --- a real one ----------------------------------------------------------------------------------------------


@pytest.fixture
def hook() -> Iterator[WebhookReceiver]:
    server = WebhookReceiver()
    yield server
    server.close()


@pytest.fixture
def real(tmp_path: Path, hook: WebhookReceiver) -> Iterator[AlertmanagerServer]:
    with running(tmp_path, hook.url) as server:
        yield server


def until(found: Callable[[], bool], what: str, seconds: float = 20) -> None:
    ends = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < ends, f"no {what} within {seconds} s"
        time.sleep(0.1)


def groups(hook: WebhookReceiver) -> list[dict[str, Any]]:
    """What its webhook receiver was told, notification by notification."""
    return [json.loads(request.body) for request in hook.requests]


def test_a_real_alertmanager_receives_groups_and_resolves_incidents(real: AlertmanagerServer, hook: WebhookReceiver) -> None:
    sender = alertmanager.made("alerts", AlertmanagerSettings(url=real.url), SystemClock())
    now = datetime.now(UTC)
    began = now.replace(microsecond=now.microsecond // 1000 * 1000)  # its API tells milliseconds
    drift, trouble = INCIDENT, replace(INCIDENT, id="inc_2", condition="stale_data", checks=("stale_data",))
    other = replace(INCIDENT, id="inc_3", model="churn")
    threads = {i.id: sender.send(delivery(incident=i, at=began)).thread for i in (drift, trouble, other)}

    # it received them, each under its labels, and two of one model are one notification
    until(lambda: len(real.alerts()) == 3, "three alerts")
    until(lambda: len(hook.requests) >= 2, "two notifications")
    first = {group["groupLabels"]["model"]: group for group in groups(hook)}
    assert sorted(alert["labels"]["incident"] for alert in first["flight-delay"]["alerts"]) == [drift.id, "inc_2"]
    assert [alert["labels"]["incident"] for alert in first["churn"]["alerts"]] == ["inc_3"]
    assert {alert["status"] for group in first.values() for alert in group["alerts"]} == {"firing"}
    assert first["churn"]["commonLabels"] == {
        "alertname": "DriftdIncident", "service": "driftd", "model": "churn", "severity": "critical", "incident": "inc_3",
    }  # fmt: skip
    assert first["churn"]["alerts"][0]["generatorURL"] == "https://driftd.example.com/models/churn"

    # a reminder that knows more is the same alert
    grown = replace(drift, checks=("drift", "performance"), columns=("dep_delay", "x", "y"), cause="another", severity=Verdict.ALERT)
    sender.send(delivery(NotifyKind.REPEAT, incident=grown, thread=threads[drift.id], at=began + timedelta(seconds=1)))
    assert len(real.alerts()) == 3
    mine = next(alert for alert in real.alerts() if alert["labels"]["incident"] == drift.id)  # type: ignore[index]
    assert mine["annotations"]["checks"] == "drift, performance"  # type: ignore[index]
    assert datetime.fromisoformat(str(mine["startsAt"])) == began
    assert datetime.fromisoformat(str(mine["endsAt"])) > began + FAR - MINUTE

    # the end of one resolves that one alone, and is told
    before = len(hook.requests)
    sender.send(delivery(NotifyKind.RESOLVED, incident=grown, thread=threads[drift.id], at=datetime.now(UTC)))
    until(lambda: len(real.alerts()) == 2, "the end of an alert")
    until(lambda: any(a["status"] == "resolved" for group in groups(hook)[before:] for a in group["alerts"]), "word of the end")
    told = [(a["labels"]["incident"], a["status"]) for group in groups(hook)[before:] for a in group["alerts"]]
    assert (drift.id, "resolved") in told
    assert ("inc_2", "resolved") not in told


def test_a_real_alertmanager_says_that_it_is_ready(real: AlertmanagerServer) -> None:
    assert alertmanager.ask(AlertmanagerSettings(url=real.url + "/"), SystemClock()) == "the Alertmanager is ready"
    with pytest.raises(Permanent, match="the Alertmanager answered 404"):
        alertmanager.ask(AlertmanagerSettings(url=real.url + "/elsewhere"), SystemClock())


def test_a_real_alertmanager_takes_an_incident_with_texts_of_any_kind(real: AlertmanagerServer) -> None:
    strange = replace(INCIDENT, summary="a\x00b\r\nc 𝕏 <b> {{ .Labels }}", cause='"; DROP', columns=("", "x\ty"))
    assert alertmanager.made("a", AlertmanagerSettings(url=real.url), SystemClock()).send(delivery(incident=strange, url=None)).thread
    until(lambda: len(real.alerts()) == 1, "the alert")


# --- the alert -----------------------------------------------------------------------------------------------


def test_labels_are_those_of_the_first_message_whatever_the_incident_becomes(hook: WebhookReceiver) -> None:
    sender = alertmanager.made("alerts", AlertmanagerSettings(url=hook.root), SystemClock())
    mild = replace(INCIDENT, severity=Verdict.WARN, checks=("quality",))
    first = sender.send(delivery(incident=mild))
    assert first.thread == "warning 2026-05-04T12:00:00Z"
    again = sender.send(delivery(NotifyKind.REPEAT, incident=INCIDENT, thread=first.thread, at=NOW + MINUTE))
    sender.send(delivery(NotifyKind.RESOLVED, incident=INCIDENT, thread=again.thread, at=NOW + 2 * MINUTE))
    alerts = [json.loads(request.body)[0] for request in hook.requests]
    assert len({json.dumps(alert["labels"], sort_keys=True) for alert in alerts}) == 1
    assert alerts[0]["labels"]["severity"] == "warning"
    assert [alert["startsAt"] for alert in alerts] == ["2026-05-04T12:00:00Z"] * 3
    assert alerts[2]["endsAt"] == "2026-05-04T12:02:00Z"
    assert [request.path for request in hook.requests] == ["/api/v2/alerts"] * 3


def test_a_clock_that_was_set_back_ends_no_alert_before_it_began() -> None:
    alert = alert_of(message(NotifyKind.RESOLVED), "critical", NOW, NOW - MINUTE)
    assert (alert["startsAt"], alert["endsAt"]) == ("2026-05-04T12:00:00Z", "2026-05-04T12:00:00Z")


def test_a_condition_of_driftd_is_an_alert_of_another_name() -> None:
    labels = labels_of(message(condition="receiver_failing:slack", model="driftd itself"), "critical")
    assert (labels["alertname"], labels["model"], labels["condition"]) == ("DriftdCondition", "driftd itself", "receiver_failing:slack")


@given(messages())
def test_what_changes_is_in_annotations_which_are_never_empty_nor_endless(told: IncidentMessage) -> None:
    alert = alert_of(told, "critical", NOW, NOW)
    annotations = alert["annotations"]
    assert isinstance(annotations, dict)
    assert all(0 < len(text) <= MAX_TEXT for text in annotations.values())
    assert set(labels_of(told, "critical")) <= {"alertname", "service", "model", "severity", "incident", "condition"}


# --- how it logs in ------------------------------------------------------------------------------------------


def test_a_token_or_a_password_goes_out_as_a_header(hook: WebhookReceiver) -> None:
    for settings in (
        AlertmanagerSettings(url=hook.root, token="t0ken-hush"),  # type: ignore[arg-type]
        AlertmanagerSettings(url=hook.root, username="ädam", password="p:w"),  # type: ignore[arg-type]
        AlertmanagerSettings(url=hook.root),
    ):
        alertmanager.made("alerts", settings, SystemClock()).send(delivery())
    sent = [request.headers.get("authorization") for request in hook.requests]
    assert sent == ["Bearer t0ken-hush", "Basic " + base64.b64encode("ädam:p:w".encode()).decode(), None]


def test_a_token_that_no_header_may_have_is_given_up_and_not_told(hook: WebhookReceiver) -> None:
    settings = AlertmanagerSettings(url=hook.root, token="hush\nx-evil: 1")  # type: ignore[arg-type]
    with pytest.raises(Permanent, match="characters that no header may have") as caught:
        alertmanager.made("alerts", settings, SystemClock()).send(delivery())
    assert "hush" not in str(caught.value)


def test_one_that_is_not_ready_is_said_to_be_so(hook: WebhookReceiver) -> None:
    hook.script(http.answers(503))
    with pytest.raises(Retryable, match="the Alertmanager answered 503"):
        alertmanager.ask(AlertmanagerSettings(url=hook.root), SystemClock())
