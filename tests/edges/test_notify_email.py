"""Incidents by e-mail, told to a real mail server in this process, and to one that misbehaves."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from email import message_from_bytes, policy
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as settings_of
from hypothesis import strategies as st
from msgspec import to_builtins

from monitor.clock import SystemClock
from monitor.core.digest import DIGEST, Digest, ModelPart, headline
from monitor.core.incidents import NotifyKind
from monitor.core.messages import IncidentMessage
from monitor.core.retraining import Helped, RetrainingState
from monitor.core.retraining_messages import RETRAINING_STATUS, RetrainingNote
from monitor.core.verdict_message import RETRAINING_VERDICT, RetrainingVerdict
from monitor.errors import Permanent, Retryable
from monitor.log import MASK, redact
from monitor.notify import email
from monitor.notify.email import mail_of
from monitor.notify.letters import MAX_SUBJECT, letter_of
from monitor.notify.transport import tls_context
from monitor.ports import Receiver
from monitor.settings.secret import Secret
from monitor.settings.targets import EmailSettings
from tests.edges.told import DAY, INCIDENT, NOW, delivery, messages, other, telling
from tests.mail_server import MailServer, ScriptedMail, certificate, server_context

FROM, TO = "Drift Watch <driftd@example.com>", ("ml@example.com", "Ön Call <oncall@example.com>")
PASSWORD = "hush-mail-password"


def settings(port: int, **more: object) -> EmailSettings:
    given = {"host": "localhost", "port": port, "tls": "none", "from": FROM, "to": TO, **more}
    return EmailSettings.model_validate(given)


def mailer(port: int, **more: object) -> Receiver:
    return email.made("mail", settings(port, **more), SystemClock())


@pytest.fixture
def server() -> Iterator[MailServer]:
    made = MailServer()
    yield made
    made.close()


@pytest.fixture
def trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A certificate for localhost that this process trusts."""
    file = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    tls_context.cache_clear()
    yield file
    tls_context.cache_clear()


# --- the mail ------------------------------------------------------------------------------------------------


def test_a_mail_says_all_in_text_and_in_html(server: MailServer) -> None:
    receipt = mailer(server.port).send(delivery(id="msg_1"))
    assert (receipt.thread, receipt.detail) == ("<msg_1@example.com>", "taken for 2 of 2 addresses")
    (mail,) = server.mails
    assert mail["Subject"] == "[driftd] Alert: flight-delay: drift alert on dep_delay, p_late, since 2013-07-01 00:00 UTC"
    assert (mail["From"], mail["To"]) == (FROM, "ml@example.com, Ön Call <oncall@example.com>")
    assert mail["Message-ID"] == "<msg_1@example.com>"
    assert mail["Date"] == "Mon, 04 May 2026 12:00:00 +0000"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["In-Reply-To"] is None
    assert server.recipients == [["ml@example.com", "oncall@example.com"]]
    text, html = (mail.get_body((kind,)) for kind in ("plain", "html"))
    assert text is not None
    assert html is not None
    said = text.get_content()
    assert "Likely cause: dep_delay: ×60, as seconds in place of minutes" in said
    assert "dep_delay: mean 12.6 → 756" in said
    assert "Performance: roc_auc 0.78 → 0.71 [0.70, 0.72], of labels" in said
    assert "Rows of the window: 903 received = 900 counted + 3 late" in said
    assert "Open driftd: https://driftd.example.com/models/flight-delay" in said
    assert '<a href="https://driftd.example.com/models/flight-delay">' in html.get_content()


def test_all_mails_of_an_incident_are_one_thread(server: MailServer) -> None:
    sender = mailer(server.port)
    first = sender.send(delivery(id="msg_1"))
    again = sender.send(delivery(NotifyKind.REPEAT, id="msg_2", thread=first.thread))
    assert again.thread == "<msg_1@example.com>"
    sender.send(delivery(NotifyKind.RESOLVED, id="msg_3", thread=again.thread))
    _, second, third = server.mails
    for mail, id in ((second, "msg_2"), (third, "msg_3")):
        assert (mail["Message-ID"], mail["In-Reply-To"], mail["References"]) == (f"<{id}@example.com>", *["<msg_1@example.com>"] * 2)
    assert second["Subject"].startswith("[driftd] Still going on: Alert: ")
    assert third["Subject"].startswith("[driftd] Resolved: ")


def test_an_attempt_that_is_made_again_bears_the_same_id(server: MailServer) -> None:
    for _ in range(2):
        mailer(server.port).send(delivery(id="msg_1"))
    assert [mail["Message-ID"] for mail in server.mails] == ["<msg_1@example.com>"] * 2


