"""From the settings to the channel, and the commands that change incidents, on a real SQLite store and a Slack over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import standardwebhooks
from typer.testing import CliRunner

from monitor.cli import incidents, retrainings
from monitor.clock import SystemClock
from monitor.core.incidents import Incident, Judged, step
from monitor.core.results import Check, Result, Verdict
from monitor.core.retrain_policy import Situation, consider
from monitor.core.retraining import RetrainingState
from monitor.core.retraining_messages import Case
from monitor.core.rules import AlertRules, Approval, RetrainingRules
from monitor.demo.slack_server import SlackServer
from monitor.errors import UsageError
from monitor.notify import Dispatcher, incident_messages, receivers_of, retraining_message
from monitor.notify.slack import SlackBot
from monitor.notify.slack_webhook import SlackWebhook
from monitor.notify.webhook import Webhook
from monitor.ports import Judgement, Store
from monitor.settings import load_settings
from monitor.storage import open_store
from tests.webhook_server import WebhookReceiver

START = datetime(2013, 7, 1, tzinfo=UTC)
DAY = timedelta(days=1)
KEY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ALERTS = AlertRules(open_after=1, resolve_after=2, repeat_after=timedelta(days=30))
RETRAINING = RetrainingRules(when={"drift": 2}, cooldown=DAY)


@pytest.fixture
def slack() -> Iterator[SlackServer]:
    server = SlackServer(token="xoxb-test-token")
    yield server
    server.close()


@pytest.fixture
def hook() -> Iterator[WebhookReceiver]:
    server = WebhookReceiver()
    yield server
    server.close()


@pytest.fixture
def config(tmp_path: Path, slack: SlackServer, hook: WebhookReceiver) -> Path:
    file = tmp_path / "driftd.yaml"
    file.write_text(f"""\
store: sqlite:///{tmp_path}/driftd.db
kafka: {{bootstrap_servers: "localhost:9092", group_id: g}}
slack: {{token: xoxb-test-token, channel: "#ml-alerts", api_url: "{slack.url}"}}
models:
  m:
    task: binary
    window: 1d
    streams:
      predictions: {{topic: t, format: json, time: ts, prediction: p}}
    columns: {{x: numeric}}
    retraining:
      webhook: {{url: "{hook.url}", secret: "{KEY}"}}
      when: {{drift: 2 windows}}
