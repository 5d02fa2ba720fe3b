"""From the settings to receivers of every kind: routes, the commands that change incidents, and what a check asks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from monitor.cli import incidents
from monitor.cli.app import app
from monitor.clock import SystemClock
from monitor.core.cause import Cause
from monitor.core.incidents import Incident, Judged, step
from monitor.core.results import Check, Result, Verdict
from monitor.core.rules import AlertRules
from monitor.notify import RECEIVERS, Dispatcher, lease_of, receivers_of
from monitor.pipeline.telling import Telling, routes_of
from monitor.ports import Judgement, Store
from monitor.settings import load_settings
from monitor.storage import open_store
from tests.mail_server import MailServer
from tests.pagerduty_server import PagerDutyServer
from tests.webhook_server import WebhookReceiver

KEY = "0123456789abcdef0123456789abcdef"
START = datetime(2013, 7, 1, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def pager() -> Iterator[PagerDutyServer]:
    server = PagerDutyServer(KEY)
    yield server
    server.close()


@pytest.fixture
def hook() -> Iterator[WebhookReceiver]:
    server = WebhookReceiver()
    yield server
    server.close()


@pytest.fixture
def mail() -> Iterator[MailServer]:
    server = MailServer()
    yield server
    server.close()


@pytest.fixture
def config(tmp_path: Path, pager: PagerDutyServer, hook: WebhookReceiver, mail: MailServer) -> Path:
    file = tmp_path / "driftd.yaml"
    file.write_text(f"""\
store: sqlite:///{tmp_path}/driftd.db
kafka: {{bootstrap_servers: "127.0.0.1:9", api_version: "2.3"}}
receivers:
  events: {{webhook: {{url: "{hook.url}", secret: s3cret}}}}
  alerts: {{alertmanager: {{url: "{hook.root}"}}}}
  pager: {{pagerduty: {{url: "{pager.root}", routing_key: {KEY}}}}}
  mail: {{email: {{host: 127.0.0.1, port: {mail.port}, tls: none, from: a@b.example, to: c@d.example}}}}
  lines: {{file: {{path: lines.jsonl}}}}
routes:
  - {{check: drift, receivers: [lines, pager], continue: true}}
  - {{check: performance, receivers: [mail]}}
  - {{model: other, receivers: []}}
  - {{receivers: [events]}}
models:
  m: {{task: binary, window: 1d, streams: {{predictions: {{topic: t, time: ts}}}}, columns: {{x: numeric}}}}
