"""Receivers and routes of a good configuration, and what is noted of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.core.results import Verdict
from monitor.core.routing import Route
from monitor.errors import SettingsError
from monitor.settings import Settings, load_settings
from monitor.settings.targets import AlertmanagerSettings, CloudEvents, EmailSettings, EventsSettings, FileTargetSettings, PagerDutySettings

HEAD = "kafka: {bootstrap_servers: b:1}\n"
MODELS = "models: {m: {task: binary, window: 1h, streams: {predictions: {topic: p, time: t}}}}\n"
ALL = """
slack: {token: xoxb-1, channel: "#a"}
receivers:
  events: {webhook: {url: "https://hooks.example/x", secret: s1}}
  bus: {webhook: {url: "http://127.0.0.1:1/", secret_file: bus, cloudevents: binary, timeout: 5s}}
  alerts: {alertmanager: {url: "https://alerts.example/am", username: u, password: p1}}
  pager: {pagerduty: {routing_key: k1}}
  mail: {email: {host: mail.example.com, from: "Drift <drift@example.com>", to: one@example.com}}
  local: {email: {host: localhost, port: 2525, tls: none, from: a@b.example, to: [c@d.example, e@f.example], username: u, password: p2}}
  lines: {file: {path: out.jsonl}}
  screen: {file: {path: "-", format: text}}
  data: {slack: {webhook_url: "https://hooks.slack.example/T/B/X"}}
"""


def loaded(folder: Path, text: str) -> Settings:
    path = folder / "driftd.yaml"
    path.write_text(HEAD + text, encoding="utf-8")
    return load_settings(path, {})


def test_receivers_are_read_by_kind(tmp_path: Path) -> None:
    settings = loaded(tmp_path, ALL + MODELS)
    names = ("slack", "events", "bus", "alerts", "pager", "mail", "local", "lines", "screen", "data")
    assert settings.people_receivers() == names
    assert tuple(settings.targets) == names
    events, bus, alerts, pager, mail, local, lines, screen = (settings.targets[name] for name in names[1:9])
    assert isinstance(events, EventsSettings)
    assert events.cloudevents is CloudEvents.OFF
    assert isinstance(bus, EventsSettings)
    assert bus.secret is not None
    assert (bus.cloudevents, bus.secret.file) == (CloudEvents.BINARY, tmp_path / "bus")
    assert isinstance(alerts, AlertmanagerSettings)
    assert isinstance(pager, PagerDutySettings)
    assert pager.url == "https://events.pagerduty.com"
    assert isinstance(mail, EmailSettings)
    assert (mail.the_port, mail.sender, mail.to) == (587, "Drift <drift@example.com>", ("one@example.com",))
    assert isinstance(local, EmailSettings)
    assert (local.the_port, local.to) == (2525, ("c@d.example", "e@f.example"))
    assert isinstance(lines, FileTargetSettings)
    assert lines.path == tmp_path / "out.jsonl"
    assert isinstance(screen, FileTargetSettings)
    assert screen.path is None


def test_every_secret_of_a_receiver_is_known_by_its_path(tmp_path: Path) -> None:
    assert [name for name, _ in loaded(tmp_path, ALL + MODELS).secrets()] == [
        "slack.token", "receivers.events.webhook.secret", "receivers.bus.webhook.secret", "receivers.alerts.alertmanager.password",
        "receivers.pager.pagerduty.routing_key", "receivers.local.email.password", "receivers.data.slack.webhook_url",
    ]  # fmt: skip


def test_routes_are_read_and_a_models_own_receivers_stand_before_them(tmp_path: Path) -> None:
    routes = """
receivers: {pager: {file: {path: p}}, lines: {file: {path: l}}}
routes:
  - {model: ["m*", x], severity: alert, check: [quality, stale_data], receivers: pager, continue: true}
  - {receivers: []}
"""
    own = MODELS.replace("time: t}}}", "time: t}}, alerts: {receivers: [lines]}}")
    assert loaded(tmp_path, routes + own).routes() == (
        Route(models=("m",), receivers=("lines",)),
        Route(models=("m*", "x"), severity=Verdict.ALERT, checks=("quality", "stale_data"), receivers=("pager",), goes_on=True),
        Route(receivers=()),
    )
    assert loaded(tmp_path, routes + MODELS).routes()[0].models == ("m*", "x")


def test_the_names_of_receivers_that_retrain_cannot_be_taken(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match='"retraining:m" is not a name'):
        loaded(tmp_path, 'receivers: {"retraining:m": {file: {path: p}}}\n' + MODELS)


@pytest.mark.parametrize("port", ["starttls, 587", "tls, 465", "none, 25"])
def test_a_mail_servers_port_is_the_usual_one_of_its_security(tmp_path: Path, port: str) -> None:
    security, number = port.split(", ")
    text = f"receivers: {{m: {{email: {{host: localhost, tls: {security}, from: a@b.example, to: a@b.example}}}}}}\n"
    mail = loaded(tmp_path, text + MODELS).targets["m"]
    assert isinstance(mail, EmailSettings)
    assert mail.the_port == int(number)


def test_what_routes_leave_out_or_never_fit_is_noted(tmp_path: Path) -> None:
    text = "receivers: {a: {file: {path: p}}, b: {file: {path: q}}}\nroutes: [{model: n*, receivers: [a]}]\n"
    notes = loaded(tmp_path, text + MODELS).notes()
    assert notes == (
        'routes[0].model: "n*" fits no model of this file',
        "receivers.b: no route names it, so it is told only of what fits no route",
    )
    assert loaded(tmp_path, "receivers: {a: {file: {path: p}}}\n" + MODELS).notes() == ()


def test_too_many_addresses_are_refused(tmp_path: Path) -> None:
    many = ", ".join(f"a{n}@b.example" for n in range(51))
    with pytest.raises(SettingsError, match="51 addresses; expected 1 to 50"):
        loaded(tmp_path, f"receivers: {{m: {{email: {{host: h, from: a@b.example, to: [{many}]}}}}}}\n" + MODELS)


ROOT = Path(__file__).parents[2]


def test_what_the_example_comments_out_can_be_switched_on(tmp_path: Path) -> None:
    lines = (ROOT / "config" / "example.yaml").read_text(encoding="utf-8").splitlines()
    found = []
    for key in ("# receivers:", "# routes:"):
        start = lines.index(key)
        found += [line.removeprefix("# ") for line in lines[start : lines.index("", start)]]
    settings = loaded(tmp_path, 'slack: {token: x, channel: "#a"}\n' + "\n".join(found) + "\n" + MODELS)
    assert settings.people_receivers() == ("slack", "events", "bus", "alerts", "pager", "mail", "lines", "data")
    assert len(settings.routes()) == 4


def test_every_example_of_the_page_of_receivers_is_a_good_one(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "receivers.md").read_text(encoding="utf-8")
    blocks = [block.partition("```")[0] for block in page.split("```yaml\n")[1:]]
    receivers = [block.removeprefix("receivers:\n") for block in blocks if block.startswith("receivers:")]
    assert len(receivers) == 6
    routes, _, own = next(block for block in blocks if block.startswith("routes:")).partition("models:\n")
    assert "receivers: [mail]" in own
    text = 'slack: {token: x, channel: "#a"}\nreceivers:\n' + "".join(receivers) + routes + MODELS
    assert len(loaded(tmp_path, text).routes()) == 5
