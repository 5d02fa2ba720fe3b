"""The schema's way from one release to the next, with the migrations that ship inside the package."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from sqlalchemy import Connection, func, select

from monitor.errors import UsageError
from monitor.storage.engine import Database
from monitor.storage.limits import MIGRATING

VERSION_TABLE = "driftd_revision"
ADVISORY_LOCK = 0x6472696674640001
"""The key under which replicas on PostgreSQL wait for one another: "driftd" in ASCII and a number."""
FOLDER = Path(__file__).parent / "migrations"


def bring_up(database: Database, *, migrate: bool) -> None:
    """See that the schema is the one this program knows; with ``migrate``, make it so, in one transaction.

    Raises UsageError, touching nothing, for a schema of a newer program and for an older one without ``migrate``.
    """
    with database.read() as connection:
        if stored_revision(connection) == newest_revision():
            return
    with closing(Database(database.url, limits=MIGRATING)) as patient, patient.write() as connection:
        if not patient.is_sqlite:
            connection.execute(select(func.pg_advisory_xact_lock(ADVISORY_LOCK)))
        accept(stored_revision(connection), where=database.place, migrate=migrate)
        _upgrade(connection)


def stored_revision(connection: Connection) -> str | None:
    """The revision of the schema in the database; None for an empty one."""
    from alembic.runtime.migration import MigrationContext

    return MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}).get_current_revision()


def known_revisions() -> tuple[str, ...]:
    """Every revision that this program knows, oldest first."""
    from alembic.script import ScriptDirectory

    return tuple(script.revision for script in ScriptDirectory(str(FOLDER)).walk_revisions())[::-1]


def newest_revision() -> str:
    """The revision that this program works with."""
    return known_revisions()[-1]


def accept(stored: str | None, *, where: str, migrate: bool) -> None:
    """Raises UsageError for a schema of a newer program, and, where it may not ``migrate``, for any but this program's own."""
    known = known_revisions()
    if stored is not None and stored not in known:
        raise UsageError(
            f"{where}: its schema has revision {stored!r}, which is newer than this program ({known[-1]!r}); "
            "nothing was touched: use the newer driftd, or another database"
        )
    if stored != known[-1] and not migrate:
        raise UsageError(f"{where}: its schema has revision {stored!r}, this program needs {known[-1]!r}, and migrations were not allowed")


def _upgrade(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config(attributes={"connection": connection, "version_table": VERSION_TABLE})
    config.set_main_option("path_separator", "os")
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    command.upgrade(config, "head")
