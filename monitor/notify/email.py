"""Incidents by e-mail: text and HTML, one thread an incident, over SMTP with TLS that is verified and a deadline over everything.

Headers are made by the standard library's ``email.message``, which refuses line ends in them; what comes from logs is put on one line
before. What a mail server says is not repeated but for its codes: it may hold what it was told.
"""

from __future__ import annotations

import re
import smtplib
import socket
import ssl
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from html import escape

import httpcore

from monitor import __version__
from monitor.core.incidents import NotifyKind
from monitor.core.messages import IncidentMessage
from monitor.errors import Permanent, Retryable
from monitor.notify.plain import cut, is_incident, message_of, other_said, outline, paragraphs, said
from monitor.notify.slack_message import PLAIN, look_of, one_line
from monitor.notify.transport import addresses, tls_context
from monitor.ports import Clock, Delivery, Receipt, Receiver
from monitor.settings.targets import EmailSettings, MailSecurity

MAILED = frozenset({NotifyKind.FIRING, NotifyKind.REPEAT, NotifyKind.RESOLVED})
"""What is worth a mail: a change that calls nobody is not."""
MAX_SUBJECT = 200
"""Characters; mail programs show fewer."""
WEB = ("https://", "http://")
CONNECT_SECONDS = 5.0
GREETING = 220
OUR_NAME = re.compile(r"[A-Za-z0-9.-]{1,253}", re.ASCII)
ENHANCED = re.compile(rb"[245]\.\d{1,3}\.\d{1,3}")
"""The codes of RFC 3463, e.g. 5.1.1 for a mailbox that is not there."""


class Email:
    """Sends one mail for each message, over a connection of its own. The password is read at each use."""

    def __init__(self, name: str, settings: EmailSettings) -> None:
        self.name = name
        self._settings = settings

    def send(self, delivery: Delivery) -> Receipt:
        """Hand it to the mail server. Raises Retryable on 4xx and where there is no answer, Permanent on 5xx; neither tells the password.

        A server that takes it for some and not for others has taken it: those are told in the receipt.
        """
        if is_incident(delivery) and message_of(delivery).kind not in MAILED:
            return Receipt(thread=delivery.thread, detail="not sent: a mail stays as it is, and nobody is called")
        mail = mail_of(delivery, self._settings)
        with _session(self._settings) as smtp:
            refused = smtp.send_message(mail, parseaddr(self._settings.sender)[1], [parseaddr(to)[1] for to in self._settings.to])
        taken = len(self._settings.to) - len(refused)
        codes = "".join(f", refused with {_codes(*answer)}" for answer in refused.values())
        detail = f"taken for {taken} of {len(self._settings.to)} addresses{codes}"
        return Receipt(thread=delivery.thread or mail["Message-ID"], detail=detail)

    def close(self) -> None:
        """Nothing is held open between messages."""


def made(name: str, settings: EmailSettings, clock: Clock) -> Receiver:  # noqa: ARG001 - as the other receivers
    """From its settings."""
    return Email(name, settings)


def ask(settings: EmailSettings, clock: Clock) -> str:  # noqa: ARG001 - as the other receivers
    """Whether it answers and lets us log in, without a mail. Raises Retryable or Permanent."""
    with _session(settings) as smtp:
        smtp.noop()
    return f"{settings.host} answers" + (", and the login is right" if settings.username else "")


def mail_of(delivery: Delivery, settings: EmailSettings) -> EmailMessage:
    """The whole mail. Its Message-ID is the same at every attempt, so that a mail that comes twice can be told to be one.

    Raises Permanent where the stored body is not what its kind says.
    """
    letter = _incident_letter(message_of(delivery)) if is_incident(delivery) else _other_letter(delivery)
    domain = parseaddr(settings.sender)[1].rpartition("@")[2]
    mail = EmailMessage(policy=SMTP)
    mail["Subject"] = cut(f"[driftd] {letter.subject}", MAX_SUBJECT)
    mail["From"] = settings.sender
    mail["To"] = ", ".join(settings.to)
    mail["Date"] = format_datetime(delivery.created_at)
    mail["Message-ID"] = f"<{delivery.id}@{domain}>"
    if delivery.thread:
        mail["In-Reply-To"] = delivery.thread
        mail["References"] = delivery.thread
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no answers of absence
    if delivery.incident:
        mail["X-Driftd-Incident"] = cut(delivery.incident, MAX_SUBJECT)
    mail["User-Agent"] = f"driftd/{__version__}"
    mail.set_content(_text(letter))
    mail.add_alternative(_html(letter), subtype="html")
    return mail


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """What a mail says: paragraphs of lines, all of them plain text."""

    subject: str
    title: str
    colour: str
    paragraphs: tuple[tuple[str, ...], ...]
    url: str | None


def _incident_letter(message: IncidentMessage) -> Letter:
    look = look_of(message)
    reminder = "Still going on: " if message.kind is NotifyKind.REPEAT else ""
    return Letter(subject=f"{reminder}{said(message, MAX_SUBJECT)}", title=f"{look.sign} {look.word}: {message.model}", colour=look.colour,
                  paragraphs=tuple(paragraphs(message)), url=message.url)


def _other_letter(delivery: Delivery) -> Letter:
    """Of what is about no incident: its sentence, and all that it holds in lines."""
    url = delivery.body.get("url")
    return Letter(subject=other_said(delivery, MAX_SUBJECT), title=one_line(delivery.kind.replace("_", " ")), colour=PLAIN.colour,
                  paragraphs=(tuple(outline(delivery.body)),), url=url if isinstance(url, str) and url.startswith(WEB) else None)


