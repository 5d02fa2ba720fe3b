"""Notices a poll that does not come back: kafka-python has ways to spin for ever, and a spinning thread cannot say so itself."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

GRACE_SECONDS = 30.0
"""A poll may take so much longer than it was told to: a first metadata request to a slow broker does."""


class Watchdog:
    """The polling thread beats and marks its polls; another thread asks. Safe to use from any thread.

    ``report`` gets the seconds that a poll is overdue, once per poll, on the thread that calls ``check``. ``monotonic`` gives seconds.
    """

    def __init__(self, *, monotonic: Callable[[], float], report: Callable[[float], None], grace: float = GRACE_SECONDS) -> None:
        self._monotonic = monotonic
        self._report = report
        self._grace = grace
        self._lock = threading.Lock()
        self._beat = monotonic()
        self._deadline: float | None = None
        self._reported = False

    def beat(self) -> None:
        """The loop has come round."""
        with self._lock:
            self._beat = self._monotonic()

    def age(self) -> float:
        """Seconds since the last beat."""
        with self._lock:
            return self._monotonic() - self._beat

    @contextmanager
    def polling(self, timeout: float) -> Iterator[None]:
        """Around a poll that was told to take ``timeout`` seconds; it beats when the poll ends, well or not."""
        with self._lock:
            self._deadline, self._reported = self._monotonic() + timeout + self._grace, False
        try:
            yield
        finally:
            with self._lock:
                self._deadline = None
            self.beat()

    def check(self) -> bool:
        """Whether a poll is overdue; the first time for each such poll it is reported."""
        with self._lock:
            late = None if self._deadline is None else self._monotonic() - self._deadline
            stuck = late is not None and late > 0
            new, self._reported = stuck and not self._reported, self._reported or stuck
        if new and late is not None:
            self._report(late)
        return stuck
