"""Mail servers for tests: aiosmtpd, a real one, and one that says whatever bytes it is told to."""

from __future__ import annotations

import datetime as dt
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class MailServer:
    """Takes mail on a free port of 127.0.0.1. ``refusals``: by recipient (or ``DATA``), what is answered instead of taking it."""

    def __init__(self, *, tls: ssl.SSLContext | None = None, at_once: bool = False, login: tuple[str, str] | None = None,
                 plain: bool = False) -> None:
        self.mails: list[EmailMessage] = []
        self.recipients: list[list[str]] = []
        self.refusals: dict[str, str] = {}
        self.secured: list[bool] = []
        self._closed = False
        options: dict[str, Any] = {"ready_timeout": 10}
        if tls is not None:
            options |= {"ssl_context": tls} if at_once else {"tls_context": tls, "require_starttls": True}
        if login is not None:
            safe = not (at_once or plain)
            options |= {"authenticator": self._authenticator(login), "auth_required": safe, "auth_require_tls": safe}
        self._controller = Controller(self, hostname="127.0.0.1", port=_free_port(), **options)
        self._controller.start()
        self.port = self._controller.port

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._controller.stop()

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:  # noqa: N802
        if address in self.refusals:
            return self.refusals[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        if "DATA" in self.refusals:
            return self.refusals["DATA"]
        mail = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        self.recipients.append(list(envelope.rcpt_tos))
        self.secured.append(session.ssl is not None)
        return "250 OK"

    @staticmethod
    def _authenticator(login: tuple[str, str]) -> Callable[..., AuthResult]:
        def authenticate(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
            known = isinstance(data, LoginPassword) and (data.login.decode(), data.password.decode()) == login
            return AuthResult(success=known, handled=False)

        return authenticate


class ScriptedMail:
    """Answers each command as told, by its first word (``""``: the greeting), byte for byte; ``drip`` never ends."""

    def __init__(self, answers: Mapping[str, bytes], *, drip: bool = False) -> None:
        self._answers = {"": b"220 hello\r\n", "EHLO": b"250 hello\r\n", "QUIT": b"221 bye\r\n", **answers}
        self._drip = drip
        self._closed = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._closed.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return  # closed
            with connection, suppress(OSError):  # the other side has had enough
                self._talk(connection)

    def _talk(self, connection: socket.socket) -> None:
        self._say(connection, self._answers[""])
        for line in connection.makefile("rb"):
            word = line.split()[0].decode("ascii", "replace").upper() if line.strip() else ""
            answer = self._answers.get(word)
            if answer is None:
                return
            self._say(connection, answer)

    def _say(self, connection: socket.socket, answer: bytes) -> None:
        if not self._drip:
            connection.sendall(answer)
            return
        while not self._closed.wait(0.02):
            connection.sendall(b"2")


def certificate(folder: Path, host: str = "localhost") -> Path:
    """A file with a new key and a certificate of its own for ``localhost`` and 127.0.0.1, or for another name."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    names: list[x509.GeneralName] = [x509.DNSName(host)]
    if host == "localhost":
        names.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - dt.timedelta(days=1)).not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    file = folder / f"{host}.pem"
    secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))
    return file


def server_context(file: Path) -> ssl.SSLContext:
    """What a server with that certificate speaks."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
