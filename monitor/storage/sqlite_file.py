"""A SQLite file: made with care, looked at without touching it, and noticed when somebody takes it away."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from monitor.errors import DriftdError, StoreFull, StoreUnavailable, UsageError
from monitor.storage.limits import Limits
from monitor.storage.meaning import damaged, primary_code, sqlite_full
from monitor.storage.url import place

WRITING = "driftd_writing"
"""The execution option of a transaction that writes."""
Identity = tuple[int, int]
"""Device and inode: what a file is, whatever it is called."""


def sqlite_engine(url: URL, limits: Limits) -> Engine:
    """An engine whose transactions begin where we say."""

    def settle(raw: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        raw.isolation_level = None  # the driver must not begin transactions by itself: _begin does
        cursor = raw.cursor()
        for pragma in (f"busy_timeout = {round(limits.busy * 1000)}", "synchronous = FULL", "foreign_keys = ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    engine = create_engine(url, hide_parameters=True, pool_timeout=limits.busy)
    event.listen(engine, "connect", settle)
    event.listen(engine, "begin", _begin)
    return engine


def _begin(connection: Connection) -> None:
    """Writers take the lock at once: a transaction that reads first and writes later could not wait for another writer."""
    writing = connection.get_execution_options().get(WRITING, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


class FileWatch:
    """Whether the file that was opened is still the one at its path: what is written into a removed one is lost at the end."""

    def __init__(self, url: URL) -> None:
        self._place, self._path = place(url), str(url.database)
        self._opened = self._identity()

    def check(self) -> None:
        """Raises UsageError where it was removed or replaced, StoreUnavailable where its folder cannot be asked now."""
        now = self._identity()
        if self._opened is None:
            self._opened = now
        elif now != self._opened:
            raise UsageError(
                f"{self._place}: the file was {'removed' if now is None else 'replaced by another'} while it was in use. Nothing more is "
                "written, for it would be lost. Start driftd again: it goes on with the file that is there, or makes a new one and reads "
                "the topics again"
            )

    def _identity(self) -> Identity | None:
        try:
            found = os.stat(self._path)  # noqa: PTH116  runs in every transaction, and a Path costs twice as much
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise StoreUnavailable(f"{self._place}: {error.strerror}") from error
        return found.st_dev, found.st_ino


def stored_revision_of_file(url: URL, version_table: str) -> str | None:
    """The revision of the schema in the file, None where there is none yet. Changes neither the file nor its log.

    Raises UsageError for a damaged file and another program's database, StoreUnavailable for one that is locked.
    """
    path = Path(str(url.database))
    if not path.is_file() or path.stat().st_size == 0:
        return None
    log = Path(f"{path}-wal")
    # Closing a file that may be written moves its log into it, and makes an end of the log
    mode = "ro" if log.is_file() and log.stat().st_size > 0 else "rw"
    with _asked(place(url)), closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True)) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if tables and version_table not in tables:
            raise UsageError(f"{place(url)}: this is another program's database (it has {sorted(tables)[:5]}); nothing was touched")
        row = connection.execute(f"SELECT version_num FROM {version_table}").fetchone() if tables else None  # noqa: S608  a constant
        return None if row is None else str(row[0])


def prepare_sqlite_file(url: URL, version_table: str, accept: Callable[[str | None], None]) -> None:
    """Create the file with the layout that can only be chosen at birth, or see that an existing one is ours.

    ``accept`` raises for a revision that this program cannot use. Raises UsageError for a place that cannot be written, a damaged
    file and another program's database, all before anything is touched.
    """
    accept(stored_revision_of_file(url, version_table))
    with _asked(place(url)), closing(sqlite3.connect(str(url.database), isolation_level=None)) as connection:
        if not connection.execute("SELECT name FROM sqlite_master").fetchall():
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA journal_mode = WAL").fetchone()


def can_be_made(url: URL) -> bool:
    """Whether a file that is not there could be."""
    folder = Path(str(url.database)).absolute().parent
    return folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)


@contextmanager
def _asked(where: str) -> Iterator[None]:
    """What SQLite's errors mean at the start."""
    try:
        yield
    except sqlite3.Error as error:
        raise _meaning(error, where) from error


def _meaning(error: sqlite3.Error, where: str) -> DriftdError:
    if sqlite_full(error):
        return StoreFull(f"{where}: {error}")
    if primary_code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StoreUnavailable(f"{where}: {error}")
    if isinstance(error, sqlite3.OperationalError):
        return UsageError(f"{where}: {error}; the folder must exist and be writable by this user, and so must the file")
    return damaged(where, str(error))
