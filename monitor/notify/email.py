"""Incidents by e-mail: text and HTML, one thread an incident.

Headers are made by the standard library's ``email.message``, which refuses line ends in them; what comes from logs is put on one line
before.
"""

from __future__ import annotations

from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from html import escape

from monitor import __version__
from monitor.core.incidents import NotifyKind
from monitor.notify.letters import MAX_SUBJECT, Letter, letter_of
from monitor.notify.plain import cut, is_incident, message_of
from monitor.notify.smtp import codes, session
from monitor.ports import Clock, Delivery, Receipt, Receiver
from monitor.settings.targets import EmailSettings

MAILED = frozenset({NotifyKind.FIRING, NotifyKind.REPEAT, NotifyKind.RESOLVED})
"""What is worth a mail: a change that calls nobody is not."""


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
        with session(self._settings) as smtp:
            refused = smtp.send_message(mail, parseaddr(self._settings.sender)[1], [parseaddr(to)[1] for to in self._settings.to])
        taken = len(self._settings.to) - len(refused)
        but = "".join(f", refused with {codes(*answer)}" for answer in refused.values())
        detail = f"taken for {taken} of {len(self._settings.to)} addresses{but}"
        return Receipt(thread=delivery.thread or mail["Message-ID"], detail=detail)

    def close(self) -> None:
        """Nothing is held open between messages."""


def made(name: str, settings: EmailSettings, clock: Clock) -> Receiver:  # noqa: ARG001 - as the other receivers
    """From its settings."""
    return Email(name, settings)


def ask(settings: EmailSettings, clock: Clock) -> str:  # noqa: ARG001 - as the other receivers
    """Whether it answers and lets us log in, without a mail. Raises Retryable or Permanent."""
    with session(settings) as smtp:
        smtp.noop()
    return f"{settings.host} answers" + (", and the login is right" if settings.username else "")


def mail_of(delivery: Delivery, settings: EmailSettings) -> EmailMessage:
    """The whole mail. Its Message-ID is the same at every attempt, so that a mail that comes twice can be told to be one.

    Raises Permanent where the stored body is not what its kind says.
    """
    letter = letter_of(delivery)
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


def _text(letter: Letter) -> str:
    link = [(f"Open driftd: {letter.url}",)] if letter.url else []
    return "\n\n".join("\n".join(lines) for lines in (*letter.paragraphs, *link)) + "\n"


def _html(letter: Letter) -> str:
    """Nothing of a log is markup here: all of it is escaped, and the link is ours."""
    said_as = "".join(f"<p>{'<br>'.join(map(escape, lines))}</p>\n" for lines in letter.paragraphs)
    link = f'<p><a href="{escape(letter.url)}">Open driftd</a></p>\n' if letter.url else ""
    style = f"border-left: 4px solid {letter.colour}; padding-left: 12px; font-family: sans-serif"
    return f'<html><body><div style="{style}">\n<h3>{escape(letter.title)}</h3>\n{said_as}{link}</div></body></html>\n'