@given(messages())
def test_whatever_an_incident_holds_its_mail_has_our_headers_and_no_markup_of_others(message: IncidentMessage) -> None:
    written = settings(1)
    raw = mail_of(telling(message), written).as_bytes()
    head = raw.partition(b"\r\n\r\n")[0]
    names = [line.partition(b":")[0].decode() for line in re.split(rb"\r\n(?![ \t])", head)]
    assert names == ["Subject", "From", "To", "Date", "Message-ID", "Auto-Submitted", "X-Driftd-Incident", "User-Agent", "MIME-Version",
                     "Content-Type"]  # fmt: skip
    mail = message_from_bytes(raw, policy=policy.default)
    assert len(mail["Subject"]) <= MAX_SUBJECT
    html = mail.get_body(("html",))
    assert html is not None
    tags = set(re.findall(r"</?([a-zA-Z0-9]+)", html.get_content()))
    assert tags <= {"html", "body", "div", "h3", "p", "br", "a"}
    assert all(len(line) <= 998 for line in raw.split(b"\r\n"))  # RFC 5322


def test_line_ends_in_what_comes_from_a_log_make_no_header(server: MailServer) -> None:
    evil = replace(INCIDENT, summary="x\r\nBcc: victim@example.com\r\n\r\nbody", model="flight-delay")
    mailer(server.port).send(delivery(incident=evil))
    (mail,) = server.mails
    assert mail["Bcc"] is None
    assert "Bcc: victim@example.com" in mail["Subject"]
    assert server.recipients == [["ml@example.com", "oncall@example.com"]]


def test_what_is_about_no_incident_is_a_mail_in_lines(server: MailServer) -> None:
    body = {"sentence": "flight-delay: a retraining waits\nBcc: x@y.example", "hint": "<b>driftd retrainings approve</b>",
            "url": "javascript:alert(1)", "columns": ["x", "y"]}  # fmt: skip
    mailer(server.port).send(other(body, "another_kind"))
    (mail,) = server.mails
    assert mail["Subject"] == "[driftd] flight-delay: a retraining waits Bcc: x@y.example"
    assert mail["X-Driftd-Incident"] is None
    text, html = (mail.get_body((kind,)) for kind in ("plain", "html"))
    assert text is not None
    assert html is not None
    assert "columns:\n  - x\n  - y" in text.get_content().replace("\r\n", "\n")
    assert "<a" not in html.get_content()
    assert "&lt;b&gt;driftd retrainings approve" in html.get_content()


def test_a_note_and_a_verdict_of_a_retraining_and_a_digest_are_letters_of_their_own() -> None:
    note = RetrainingNote(id="ret_1", model="m", state=RetrainingState.PROPOSED, sentence="m: a retraining waits", incident=None, at=NOW,
                          hint="driftd retrainings approve", run_url="https://ci.example/7", url="https://d.example/models/m")
    asked = letter_of(other(to_builtins(note), RETRAINING_STATUS))
    assert (asked.subject, asked.url) == ("Retraining: m: a retraining waits", "https://d.example/models/m")
    assert asked.paragraphs == (("m: a retraining waits",), ("driftd retrainings approve",), ("The run: https://ci.example/7",))
    part = ModelPart(model="m", windows=24, lines=("drift of x in 3 windows", "y\nz"), more=2, url="https://d.example/models/m")
    digest = Digest(since=NOW - DAY, until=NOW, models=(part,), more_models=1, held=("inc_1 of m",), more_held=0, dead=("1 given up",))
    daily = letter_of(other(to_builtins(digest), DIGEST))
    assert daily.paragraphs == (
        ("2026-05-03 12:00 UTC to 2026-05-04 12:00 UTC",), ("m:", "drift of x in 3 windows", "y z", "… and 2 more"),
        ("… and 1 more models",), ("Held back:", "inc_1 of m"), ("1 given up",),
    )  # fmt: skip
    assert daily.subject == headline(digest)
    verdict = RetrainingVerdict(retraining="ret_1", model="m", version="1", new_version="2", helped=Helped.HELPED, incident=None,
                                sentence="m: retraining helped: roc_auc +0.021 [0.012, 0.030]", url="https://d.example/models/m")
    better = letter_of(other(to_builtins(verdict), RETRAINING_VERDICT))
    assert (better.subject, better.paragraphs) == (f"Retraining: {verdict.sentence}", ((verdict.sentence,),))
    for kind in (DIGEST, RETRAINING_STATUS, RETRAINING_VERDICT):
        with pytest.raises(Permanent, match="stored body is no"):
            letter_of(other({"x": 1}, kind))


def test_an_acknowledgement_is_no_mail_and_keeps_the_thread(server: MailServer) -> None:
    receipt = mailer(server.port).send(delivery(NotifyKind.UPDATE, thread="<msg_1@example.com>"))
    assert receipt.thread == "<msg_1@example.com>"
    assert server.mails == []


