"""What every receiver promises, tried on each: a receipt or an error that says what to do, in time, and never a secret."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from monitor.clock import SystemClock
from monitor.core.incidents import NotifyKind
from monitor.demo import scripted_http as http
from monitor.demo.scripted_http import Reply, ScriptedServer
from monitor.demo.slack_server import SlackServer
from monitor.errors import Gone, Permanent, Retryable
from monitor.log import redact
from monitor.notify import RECEIVERS, alertmanager, email, events, file, pagerduty, slack_receiver
from monitor.ports import Receiver
from monitor.settings.receivers import SlackSettings
from monitor.settings.targets import AlertmanagerSettings, EmailSettings, EventsSettings, FileTargetSettings, PagerDutySettings
from tests.edges.told import BROKEN, delivery, other
from tests.mail_server import MailServer, ScriptedMail
from tests.pagerduty_server import PagerDutyServer
from tests.webhook_server import WebhookReceiver

HUSH = "hush0123456789abcdefhush01234567"
"""The secret of each receiver; 32 characters, as PagerDuty has them."""
CLOCK = SystemClock()
Trouble = Callable[[], None]


@dataclass
class Kit:
    """A receiver and its service, well, or ill in each of the ways that the kind knows of."""

    receiver: Receiver
    ill: Mapping[str, Trouble] = field(default_factory=dict)
    close: Trouble = lambda: None


class SlackHook(ScriptedServer):
    """A Slack incoming webhook."""

    def process(self, request: http.Request) -> Reply:
        return Reply(body=b"ok")


def over_http(server: ScriptedServer, receiver: Receiver) -> Kit:
    return Kit(
        receiver,
        {
            "trouble": lambda: server.script(http.answers(503, HUSH.encode(), retry_after="7")),
            "many": lambda: server.script(http.answers(429)),
            "no": lambda: server.script(http.answers(403, HUSH.encode())),
            "not found": lambda: server.script(http.answers(404)),
            "gone": lambda: server.script(http.answers(410)),
            "redirect": lambda: server.script(http.redirects(server.root + "/" + HUSH)),
            "drop": lambda: server.script(http.drops),
            "drip": lambda: server.script(http.drips_headers),
            "silence": lambda: server.script(http.hangs),
        },
        server.close,
    )


def webhook() -> Kit:
    server = WebhookReceiver()
    return over_http(server, events.made("r", EventsSettings.model_validate({"url": server.url, "secret": HUSH, "timeout": "1s"}), CLOCK))


def alerts() -> Kit:
    server = WebhookReceiver()
    settings = AlertmanagerSettings.model_validate({"url": server.root, "token": HUSH, "timeout": "1s"})
    return over_http(server, alertmanager.made("r", settings, CLOCK))


def pager() -> Kit:
    server = PagerDutyServer(HUSH)
    settings = PagerDutySettings.model_validate({"url": server.root, "routing_key": HUSH, "timeout": "1s"})
    return over_http(server, pagerduty.made("r", settings, CLOCK))


def slack_bot() -> Kit:
    server = SlackServer(token=HUSH)
    settings = SlackSettings.model_validate({"token": HUSH, "channel": "#ml-alerts", "api_url": server.url, "timeout": "1s"})
    return over_http(server, slack_receiver("r", settings, CLOCK))


def slack_hook() -> Kit:
    server = SlackHook()
    settings = SlackSettings.model_validate({"webhook_url": f"{server.root}/{HUSH}", "timeout": "1s"})
    return over_http(server, slack_receiver("r", settings, CLOCK))


def mail() -> Kit:
    well = MailServer(login=("driftd", HUSH), plain=True)
    made: list[ScriptedMail] = []
    given = {"host": "localhost", "tls": "none", "from": "a@b.example", "to": "c@d.example", "username": "driftd", "password": HUSH}

    def sender(port: int) -> Receiver:
        return email.made("r", EmailSettings.model_validate({**given, "port": port, "timeout": "1s"}), CLOCK)

    class Moving:
        """Sends to where the kit says."""

        name = "r"
        at = sender(well.port)
        send = property(lambda self: self.at.send)

        def close(self) -> None:
            self.at.close()

    receiver = Moving()

    def goes_to(drip: bool = False, **answers: bytes) -> Trouble:
        def move() -> None:
            made.append(ScriptedMail(answers, drip=drip))
            receiver.at = sender(made[-1].port)

        return move

    login = {"EHLO": b"250-hello\r\n250 AUTH PLAIN\r\n", "AUTH": b"235 welcome\r\n"}
    trouble = {
        "trouble": goes_to(**login, MAIL=b"451 4.3.0 " + HUSH.encode() + b"\r\n"),
        "many": goes_to(**login, MAIL=b"450 4.2.1 slow down\r\n"),
        "no": goes_to(**(login | {"AUTH": b"535 5.7.8 not " + HUSH.encode() + b"\r\n"})),
        "not found": goes_to(**login, MAIL=b"250 ok\r\n", RCPT=b"550 5.1.1 who?\r\n", RSET=b"250 ok\r\n"),
        "drop": goes_to(**login),
        "drip": goes_to(drip=True),
        "silence": goes_to(EHLO=b""),
    }

    def close() -> None:
        for server in (well, *made):
            server.close()

    return Kit(receiver, trouble, close)


def lines(folder: Path) -> Kit:
    path = folder / "lines"

    def full() -> None:
        path.symlink_to("/dev/full")

    def folder_in_its_place() -> None:
        path.mkdir()

    return Kit(file.made("r", FileTargetSettings(path=path), CLOCK), {"trouble": full, "drop": folder_in_its_place})


KITS: Mapping[str, Callable[[Path], Kit]] = {
    "webhook": lambda _: webhook(),
    "alertmanager": lambda _: alerts(),
    "pagerduty": lambda _: pager(),
    "slack": lambda _: slack_bot(),
    "slack webhook": lambda _: slack_hook(),
    "email": lambda _: mail(),
    "file": lines,
}
EXPECTED: Mapping[str, type[Exception]] = {
    "trouble": Retryable, "many": Retryable, "no": Permanent, "not found": Permanent, "gone": Gone, "redirect": Permanent,
    "drop": Retryable, "drip": Retryable, "silence": Retryable,
}  # fmt: skip


@pytest.fixture(params=KITS)
def kit(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kit]:
    made = KITS[request.param](tmp_path)
    yield made
    made.receiver.close()
    made.close()


def test_every_kind_of_receiver_is_tried_here() -> None:
    assert set(RECEIVERS) - {"retraining"} == {name.split()[0] for name in KITS}


def test_every_service_over_http_knows_every_trouble_and_mail_most_of_them(kit: Kit, request: pytest.FixtureRequest) -> None:
    missing = {"email": {"gone", "redirect"}, "file": set(EXPECTED) - {"trouble", "drop"}}
    assert set(kit.ill) == set(EXPECTED) - missing.get(request.node.callspec.params["kit"], set())


def test_every_kind_of_message_is_sent_and_sent_again(kit: Kit) -> None:
    thread = None
    for number, kind in enumerate([NotifyKind.FIRING, NotifyKind.FIRING, *NotifyKind]):
        receipt = kit.receiver.send(delivery(kind, id=f"msg_{number}", thread=thread))
        thread = thread or receipt.thread
        assert receipt.detail


@pytest.mark.fault(44)
@pytest.mark.fault(16)
@pytest.mark.parametrize("trouble", EXPECTED)
def test_trouble_is_an_error_that_says_what_to_do_within_its_time_and_tells_no_secret(
    kit: Kit, trouble: str, caplog: pytest.LogCaptureFixture
) -> None:
    if trouble not in kit.ill:
        return  # a kind that does not know it
    caplog.set_level(logging.DEBUG)
    kit.ill[trouble]()
    began = time.monotonic()
    with pytest.raises(EXPECTED[trouble]) as caught:
        kit.receiver.send(delivery())
    assert time.monotonic() - began < 5
    assert caught.value.__cause__ is None
    assert HUSH not in str(caught.value) + repr(caught.value)
    logged = "\n".join(record.getMessage() for record in caplog.records if not record.name.startswith("mail.log"))  # the test's server
    assert HUSH not in redact(logged)  # as every line of the log is before it is written


def test_what_was_ill_is_well_again_with_the_next_attempt(kit: Kit) -> None:
    if isinstance(kit.receiver, file.FileLines) or "gone" not in kit.ill:
        pytest.skip("its trouble stays, as the kit makes it")
    kit.ill["trouble"]()
    with pytest.raises(Retryable):
        kit.receiver.send(delivery())
    assert kit.receiver.send(delivery()).detail


def test_what_is_about_no_incident_is_told_or_left_but_is_no_error(kit: Kit, request: pytest.FixtureRequest) -> None:
    if "slack" in request.node.callspec.id:
        return  # Slack's own form of each kind is made elsewhere
    body = {"sentence": "a day's\nwarnings", "models": [{"model": "m", "lines": ["x moved", ""]}], "more": 0, "url": "javascript:alert(1)"}
    assert kit.receiver.send(other(body, "another")).detail


def test_a_stored_body_that_is_no_message_is_given_up(kit: Kit) -> None:
    with pytest.raises(Permanent, match="stored body is no IncidentMessage"):
        kit.receiver.send(BROKEN)
