"""Connections to PostgreSQL on which no wait is endless, whatever becomes of the server or the way to it."""

from __future__ import annotations

import time
from typing import Any, cast

import psycopg
from psycopg.abc import RV, PQGen
from sqlalchemy import Connection, Dialect, Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPICursor, ExceptionContext, ExecutionContext
from sqlalchemy.pool import ConnectionPoolEntry

from monitor.errors import UsageError
from monitor.storage.limits import Limits
from monitor.storage.meaning import read_only
from monitor.storage.url import place

CONNECTION: dict[str, object] = {  # seconds, but tcp_user_timeout in milliseconds
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
    "application_name": "driftd",
}
"""What libpq is told, where the URL does not say otherwise."""
WAKE_SECONDS = 0.1
ENCODING = "UTF8"
SESSION = {
    "datestyle": "ISO, MDY",
    "timezone": "UTC",
    "extra_float_digits": "3",  # a double comes back as the one that was stored
    "idle_in_transaction_session_timeout": "60s",
}
"""What is read from a session hangs on these, and a role or a database may have others."""
AS_BYTES = {"driftd_as_bytes": True}
"""Marks a query whose answer is to come in binary: bytes as text are hexadecimal, twice as long, and cost three times as much."""


class Answering(psycopg.Connection[Any]):
    """Gives up on a server that takes what is sent and never answers: its own time-outs stand still with it."""

    seconds: float

    def wait(self, gen: PQGen[RV], interval: float = WAKE_SECONDS, timeout: float | None = None) -> RV:
        """Raises OperationalError and closes the connection, for nobody knows what is still to come on it."""
        limit = self.seconds if timeout is None else timeout
        began = time.monotonic()
        try:
            return super().wait(gen, interval, limit)
        except psycopg.OperationalError as error:
            if time.monotonic() - began < limit or error.sqlstate is not None:
                raise
            self.close()
            raise psycopg.OperationalError(f"the server gave no answer within {limit:g} s") from None


def renew(context: ExceptionContext) -> None:
    """Sessions that began while the database was read-only stay so: the pool begins anew."""
    if read_only(context.original_exception):
        context.is_disconnect = True


def postgres_engine(url: URL, limits: Limits) -> Engine:
    """An engine whose sessions have our limits."""
    limited = {"statement_timeout": f"{round(limits.statement * 1000)}ms", "lock_timeout": f"{round(limits.lock * 1000)}ms"}
    session = "; ".join(f"SET {name} = '{value}'" for name, value in (SESSION | limited).items())

    def connect(_dialect: Dialect, _entry: ConnectionPoolEntry, args: list[Any], given: dict[str, Any]) -> DBAPIConnection:
        kind = type("Limited", (Answering,), {"seconds": limits.answer})
        connection: psycopg.Connection[Any] = kind.connect(*args, **given)  # type: ignore[attr-defined]
        _check_encoding(connection, url)
        return cast("DBAPIConnection", connection)

    def settle(raw: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        cursor = raw.cursor()
        cursor.execute(session)
        cursor.close()
        raw.commit()

    given = {name: value for name, value in CONNECTION.items() if name not in url.query} | {"client_encoding": ENCODING}
    engine = create_engine(url, hide_parameters=True, pool_pre_ping=True, pool_timeout=limits.pool, connect_args=given)
    event.listen(engine, "do_connect", connect)
    event.listen(engine, "connect", settle)
    event.listen(engine, "handle_error", renew)
    event.listen(engine, "before_cursor_execute", _as_bytes, retval=True)
    return engine


def _as_bytes(_connection: Connection, cursor: DBAPICursor, statement: str, parameters: Any, context: ExecutionContext | None,
              _many: bool) -> tuple[str, Any]:
    if context is not None and context.execution_options.keys() & AS_BYTES.keys():
        cast("psycopg.Cursor[Any]", cursor).format = psycopg.pq.Format.BINARY
    return statement, parameters


def _check_encoding(connection: psycopg.Connection[Any], url: URL) -> None:
    """Raises UsageError for a database that cannot keep every text. One that stands behind a pooler may not tell its encoding."""
    found = connection.info.parameter_status("server_encoding")
    if found not in (None, ENCODING):
        connection.close()
        raise UsageError(f"{place(url)}: the database has the encoding {found}, which cannot keep every text that comes in; driftd needs "
                         f"{ENCODING}: CREATE DATABASE … ENCODING '{ENCODING}' TEMPLATE template0")