# --- the session ---------------------------------------------------------------------------------------------


def test_starttls_is_spoken_and_the_certificate_checked_before_the_password_goes_out(trusted: Path) -> None:
    with closing(MailServer(tls=server_context(trusted), login=("driftd", PASSWORD))) as server:
        mailer(server.port, tls="starttls", username="driftd", password=PASSWORD).send(delivery())
        assert (len(server.mails), server.secured) == (1, [True])


def test_tls_from_the_first_byte_is_spoken(trusted: Path) -> None:
    with closing(MailServer(tls=server_context(trusted), at_once=True)) as server:
        mailer(server.port, tls="tls").send(delivery())
        assert len(server.mails) == 1


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_certificate_that_nobody_vouches_for_gets_no_mail(tmp_path: Path, security: str) -> None:
    with closing(MailServer(tls=server_context(certificate(tmp_path)), at_once=security == "tls")) as server:
        with pytest.raises(Retryable, match="SSLCertVerificationError"):
            mailer(server.port, tls=security).send(delivery())
        assert server.mails == []


def test_a_certificate_for_another_host_gets_no_mail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = certificate(tmp_path, "elsewhere.example")
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    tls_context.cache_clear()
    try:
        with closing(MailServer(tls=server_context(file))) as server, pytest.raises(Retryable, match="SSLCertVerificationError"):
            mailer(server.port, tls="starttls").send(delivery())
    finally:
        tls_context.cache_clear()


def test_a_server_without_starttls_gets_neither_mail_nor_password(server: MailServer) -> None:
    with pytest.raises(Permanent, match="the mail server localhost does not offer STARTTLS"):
        mailer(server.port, tls="starttls", username="driftd", password=PASSWORD).send(delivery())
    assert server.mails == []


def test_a_server_without_a_login_is_given_up(server: MailServer) -> None:
    with pytest.raises(Permanent, match="does not offer a way to log in"):
        mailer(server.port, username="driftd", password=PASSWORD).send(delivery())


def test_a_wrong_password_is_given_up_and_never_told(trusted: Path) -> None:
    with closing(MailServer(tls=server_context(trusted), login=("driftd", "another"))) as server:
        with pytest.raises(Permanent, match=r"^the mail server localhost answered 535 5\.7\.8$") as caught:
            mailer(server.port, tls="starttls", username="driftd", password=PASSWORD).send(delivery())
        assert PASSWORD not in str(caught.value)
        assert redact(f"it was {PASSWORD}") == f"it was {MASK}"


def test_a_password_that_smtp_cannot_send_is_given_up_and_never_told(server: MailServer) -> None:
    with pytest.raises(Permanent, match="beyond ASCII") as caught:
        mailer(server.port, username="driftd", password="hüsh").send(delivery())
    assert "hüsh" not in str(caught.value)


