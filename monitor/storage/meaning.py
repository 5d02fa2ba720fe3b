"""What a database's error means to the caller: try again, try again at once, make room, or give up and tell the person."""

from __future__ import annotations

import sqlite3

from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, InterfaceError, InternalError, OperationalError

from monitor.errors import Retryable, StoreFull, StoreUnavailable, UsageError
from monitor.storage.url import place, without_secrets

UNDONE = {"40001": "serialization_failure", "40P01": "deadlock", "55P03": "lock_timeout", "57014": "canceled"}
"""SQLSTATEs after which PostgreSQL has taken everything back, for a reason that the next try may not meet; and their names."""
DISK_FULL = "53100"
DAMAGED = ("XX001", "XX002")
"""SQLSTATEs of pages and indexes that PostgreSQL cannot read."""
READ_ONLY = "25006"
"""SQLSTATE of a write where the session is read-only: a standby, or a managed service that is out of room."""
DENIED = ("42501", "3F000")
"""SQLSTATEs of what this user may not do (rights that were taken can be given back), and of a search_path without a schema for us."""
PROGRAM_LIMIT = "54"
"""SQLSTATE class of statements that are too complex or too long: no retry mends them."""
UNKNOWN_OPTION = "invalid connection option"
"""What libpq says of a query parameter of the URL that it does not know."""


class Undone(StoreUnavailable):
    """The database took the whole transaction back by itself: it is safe to do all of it again. ``reason`` is a value of ``UNDONE``."""

    def __init__(self, message: str, *, reason: str) -> None:
        self.reason = reason
        super().__init__(message)


def meaning(error: DBAPIError, url: URL) -> Retryable | UsageError | None:
    """What the caller can do about it; None for a fault of the program, which stays visible."""
    where, text = place(url), without_secrets(str(error.orig).strip(), url)
    known = _of_sqlite(error, where, text) or _of_postgresql(error, where, text)
    if known is not None:
        return known
    if _is_our_fault(error):
        return None
    if isinstance(error, OperationalError | InterfaceError | InternalError):
        return StoreUnavailable(f"{where}: {text}")
    return None


def damaged(where: str, text: str) -> UsageError:
    """The error for a file that SQLite cannot read."""
    return UsageError(
        f"{where}: the file is damaged or is no SQLite database ({text}). Move it away together with its "
        "-wal and -shm files, then restore a backup, or start without one: driftd makes a new file and reads the topics again"
    )


def primary_code(error: BaseException | None) -> int:
    """SQLite's error code without what makes it more exact; 0 where it is no error of SQLite."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def sqlite_full(error: BaseException | None) -> bool:
    """Whether there was no room: for the file, or for the index of its log in shared memory."""
    return primary_code(error) == sqlite3.SQLITE_FULL or getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_IOERR_SHMSIZE


def _of_sqlite(error: DBAPIError, where: str, text: str) -> Retryable | UsageError | None:
    if primary_code(error.orig) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return damaged(where, text)
    return StoreFull(f"{where}: {text}") if sqlite_full(error.orig) else None


def _of_postgresql(error: DBAPIError, where: str, text: str) -> Retryable | UsageError | None:
    state = _sqlstate(error)
    if state in UNDONE:
        return Undone(f"{where}: {text}", reason=UNDONE[state])
    if state == DISK_FULL:
        return StoreFull(f"{where}: {text}")
    if state in DENIED:
        return StoreUnavailable(f"{where}: {text.splitlines()[0]}")  # the rest is the statement
    if state in DAMAGED:
        return UsageError(f"{where}: the server finds its data damaged ({text}). Restore the database from a backup, "
                          "or give driftd an empty one: it reads the topics again")
    return UsageError(f"{where}: {text}") if text.startswith(UNKNOWN_OPTION) else None


def read_only(error: BaseException | None) -> bool:
    """Whether the session may not write: whether it may is settled as a session begins, so the next one may be allowed to."""
    return getattr(error, "sqlstate", None) == READ_ONLY


def _is_our_fault(error: DBAPIError) -> bool:
    return primary_code(error.orig) == sqlite3.SQLITE_ERROR or _sqlstate(error).startswith(PROGRAM_LIMIT)


def _sqlstate(error: DBAPIError) -> str:
    return str(getattr(error.orig, "sqlstate", "") or "")
