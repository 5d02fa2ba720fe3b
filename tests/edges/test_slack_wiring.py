"""From the configuration to a click: the parts of a daemon, put together as it does, without a broker."""

from __future__ import annotations

import json
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from monitor.cli import check
from monitor.clock import SystemClock
from monitor.core.audit import Via
from monitor.core.retraining import RetrainingEvent
from monitor.demo.slack_clicks import buttons_of
from monitor.demo.slack_server import SlackServer
from monitor.notify import receivers_of, retraining_notes
from monitor.notify.slack import SlackBot
from monitor.notify.slack_rights import Rights
from monitor.parts import Parts, build
from monitor.pipeline.shift import LEARNS
from monitor.ports import Store
from monitor.settings import load_settings
from tests.contracts.store_story import event, incident, judgement
from tests.edges.test_slack_socket import (
    ACK,
    ANN,
    APP_TOKEN,
    APPROVE,
    BOB,
    EXPECT,
    FIRING,
    PROPOSED,
    TOKEN,
    answered,
    eventually,
    fired,
    shown,
)
from tests.webhook_server import WebhookReceiver

app = typer.Typer()
app.command()(check.command)


@pytest.fixture
def slack() -> Iterator[SlackServer]:
    server = SlackServer(token=TOKEN, app_token=APP_TOKEN)
    yield server
    server.close()


def configured(folder: Path, slack: SlackServer, app_token: str = APP_TOKEN, retraining: str = "") -> Path:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        closed = probe.getsockname()[1]
    file = folder / "driftd.yaml"
    file.write_text(f"""\
store: sqlite:///{folder}/driftd.db
kafka: {{bootstrap_servers: "127.0.0.1:{closed}", group_id: g, api_version: "2.3"}}
http: {{port: 0}}
slack: {{token: {TOKEN}, channel: "#ml-alerts", api_url: "{slack.url}", timeout: 2s{f', app_token: {app_token}' if app_token else ''}}}
models:
  m:
    task: binary
    window: 1h
    streams: {{predictions: {{topic: t, time: ts, prediction: p}}}}
    columns: {{x: numeric}}
    reference: {{rolling: 14d}}
""" + (f"""\
    retraining:
      webhook: {{url: "{retraining}", secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw}}
      when: {{drift: 2 windows}}
      approval: ask
""" if retraining else ""))
    return file


def test_a_daemon_with_an_app_token_listens_and_shows_that_it_does(tmp_path: Path, slack: SlackServer) -> None:
    file = configured(tmp_path, slack)
    with ExitStack() as closers:
        parts = build(load_settings(file), file, closers)
        assert parts.slack is not None
        said = get(parts, "/readyz?verbose")
        assert "slack socket: not connected yet" in said
        parts.slack.start()
        eventually(lambda: "slack socket: connected" in get(parts, "/readyz?verbose"))
        assert 'driftd_slack_socket_connected{receiver="slack"} 1.0' in get(parts, "/metrics")
        store = parts.dispatcher._store  # the daemon's own
        store.record(judgement(incident=incident(), events=(event(None, FIRING),)))  # type: ignore[attr-defined]
        slack.click(fired(slack), ACK)
        assert answered(slack).startswith("Acknowledged")
        slack.command("status")
        assert "m: acknowledged by ann (U0ANN) since" in answered(slack, 2)
        assert parts.failed is None
        parts.slack.failed = KeyError("of ours")
        assert isinstance(parts.failed, KeyError), "the daemon stops with it"
    assert slack.sockets is not None
    slack.sockets.wait_for(0)


