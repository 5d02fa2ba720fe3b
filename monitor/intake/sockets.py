"""Sockets that are closed when they did not connect: kafka-python 3.0.12 leaves one open for every attempt while a broker is away."""

from __future__ import annotations

import socket
from typing import Any

from kafka.net.inet import KafkaNetSocket

DIRECT = "direct://"
"""As the client's ``proxy_url``: no proxy, but the sockets of this file. The client looks classes up by such a scheme."""


class DirectSocket(KafkaNetSocket):  # type: ignore[misc]  # kafka-python ships no types
    """A plain connection, whose failed attempts leave nothing behind."""

    SCHEMES = ("direct",)

    async def sock_connect(self, net: Any, sock: socket.socket, sockaddr: Any, timeout_at: float | None = None) -> socket.socket:
        """The connected socket; closed where that fails, by whatever error."""
        try:
            connected: socket.socket = await super().sock_connect(net, sock, sockaddr, timeout_at=timeout_at)
        except BaseException:
            sock.close()
            raise
        return connected
