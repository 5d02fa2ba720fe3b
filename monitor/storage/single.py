"""SQLite serves one daemon: a lock beside the file, which the operating system gives back however the holder ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from monitor.errors import UsageError
from monitor.storage.url import parse_url


def only_daemon(url: str) -> Callable[[], None]:
    """Be the one daemon on a SQLite file; the call that gives it back. PostgreSQL serves many. Raises UsageError naming the holder."""
    parsed = parse_url(url)
    if parsed.get_backend_name() != "sqlite" or parsed.database is None:
        return _nothing
    path = Path(f"{parsed.database}.lock")
    try:
        lock = path.open("a+")
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}; the directory of a SQLite store must be writable") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        holder = lock.read().strip() or "unknown"
        lock.close()
        raise UsageError(f"another driftd (process {holder}) runs on {parsed.database}: SQLite serves one daemon; "
                         "for several use PostgreSQL") from None
    with suppress(OSError):  # a full disk: the lock holds all the same, and only who has it cannot be told
        os.truncate(lock.fileno(), 0)
        os.write(lock.fileno(), str(os.getpid()).encode())
    return lock.close


def _nothing() -> None:
    """There is nothing to give back."""
