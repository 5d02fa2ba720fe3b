"""The database fails, or somebody else is in the way: what the caller is told, and that the next try goes well."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, OperationalError, StatementError
from sqlalchemy.pool import QueuePool

from monitor.core.incidents import IncidentState
from monitor.errors import Retryable, StoreFull, UsageError
from monitor.ports import Message
from monitor.storage import Limits, SqlStore, open_store
from monitor.storage.tables import windows
from tests.contracts.store_story import NOW, START, TP0, advance, checkpoint, delta, event, judgement, key, profile_of, result
from tests.contracts.store_story import OTHER_GRID as NEXT_GRID
from tests.postgres import PostgresServer


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    opened = open_store(f"sqlite:///{tmp_path}/driftd.db", limits=Limits(busy=0.05))
    yield opened
    opened.close()


@pytest.fixture
def served(postgres: PostgresServer) -> Iterator[tuple[SqlStore, psycopg.Connection]]:
    """A store on PostgreSQL, and a connection of somebody else to its database."""
    url = postgres.create_database()
    opened = open_store(url)
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as other:
        yield opened, other
    opened.close()


@pytest.mark.fault(9)
def test_a_file_locked_by_another_writer_is_worth_another_try(store: SqlStore) -> None:
    other = sqlite3.connect(str(store._db.url.database), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    for write in (store.ping, lambda: store.checkpoint(checkpoint(advances=(advance(TP0, None, 1),)))):
        with pytest.raises(Retryable, match="database is locked"):
            write()
    assert store.positions([TP0]) == {}
    other.rollback()
    other.close()
    store.ping()
    store.checkpoint(checkpoint(advances=(advance(TP0, None, 1),)))


@pytest.mark.fault(10)
def test_a_full_disk_is_worth_another_try_and_loses_nothing(store: SqlStore) -> None:
    store.checkpoint(checkpoint(delta(key(), 1.0)))
    with store._db.read() as connection:  # goes back into the pool: the next transaction has it
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    many = checkpoint(*(delta(key(hour), *map(float, range(50))) for hour in range(200)))
    with pytest.raises(StoreFull, match="disk is full"):
        store.checkpoint(many)
    assert len(store.window_accounts()) == 1
    store._db.engine.dispose()
    store.checkpoint(many)
    assert len(store.window_accounts()) == 200
    with store._db.read() as connection:
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar_one() == "ok"


def test_a_file_that_was_removed_is_written_to_no_more(store: SqlStore) -> None:
    path = Path(str(store._db.url.database))
    path.rename(path.with_name("elsewhere.db"))
    with pytest.raises(UsageError, match=r"the file was removed while it was in use.*Start driftd again"):
        store.ping()
    path.with_name("elsewhere.db").rename(path)  # the very same file: no harm was done
    store.ping()


def test_a_file_that_was_replaced_is_neither_written_nor_read(store: SqlStore, tmp_path: Path) -> None:
    open_store(f"sqlite:///{tmp_path}/other.db").close()
    (tmp_path / "other.db").rename(str(store._db.url.database))
    for verb in (store.ping, store.results):
        with pytest.raises(UsageError, match="the file was replaced by another while it was in use"):
            verb()


def test_a_folder_that_cannot_be_asked_is_worth_another_try(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    opened = open_store(f"sqlite:///{folder}/driftd.db")
    folder.rename(tmp_path / "kept")
    folder.symlink_to(folder)  # a loop, which is neither "not there" nor another file
    with pytest.raises(Retryable, match="Too many levels of symbolic links"):
        opened.ping()
    folder.unlink()
    (tmp_path / "kept").rename(folder)
    opened.ping()
    opened.close()


def test_more_threads_than_connections_are_told_to_come_again(store: SqlStore) -> None:
    pool = store._db.engine.pool
    assert isinstance(pool, QueuePool)
    with ExitStack() as stack:
        for _ in range(pool.size() + pool._max_overflow):
            stack.enter_context(store._db.read())
        with pytest.raises(Retryable, match="no free connection"):
            store.ping()
    store.ping()


def test_a_missing_table_is_a_fault_that_stays_visible(store: SqlStore) -> None:
    with pytest.raises(OperationalError, match="no such table"), store._db.read() as connection:
        connection.execute(text("SELECT 1 FROM nowhere"))


def test_an_event_of_no_incident_is_a_fault_that_stays_visible(store: SqlStore) -> None:
    with pytest.raises(IntegrityError, match="FOREIGN KEY"):
        store.record(judgement(results=(result(),), events=(event(None, IncidentState.FIRING),)))
    assert store.results() == []


def test_a_text_that_is_no_member_is_a_fault(store: SqlStore) -> None:
    with pytest.raises(StatementError, match="'maybe' is not a valid Verdict"):
        store.record(judgement(results=(result(verdict="maybe"),)))


def test_what_no_database_can_hold_is_replaced_in_documents_and_numbers(store: SqlStore) -> None:
    assert_odd_things_are_stored(store)


@pytest.mark.postgres
def test_what_postgresql_cannot_hold_is_replaced_too(served: tuple[SqlStore, psycopg.Connection]) -> None:
    assert_odd_things_are_stored(served[0])


def assert_odd_things_are_stored(store: SqlStore) -> None:
    body = {"a\x00": ["b\x00", math.nan, math.inf, {"c": "\ud800"}, 10**15, True, None], "at": NOW}
    odd = Message(receiver="slack", kind="firing", dedupe="d\x00\ud800", incident=None, body=body)
    assert store.record(judgement(results=(result(value=math.nan, reason="r\x00"),), messages=(odd,)))
    [found], [sent] = store.results(), store.claim("slack", owner="o", lease=1, limit=1, now=NOW)
    assert (found.value, found.reason) == (None, "r\ufffd")
    bad = "\ufffd" * 3  # one lone surrogate is three bytes that are no UTF-8
    assert sent.body == {"a\ufffd": ["b\ufffd", None, None, {"c": bad}, 10**15, True, None], "at": "2026-05-04T12:00:00.123456+00:00"}


def test_rows_on_another_grid_are_counted_apart(store: SqlStore) -> None:
    store.checkpoint(checkpoint(delta(key(), 1.0)))
    store.checkpoint(checkpoint(delta(key(), 1.0, 2.0, grid=NEXT_GRID)))
    with store._db.read() as connection:
        row = connection.execute(windows.select()).one()
    assert (row.counted, row.other_grid_rows) == (3, 2)


def test_a_store_opened_again_reads_profiles_and_their_grids(store: SqlStore) -> None:
    store.checkpoint(checkpoint(delta(key(), 1.0, 12.0)))
    again = open_store(f"sqlite:///{store._db.url.database}")
    assert again.windows("m", START)[0].profile == profile_of(1.0, 12.0)
    again.close()


# --- PostgreSQL ----------------------------------------------------------------------------------------------


@pytest.mark.postgres
def test_a_server_that_dropped_our_connections_costs_nothing(served: tuple[SqlStore, psycopg.Connection]) -> None:
    store, other = served
    store.ping()
    other.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
    store.ping()


@pytest.mark.postgres
def test_a_connection_lost_in_the_middle_rolls_back_and_is_worth_another_try(served: tuple[SqlStore, psycopg.Connection]) -> None:
    store, other = served
    kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"

    def interrupted() -> None:
        with store._db.write() as connection:
            connection.execute(text("INSERT INTO progress (model) VALUES ('m')"))
            other.execute(kill)
            connection.execute(text("SELECT 1"))

    with pytest.raises(Retryable, match="terminating connection"):
        interrupted()
    assert other.execute("SELECT count(*) FROM progress").fetchone() == (0,)
    store.ping()


@pytest.mark.postgres
def test_a_read_only_server_is_not_ready(served: tuple[SqlStore, psycopg.Connection]) -> None:
    store, other = served
    name = other.info.dbname
    other.execute(sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = on").format(sql.Identifier(name)))
    store._db.engine.dispose()
    assert store.results() == []
    with pytest.raises(Retryable, match="read-only transaction"):
        store.ping()


@pytest.mark.postgres
def test_a_statement_over_the_limits_of_the_server_is_a_fault_that_stays_visible(served: tuple[SqlStore, psycopg.Connection]) -> None:
    store, _ = served
    with pytest.raises(OperationalError, match="1664"), store._db.read() as connection:
        connection.execute(text("SELECT " + ", ".join("1" for _ in range(2_000))))


@pytest.mark.postgres
def test_documents_can_be_asked_by_sql_on_postgresql(served: tuple[SqlStore, psycopg.Connection]) -> None:
    store, other = served
    message = Message(receiver="slack", kind="firing", dedupe="d", incident=None, body={"text": "hello"})
    assert store.record(judgement(messages=(message,)))
    assert other.execute("SELECT body->>'text' FROM deliveries").fetchone() == ("hello",)
