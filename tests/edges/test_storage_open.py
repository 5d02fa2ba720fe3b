"""Opening a store: what it makes, what it refuses, and that it says so without secrets and touches nothing."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Table
from sqlalchemy.engine import make_url

from monitor.core.incidents import Incident, IncidentEvent
from monitor.core.results import Account, Result, WindowKey
from monitor.core.retraining import Retraining
from monitor.errors import Retryable, StoreUnavailable, UsageError
from monitor.ports import Advance, Checkpoint, StreamCount, TopicPartition
from monitor.storage import migrate, open_store, tables
from monitor.storage.engine import Database, parse_url, place
from tests.postgres import PostgresServer

DATABASES = ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a place where no store has been yet."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/driftd.db"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.create_database()


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


# --- the schema ----------------------------------------------------------------------------------------------


def test_the_migrations_make_exactly_the_tables_that_the_program_uses(url: str) -> None:
    open_store(url).close()
    database = Database(parse_url(url))
    with database.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "version_table": migrate.VERSION_TABLE})
        differences = compare_metadata(context, tables.metadata)
    database.close()
    assert differences == []


def test_the_schema_goes_down_and_up_again(url: str) -> None:
    from alembic import command
    from alembic.config import Config

    open_store(url).close()
    database = Database(parse_url(url))
    with database.write() as connection:
        config = Config(attributes={"connection": connection, "version_table": migrate.VERSION_TABLE})
        config.set_main_option("path_separator", "os")
        config.set_main_option("script_location", str(migrate.FOLDER))
        command.downgrade(config, "base")
    with database.read() as connection:
        assert migrate.stored_revision(connection) is None
    database.close()
    store = open_store(url)
    assert store.results() == []
    store.close()


def test_several_replicas_may_open_an_empty_database_at_once(url: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        stores = list(pool.map(lambda _: open_store(url), range(4)))
    for store in stores:
        store.ping()
        store.close()


def test_a_schema_newer_than_the_program_is_refused_and_nothing_is_touched(url: str) -> None:
    open_store(url).close()
    database = Database(parse_url(url))
    with database.write() as connection:
        connection.exec_driver_sql(f"UPDATE {migrate.VERSION_TABLE} SET version_num = '9999'")
    database.close()
    path = Path(str(database.url.database))
    before = digest(path) if database.is_sqlite else ""
    with pytest.raises(UsageError, match=r"'9999', which is newer than this program \('0007'\).*nothing was touched"):
        open_store(url)
    if database.is_sqlite:
        assert digest(path) == before
    with database.read() as connection:
        assert migrate.stored_revision(connection) == "9999"
    database.close()


def test_an_empty_database_is_refused_where_migrations_are_not_allowed(url: str) -> None:
    with pytest.raises(UsageError, match=r"revision None, this program needs '0007'"):
        open_store(url, migrate=False)
    open_store(url).close()
    open_store(url, migrate=False).close()


@pytest.mark.parametrize(
    ("table", "kind"),
    [
        (tables.results, Result),
        (tables.incidents, Incident),
        (tables.retrainings, Retraining),
        (tables.streams, StreamCount),
    ],
)
def test_a_table_that_keeps_a_type_whole_has_a_column_per_field(table: Table, kind: type) -> None:
    assert [column.name for column in table.c] == [field.name for field in fields(kind)]


def test_windows_and_results_keep_event_time_alone() -> None:
    own = {"other_grid_rows", "grid", "profile"}
    assert {column.name for column in tables.windows.c} - own == {field.name for kind in (WindowKey, Account) for field in fields(kind)}
    assert {column.name for column in tables.incident_events.c} - {"number"} == {field.name for field in fields(IncidentEvent)}


# --- SQLite --------------------------------------------------------------------------------------------------


def test_a_sqlite_file_is_made_for_safety(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = open_store("sqlite:///relative.db")
    assert (tmp_path / "relative.db").exists()
    with store._db.read() as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout", "auto_vacuum")
        }
    store.close()
    full, incremental = 2, 2
    assert pragmas == {"journal_mode": "wal", "synchronous": full, "foreign_keys": 1, "busy_timeout": 5_000, "auto_vacuum": incremental}


@pytest.mark.parametrize("place", ["missing/driftd.db", "file/driftd.db", "folder"])
def test_a_place_that_cannot_be_written_is_named(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "folder").mkdir()
    with pytest.raises(UsageError, match=rf"{place}: unable to open database file; the folder must exist and be writable"):
        open_store(f"sqlite:///{tmp_path}/{place}")


@pytest.mark.skipif(os.geteuid() == 0 and not Path("/proc/version").exists(), reason="root may write anywhere here")
def test_a_folder_without_permission_is_a_usage_error(tmp_path: Path) -> None:
    folder = Path("/proc") if os.geteuid() == 0 else tmp_path  # not even root makes files in /proc
    tmp_path.chmod(0o500)
    with pytest.raises(UsageError, match="writable by this user"):
        open_store(f"sqlite:///{folder}/driftd.db")


TEXT_FILE = b"this is a text file, of some length, and no database at all" * 20
BROKEN_HEADER = b"SQLite format 3\x00" + b"\xff" * 4_096


@pytest.mark.parametrize("content", [TEXT_FILE, BROKEN_HEADER])
def test_a_damaged_file_is_left_alone_and_the_person_told_what_to_do(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "driftd.db"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=r"damaged or is no SQLite database .*Move it away .*restore a backup"):
        open_store(f"sqlite:///{path}")
    assert path.read_bytes() == content


def test_damage_that_shows_only_while_running_is_told_too(tmp_path: Path) -> None:
    path = tmp_path / "driftd.db"
    open_store(f"sqlite:///{path}").close()
    with sqlite3.connect(path) as raw:
        [(page_size,), (root,)] = [
            raw.execute("PRAGMA page_size").fetchone(),
            raw.execute("SELECT rootpage FROM sqlite_master WHERE name = 'incidents'").fetchone(),
        ]
    raw.close()
    with path.open("r+b") as file:
        file.seek((root - 1) * page_size)
        file.write(b"\xff" * page_size)
    store = open_store(f"sqlite:///{path}")
    with pytest.raises(UsageError, match="damaged"):
        store.incidents()
    store.close()


def test_another_programs_database_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as raw:
        raw.execute("CREATE TABLE recipes (name TEXT)")
    raw.close()
    before = digest(path)
    with pytest.raises(UsageError, match=r"another program's database \(it has \['recipes'\]\)"):
        open_store(f"sqlite:///{path}")
    assert digest(path) == before
    assert [each.name for each in tmp_path.iterdir()] == ["other.db"]


# --- URLs and secrets ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ("driftd.db", "not a database URL"),
        ("postgresql://u:hunter2@host:port/db", "not a database URL"),
        ("mysql://u:hunter2@host/db", r"unknown database 'mysql'; known are \['postgresql', 'postgresql\+psycopg', 'sqlite', "),
        ("postgresql+asyncpg://u:hunter2@host/db", r"unknown database 'postgresql\+asyncpg'"),
        ("postgresql://u:p@hunter2@host/db", "an @ is left over; in a password write @ as %40"),
        ("sqlite://", "SQLite needs a file"),
        ("sqlite:///:memory:", "SQLite needs a file"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused_without_its_secrets(bad: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        open_store(bad)
    assert "hunter2" not in str(caught.value)


def test_the_place_of_a_database_shows_neither_user_nor_password_nor_options() -> None:
    url = parse_url("postgresql://ann:hunter2@db.example:5433/drift?password=hunter3")
    assert place(url) == "postgresql+psycopg://db.example:5433/drift"


def test_a_server_that_is_away_is_worth_another_try_and_its_password_is_not_told() -> None:
    with pytest.raises(Retryable, match=r"postgresql\+psycopg://127\.0\.0\.1:1/db: .*onnection") as caught:
        open_store("postgresql+psycopg://ann:hunter2@127.0.0.1:1/db?password=hunter3")
    error: BaseException | None = caught.value
    while error is not None:
        assert "hunter" not in str(error)
        error = error.__cause__


@pytest.mark.postgres
def test_a_database_that_does_not_exist_is_named(postgres: PostgresServer) -> None:
    url = postgres.url.set(database="nowhere", password="hunter2").render_as_string(hide_password=False)
    with pytest.raises(Retryable, match='database "nowhere" does not exist') as caught:
        open_store(url)
    assert "hunter2" not in str(caught.value)


@pytest.mark.postgres
def test_an_error_that_repeats_the_password_has_it_masked(postgres: PostgresServer) -> None:
    url = postgres.url.set(database="hunter2", password="hunter2").render_as_string(hide_password=False)
    with pytest.raises(Retryable, match=r'database "\*\*\*" does not exist'):
        open_store(url)


def altered(url: str, *statements: str) -> None:
    with psycopg.connect(url.replace("postgresql+psycopg://", "postgresql://"), autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


@pytest.mark.postgres
@pytest.mark.fault(8)
def test_a_database_that_was_read_only_for_a_while_is_written_to_again(postgres: PostgresServer) -> None:
    """As managed services make one that is out of room: sessions that began meanwhile would stay so."""
    url = postgres.create_database()
    with closing(open_store(url)) as store:
        checkpoint = Checkpoint(at=datetime.now(UTC), advances=(Advance(partition=TopicPartition("t", 0), expected=None, next_offset=1),))
        name = make_url(url).database
        altered(url, f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
        store.close()  # its next sessions begin read-only
        for _ in range(2):
            with pytest.raises(StoreUnavailable, match="read-only transaction"):
                store.checkpoint(checkpoint)
        altered(url, "SET default_transaction_read_only = off", f'ALTER DATABASE "{name}" RESET default_transaction_read_only')
        store.checkpoint(checkpoint)
        assert store.positions([TopicPartition("t", 0)])


@pytest.mark.postgres
@pytest.mark.fault(8)
def test_rights_that_are_taken_away_are_waited_for(postgres: PostgresServer) -> None:
    url = postgres.create_database()
    role = f"driftd_{uuid.uuid4().hex[:8]}"
    open_store(url).close()
    altered(url, f"CREATE ROLE {role} LOGIN", f"GRANT USAGE ON SCHEMA public TO {role}",
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}")  # fmt: skip
    with closing(open_store(make_url(url).set(username=role).render_as_string(hide_password=False), migrate=False)) as store:
        assert store.positions([TopicPartition("t", 0)]) == {}
        altered(url, f"REVOKE SELECT ON partitions FROM {role}")
        with pytest.raises(StoreUnavailable, match="permission denied for table partitions"):
            store.positions([TopicPartition("t", 0)])
        altered(url, f"GRANT SELECT ON partitions TO {role}")
        assert store.positions([TopicPartition("t", 0)]) == {}
    altered(url, f"DROP OWNED BY {role}", f"DROP ROLE {role}")


@pytest.mark.postgres
def test_a_driver_need_not_be_named_for_postgresql(postgres: PostgresServer) -> None:
    url = postgres.create_database().replace("postgresql+psycopg://", "postgresql://")
    store = open_store(url)
    assert store.place.startswith("postgresql+psycopg://127.0.0.1")
    store.close()
    with psycopg.connect(url) as connection:
        [(count,)] = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchall()
    assert count == len(tables.metadata.tables) + 1


def test_a_query_parameter_that_postgresql_does_not_know_is_said_without_the_password() -> None:
    with pytest.raises(UsageError, match='invalid connection option "hello"') as refused:
        open_store("postgresql+psycopg://user:hush@127.0.0.1:1/x?hello=1")
    assert "hush" not in str(refused.value)
