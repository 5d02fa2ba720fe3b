"""The store on SQL: SQLite by default, PostgreSQL by URL."""

from functools import partial

from monitor.storage.engine import Database, Undo, parse_url, place, untold
from monitor.storage.limits import LIMITS, Limits
from monitor.storage.look import Schema, look
from monitor.storage.migrate import VERSION_TABLE, accept, bring_up
from monitor.storage.single import only_daemon
from monitor.storage.sqlite_file import prepare_sqlite_file
from monitor.storage.store import SqlStore

__all__ = ["Limits", "Schema", "SqlStore", "look", "only_daemon", "open_store"]


def open_store(url: str, *, migrate: bool = True, limits: Limits = LIMITS, retried: Undo = untold) -> SqlStore:
    """Open the store at a URL, with its schema brought up to what this program knows.

    ``retried`` is told why a transaction that the database took back is tried again. Raises UsageError for a URL, a file or a
    schema that cannot be used, Retryable when the database is away.
    """
    parsed = parse_url(url)
    if parsed.get_backend_name() == "sqlite":
        prepare_sqlite_file(parsed, VERSION_TABLE, partial(accept, where=place(parsed), migrate=migrate))
    database = Database(parsed, limits=limits, retried=retried)
    try:
        bring_up(database, migrate=migrate)
    except BaseException:
        database.close()
        raise
    return SqlStore(database)
