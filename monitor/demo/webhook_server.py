"""A receiver of retraining webhooks, as a team would put one before its training pipeline: checks the signature, answers 202.

The signature is that of the Standard Webhooks specification: HMAC-SHA256 over ``id.timestamp.body``.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SECRET_PREFIX = "whsec_"  # noqa: S105 - the specification's mark before a secret, not a secret
MAX_BODY = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookCall:
    """One request as it came. ``signed`` says whether the signature fits the body and the shared secret."""

    id: str
    timestamp: str
    signed: bool
    body: str

    def fields(self) -> dict[str, object]:
        """The body as JSON object; empty where it is none."""
        try:
            read = json.loads(self.body)
        except ValueError:
            return {}
        return read if isinstance(read, dict) else {}


def signature(secret: str, id: str, timestamp: str, body: bytes) -> str:
    """The ``v1`` signature of a webhook; ``secret`` is ``whsec_`` and base64."""
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    signed = f"{id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


class WebhookServer:
    """Listens on a free port of this machine and hands every call to ``on_call`` (from its own thread)."""

    def __init__(self, secret: str, on_call: Callable[[WebhookCall], None]) -> None:
        self.calls: list[WebhookCall] = []
        self._secret = secret
        self._on_call = on_call
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, name="webhook-receiver", daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/hooks/retrain"

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _take(self, headers: dict[str, str], body: bytes) -> bool:
        id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
        expected = signature(self._secret, id, timestamp, body)
        signed = any(hmac.compare_digest(expected, given) for given in headers.get("webhook-signature", "").split())
        call = WebhookCall(id=id, timestamp=timestamp, signed=signed, body=body.decode(errors="replace"))
        self.calls.append(call)
        self._on_call(call)
        return signed

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        take = self._take

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers.get("content-length") or 0)
                if length > MAX_BODY:
                    self.send_error(413)
                    return
                signed = take({name.lower(): value for name, value in self.headers.items()}, self.rfile.read(length))
                self.send_response(202 if signed else 401)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """The terminal shows the call itself."""

        return Handler