def _text(letter: Letter) -> str:
    link = [(f"Open driftd: {letter.url}",)] if letter.url else []
    return "\n\n".join("\n".join(lines) for lines in (*letter.paragraphs, *link)) + "\n"


def _html(letter: Letter) -> str:
    """Nothing of a log is markup here: all of it is escaped, and the link is ours."""
    said_as = "".join(f"<p>{'<br>'.join(map(escape, lines))}</p>\n" for lines in letter.paragraphs)
    link = f'<p><a href="{escape(letter.url)}">Open driftd</a></p>\n' if letter.url else ""
    style = f"border-left: 4px solid {letter.colour}; padding-left: 12px; font-family: sans-serif"
    return f'<html><body><div style="{style}">\n<h3>{escape(letter.title)}</h3>\n{said_as}{link}</div></body></html>\n'


@contextmanager
def _session(settings: EmailSettings) -> Iterator[smtplib.SMTP]:
    """Connected, secured and logged in; closed at the deadline at the latest. Failures come out as Retryable and Permanent."""
    smtp = _Smtp(settings)
    try:
        code, greeting = smtp.connect(settings.host, settings.the_port)
        if code != GREETING:
            raise smtplib.SMTPConnectError(code, greeting)
        if settings.tls is MailSecurity.STARTTLS:
            smtp.starttls(context=tls_context())
        if settings.username is not None and settings.password is not None:
            smtp.login(_sendable(settings.username, "user name"), _sendable(settings.password.read(), "password"))
        yield smtp
        with suppress(smtplib.SMTPException, OSError):  # the mail is taken; how the server says good-bye changes nothing
            smtp.quit()
    except smtplib.SMTPRecipientsRefused as error:
        raise _refused(settings.host, error.recipients.values()) from None
    except smtplib.SMTPResponseException as error:
        raise _refused(settings.host, [(error.smtp_code, error.smtp_error)]) from None
    except smtplib.SMTPNotSupportedError:
        lacks = "STARTTLS" if settings.tls is MailSecurity.STARTTLS and not smtp.secured else "a way to log in that is known here"
        raise Permanent(f"the mail server {settings.host} does not offer {lacks}") from None
    except (smtplib.SMTPException, OSError, httpcore.NetworkError) as error:
        if smtp.late:
            raise Retryable(f"no answer in time from the mail server {settings.host}") from None
        raise Retryable(f"the connection to the mail server {settings.host} failed ({type(error).__name__})") from None
    except ValueError:  # of smtplib's login, for a challenge that is none
        raise Retryable(f"the mail server {settings.host} does not speak SMTP") from None
    finally:
        smtp.end()


def _refused(host: str, answers: Iterable[tuple[int, bytes | str]]) -> Permanent | Retryable:
    """What it said no to: for good where no answer is one of those that pass by themselves."""
    found = list(answers)
    told = f"the mail server {host} answered {' and '.join(dict.fromkeys(_codes(*answer) for answer in found))}"
    return Permanent(told) if found and all(code >= 500 for code, _ in found) else Retryable(told)


def _codes(code: int, text: bytes | str) -> str:
    """``550 5.1.1``."""
    known = ENHANCED.match(text.encode("utf-8", "replace") if isinstance(text, str) else text)
    return f"{code} {known[0].decode()}" if known else str(code)


def _sendable(text: str, what: str) -> str:
    if not text.isascii():
        raise Permanent(f"the {what} of the mail server has characters beyond ASCII, which SMTP's logins do not take")
    return text


class _Smtp(smtplib.SMTP):
    """A session that is torn down at its deadline: time-outs of single reads never end a slow drip.

    The host is looked up once, and refused addresses are not called (see ``transport.addresses``).
    """

    def __init__(self, settings: EmailSettings) -> None:
        self._settings = settings
        self._ends = time.monotonic() + settings.timeout.total_seconds()
        self._line: socket.socket | None = None
        self.late = False
        name = socket.gethostname()
        super().__init__(local_hostname=name if OUR_NAME.fullmatch(name) else "[127.0.0.1]", timeout=settings.timeout.total_seconds())
        self._host = settings.host  # smtplib's: the name that the certificate of STARTTLS must bear
        self._timer = threading.Timer(settings.timeout.total_seconds(), self._cut)
        self._timer.daemon = True
        self._timer.start()

    @property
    def secured(self) -> bool:
        """Whether TLS is spoken."""
        return isinstance(self.sock, ssl.SSLSocket)

    def end(self) -> None:
        """Close whatever is open."""
        self._timer.cancel()
        with suppress(OSError):
            self.close()
        if self._line is not None:
            self._line.close()

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:  # as SMTP_SSL of the standard library does
        raw = self._connected(host, port)
        raw.settimeout(timeout)
        self._line = socket.socket(fileno=socket.dup(raw.fileno()))  # TLS takes the socket over: this one stays, to end it by
        if self.late:
            raise TimeoutError
        return tls_context().wrap_socket(raw, server_hostname=host) if self._settings.tls is MailSecurity.TLS else raw

    def _connected(self, host: str, port: int) -> socket.socket:
        failed: OSError = OSError("no address")
        for address in addresses(host, port, link_local=self._settings.allow_link_local):
            left = min(self._ends - time.monotonic(), CONNECT_SECONDS)
            if left <= 0:
                raise TimeoutError
            try:
                return socket.create_connection((address, port), left)
            except OSError as error:
                failed = error
        raise failed

    def _cut(self) -> None:
        """At the deadline, from the timer's thread: whoever waits for the server reads an end."""
        self.late = True
        if self._line is not None:
            with suppress(OSError):
                self._line.shutdown(socket.SHUT_RDWR)