""")
    return file


@pytest.fixture
def store(config: Path) -> Iterator[Store]:
    opened = open_store(load_settings(config).store)
    yield opened
    opened.close()


def result(n: int, verdict: Verdict) -> Result:
    return Result(
        model="m", version="1", segment="*", window_start=START + n * DAY, window_end=START + (n + 1) * DAY, check=Check.DRIFT, column="x",
        metric="psi", value=3.0, threshold=0.2, p_value=None, verdict=verdict, reason="x moved", rows=1000,
    )


def judge(store: Store, letters: str, policy: RetrainingRules = RETRAINING) -> Incident | None:
    """One day a letter, B or G, as the pipeline does it."""
    history: list[Result] = []
    for n, letter in enumerate(letters):
        results = (result(n, Verdict.ALERT if letter == "B" else Verdict.OK),)
        history += results
        end = START + (n + 1) * DAY
        taken = step(store.open_incident("m"), Judged(model="m", start=end - DAY, end=end, results=results, headline="x moved"), ALERTS)
        recent = store.recent_retrainings("m", 20)
        seen = Situation(model="m", now=end, history=history, incident=taken.incident, recent=recent)
        asked = consider(policy, seen).retraining
        messages = incident_messages(taken, None, (), ("slack",))
        if asked is not None and asked.state is RetrainingState.REQUESTED:
            messages += (retraining_message(asked, Case(results=tuple(history)), "retraining:m"),)
        assert store.record(Judgement(
            model="m", judged_until=end, previous=None if n == 0 else end - DAY, results=results, incident=taken.incident,
            events=taken.events, retraining=asked, messages=messages,
        ))
    return store.open_incident("m")


def deliver(config: Path, store: Store) -> int:
    work = Dispatcher(store, receivers_of(load_settings(config), SystemClock()), SystemClock(), "test")
    return work.drain(20)


def run(app: object, *arguments: object) -> str:
    done = CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)  # type: ignore[arg-type]
    assert done.exit_code == 0, done.output
    return done.output


def test_the_settings_say_which_receivers_there_are(config: Path, slack: SlackServer) -> None:
    made = receivers_of(load_settings(config), SystemClock())
    assert [(type(r), r.name) for r in made] == [(SlackBot, "slack"), (Webhook, "retraining:m")]
    config.write_text(config.read_text().replace("token: xoxb-test-token", 'webhook_url: "http://127.0.0.1:1/services/T/B/X"')
                      .replace(', channel: "#ml-alerts"', "").replace(f', api_url: "{slack.url}"', ""))
    assert [type(r) for r in receivers_of(load_settings(config), SystemClock())] == [SlackWebhook, Webhook]


def test_a_fault_is_one_message_one_resolution_and_one_signed_request(
    config: Path, store: Store, slack: SlackServer, hook: WebhookReceiver
) -> None:
    judge(store, "GBBGGG")
    assert deliver(config, store) == 0
    assert [(post.thread_ts is None, post.edits) for post in slack.posts] == [(True, 1), (False, 0)]
    (request,) = hook.requests
    asked = standardwebhooks.Webhook(KEY).verify(request.body, dict(request.headers))
    assert asked["type"] == "driftd.retraining.requested"
    assert asked["data"]["reason"] == "drift alerted in 2 windows in a row"
    assert asked["data"]["id"] == store.retrainings()[0].id
    assert deliver(config, store) == 0
    assert (len(slack.posts), len(hook.requests)) == (2, 1)


def test_incidents_are_listed_for_people_and_for_scripts(config: Path, store: Store) -> None:
    assert run(incidents.app, "list", config, "--format", "jsonl") == ""
    opened = judge(store, "B")
    assert opened is not None
    (line,) = run(incidents.app, "list", config, "--format", "jsonl").splitlines()
    read = json.loads(line)
    assert (read["id"], read["model"], read["state"], read["since"]) == (opened.id, "m", "firing", "2013-07-01T00:00:00Z")
    assert "x moved" in run(incidents.app, "list", config)
    with pytest.raises(UsageError, match=r"no model 'other' in .*; known are \['m'\]"):
        run(incidents.app, "list", config, "--model", "other", "--format", "jsonl")


def test_an_incident_is_shown_with_its_history(config: Path, store: Store) -> None:
    opened = judge(store, "B")
    assert opened is not None
    said = run(incidents.app, "show", config, opened.id)
    assert "none → pending: first bad window" in said
    assert "pending → firing: open_after reached" in said
    assert "x moved" in said


def test_an_unknown_incident_is_said_to_be_so(config: Path) -> None:
    with pytest.raises(UsageError, match="there is no incident 'inc_no'"):
        run(incidents.app, "show", config, "inc_no")


def test_a_person_acknowledges_and_resolves_and_the_channel_hears_of_the_end(config: Path, store: Store, slack: SlackServer) -> None:
    opened = judge(store, "B")
    assert opened is not None
    deliver(config, store)
    assert "is acknowledged" in run(incidents.app, "ack", config, opened.id, "--by", "eve")
    assert (after := store.incident(opened.id)) is not None
    assert after.acknowledged_by == "eve"
    assert "is resolved" in run(incidents.app, "resolve", config, opened.id, "--by", "eve")
    assert store.open_incident("m") is None
    assert deliver(config, store) == 0
    first, note = slack.posts
    assert (first.edits, note.edits) == (2, 0), "the first message shows who acknowledged it, and that it is over"
    assert "Acknowledged by: eve" in json.dumps(first.body)
    assert "resolved by a person" in slack.posts[1].text
    with pytest.raises(UsageError, match="resolved already"):
        run(incidents.app, "resolve", config, opened.id)
    with pytest.raises(UsageError, match="only a firing incident"):
        run(incidents.app, "ack", config, opened.id)


def test_what_a_person_expects_is_learned_where_references_are_merged(config: Path, store: Store) -> None:
    opened = judge(store, "B")
    assert opened is not None
    config.write_text(config.read_text().replace("    columns:", "    reference: {rolling: 14d}\n    columns:"))
    said = run(incidents.app, "resolve", config, opened.id, "--expected", "--by", "eve")
    assert f"incident {opened.id} is resolved as expected: references that are merged from windows learn it" in said
    assert [e.reason for e in store.incident_events(opened.id)][-1] == "resolved by a person as expected"
    assert [d.expected for d in store.disturbances("m", START + DAY)] == [True]
    assert [(e.by, e.via, e.action, e.subject) for e in store.audit()] == [("eve", "cli", "expect", opened.id)]


def test_what_a_person_expects_takes_windows_that_a_reference_can_be_made_of(config: Path, store: Store) -> None:
    opened = judge(store, "B")
    assert opened is not None
    with pytest.raises(UsageError, match="no version that alerted has a reference"):
        run(incidents.app, "resolve", config, opened.id, "--expected")
    config.write_text(config.read_text().replace("  m:", "  other:"))
    with pytest.raises(UsageError, match=r"model 'm' is not in .*: resolve without --expected"):
        run(incidents.app, "resolve", config, opened.id, "--expected")
    assert (still := store.incident(opened.id)) is not None
    assert still.resolved_at is None


def test_a_persons_name_is_the_users_where_none_is_given(config: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "mallory")
    opened = judge(store, "B")
    assert opened is not None
    run(incidents.app, "ack", config, opened.id)
    assert (after := store.incident(opened.id)) is not None
    assert after.acknowledged_by == "mallory"


def test_a_change_that_came_too_late_says_so(config: Path, store: Store) -> None:
    opened = judge(store, "B")
    assert opened is not None

    def meanwhile(incident: Incident, *, by: str, at: datetime) -> object:
        run(incidents.app, "resolve", config, incident.id)
        return incidents.acknowledge(incident, by=by, at=at)

    with pytest.raises(UsageError, match="has changed meanwhile"):
        incidents._change(config, opened.id, "eve", meanwhile, "acknowledge")  # type: ignore[arg-type]


def test_retrainings_are_listed_and_shown(config: Path, store: Store) -> None:
    judge(store, "GBB")
    (line,) = run(retrainings.app, "list", config, "--format", "jsonl").splitlines()
    read = json.loads(line)
    assert "requested" in run(retrainings.app, "list", config)
    shown = run(retrainings.app, "show", config, read["id"])
    assert "drift alerted in 2 windows in a row" in shown
    assert "  2013-07-04T00:00:00Z  none → requested" in shown
    with pytest.raises(UsageError, match="there is no retraining 'ret_no'"):
        run(retrainings.app, "show", config, "ret_no")


def test_a_person_cancels_asks_and_reports_by_command(config: Path, store: Store, slack: SlackServer, hook: WebhookReceiver) -> None:
    judge(store, "GBB")
    [asked] = store.retrainings()
    assert run(retrainings.app, "cancel", config, asked.id, "--by", "mara") == f"retraining {asked.id} is cancelled\n"
    with pytest.raises(UsageError, match="only one that has not ended can be cancelled"):
        run(retrainings.app, "cancel", config, asked.id)
    said = run(retrainings.app, "request", config, "m", "--reason", "new airports", "--by", "mara")
    [wish] = [found for found in store.retrainings() if found.id != asked.id]
    assert said == f"retraining {wish.id} is requested\n"
    assert deliver(config, store) == 0
    assert [json.loads(request.body)["data"]["id"] for request in hook.requests] == [wish.id], "what is cancelled goes out no more"
    said = run(retrainings.app, "status", config, wish.id, "running", "--run-url", "https://ci.example/7")
    assert said == f"retraining {wish.id} is running\n"
    with pytest.raises(UsageError, match="succeeded needs the version"):
        run(retrainings.app, "status", config, wish.id, "succeeded")
    run(retrainings.app, "status", config, wish.id, "succeeded", "--version", "8", "--detail", "on June")
    assert "running → succeeded by" in run(retrainings.app, "show", config, wish.id)
    assert deliver(config, store) == 0
    assert len(hook.requests) == 1
    first, *thread = [post for post in slack.posts if post.thread_ts is None or post.thread_ts]
    assert [post.thread_ts for post in thread] == [first.ts] * 4, "the incident's thread tells how its requests go on"
    assert "retraining is cancelled: cancelled by mara" in thread[0].text
    assert "retraining succeeded: version 8, on June" in thread[-1].text
    assert [(entry.by, str(entry.via), entry.action) for entry in store.audit()] == [("mara", "cli", "cancel"), ("mara", "cli", "retrain")]


def test_what_is_proposed_goes_out_by_command(config: Path, store: Store, hook: WebhookReceiver) -> None:
    judge(store, "GBB", replace(RETRAINING, approval=Approval.ASK))
    [proposed] = store.retrainings()
    assert (str(proposed.state), deliver(config, store), hook.requests) == ("proposed", 0, [])
    assert run(retrainings.app, "approve", config, proposed.id) == f"retraining {proposed.id} is requested\n"
    assert deliver(config, store) == 0
    (request,) = hook.requests
    asked = standardwebhooks.Webhook(KEY).verify(request.body, dict(request.headers))
    assert (asked["data"]["id"], len(asked["data"]["results"])) == (proposed.id, 2)
