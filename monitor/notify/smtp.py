"""A session with a mail server: TLS that is verified, a login, one deadline over everything, errors as ours.

What a mail server says is not repeated but for its codes: it may hold what it was told.
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

import httpcore

from monitor.errors import Permanent, Retryable
from monitor.notify.transport import addresses, tls_context
from monitor.settings.targets import EmailSettings, MailSecurity

CONNECT_SECONDS = 5.0
GREETING = 220
OUR_NAME = re.compile(r"[A-Za-z0-9.-]{1,253}", re.ASCII)
ENHANCED = re.compile(rb"[245]\.\d{1,3}\.\d{1,3}")
"""The codes of RFC 3463, e.g. 5.1.1 for a mailbox that is not there."""


@contextmanager
def session(settings: EmailSettings) -> Iterator[smtplib.SMTP]:
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
    told = f"the mail server {host} answered {' and '.join(dict.fromkeys(codes(*answer) for answer in found))}"
    return Permanent(told) if found and all(code >= 500 for code, _ in found) else Retryable(told)


def codes(code: int, text: bytes | str) -> str:
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
