"""Labels in SQL under several writers: no prediction is lost between reading and settling, and a round is written whole or not at all."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import event

from monitor import failpoints
from monitor.core.labels.chunks import by_id, joined_predicted
from monitor.errors import DecodeError
from monitor.failpoints import FailpointReached, Point
from monitor.ports import LabelAccount, TopicPartition
from monitor.storage import SqlStore, open_store
from monitor.storage.label_tables import kept_chunks, kept_rows, label_chunks, label_matches
from tests.contracts.label_story import (
    applied,
    classes_of,
    joining,
    kept,
    kept_key,
    labels,
    new_labels,
    performance,
    predicted,
    revision,
    settled_window,
    store_kept,
)
from tests.contracts.store_story import HOUR, START, advance, checkpoint, key, message
from tests.postgres import PostgresServer


@pytest.fixture
def url(postgres: PostgresServer) -> str:
    return postgres.create_database()


@pytest.fixture
def store(url: str) -> Iterator[SqlStore]:
    opened = open_store(url)
    yield opened
    opened.close()


@pytest.fixture
def file_store(tmp_path: Path) -> Iterator[SqlStore]:
    opened = open_store(f"sqlite:///{tmp_path}/driftd.db")
    yield opened
    opened.close()


@pytest.fixture(autouse=True)
def disarmed() -> Iterator[None]:
    yield
    failpoints.arm("")


def sessions(url: str, state: str) -> int:
    """How many sessions of the database wait, at a lock or in the middle of a transaction."""
    query = f"SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND {state}"
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as looker:
        row = looker.execute(query).fetchone()  # type: ignore[arg-type]
    assert row is not None
    return int(row[0])


def until(url: str, state: str) -> None:
    deadline = time.monotonic() + 10
    while not sessions(url, state):
        assert time.monotonic() < deadline, f"no session with {state}"


@pytest.mark.postgres
def test_sealing_waits_for_predictions_that_are_being_written_and_settling_takes_them_in(store: SqlStore, url: str) -> None:
    store_kept(store, kept(key(), 1))
    failpoints.arm(f"{Point.CHECKPOINT_BEFORE_COMMIT}=sleep:1@1")
    with ThreadPoolExecutor(2) as pool:
        writing = pool.submit(store_kept, store, kept(key(), 2))
        until(url, "state = 'idle in transaction'")
        read = joined_predicted(store.kept_chunks("m", kept_key()))
        sealing = pool.submit(store.seal, "m", key().end, None)
        until(url, "wait_event_type = 'Lock'")
        assert store.progress("m").sealed_until is None
        writing.result(10)
        assert sealing.result(10)
    assert not store.record_join(joining(0, settled=((kept_key(), read),))), "one of them was not there yet when they were read"
    whole = by_id(joined_predicted(store.kept_chunks("m", kept_key())))
    assert store.record_join(joining(0, settled=((kept_key(), whole),)))
    assert store.settled_ids("m", kept_key()).tolist() == [1, 2]


@pytest.mark.postgres
def test_replicas_that_write_while_others_seal_and_settle_lose_no_prediction(store: SqlStore, url: str) -> None:
    """Every row that the windows say they counted is in exactly one settled window, once."""
    hours, stop = 8, threading.Event()
    stores = [open_store(url) for _ in range(4)]

    def write(replica: int) -> None:
        """Checkpoints that spread over all windows, one row each, on a partition of its own."""
        where, ids = TopicPartition("flights", replica), count(replica * 1_000_000)
        for n in count():
            if stop.is_set():
                return
            windows = (kept(key(hour), next(ids)) for hour in range(hours))
            stores[replica].checkpoint(checkpoint(*windows, advances=(advance(where, n or None, n + 1),)))

    def settle(replica: int) -> None:
        mine = stores[replica]
        while not stop.is_set() or mine.unsettled("m", key(hours).end):
            number, keys = mine.join_number("m"), mine.unsettled("m", key(hours).end)
            found = [(where, mine.kept_chunks("m", where)) for where in keys]
            sealed = mine.progress("m").sealed_until or START  # read last: what came in between is what must not be lost
            settled = tuple((where, by_id(joined_predicted(chunks))) for where, chunks in found if chunks and where.end <= sealed)
            if settled:
                mine.record_join(joining(number, settled=settled))

    with ThreadPoolExecutor(4) as pool:
        running = [pool.submit(write, 0), pool.submit(write, 1), pool.submit(settle, 2), pool.submit(settle, 3)]
        for hour in range(hours):
            time.sleep(0.25)
            assert store.seal("m", key(hour).end, store.progress("m").sealed_until)
        stop.set()
        for each in running:
            each.result(30)
    for opened in stores:
        opened.close()
    accounts = {window.key.start: window.account for window in store.window_accounts(model="m")}
    settled = {window.key.start: window.rows for window in store.settled("m")}
    assert settled == {start: account.counted for start, account in accounts.items()}
    assert all(account.counted for account in accounts.values())
    assert any(account.late for account in accounts.values())
    for hour in range(hours):
        ids = store.settled_ids("m", kept_key(hour)).tolist()
        assert len(set(ids)) == len(ids) == accounts[START + hour * HOUR].counted


@pytest.mark.parametrize("make", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def test_what_stops_before_the_commit_wrote_nothing_and_after_it_everything(make: str, request: pytest.FixtureRequest) -> None:
    store: SqlStore = request.getfixturevalue("file_store" if make == "sqlite" else "store")
    where = settled_window(store, 1, 2)
    store.checkpoint(checkpoint(labels=(new_labels(labels((1, "yes", 5))),)))
    [chunk] = store.label_chunks("m", fresh=True, most=9)
    found = applied(store, where, [0], chunk.labels)
    done = joining(1, applied=(found,), consumed=(chunk.number,), account=LabelAccount(matched=1))
    judged = revision(where, None, 1, results=(performance(),), messages=(message("a"),))
    stopped(Point.JOIN_BEFORE_COMMIT, lambda: store.record_join(done))
    assert (store.join_number("m"), store.label_account("m")) == (1, LabelAccount(waiting=1))
    assert classes_of(store.joined("m", where)) == [None, None]
    stopped(Point.JOIN_AFTER_COMMIT, lambda: store.record_join(done))
    assert (store.join_number("m"), store.label_account("m")) == (2, LabelAccount(matched=1))
    assert classes_of(store.joined("m", where)) == ["yes", None]
    assert not store.record_join(done)
    stopped(Point.REVISION_BEFORE_COMMIT, lambda: store.record_revision(judged))
    assert (store.results(), store.deliveries(), store.settled("m")[0].judged_changes) == ([], [], None)
    stopped(Point.REVISION_AFTER_COMMIT, lambda: store.record_revision(judged))
    assert (store.results(), len(store.deliveries()), store.settled("m")[0].judged_changes) == ([performance()], 1, 1)
    assert not store.record_revision(judged)


def stopped(point: Point, verb: Callable[[], object]) -> None:
    failpoints.arm(f"{point}=raise")
    with pytest.raises(FailpointReached, match=point):
        verb()
    failpoints.arm("")


def test_rounds_come_to_few_chunks_of_which_each_is_rarely_written(file_store: SqlStore) -> None:
    where = settled_window(file_store, *range(1_000))
    for number in range(300):
        found = labels((number, "yes", number))
        assert file_store.record_join(joining(1 + number, applied=(applied(file_store, where, [number], found),)))
    with file_store._db.read() as connection:
        sizes = [row.rows for row in connection.execute(label_matches.select().order_by(label_matches.c.number))]
    assert sizes == [256, 32, 8, 4]  # 300 in binary
    assert file_store.matches("m", where, file_store.settled_ids("m", where)).rows.tolist() == list(range(300))


def test_bytes_that_are_damaged_are_told(file_store: SqlStore) -> None:
    where = settled_window(file_store, 1, 2)
    assert file_store.record_join(joining(1, applied=(applied(file_store, where, [0], labels((1, "yes", 5))),)))
    store_kept(file_store, kept(key(1), 3))
    file_store.checkpoint(checkpoint(labels=(new_labels(labels((9, "no", 9))),)))
    with file_store._db.write() as connection:
        for table in (kept_chunks, kept_rows, label_chunks, label_matches):
            connection.execute(table.update().values(data=b"\x93\x01"))
    for verb in (
        lambda: file_store.kept_chunks("m", kept_key(1)),
        lambda: file_store.matches("m", where, file_store.settled_ids("m", where)),
        lambda: file_store.joined("m", where),
    ):
        with pytest.raises(DecodeError, match="2 bytes of kept rows cannot be read"):
            verb()
    [chunk] = file_store.label_chunks("m", fresh=True, most=9)
    assert (chunk.lost, len(chunk.labels), chunk.damage[:33]) == (1, 0, "2 bytes of kept rows cannot be re")


def test_matches_that_are_damaged_keep_no_round_from_being_written(file_store: SqlStore) -> None:
    first, second = settled_window(file_store, 1, 2), settled_window(file_store, 3, hour=1)
    assert file_store.record_join(joining(2, applied=(applied(file_store, first, [0], labels((1, "yes", 5))),)))
    with file_store._db.write() as connection:
        connection.execute(label_matches.update().values(data=b"\x93\x01"))
    found = (applied(file_store, first, [1], labels((2, "no", 6))), applied(file_store, second, [0], labels((3, "yes", 7))))
    assert file_store.record_join(joining(3, applied=found))
    assert classes_of(file_store.joined("m", second)) == ["yes"]
    with pytest.raises(DecodeError):
        file_store.joined("m", first)


def test_a_long_version_is_one_version_in_every_table(file_store: SqlStore) -> None:
    long = "v" * 300
    store_kept(file_store, kept(key(version=long), 1))
    assert file_store.seal("m", key().end, None)
    [where] = file_store.unsettled("m", key().end)
    assert file_store.record_join(joining(0, settled=((where, predicted(1)),)))
    [window] = file_store.settled("m")
    assert window.key == where
    assert file_store.settled_ids("m", kept_key(version=long)).tolist() == [1]


@pytest.mark.postgres
def test_what_does_not_compress_is_not_compressed_again(store: SqlStore) -> None:
    query = (
        "SELECT c.relname, a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_type t ON t.oid = a.atttypid "
        "WHERE a.attstorage = 'e' AND t.typname = 'bytea' AND c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace"
    )
    with store._db.read() as connection:
        found = {tuple(row) for row in connection.exec_driver_sql(query)}
    assert found == {
        ("kept_chunks", "ids"), ("kept_chunks", "data"), ("kept_rows", "ids"), ("kept_rows", "data"), ("label_matches", "data"),
        ("label_chunks", "data"),
    }  # fmt: skip


@pytest.mark.postgres
def test_stored_bytes_come_as_bytes_and_not_as_text(store: SqlStore) -> None:
    where = settled_window(store, 1, 2)
    formats = {}

    @event.listens_for(store._db.engine, "after_cursor_execute")
    def look(_connection: object, cursor: psycopg.Cursor, statement: str, *_rest: object) -> None:
        if cursor.pgresult is not None and cursor.pgresult.nfields:
            formats[statement.split("FROM")[1].split()[0]] = cursor.pgresult.fformat(0)

    assert store.settled_ids("m", where).tolist() == [1, 2]
    assert [window.key for window in store.settled("m")] == [where]
    assert formats == {"kept_rows": psycopg.pq.Format.BINARY, "kept_windows": psycopg.pq.Format.TEXT}
    assert list(store.settled_flags("m")) == [where]
    assert formats["kept_windows"] == psycopg.pq.Format.BINARY
