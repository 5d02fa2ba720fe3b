"""How the daemon is asked to stop: signals, and the guard that a stop does not take for ever."""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from monitor.log import Action, logger

log = logger(__name__)

LEAVE_SECONDS = 9.0
"""So long after SIGTERM the process leaves, whatever hangs: what matters is in the store, and the next start goes on from there."""
SAY_SECONDS = 0.5
EXIT_DONE, EXIT_FAILED = 0, 1
STDERR = 2
ASKING = (signal.SIGTERM, signal.SIGINT)
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Stop:
    """SIGTERM and SIGINT ask to stop; a second one leaves now, and so does a stop that takes too long. SIGHUP asks for a reload,
    and to stop where it says that our terminal is gone.

    Before ``gently`` a signal ends the building at once. A handler may interrupt the main thread anywhere, also while it holds
    a lock: it sets an attribute and writes to a pipe, nothing else. And it may be long in coming, while the main thread waits inside
    a library: so the guard counts signals by itself, as the C handler writes them down. ``code``: what to leave with.
    """

    def __init__(self, code: int = EXIT_DONE) -> None:
        self._code = code
        self._asked_at: float | None = None
        self._gently = False
        self._reload = False
        self._terminal = os.isatty(STDERR)
        self._heard, self._said = os.pipe()
        self._caught, caught = os.pipe()
        os.set_blocking(caught, False)
        signal.set_wakeup_fd(caught, warn_on_full_buffer=False)
        for number in ASKING:
            signal.signal(number, self._asked)
        signal.signal(signal.SIGHUP, self._hung_up)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)  # held back by ``begin_anew``, where we are what it began
        threading.Thread(target=self._guard, name="stop-guard", daemon=True).start()

    def gently(self) -> None:
        """From now on the loop looks at it."""
        self._gently = True

    @contextmanager
    def building(self) -> Iterator[None]:
        """An error after a signal came is the end that was asked for: what a library was doing was cut off, and it says so in its own
        words."""
        try:
            yield
        except Exception as error:
            if self:
                raise SystemExit(self._code) from error
            raise

    def reload_asked(self) -> bool:
        """Whether a reload was asked for since this was last looked at."""
        asked, self._reload = self._reload, False
        return asked

    def begin_anew(self) -> None:
        """Become the same command again, in this process: memory, threads and open files go, the process id stays.

        Signals are held back from here until the new program listens to them; where one has asked to stop before, this returns.
        Raises OSError where the program is no longer there.
        """
        _flush()  # before signals are held back: it waits for as long as nobody reads what we write
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        if not self:
            os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606  our own command line
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)

    def _hung_up(self, number: int, frame: FrameType | None) -> None:
        if self._terminal and not os.isatty(STDERR):
            self._asked(number, frame)
        self._reload = True

    def _asked(self, number: int, _frame: FrameType | None) -> None:
        if self._asked_at is not None:
            os._exit(128 + number)
        self._asked_at = time.monotonic()
        os.write(self._said, b"!")
        if not self._gently:
            raise SystemExit(self._code)

    def _guard(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # or one could be caught here between the main thread's block and its exec
        signals, deadline = 0, None
        while deadline is None or time.monotonic() < deadline:
            left = None if deadline is None else max(deadline - time.monotonic(), 0.0)
            ready, _, _ = select.select([self._caught] if deadline else [self._caught, self._heard], [], [], left)
            for number in os.read(self._caught, 64) if self._caught in ready else b"":
                signals += number in ASKING
                if signals > 1:
                    os._exit(128 + number)
            if deadline is None and (signals or self._heard in ready):
                deadline = time.monotonic() + LEAVE_SECONDS
        _leave_saying(self._code, "left before all was closed; the next start goes on from the store")

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
    _flush()
    os._exit(code)


def _leave_saying(code: int, why: str) -> NoReturn:
    """Leave, and say so if that can be said soon: what hangs may be the log, with its lock held by a thread that writes."""
    try:
        saying = threading.Thread(target=log.warning, args=(why,), kwargs={"action": Action.DAEMON_STOPPED}, daemon=True)
        saying.start()
        saying.join(SAY_SECONDS)
    finally:
        os._exit(code)


def _flush() -> None:
    """Write what the streams still hold; a line of the log is written when it is made. A stream may be none: closed before we began."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
