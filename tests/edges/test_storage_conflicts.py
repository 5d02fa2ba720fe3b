"""PostgreSQL takes a transaction back by itself: a few more tries at once, counted, and then the caller is told."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest

from monitor.errors import StoreFull, StoreUnavailable, UsageError
from monitor.storage import Limits, SqlStore, open_store
from monitor.storage.again import PAUSES
from tests.contracts.store_story import NOW, TP0, TP1, advance, checkpoint, delta, key
from tests.postgres import PostgresServer

pytestmark = [pytest.mark.postgres, pytest.mark.fault(9)]
TRIES = len(PAUSES) + 1


@dataclass
class Contended:
    """A store, sessions of others in its database, and why it was tried again."""

    dsn: str
    store: SqlStore
    retried: list[str] = field(default_factory=list)

    def session(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self.dsn)

    def offsets(self) -> dict[int, int]:
        return {p.partition: found.next_offset for p, found in self.store.positions([TP0, TP1]).items()}

    def on_every_offset(self, body: str) -> None:
        """Have the server run this whenever a stored offset is moved."""
        with self.session() as session:
            session.execute(
                f"CREATE FUNCTION in_the_way() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} RETURN NEW; END $$;"  # type: ignore[arg-type]
                "CREATE TRIGGER in_the_way BEFORE UPDATE ON partitions FOR EACH ROW EXECUTE FUNCTION in_the_way()"
            )

    def move(self) -> None:
        """Both partitions from 1 to 2, with a row in a window."""
        self.store.checkpoint(checkpoint(delta(key(), 1.0), advances=(advance(TP0, 1, 2), advance(TP1, 1, 2))))


@pytest.fixture
def contended(postgres: PostgresServer) -> Iterator[Contended]:
    url, retried = postgres.create_database(), list[str]()
    store = open_store(url, limits=Limits(lock=0.3, statement=1.5, answer=2.5), retried=retried.append)
    store.checkpoint(checkpoint(advances=(advance(TP0, None, 1), advance(TP1, None, 1))))
    yield Contended(dsn=url.replace("+psycopg", ""), store=store, retried=retried)
    store.close()


def test_the_victim_of_a_deadlock_is_tried_again_and_all_of_it_is_written_once(contended: Contended) -> None:
    lock = "SELECT 1 FROM partitions WHERE partition = %s FOR UPDATE"
    with contended.session() as other, ThreadPoolExecutor(1) as pool:
        # The others' session never is the victim: it waits longer than ours before it looks for a circle
        other.execute("SET deadlock_timeout = '20s'")
        contended.store._db.engine.dispose()
        with psycopg.connect(contended.dsn, autocommit=True) as admin:
            admin.execute(f"ALTER DATABASE {admin.info.dbname} SET deadlock_timeout = '50ms'")  # type: ignore[arg-type]
        other.execute(lock, (1,))
        moving = pool.submit(contended.move)
        waits_for(contended, "UPDATE partitions")
        other.execute(lock, (0,))  # a circle: ours holds 0 and wants 1, theirs holds 1 and wants 0
        other.rollback()
        moving.result(10)
    assert contended.retried[0] == "deadlock"
    assert contended.offsets() == {0: 2, 1: 2}
    assert [w.account.counted for w in contended.store.window_accounts()] == [1]


def waits_for(contended: Contended, statement: str) -> None:
    """Until a session stands at a lock with this statement."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE %s"
    with psycopg.connect(contended.dsn, autocommit=True) as looker:
        deadline = time.monotonic() + 5
        while looker.execute(query, (f"%{statement}%",)).fetchone() == (0,):
            assert time.monotonic() < deadline, f"nobody waits with {statement}"


def test_a_serialization_failure_is_tried_again(contended: Contended) -> None:
    """Under SERIALIZABLE, which an administrator may set, a snapshot from before another's commit cannot be written from."""
    with psycopg.connect(contended.dsn, autocommit=True) as admin:
        admin.execute(f"ALTER DATABASE {admin.info.dbname} SET default_transaction_isolation = 'serializable'")  # type: ignore[arg-type]
    contended.store._db.engine.dispose()
    with contended.session() as other, ThreadPoolExecutor(1) as pool:
        other.execute("UPDATE partitions SET updated_at = now() WHERE partition = 1")
        moving = pool.submit(contended.move)
        waits_for(contended, "UPDATE partitions")
        other.commit()
        moving.result(10)
    assert contended.retried == ["serialization_failure"]
    assert contended.offsets() == {0: 2, 1: 2}


def test_a_lock_that_is_held_for_long_ends_the_tries_and_the_next_call_goes_well(contended: Contended) -> None:
    with contended.session() as other:
        other.execute("SELECT 1 FROM partitions FOR UPDATE")
        with pytest.raises(StoreUnavailable, match="lock timeout"):
            contended.move()
    assert contended.retried == ["lock_timeout"] * len(PAUSES)
    assert contended.offsets() == {0: 1, 1: 1}
    contended.move()
    assert contended.offsets() == {0: 2, 1: 2}


def test_a_statement_that_takes_too_long_is_ended_by_the_server(contended: Contended) -> None:
    contended.on_every_offset("PERFORM pg_sleep(60);")
    began = time.monotonic()
    with pytest.raises(StoreUnavailable, match="statement timeout"):
        contended.move()
    assert time.monotonic() - began < 10.0
    assert set(contended.retried) == {"canceled"}
    assert len(contended.retried) < TRIES  # no try begins once the first have taken long
    assert contended.offsets() == {0: 1, 1: 1}


def test_a_statement_that_an_administrator_ends_is_tried_again(contended: Contended) -> None:
    with contended.session() as other, ThreadPoolExecutor(1) as pool:
        contended.store._db.engine.dispose()
        other.execute("SELECT 1 FROM partitions WHERE partition = 1 FOR UPDATE")
        moving = pool.submit(contended.move)
        waits_for(contended, "UPDATE partitions")
        with psycopg.connect(contended.dsn, autocommit=True) as admin:
            admin.execute("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
        other.rollback()
        moving.result(10)
    assert contended.retried == ["canceled"]
    assert contended.offsets() == {0: 2, 1: 2}


def test_every_verb_of_the_outbox_is_tried_again(contended: Contended) -> None:
    """Two sessions that claim at once pass by each other; the table's lock stands for what is rarer."""
    release = threading.Event()

    def hold() -> None:
        with contended.session() as other:
            other.execute("LOCK TABLE deliveries IN ACCESS EXCLUSIVE MODE")
            held.set()
            release.wait(10)

    held, thread = threading.Event(), threading.Thread(target=hold)
    thread.start()
    assert held.wait(5)
    threading.Timer(0.4, release.set).start()  # after the first try has ended
    assert list(contended.store.claim("slack", owner="o", lease=60, limit=1, now=NOW)) == []
    thread.join()
    assert contended.retried[0] == "lock_timeout"


@pytest.mark.fault(10)
def test_a_server_whose_disk_is_full_is_full(contended: Contended) -> None:
    contended.on_every_offset("RAISE 'could not extend file: No space left on device' USING ERRCODE = 'disk_full';")
    with pytest.raises(StoreFull, match="No space left on device"):
        contended.move()
    assert contended.retried == []


@pytest.mark.fault(11)
def test_a_server_whose_data_are_damaged_is_not_tried_for_ever(contended: Contended) -> None:
    contended.on_every_offset("RAISE 'invalid page in block 7' USING ERRCODE = 'data_corrupted';")
    with pytest.raises(UsageError, match=r"(?s)damaged \(invalid page in block 7.*Restore the database"):
        contended.move()