def test_a_password_in_a_file_is_read_at_each_use(trusted: Path, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("old")
    with closing(MailServer(tls=server_context(trusted), login=("driftd", PASSWORD))) as server:
        sender = mailer(server.port, tls="starttls", username="driftd", password=Secret(file=file))
        with pytest.raises(Permanent):
            sender.send(delivery())
        file.write_text(PASSWORD + "\n")
        sender.send(delivery())
        assert len(server.mails) == 1


@pytest.mark.parametrize(
    ("refusals", "error", "said"),
    [
        ({"ml@example.com": "550 5.1.1 who?", "oncall@example.com": "550 5.1.1 who?"}, Permanent, "answered 550 5.1.1$"),
        ({"ml@example.com": "550 5.1.1 who?", "oncall@example.com": "451 4.3.0 later"}, Retryable, "answered 550 5.1.1 and 451 4.3.0$"),
        ({"ml@example.com": "450 busy", "oncall@example.com": "450 busy"}, Retryable, "answered 450$"),
        ({"DATA": "554 5.7.1 spam"}, Permanent, "answered 554 5.7.1$"),
        ({"DATA": "452 4.2.2 mailbox full"}, Retryable, "answered 452 4.2.2$"),
    ],
)  # fmt: skip
def test_a_refusal_is_for_good_on_5xx_and_passes_on_4xx(
    server: MailServer, refusals: Mapping[str, str], error: type[Exception], said: str
) -> None:
    server.refusals.update(refusals)
    with pytest.raises(error, match=said):
        mailer(server.port).send(delivery())
    assert server.mails == []


def test_a_mail_that_is_taken_for_some_is_sent_and_says_so(server: MailServer) -> None:
    server.refusals["ml@example.com"] = "550 5.1.1 who?"
    assert mailer(server.port).send(delivery()).detail == "taken for 1 of 2 addresses, refused with 550 5.1.1"
    assert server.recipients == [["oncall@example.com"]]


@pytest.mark.parametrize(
    ("answers", "error", "said"),
    [
        ({"": b"554 no service\r\n"}, Permanent, "answered 554"),
        ({"": b"421 4.3.2 closing\r\n"}, Retryable, "answered 421 4.3.2"),
        ({"": b"\xff\xfe\x00\r\n"}, Retryable, "the mail server localhost"),
        ({"": b""}, Retryable, "no answer in time"),
        ({"EHLO": b"500 what\r\n", "HELO": b"500 what\r\n"}, Permanent, "answered 500"),
        ({"MAIL": b"451 4.7.1 greylisted\r\n"}, Retryable, "answered 451 4.7.1"),
        ({"MAIL": b"550 go away hush\r\n"}, Permanent, "answered 550$"),
        ({}, Retryable, "the connection to the mail server localhost failed"),
        ({"EHLO": b"250-hello\r\n250 AUTH CRAM-MD5\r\n", "AUTH": b"334 not*base64\r\n"}, Retryable, "does not speak SMTP"),
    ],
)  # fmt: skip
def test_a_server_that_misbehaves_is_tried_again_or_given_up(answers: Mapping[str, bytes], error: type[Exception], said: str) -> None:
    with closing(ScriptedMail(answers)) as server, pytest.raises(error, match=said) as caught:
        mailer(server.port, timeout="1s", **({"username": "u", "password": "p"} if "AUTH" in answers else {})).send(delivery())
    assert "hush" not in str(caught.value)


LINES = st.lists(st.binary(max_size=40).map(lambda text: text.replace(b"\n", b"").replace(b"\r", b"")), min_size=1, max_size=3)
ANSWERS = st.builds(
    lambda code, lines: b"".join(code + (b" " if i == len(lines) - 1 else b"-") + line + b"\r\n" for i, line in enumerate(lines)),
    st.sampled_from([b"220", b"221", b"235", b"250", b"334", b"354", b"421", b"454", b"503", b"535", b"554", b"abc", b""]), LINES,
)  # fmt: skip
AUTH = b"250-hello\r\n250-8BITMIME\r\n250 AUTH CRAM-MD5 PLAIN LOGIN\r\n"


@settings_of(max_examples=60)
@given(st.dictionaries(st.sampled_from(["", "EHLO", "HELO", "AUTH", "MAIL", "RCPT", "DATA", "RSET", "*"]), ANSWERS), st.booleans())
def test_whatever_a_mail_server_says_is_a_receipt_or_one_of_our_errors(answers: dict[str, bytes], logs_in: bool) -> None:
    with closing(ScriptedMail({"EHLO": AUTH, **answers})) as server:
        login = {"username": "driftd", "password": PASSWORD} if logs_in else {}
        try:
            said = mailer(server.port, timeout="1s", **login).send(delivery()).detail
        except (Retryable, Permanent) as error:
            said = str(error)
    assert said
    assert PASSWORD not in said


@pytest.mark.parametrize("security", ["none", "starttls", "tls"])
def test_a_slow_drip_is_ended_at_the_deadline(security: str) -> None:
    with closing(ScriptedMail({}, drip=True)) as server:
        began = time.monotonic()
        with pytest.raises(Retryable):
            mailer(server.port, tls=security, timeout="1s").send(delivery())
        assert time.monotonic() - began < 4


def test_nobody_listening_is_tried_again() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(Retryable, match=r"failed \(ConnectionRefusedError\)"):
            mailer(unused.getsockname()[1]).send(delivery())


def test_a_host_that_nobody_knows_is_tried_again() -> None:
    with pytest.raises(Retryable, match=r"the connection to the mail server no-such-host\.invalid failed"):
        mailer(25, host="no-such-host.invalid").send(delivery())


def test_link_local_addresses_are_not_called() -> None:
    with pytest.raises(Permanent, match="link-local or cloud metadata"):
        mailer(25, host="169.254.169.254").send(delivery())


@pytest.mark.parametrize("prepare", [lambda: None, lambda: tls_context.cache_clear()])
def test_a_check_logs_in_and_sends_nothing(prepare: Callable[[], None], trusted: Path) -> None:
    prepare()
    with closing(MailServer(tls=server_context(trusted), login=("driftd", PASSWORD))) as server:
        asked = settings(server.port, tls="starttls", username="driftd", password=PASSWORD)
        assert email.ask(asked, SystemClock()) == "localhost answers, and the login is right"
        assert server.mails == []
    with closing(MailServer()) as server:
        assert email.ask(settings(server.port), SystemClock()) == "localhost answers"
