"""Requests to retrain by webhook, as Standard Webhooks 1.0.0 has it: a stable id, the time of the attempt, a signature."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
from collections.abc import Sequence
from hashlib import sha256

from monitor import __version__
from monitor.errors import Retryable
from monitor.notify.transport import Limits, demand_success, post
from monitor.ports import Clock, Delivery, Receipt
from monitor.settings.secret import Secret

TIMEOUT = 15.0
"""Seconds that one post may take; Standard Webhooks recommends 15 to 30."""
PREFIX = "whsec_"


class Webhook:
    """Posts signed JSON to one URL. The secret is read at each use; while it is rotated it holds both, apart by white space."""

    def __init__(
        self, *, name: str, url: str, secret: Secret, clock: Clock, timeout: float = TIMEOUT, link_local: bool = False
    ) -> None:
        self.name = name
        self._url = url
        self._secret = secret
        self._clock = clock
        self._limits = Limits(read=timeout, total=timeout, link_local=link_local)

    def send(self, delivery: Delivery) -> Receipt:
        """Post it once: any 2xx is success, whatever the body. Raises Retryable or Permanent; neither tells URL or secret."""
        body = json.dumps(delivery.body, ensure_ascii=False, separators=(",", ":")).encode()
        now = self._clock.now()
        timestamp = int(now.timestamp())
        headers = {
            "content-type": "application/json",
            "user-agent": f"driftd/{__version__}",
            "webhook-id": delivery.id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": sign(keys(self._secret.read()), delivery.id, timestamp, body),
        }
        answer = post(self._url, content=body, headers=headers, limits=self._limits)
        demand_success(answer, f"the webhook {self.name}", now)
        return Receipt(detail=f"answered {answer.status}")

    def close(self) -> None:
        """Nothing is held open between messages."""


def sign(secrets: Sequence[bytes], message: str, timestamp: int, body: bytes) -> str:
    """``v1,<base64 of HMAC-SHA256 over id.timestamp.body>``, one for each key, apart by blanks. ``timestamp``: seconds since 1970."""
    signed = f"{message}.{timestamp}.".encode() + body
    return " ".join("v1," + base64.b64encode(hmac.new(key, signed, sha256).digest()).decode() for key in secrets)


def keys(text: str) -> tuple[bytes, ...]:
    """The keys in a secret's text: each ``whsec_`` and base64, or any other word as its UTF-8 bytes.

    Raises Retryable, since the secret can be mended while the message waits, when there is none or one is no base64.
    """
    found = tuple(map(_key, text.split()))
    if not found:
        raise Retryable("the webhook's secret is empty")
    return found


def _key(word: str) -> bytes:
    if not word.startswith(PREFIX):
        return word.encode("utf-8", "surrogateescape")  # of the environment, any bytes can come
    coded = word.removeprefix(PREFIX).rstrip("=")
    try:
        key = base64.b64decode(coded + "=" * (-len(coded) % 4), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not key:
        raise Retryable("the webhook's secret begins with whsec_ but no base64 follows")
    return key
