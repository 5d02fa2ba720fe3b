"""Many troubles at once, and old ones: people and trainers are asked once each, not once a window or a column."""

from __future__ import annotations

import json
import uuid
from collections import Counter
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from monitor.storage import open_store
from tests.faults.story import (
    MODEL,
    PARTITIONS,
    TOKEN,
    Feeder,
    People,
    Row,
    Setting,
    build_reference,
    people,
    run_in,
    run_to_the_end,
    story,
    tail,
)
from tests.flights_run import Run
from tests.kafka_broker import Broker

pytestmark = [pytest.mark.kafka, pytest.mark.slow]
MODELS = 50
BUDGET = 10
"""Requests to retrain a day, of all models together."""


def read_to_the_end(kafka: Broker, folder: Path, told: People, rows: list[Row], models: dict[str, dict[str, Any]], **more: object) -> Run:
    """These models on one topic; ``models``: what of each differs from the story's; ``more``: at the top of the file."""
    topic = kafka.create_topic(f"storm.{uuid.uuid4().hex[:8]}", PARTITIONS)
    Feeder(kafka.bootstrap, topic).put(rows)
    run = run_in(Setting(folder=folder, bootstrap=kafka.bootstrap, topic=topic, store=f"sqlite:///{folder}/driftd.db",
                         group=f"storm-{uuid.uuid4().hex[:8]}", told=told, max_rows=10_000))  # fmt: skip
    give_references(run, list(models))
    settings = json.loads(run.config.read_text())
    for name in ("group_wait", "group_at"):  # as people have it
        settings["slack"].pop(name)
    settings |= more
    settings["models"] = {name: settings["models"][MODEL] | given for name, given in models.items()}
    if not kafka.real:
        settings["kafka"] |= {"api_version": kafka.api_version}
    run.config.write_text(json.dumps(settings))
    assert run_to_the_end(run) == 0, tail(run)
    return run


def give_references(run: Run, models: list[str]) -> None:
    """The story's reference for every one of them; to build it costs a process of its own each."""
    build_reference(run)
    with closing(open_store(run.store)) as store:
        built = store.active_reference(MODEL, "1")
        assert built is not None
        for name in models:
            store.add_reference(replace(built, model=name), activate=True, at=datetime.now(UTC))


@pytest.mark.fault(18)
def test_fifty_models_that_drift_at_once_are_one_message_and_no_request_over_the_budget(kafka: Broker, tmp_path: Path) -> None:
    """For ten windows. People get one message that names them all; trainers are asked once for each, as far as the day's budget goes."""
    rows = story(range(14), faulty=range(3, 13))
    with people() as told:
        retraining = {"webhook": {"url": told.trainer.url, "secret": TOKEN}, "when": {"drift": "2 windows"}, "cooldown": "24h",
                      "veto": False}
        names = [f"model-{n:02}" for n in range(MODELS)]
        run = read_to_the_end(kafka, tmp_path, told, rows, {name: {"retraining": retraining} for name in names},
                              retraining_budget=f"{BUDGET} per 1d")
        assert len(told.slack.posts) == 1, [(post.text, post.body["metadata"], post.thread_ts) for post in told.slack.posts]
        (posted,) = told.slack.posts
        asked = Counter(json.loads(request.body)["data"]["model"] for request in told.trainer.requests)
    assert len(asked) == BUDGET
    assert set(asked.values()) == {1}
    assert posted.text.startswith(f"🔴 Alert: {MODELS} models alert since 2013-03-01 03:00 UTC")
    assert posted.body["metadata"]["event_payload"]["incidents"] == MODELS
    assert all(name in json.dumps(posted.body) for name in names)
    with closing(open_store(run.store)) as store:
        assert Counter(incident.model for incident in store.incidents()) == Counter(names)
        assert {incident.bad_windows for incident in store.incidents()} == {10}
        assert Counter(retraining.model for retraining in store.retrainings()) == asked
        assert store.outbox_depth() == {"pending": 0, "sent": MODELS + BUDGET, "dead": 0}


@pytest.mark.fault(41)
def test_a_backlog_of_old_bad_windows_pages_nobody_and_the_history_and_the_end_of_the_run_say_so(kafka: Broker, tmp_path: Path) -> None:
    """Caught up with windows of today it would be told, once: tests/pipeline/test_muting.py."""
    rows = story(range(45), faulty=range(4, 44))
    with people() as told:
        run = read_to_the_end(kafka, tmp_path, told, rows, {"m": {"alerts": {"repeat_after": "2h", "resolve_after": 2}}})
        assert len(told.slack.posts) == 0
    with closing(open_store(run.store)) as store:
        [incident] = store.incidents()
        reasons = Counter(str(event.reason) for event in store.incident_events(incident.id))
        assert (incident.bad_windows, incident.muted, incident.notified_at) == (40, "old window", None)
        assert [delivery for delivery in store.deliveries() if delivery.receiver == "slack"] == []
    assert reasons == {"first bad window": 1, "open_after reached": 1, "held back": 1}
    assert "driftd: 1 incident of old windows was not told (alerts.max_age)" in tail(run)
