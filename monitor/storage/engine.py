"""One SQL database: how it is opened, its transactions, and what its errors mean to the caller."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, Table, create_engine, event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import ConnectionPoolEntry

from monitor.errors import Retryable, StoreUnavailable, UsageError

DRIVERS = {
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
    "sqlite": "sqlite",
    "sqlite+pysqlite": "sqlite",
}
"""How a database may be named, and the driver that it is opened with."""
EXPECTED_URL = "expected sqlite:///driftd.db or postgresql+psycopg://user:password@host/database"
BUSY_SECONDS = 5.0
"""How long a writer waits for another writer of the same SQLite file."""
POSTGRES_SESSION = (
    "SET statement_timeout = '60s'",
    "SET lock_timeout = '30s'",
    "SET idle_in_transaction_session_timeout = '60s'",
)
POSTGRES_CONNECTION: dict[str, object] = {  # seconds, but tcp_user_timeout in milliseconds: no wait on a dead peer is endless
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
    "application_name": "driftd",
}
PROGRAM_LIMIT = "54"
"""SQLSTATE class of statements that are too complex or too long: no retry mends them."""
UNKNOWN_OPTION = "invalid connection option"
"""What libpq says of a query parameter of the URL that it does not know."""
WRITING = "driftd_writing"

Insert = sqlite.Insert | postgresql.Insert


def parse_url(url: str) -> URL:
    """The URL of a store that we can open; UsageError never shows more of it than the driver's name."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise UsageError(f"store: this is not a database URL; {EXPECTED_URL}") from None
    driver = DRIVERS.get(parsed.drivername)
    if driver is None:
        raise UsageError(f"store: unknown database {parsed.drivername!r}; known are {sorted(DRIVERS)}")
    if driver == "sqlite" and (not parsed.database or parsed.database == ":memory:"):
        raise UsageError(f"store: SQLite needs a file, for what is in memory is lost at the end; {EXPECTED_URL}")
    return parsed.set(drivername=driver)


def place(url: URL) -> str:
    """Where the database is, without user, password and options."""
    if url.get_backend_name() == "sqlite":
        return f"sqlite:///{url.database}"
    return f"{url.drivername}://{url.host or 'localhost'}{f':{url.port}' if url.port else ''}/{url.database or ''}"


class Database:
    """Transactions on one database. Every error of the database leaves as Retryable or UsageError, or is a fault of ours."""

    def __init__(self, url: URL, *, busy_seconds: float = BUSY_SECONDS) -> None:
        self.url = url
        self.place = place(url)
        self.engine = _sqlite_engine(url, busy_seconds) if url.get_backend_name() == "sqlite" else _postgres_engine(url)
        self._writer = self.engine.execution_options(**{WRITING: True})

    @property
    def is_sqlite(self) -> bool:
        """Whether this is a file of our own rather than a server."""
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads."""
        with self._errors(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that writes: all of it or, when anything raises inside, nothing."""
        with self._errors(), self._writer.begin() as connection:
            yield connection

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except PoolTimeout as error:
            raise StoreUnavailable(f"{self.place}: no free connection") from error
        except DBAPIError as error:
            meaning = self._meaning(error)
            if meaning is None:
                raise
            raise meaning from error

    def _meaning(self, error: DBAPIError) -> Retryable | UsageError | None:
        """What the caller can do about it; None for a fault of the program, which stays visible."""
        text = self._without_secrets(str(error.orig).strip())
        code = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF  # the low byte is the primary code
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            return damaged(self.place, text)
        if code == sqlite3.SQLITE_ERROR or str(getattr(error.orig, "sqlstate", "") or "").startswith(PROGRAM_LIMIT):
            return None
        if text.startswith(UNKNOWN_OPTION):
            return UsageError(f"{self.place}: {text}")
        if isinstance(error, OperationalError | InterfaceError | InternalError):
            return StoreUnavailable(f"{self.place}: {text}")
        return None

    def _without_secrets(self, text: str) -> str:
        for secret in (self.url.password, self.url.query.get("password"), self.url.query.get("sslpassword")):
            text = text.replace(str(secret), "***") if secret else text
        return text


def damaged(where: str, text: str) -> UsageError:
    """The error for a file that SQLite cannot read."""
    return UsageError(
        f"{where}: the file is damaged or is no SQLite database ({text}). Nothing was changed. Move it away together with its "
        "-wal and -shm files, then restore a backup, or start without one: driftd makes a new file and reads the topics again"
    )


def insert_into(connection: Connection, table: Table) -> Insert:
    """An INSERT that knows ON CONFLICT, in the connection's dialect."""
    return postgresql.insert(table) if connection.dialect.name == "postgresql" else sqlite.insert(table)


def _sqlite_engine(url: URL, busy_seconds: float) -> Engine:
    def settle(raw: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        raw.isolation_level = None  # the driver must not begin transactions by itself: _begin does
        cursor = raw.cursor()
        for pragma in (f"busy_timeout = {round(busy_seconds * 1000)}", "synchronous = FULL", "foreign_keys = ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    engine = create_engine(url, hide_parameters=True, pool_timeout=busy_seconds)
    event.listen(engine, "connect", settle)
    event.listen(engine, "begin", _begin)
    return engine


def _begin(connection: Connection) -> None:
    """Writers take the lock at once: a transaction that reads first and writes later could not wait for another writer."""
    writing = connection.get_execution_options().get(WRITING, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


def _postgres_engine(url: URL) -> Engine:
    def settle(raw: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        cursor = raw.cursor()
        for statement in POSTGRES_SESSION:
            cursor.execute(statement)
        cursor.close()
        raw.commit()

    given = {name: value for name, value in POSTGRES_CONNECTION.items() if name not in url.query}
    engine = create_engine(url, hide_parameters=True, pool_pre_ping=True, connect_args=given)
    event.listen(engine, "connect", settle)
    return engine


def prepare_sqlite_file(url: URL, marker_table: str) -> None:
    """Create the file with the layout that can only be chosen at birth, or see that an existing one is ours.

    Raises UsageError for a place that cannot be written, a damaged file and another program's database, touching nothing.
    """
    where, path = place(url), Path(str(url.database))
    try:
        connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
    except sqlite3.OperationalError as error:
        raise UsageError(f"{where}: {error}; the folder must exist and be writable by this user") from error
    try:
        _settle_file(connection, where, marker_table)
    except sqlite3.OperationalError as error:
        raise UsageError(f"{where}: {error}; the file and its folder must be writable by this user") from error
    except sqlite3.DatabaseError as error:
        raise damaged(where, str(error)) from error
    finally:
        connection.close()


def _settle_file(connection: sqlite3.Connection, where: str, marker_table: str) -> None:
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if tables and marker_table not in tables:
        raise UsageError(f"{where}: this is another program's database (it has {sorted(tables)[:5]}); nothing was touched")
    if not tables:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute("PRAGMA journal_mode = WAL").fetchone()