""")
    return file


@pytest.fixture
def store(config: Path) -> Iterator[Store]:
    opened = open_store(load_settings(config).store)
    yield opened
    opened.close()


def judge(config: Path, store: Store, check: Check) -> Incident:
    """One bad day, told as the daemon tells it."""
    result = Result(
        model="m", version="1", segment="*", window_start=START, window_end=START + DAY, check=check, column="x", metric="psi", value=3.0,
        threshold=0.2, p_value=None, verdict=Verdict.ALERT, reason="x moved", rows=1000,
    )  # fmt: skip
    taken = step(None, Judged(model="m", start=START, end=START + DAY, results=(result,), headline="x moved"), AlertRules(open_after=1))
    telling = Telling(routes_of(load_settings(config), "https://driftd.example.com"), told=store.told)
    assert taken.incident is not None
    assert store.record(Judgement(
        model="m", judged_until=START + DAY, previous=None, results=(result,), incident=taken.incident, events=taken.events,
        messages=telling.window(taken, Cause(headline="x moved"), ()),
    ))  # fmt: skip
    return taken.incident


def deliver(config: Path, store: Store) -> None:
    assert Dispatcher(store, receivers_of(load_settings(config), SystemClock()), SystemClock(), "test").drain(20) == 0


def run(*arguments: object) -> str:
    done = CliRunner().invoke(incidents.app, [str(a) for a in arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_an_incident_goes_where_the_routes_say_and_its_end_to_whoever_was_told(
    config: Path, store: Store, pager: PagerDutyServer, hook: WebhookReceiver, tmp_path: Path
) -> None:
    incident = judge(config, store, Check.DRIFT)
    deliver(config, store)
    assert pager.alerts == {incident.id: "triggered"}
    assert [request.path for request in hook.requests] == ["/hooks/retrain?key=hush"]
    assert [json.loads(line)["kind"] for line in (tmp_path / "lines.jsonl").read_text().splitlines()] == ["firing"]
    # the routes change, and a person resolves it by the command: those who were told hear of it, and nobody else
    config.write_text(config.read_text().replace("check: drift, receivers: [lines, pager]", "check: drift, receivers: [alerts]"))
    run("resolve", config, incident.id, "--by", "eve")
    deliver(config, store)
    assert pager.alerts == {incident.id: "resolved"}
    assert [json.loads(line)["kind"] for line in (tmp_path / "lines.jsonl").read_text().splitlines()] == ["firing", "resolved"]
    assert [request.path for request in hook.requests] == ["/hooks/retrain?key=hush"] * 2
    assert {row.receiver for row in store.deliveries()} == {"events", "pager", "lines"}


def test_another_check_goes_another_way(config: Path, store: Store, mail: MailServer, pager: PagerDutyServer) -> None:
    judge(config, store, Check.PERFORMANCE)
    deliver(config, store)
    assert {row.receiver for row in store.deliveries()} == {"mail"}
    assert len(mail.mails) == 1
    assert pager.events == []


def test_a_check_asks_every_receiver_that_can_be_asked_and_sends_nothing(
    config: Path, store: Store, mail: MailServer, hook: WebhookReceiver, tmp_path: Path
) -> None:
    said = CliRunner().invoke(app, ["check", str(config), "--connect"]).stdout
    for line in (
        "ok      receivers: events: cannot be asked without a message",
        "ok      receivers: alerts: the Alertmanager is ready",
        "ok      receivers: pager: cannot be asked without a message",
        "ok      receivers: mail: 127.0.0.1 answers",
        f"ok      receivers: lines: {tmp_path}/lines.jsonl can be written, and is made with the first message",
        "ok      secrets: receivers.pager.pagerduty.routing_key can be read",
    ):
        assert line in said
    assert (mail.mails, [request.path for request in hook.requests]) == ([], ["/-/ready"])
    mail.close()
    assert "failed  receivers: mail: the connection to the mail server 127.0.0.1 failed" in CliRunner().invoke(
        app, ["check", str(config), "--connect"]
    ).stdout  # fmt: skip


def test_a_test_message_and_its_end_go_to_one_receiver_alone(
    config: Path, mail: MailServer, pager: PagerDutyServer, hook: WebhookReceiver, tmp_path: Path
) -> None:
    done = CliRunner().invoke(app, ["check", str(config), "--send-test", "pager"])
    assert done.exit_code == 0
    assert done.stdout.splitlines()[-2:] == ["ok      pager: firing: answered 202", "ok      pager: resolved: answered 202"]
    assert list(pager.alerts.values()) == ["resolved"]
    payload = pager.events[0]["payload"]
    assert isinstance(payload, dict)
    assert payload["severity"] == "warning"
    assert "nothing is wrong" in payload["summary"]
    CliRunner().invoke(app, ["check", str(config), "--send-test", "mail"])
    first, second = mail.mails
    assert second["In-Reply-To"] == first["Message-ID"]
    assert hook.requests == []


@pytest.mark.parametrize("name", ["nobody", "retraining:m"])
def test_a_test_message_goes_to_no_other_than_people(config: Path, name: str, hook: WebhookReceiver) -> None:
    retraining = f"retraining: {{webhook: {{url: '{hook.url}', secret: s}}, when: {{drift: 1}}}}"
    config.write_text(config.read_text().replace("columns: {x: numeric}}", f"columns: {{x: numeric}}, {retraining}}}"))
    done = CliRunner().invoke(app, ["check", str(config), "--send-test", name])
    assert done.exit_code == 1
    assert f"there is no receiver '{name}' that tells people; known are ['alerts', 'events', 'lines', 'mail', 'pager']" in done.stdout
    assert hook.requests == []


def test_a_test_message_that_cannot_be_sent_says_why(config: Path, mail: MailServer) -> None:
    mail.close()
    done = CliRunner().invoke(app, ["check", str(config), "--send-test", "mail"])
    assert done.exit_code == 1
    assert "failed  mail: mail: firing: the connection to the mail server 127.0.0.1 failed" in done.stdout


def test_every_kind_that_can_be_configured_can_be_made(config: Path) -> None:
    made = {receiver.name for receiver in receivers_of(load_settings(config), SystemClock())}
    assert made == {"events", "alerts", "pager", "mail", "lines"}
    assert len(RECEIVERS) == 7


def test_the_lease_is_longer_than_the_slowest_receiver_may_take(config: Path) -> None:
    assert lease_of(load_settings(config)) == timedelta(seconds=60)
    config.write_text(config.read_text().replace("tls: none,", "tls: none, timeout: 2m,"))
    assert lease_of(load_settings(config)) > timedelta(minutes=2)
    config.write_text(config.read_text().replace("  lines:", '  more: {slack: {token: x, channel: "#c", timeout: 1m}}\n  lines:'))
    assert lease_of(load_settings(config)) > timedelta(minutes=3)
