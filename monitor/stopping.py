"""How the daemon is asked to stop: signals, and the guard that a stop does not take for ever."""

from __future__ import annotations

import logging
import os
import select
import signal
import sys
import threading
import time
from types import FrameType
from typing import NoReturn

from monitor.log import Action, logger

log = logger(__name__)

LEAVE_SECONDS = 9.0
"""So long after SIGTERM the process leaves, whatever hangs: what matters is in the store, and the next start goes on from there."""
EXIT_DONE, EXIT_FAILED = 0, 1


class Stop:
    """SIGTERM and SIGINT ask to stop; a second one leaves now, and so does a stop that takes too long.

    Before ``gently`` a signal ends the building at once. A handler may interrupt the main thread anywhere, also while it holds
    a lock: it sets an attribute and writes to a pipe, nothing else.
    """

    def __init__(self) -> None:
        self._asked_at: float | None = None
        self._gently = False
        self._heard, self._said = os.pipe()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._asked)
        threading.Thread(target=self._guard, name="stop-guard", daemon=True).start()

    def gently(self) -> None:
        """From now on the loop looks at it."""
        self._gently = True

    def _asked(self, number: int, _frame: FrameType | None) -> None:
        if self._asked_at is not None:
            os._exit(128 + number)
        self._asked_at = time.monotonic()
        os.write(self._said, b"!")
        if not self._gently:
            raise SystemExit(EXIT_DONE)

    def _guard(self) -> None:
        select.select([self._heard], [], [])
        time.sleep(LEAVE_SECONDS)
        log.warning("left before all was closed; the next start goes on from the store", action=Action.DAEMON_STOPPED)
        leave(EXIT_DONE)

    def __bool__(self) -> bool:
        return self._asked_at is not None

    def wait(self, seconds: float) -> None:
        """Wait, but no longer than until asked to stop."""
        select.select([self._heard], [], [], seconds)

    def left(self, seconds: float) -> float:
        """What is left of so many seconds since it was asked for; all of them where a dead thread is why we stop."""
        return seconds if self._asked_at is None else max(self._asked_at + seconds - time.monotonic(), 0.0)


def leave(code: int) -> NoReturn:
    """Leave without waiting for threads that hang."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
