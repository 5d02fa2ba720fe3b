"""One SQL database: how it is opened, its transactions, and that nothing but errors with a meaning leaves them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from monitor.errors import StoreUnavailable
from monitor.storage.limits import LIMITS, Limits
from monitor.storage.meaning import meaning
from monitor.storage.postgres import postgres_engine
from monitor.storage.sqlite_file import WRITING, FileWatch, sqlite_engine
from monitor.storage.url import parse_url, place

__all__ = ["Database", "Insert", "insert_into", "parse_url", "place"]

Insert = sqlite.Insert | postgresql.Insert
Undo = Callable[[str], None]
"""Is told why a transaction that the database took back is tried again."""


def untold(_reason: str) -> None:
    """Nobody wants to know."""


class Database:
    """Transactions on one database. Every error of the database leaves as Retryable or UsageError, or is a fault of ours."""

    def __init__(self, url: URL, *, limits: Limits = LIMITS, retried: Undo = untold) -> None:
        self.url = url
        self.place = place(url)
        self.retried = retried
        self._watch = FileWatch(url) if url.get_backend_name() == "sqlite" else None
        self.engine = sqlite_engine(url, limits) if self._watch is not None else postgres_engine(url, limits)
        self._writer = self.engine.execution_options(**{WRITING: True})

    @property
    def is_sqlite(self) -> bool:
        """Whether this is a file of our own rather than a server."""
        return self._watch is not None

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
        if self._watch is not None:
            self._watch.check()
        try:
            yield
        except PoolTimeout as error:
            raise StoreUnavailable(f"{self.place}: no free connection") from error
        except DBAPIError as error:
            said = meaning(error, self.url)
            if said is None:
                raise
            raise said from error


def insert_into(connection: Connection, table: Table) -> Insert:
    """An INSERT that knows ON CONFLICT, in the connection's dialect."""
    return postgresql.insert(table) if connection.dialect.name == "postgresql" else sqlite.insert(table)
