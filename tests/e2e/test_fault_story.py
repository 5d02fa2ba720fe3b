"""A unit change in one week: one message, one resolution, one signed request, through real Kafka and real HTTP."""

from __future__ import annotations

import json
import uuid
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest
from standardwebhooks import Webhook

from monitor.demo.slack_server import SlackServer
from tests.flights_run import Run, between, messages, produce
from tests.webhook_server import WebhookReceiver

pytestmark = [pytest.mark.kafka, pytest.mark.slow]
TOKEN, SECRET = "xoxb-1-a-token-of-tests", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
FAULT = ("2013-04-15", "2013-04-20")


def with_fault(flights: pd.DataFrame) -> pd.DataFrame:
    """`dep_delay` arrives in seconds for five days."""
    start, end = (pd.Timestamp(day, tz="UTC") for day in FAULT)
    broken = (flights.ts >= start) & (flights.ts < end)
    return flights.assign(dep_delay=flights.dep_delay.where(~broken, flights.dep_delay * 60))


def test_the_injected_fault_is_told_once_and_resolved_once_and_the_webhook_is_signed(kafka, tmp_path: Path):
    topic = kafka.create_topic(f"flight.predictions.{uuid.uuid4().hex[:6]}", 4)
    produce(kafka.bootstrap, topic, messages(with_fault(between("2013-04-13", "2013-04-25"))))
    with closing(SlackServer(token=TOKEN)) as slack, closing(WebhookReceiver()) as trainer:
        run = Run(
            folder=tmp_path, store=f"sqlite:///{tmp_path}/driftd.db", bootstrap=kafka.bootstrap, topic=topic, api_version=kafka.api_version,
            extra={"slack": {"token": TOKEN, "channel": "#ml-alerts", "api_url": slack.url}},
            model={"retraining": {"webhook": {"url": trainer.url, "secret": SECRET}, "when": {"drift": "3 windows"}, "cooldown": "30d",
                                  "veto": False}},
        )
        run.build_reference(between("2013-01-01", "2013-03-01"))
        said = run.errors("run", str(run.config), "--until-idle")
        run.driftd("run", str(run.config), "--until-idle")  # a second start tells nothing again
        first, *thread = slack.posts
        [request] = trainer.requests

    assert "delivery.sent" in said
    assert "dep_delay" in json.dumps(first.body)
    assert "×60" in json.dumps(first.body, ensure_ascii=False)
    assert (first.thread_ts, first.edits) == (None, 1)  # turned green when it was over
    [resolution] = thread
    assert resolution.thread_ts == first.ts
    assert "resolved" in resolution.text

    asked = Webhook(SECRET).verify(request.body, dict(request.headers))
    assert asked["type"] == "driftd.retraining.requested"
    assert "dep_delay" in asked["data"]["columns"]

    [incident] = run.rows("incidents", "list", str(run.config))
    assert (incident["state"], incident["columns"][0]) == ("resolved", "dep_delay")
    assert (incident["since"], incident["bad_windows"]) == ("2013-04-15T00:00:00Z", 5)
    [retraining] = run.rows("retrainings", "list", str(run.config))
    assert retraining["requested_at"] == "2013-04-18T00:00:00Z"
    stored = (tmp_path / "driftd.db").read_bytes()
    for secret in (TOKEN, SECRET):
        assert secret not in said
        assert secret.encode() not in stored
