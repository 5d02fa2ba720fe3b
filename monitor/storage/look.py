"""What stands at a store's URL: asked without making, migrating or changing anything."""

from __future__ import annotations

from contextlib import closing
from enum import StrEnum
from pathlib import Path

from sqlalchemy.engine import URL

from monitor.errors import UsageError
from monitor.storage.engine import Database
from monitor.storage.migrate import VERSION_TABLE, accept, newest_revision, stored_revision
from monitor.storage.sqlite_file import can_be_made, stored_revision_of_file
from monitor.storage.url import parse_url, place


class Schema(StrEnum):
    """How a stored schema stands to the one that this program works with."""

    NONE = "none"
    OLDER = "older"
    CURRENT = "current"


def look(url: str) -> Schema:
    """Raises UsageError for what cannot be used (newer, damaged, another program's, no place to write), Retryable when it is away."""
    parsed = parse_url(url)
    stored = _revision_in_file(parsed) if parsed.get_backend_name() == "sqlite" else _revision_on_server(parsed)
    accept(stored, where=place(parsed), migrate=True)
    if stored is None:
        return Schema.NONE
    return Schema.CURRENT if stored == newest_revision() else Schema.OLDER


def _revision_in_file(url: URL) -> str | None:
    if not Path(str(url.database)).exists() and not can_be_made(url):
        raise UsageError(f"{place(url)}: the folder must exist and be writable by this user")
    return stored_revision_of_file(url, VERSION_TABLE)


def _revision_on_server(url: URL) -> str | None:
    with closing(Database(url)) as database, database.read() as connection:
        return stored_revision(connection)