def test_a_proposal_is_approved_by_its_button_and_the_trainer_is_asked(tmp_path: Path, slack: SlackServer) -> None:
    trainer = WebhookReceiver()
    file = configured(tmp_path, slack, f"{APP_TOKEN}, approvers: {ANN.id}", retraining=trainer.url)
    with ExitStack() as closers:
        closers.callback(trainer.close)
        parts = build(load_settings(file), file, closers)
        assert parts.slack is not None
        parts.slack.start()
        store: Store = parts.dispatcher._store  # type: ignore[assignment]  # the daemon's own
        proposed = replace(PROPOSED, incident=None)
        begun = RetrainingEvent(retraining=proposed.id, at=proposed.requested_at, before=None, after=proposed.state)
        store.add_retraining(proposed, begun, retraining_notes(proposed, ["slack"]))
        parts.dispatcher.run_once()
        (post,) = slack.posts
        assert list(buttons_of(post)) == [APPROVE]
        eventually(lambda: "connected" in get(parts, "/readyz?verbose"))
        slack.click(post, APPROVE, BOB)
        assert answered(slack) == "Not done: only those in slack.approvers may approve a retraining by Slack; your id there would be U0BOB."
        slack.click(post, APPROVE)
        assert answered(slack, 2) == "Approved: m is asked to be retrained."
        eventually(lambda: not buttons_of(slack.posts[0]))
        assert "🔁 Retraining approved by ann (U0ANN)" in shown(slack.posts[0])
        slack.click(post, APPROVE)
        assert answered(slack, 3).startswith("Not done: the request is requested already, approved by ann (U0ANN)")
        parts.dispatcher.run_once()
        (asked,) = trainer.requests
        assert json.loads(asked.body)["data"]["id"] == proposed.id
        assert [(line.action, line.by, line.via) for line in store.audit(subject=proposed.id)] == [("approve", "ann (U0ANN)", Via.SLACK)]
        assert "approved by ann (U0ANN)" in shown(slack.posts[-1])


def test_an_expected_shift_is_accepted_by_its_button(tmp_path: Path, slack: SlackServer) -> None:
    file = configured(tmp_path, slack, f"{APP_TOKEN}, approvers: {ANN.id}")
    with ExitStack() as closers:
        parts = build(load_settings(file), file, closers)
        assert parts.slack is not None
        parts.slack.start()
        eventually(lambda: "slack socket: connected" in get(parts, "/readyz?verbose"))
        store: Store = parts.dispatcher._store  # type: ignore[assignment]  # the daemon's own
        store.record(judgement(incident=incident(), events=(event(None, FIRING),)))
        slack.click(fired(slack), EXPECT)
        assert LEARNS in answered(slack)
        assert [str(each.state) for each in store.incidents()] == ["resolved"]
        assert [(line.action, line.by, line.detail) for line in store.audit()] == [("expect", "ann (U0ANN)", LEARNS)]


def test_a_daemon_without_one_does_not(tmp_path: Path, slack: SlackServer) -> None:
    file = configured(tmp_path, slack, "")
    with ExitStack() as closers:
        parts = build(load_settings(file), file, closers)
        assert (parts.slack, parts.failed) == (None, None)
        assert "slack" not in get(parts, "/readyz?verbose")
        assert "driftd_slack_socket_connected{" not in get(parts, "/metrics")
    assert slack.sockets is not None
    assert slack.sockets.opened == 0


def test_further_channels_of_the_same_bot_have_its_buttons(tmp_path: Path, slack: SlackServer) -> None:
    file = configured(tmp_path, slack)
    others = f"""receivers:
  same: {{slack: {{token: {TOKEN}, channel: "#b", api_url: "{slack.url}"}}}}
  other: {{slack: {{token: xoxb-another, channel: "#c", api_url: "{slack.url}"}}}}
"""
    file.write_text(file.read_text().replace("models:", others + "models:"))
    made = {each.name: each._offered for each in receivers_of(load_settings(file), SystemClock()) if isinstance(each, SlackBot)}
    assert made == {"slack": Rights().offered(), "same": Rights().offered(), "other": frozenset()}
    file = configured(tmp_path, slack, "")
    assert [each._offered for each in receivers_of(load_settings(file), SystemClock()) if isinstance(each, SlackBot)] == [frozenset()]


def get(parts: Parts, path: str) -> str:
    try:
        with urllib.request.urlopen(parts.web.url + path) as answer:
            return str(answer.read().decode())
    except urllib.error.HTTPError as error:
        with error:
            return str(error.read().decode())


@pytest.mark.parametrize(("token", "said"), [
    (APP_TOKEN, "ok      slack: Socket Mode is on, and the app-level token opens connections"),
    ("xapp-another", "failed  slack: Slack refused apps.connections.open: invalid_auth"),
])
def test_check_connect_tries_the_app_token(tmp_path: Path, slack: SlackServer, token: str, said: str) -> None:
    result = CliRunner().invoke(app, [str(configured(tmp_path, slack, token)), "--connect"])
    assert said in result.stdout
    assert "ok      slack: driftd in driftd demo" in result.stdout
    assert "note: slack.allow_users: not given, so everybody of the workspace" in result.stdout
    assert "note: slack.approvers: not given, so nobody may approve" in result.stdout
    assert token not in result.stdout
