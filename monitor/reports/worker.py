"""The worker process: the only place that imports Evidently, pandas, scikit-learn and matplotlib. ``python -m monitor.reports.worker``.

It reads requests from a socket that it inherits, answers each, and ends when the other side is gone, when nobody has asked for a
while, or when it has grown. It has no network, a limit of memory, and an alarm that ends it however deep a library hangs.
"""

from __future__ import annotations

import os
import resource
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path

from monitor.memory import resident_bytes
from monitor.reports import wire

MOST_REQUESTS = 500
"""Then it makes way for a fresh one; 12 reports of Evidently's left 7 MB behind."""
GROWN_SHARE, GROWN_TIMES = 0.7, 1.25
"""Of its memory, and of what it took for its first answer: a worker that has come beyond both makes way, too."""
NETWORK = ("socket.bind", "socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.sendto")
LONGEST_WHY = 300
FIRST_TO_GO = "1000"
"""For the kernel, when memory runs out: before the daemon, and before the model server beside it."""
GRACE_SECONDS = 5
"""So long after the deadline the worker ends itself: when the daemon that should have done it is gone."""
MOST_OUTPUT = 16 * 2**20
"""Bytes that a library may write to a file, its complaints included."""


def main(arguments: list[str]) -> int:
    """``arguments``: the socket's number, bytes of memory, the deadline of one request and how long to wait for one, in seconds."""
    inherited, memory, deadline, idle = (int(text) for text in arguments)
    lock_down(memory)
    with socket.socket(fileno=inherited) as connection:
        most = 0.0
        for number in range(MOST_REQUESTS):
            if not serve(connection, deadline, idle):
                break
            resident = resident_bytes() or 0
            most = most if number else max(GROWN_SHARE * memory, GROWN_TIMES * resident)
            if resident > most:
                break
    return 0


def lock_down(memory: int) -> None:
    """No network, no more memory than this, and no file that grows without end."""
    for limit, most in ((resource.RLIMIT_DATA, memory), (resource.RLIMIT_FSIZE, MOST_OUTPUT), (resource.RLIMIT_CORE, 0)):
        _, hard = resource.getrlimit(limit)
        resource.setrlimit(limit, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))
    with suppress(OSError):  # not on every system
        Path("/proc/self/oom_score_adj").write_text(FIRST_TO_GO)
    sys.addaudithook(_refuse_network)


def _refuse_network(event: str, _: tuple[object, ...]) -> None:
    if event in NETWORK:
        raise PermissionError(f"{event}: the worker has no network")


def serve(connection: socket.socket, deadline: int, idle: int) -> bool:
    """Answer one request; False where none comes any more."""
    if not wire.readable(connection, idle):
        return False
    try:
        data = wire.receive(connection)
    except (wire.Ended, OSError):
        return False
    signal.alarm(deadline + GRACE_SECONDS)
    wire.send(connection, answer(data))
    signal.alarm(0)
    return True


def answer(data: bytes) -> wire.Answer:
    """Do what is asked. Whatever goes wrong in a library is an answer."""
    try:
        return _done(wire.requests.decode(data))
    except ModuleNotFoundError as error:
        return wire.Failed(why=_said(error), missing=(error.name or "").partition(".")[0])
    except Exception as error:  # any library's any error: the daemon makes a finding of it
        return wire.Failed(why=_said(error))


def _done(request: wire.Request) -> wire.Answer:
    match request:
        case wire.Test():
            from monitor.reports.scoring import score

            return score(request)
        case wire.Tell():
            from monitor.reports.telling_apart import tell

            return tell(request)
        case wire.Render():
            from monitor.reports.page import render

            return wire.Page(html=render(request))
        case wire.Paint():
            from monitor.reports.painting import paint

            return wire.Painted(png=paint(request.picture))
        case wire.Names():
            from monitor.reports.scoring import known

            return known()


def _said(error: Exception) -> str:
    text = "it takes more than reports.memory" if isinstance(error, MemoryError) else " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:LONGEST_WHY]}" if text else type(error).__name__


if __name__ == "__main__":
    os.dup2(2, 1)  # what a library prints is no answer
    sys.exit(main(sys.argv[1:]))
