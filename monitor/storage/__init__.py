"""The store on SQL: SQLite by default, PostgreSQL by URL."""

from monitor.storage.engine import BUSY_SECONDS, Database, parse_url, prepare_sqlite_file
from monitor.storage.migrate import VERSION_TABLE, bring_up
from monitor.storage.single import only_daemon
from monitor.storage.store import SqlStore

__all__ = ["SqlStore", "only_daemon", "open_store"]


def open_store(url: str, *, migrate: bool = True, busy_seconds: float = BUSY_SECONDS) -> SqlStore:
    """Open the store at a URL, with its schema brought up to what this program knows.

    Raises UsageError for a URL, a file or a schema that cannot be used, Retryable when the database is away.
    """
    parsed = parse_url(url)
    if parsed.get_backend_name() == "sqlite":
        prepare_sqlite_file(parsed, VERSION_TABLE)
    database = Database(parsed, busy_seconds=busy_seconds)
    try:
        bring_up(database, migrate=migrate)
    except BaseException:
        database.close()
        raise
    return SqlStore(database)
