"""The database is away, breaks off in mid-commit, is locked, full, damaged or removed: nothing is lost or doubled, and it is said."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import make_url

from monitor.errors import StoreUnavailable
from monitor.failpoints import VARIABLE, Point
from monitor.storage import Limits, SqlStore, open_store
from monitor.storage.tables import metadata
from tests.daemon.running import START, Daemon, adds_up, daemon, encoded, new_topic, row
from tests.faults.process import MEGABYTE, usage
from tests.faults.proxy import Cut, Moment, Proxy, proxy
from tests.faults.story import (
    MODEL,
    PARTITIONS,
    Feeder,
    People,
    Setting,
    assert_same,
    assert_told,
    build_reference,
    closed_at,
    facts,
    let_leases_run_out,
    lines,
    oracle,
    outcome,
    people,
    run_in,
    running,
    stop,
    story,
    tail,
    until,
)
from tests.flights_run import Run, produce
from tests.kafka_broker import Broker
from tests.pipeline.world import HOUR, P0, P1, World, message
from tests.postgres import PostgresServer

COMMIT = b"COMMIT\x00"
PASSWORD = "hush-hush"
WINDOWS = {"window": "1h", "allowed_lateness": "0s", "min_rows": 10, "columns": {"dep_delay": "numeric", "carrier": "categorical"}}


# --- a commit is cut at each point, in one process -----------------------------------------------------------


@pytest.fixture(scope="module")
def far(postgres: PostgresServer) -> Iterator[tuple[Proxy, SqlStore, SqlStore]]:
    """A way to PostgreSQL, a store behind it, and the same store without it."""
    url = make_url(postgres.create_database())
    with proxy(url.host or "", url.port or 0) as way:
        behind = open_store(url.set(port=way.port).render_as_string(hide_password=False), limits=Limits(answer=2.0))
        near = open_store(url.render_as_string(hide_password=False))
        yield way, behind, near
        for each in (behind, near):
            each.close()


def read_and_judged(store: SqlStore, near: SqlStore) -> list[Any]:
    """Three hours of two partitions are read, written and judged, each verb again where the store was away; what it came to."""
    with near._db.write() as connection:
        for table in reversed(metadata.sorted_tables):
            connection.execute(table.delete())
    world = World(store=store)
    for n in range(90):
        world.put((P0, P1)[n % 2], message(n, 2 * n, delay=n % 7))
        if n % 15 == 14:
            again(world.read_all)
            again(world.judge.sweep)
    again(world.judge.finish)
    windows = [(w.key, w.account, w.profile and w.profile.hash) for h in range(3) for w in near.windows("m", START + h * HOUR)]
    assert [account.counted for _, account, _ in windows] == [30, 30, 30]
    offsets = sorted((p, a.next_offset) for p, a in near.positions([P0, P1]).items())
    return [windows, offsets, list(near.results()), list(near.incidents()), near.progress("m"), len(near.stream_counts())]


def again(work: Callable[[], object]) -> None:
    """As the daemon's loops do."""
    while True:
        with suppress(StoreUnavailable):
            work()
            return


@pytest.mark.postgres
@pytest.mark.fault(8)
@pytest.mark.parametrize("moment", list(Moment))
def test_wherever_a_commit_is_cut_windows_and_results_are_those_of_an_undisturbed_run(far, moment: Moment) -> None:
    way, store, near = far
    count = way.cut(Cut(pattern=COMMIT, moment=moment, at=1_000_000))
    assert count is not None
    expected = read_and_judged(store, near)
    assert count.seen > 40
    for k in range(1, count.seen + 1):
        cut = way.cut(Cut(pattern=COMMIT, moment=moment, at=k))
        assert read_and_judged(store, near) == expected, k
        assert cut is not None
        assert cut.done == 1, k


# --- daemons on real Kafka -----------------------------------------------------------------------------------


def a_run(kafka: Broker, folder: Path, store: str) -> Run:
    return Run(folder=folder, store=store, bootstrap=kafka.bootstrap, topic=new_topic(kafka), api_version=kafka.api_version,
               model=WINDOWS)  # fmt: skip


class Fed:
    """What was produced: a row a minute."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self.rows = 0

    def put(self, rows: int) -> None:
        numbers = range(self.rows, self.rows + rows)
        produce(self._run.bootstrap, self._run.topic, encoded(row(n, START + timedelta(minutes=n)) for n in numbers))
        self.rows += rows

    def by_hour(self) -> dict[datetime, int]:
        return dict(Counter(START + timedelta(hours=n // 60) for n in range(self.rows)))


def assert_to_the_row(store: str, fed: Fed) -> None:
    with closing(open_store(store)) as opened:
        accounts = {window.key.start: window.account for window in opened.window_accounts()}
        profiles = {start: opened.windows(MODEL, start)[0].profile for start in accounts}
    assert all(map(adds_up, accounts.values()))
    assert {start: account.counted for start, account in accounts.items()} == fed.by_hour()
    assert {start: profile.rows for start, profile in profiles.items() if profile} == fed.by_hour()


def says(d: Daemon, text: str, seconds: float = 40.0) -> str:
    """Wait until /readyz is 503 and says this; what it says."""
    return d.until(lambda: (answer := d.get("/readyz"))[0] == 503 and text in answer[1] and answer[1], seconds)


def lives_through(d: Daemon, seconds: float, meanwhile: Callable[[], object] = lambda: None) -> None:
    """It is alive all the time, tells its metrics, and has no more threads and little more memory than before."""
    calm, end = usage(d.process.pid), time.monotonic() + seconds
    while time.monotonic() < end:
        assert d.get("/livez") == (200, "ok\n")
        assert d.get("/metrics")[0] == 200
        meanwhile()
        now = usage(d.process.pid)
        assert now.threads <= calm.threads + 2
        assert now.memory <= calm.memory + 150 * MEGABYTE
        time.sleep(0.2)


def catches_up(d: Daemon, fed: Fed) -> None:
    d.until(lambda: d.ready() and d.received() == fed.rows, 60)
    assert d.log("intake.back")


@contextmanager
def behind_a_proxy(kafka: Broker, postgres: PostgresServer, folder: Path) -> Iterator[tuple[Proxy, Run, str]]:
    """The way, a configuration that goes it, and the URL that does not. PostgreSQL asks nobody for the password here."""
    url = make_url(postgres.create_database())
    with proxy(url.host or "", url.port or 0) as way:
        through = url.set(port=way.port, password=PASSWORD).render_as_string(hide_password=False)
        yield way, a_run(kafka, folder, through), url.render_as_string(hide_password=False)


@pytest.mark.kafka
@pytest.mark.postgres
@pytest.mark.slow
@pytest.mark.fault(8)
@pytest.mark.parametrize("seconds", [10, pytest.param(60, marks=pytest.mark.long)])
def test_postgresql_away_for_a_while(kafka, postgres, tmp_path, seconds):
    with behind_a_proxy(kafka, postgres, tmp_path) as (way, run, near), daemon(run) as d:
        fed = Fed(run)
        fed.put(200)
        d.until(lambda: d.received() == fed.rows)
        way.away()
        fed.put(5_000)
        said = says(d, "store_unavailable: postgresql+psycopg://127.0.0.1")
        assert "kafka_unreachable" not in said
        assert d.get("/api/v1/models")[0] in (200, 503)
        assert d.get(f"/api/v1/models/{MODEL}/windows")[0] == 503
        lives_through(d, seconds, lambda: fed.put(10))
        assert "driftd_store_up 0.0" in d.get("/metrics")[1]
        way.back()
        catches_up(d, fed)
        assert PASSWORD not in d.text() + said
        assert d.stop() < 10
        assert_to_the_row(near, fed)


@pytest.mark.kafka
@pytest.mark.postgres
@pytest.mark.long
@pytest.mark.fault(8)
def test_postgresql_that_stands_still_is_given_up_and_kills_nobody(kafka, postgres, tmp_path):
    """Its port takes connections and bytes and never answers, as a server does whose disk hangs."""
    with behind_a_proxy(kafka, postgres, tmp_path) as (way, run, near), daemon(run) as d:
        fed = Fed(run)
        fed.put(200)
        d.until(lambda: d.received() == fed.rows)
        way.freeze()
        fed.put(200)
        end = time.monotonic() + 100
        while time.monotonic() < end:
            assert d.get("/livez") == (200, "ok\n")
            time.sleep(0.5)
        said = says(d, "store_unavailable")
        assert "connection timeout expired" in said  # after the old connections were given up
        way.thaw()
        catches_up(d, fed)
        assert PASSWORD not in d.text() + said
        d.stop()
        assert_to_the_row(near, fed)


@pytest.mark.kafka
@pytest.mark.fault(9)
@pytest.mark.parametrize("seconds", [7, pytest.param(30, marks=pytest.mark.long)])
def test_a_sqlite_file_that_another_process_locks_for_longer_than_a_writer_waits(kafka, tmp_path, seconds):
    run = a_run(kafka, tmp_path, f"sqlite:///{tmp_path}/driftd.db")
    with daemon(run) as d:
        fed = Fed(run)
        fed.put(100)
        d.until(lambda: d.received() == fed.rows)
        with closing(sqlite3.connect(tmp_path / "driftd.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            fed.put(100)
            says(d, "store_unavailable")
            assert "database is locked" in d.get("/readyz")[1]
            lives_through(d, seconds - 5)
        catches_up(d, fed)
        d.stop()
        assert_to_the_row(run.store, fed)


@pytest.mark.kafka
@pytest.mark.fault(9)
@pytest.mark.parametrize(("patience", "code"), [(60, 0), (1, 1)])
def test_until_idle_waits_for_the_store_to_the_last_verdict(kafka, tmp_path, monkeypatch, patience, code):
    monkeypatch.setenv(VARIABLE, f"{Point.JUDGE_EVALUATED}=sleep:0.5")
    run = a_run(kafka, tmp_path, f"sqlite:///{tmp_path}/driftd.db")
    fed = Fed(run)
    fed.put(200)
    with daemon(run, "--until-idle", "--patience", str(patience), ready=False) as d:
        d.said("window.judged")
        with closing(sqlite3.connect(tmp_path / "driftd.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            d.said("intake.unreachable")
            if code:
                assert d.ended(30) == code
                assert "could not judge and tell all of it" in d.text().splitlines()[-1]
        if not code:
            assert d.ended(30) == code
            assert_to_the_row(run.store, fed)
            with closing(open_store(run.store)) as store:
                assert store.progress(MODEL).judged_until == START + timedelta(hours=4)


@pytest.mark.kafka
@pytest.mark.fault(7)
def test_a_second_daemon_on_a_sqlite_file_says_who_runs_and_ends(kafka, tmp_path):
    run = a_run(kafka, tmp_path, f"sqlite:///{tmp_path}/driftd.db")
    with daemon(run) as first, daemon(run, ready=False) as second:
        assert second.ended() == 1
        assert second.text().splitlines()[-1].startswith(f"driftd: another driftd (process {first.process.pid}) runs on {tmp_path}")
        assert first.ready()


# --- a full disk ---------------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 20 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = os.geteuid() == 0 and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", str(folder)], check=False, capture_output=True
    ).returncode == 0  # fmt: skip
    if not mounted:
        pytest.skip("needs to mount a disk of its own; tests/edges/test_storage_faults.py shows a full SQLite file without one")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """A file that leaves no byte."""
    path = folder / "filler"
    with suppress(OSError), path.open("ab", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)
    return path


@pytest.mark.kafka
@pytest.mark.fault(10)
def test_a_full_disk_is_named_and_left_behind_by_itself_once_there_is_room(kafka, small_disk, tmp_path):
    run = a_run(kafka, tmp_path, f"sqlite:///{small_disk}/driftd.db")
    with daemon(run) as d:
        fed = Fed(run)
        fed.put(100)
        d.until(lambda: d.received() == fed.rows)
        for _ in range(2):
            filler = fill(small_disk)
            fed.put(3_000)
            said = says(d, "storage_full")
            assert "store_unavailable" not in said
            lives_through(d, 2, lambda: fed.put(50))
            filler.unlink()
            catches_up(d, fed)
        d.stop()
    with closing(sqlite3.connect(small_disk / "driftd.db")) as raw:
        assert raw.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert_to_the_row(run.store, fed)


@pytest.mark.kafka
@pytest.mark.fault(10)
def test_a_disk_that_is_full_at_the_start_is_named(kafka, small_disk, tmp_path):
    run = a_run(kafka, tmp_path, f"sqlite:///{small_disk}/driftd.db")
    Path(f"{small_disk}/driftd.db.lock").touch()
    filler = fill(small_disk)
    with daemon(run, ready=False) as d:
        assert d.ended() == 1
        assert "disk is full" in d.text().splitlines()[-1]
    filler.unlink()
    with daemon(run) as d:
        d.stop()


# --- a file that is damaged, removed or replaced while it is in use ------------------------------------------


def spoil(path: Path) -> None:
    """Write noise over all pages but the first, after all that is in the log was moved there."""
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        deadline = time.monotonic() + 10
        while raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
            assert time.monotonic() < deadline
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(4096)
        file.write(b"\xa5" * (size - 4096))


def remove(path: Path) -> None:
    for each in path.parent.glob("driftd.db*"):
        each.unlink()


def replaced(path: Path) -> None:
    """As a backup is put back by someone who does not stop the daemon first."""
    open_store(f"sqlite:///{path.parent}/backup.db").close()
    (path.parent / "backup.db").rename(path)


@pytest.mark.kafka
@pytest.mark.parametrize(
    ("harm", "said"),
    [
        pytest.param(spoil, "the file is damaged", marks=pytest.mark.fault(11)),
        (remove, "the file was removed while it was in use"),
        (replaced, "the file was replaced by another while it was in use"),
    ],
)
@pytest.mark.parametrize("busy", [True, False], ids=["busy", "idle"])
def test_a_daemon_whose_file_is_harmed_ends_and_says_so_and_the_next_reads_it_all_again(kafka, tmp_path, harm, said, busy):
    run = a_run(kafka, tmp_path, f"sqlite:///{tmp_path}/driftd.db")
    with daemon(run) as d:
        fed = Fed(run)
        fed.put(100)
        d.until(lambda: d.received() == fed.rows)
        harm(tmp_path / "driftd.db")
        if busy:
            fed.put(100)
        assert d.ended() == 1
        assert said in d.text().splitlines()[-1]
    remove(tmp_path / "driftd.db")
    with daemon(run) as d:
        d.until(lambda: d.received() == fed.rows)
        d.stop()
    assert_to_the_row(run.store, fed)


# --- commits are cut again and again while a story with incidents and messages runs --------------------------


ROWS = story(range(10), faulty=(3, 4, 5))
MESSAGES = 3
"""The incident, its end, and a request to retrain."""


def told_story(kafka: Broker, folder: Path, topic: str, told: People, store: str) -> Run:
    group = f"story-{uuid.uuid4().hex[:8]}"
    run = run_in(Setting(folder=folder, bootstrap=kafka.bootstrap, topic=topic, store=store, group=group, told=told))
    build_reference(run)
    return run


def until_told(run: Run, near: str, process: subprocess.Popen[bytes]) -> None:
    """Until all that can be judged is judged and told. A claim whose answer was lost is held for a minute: let that minute pass."""

    def done() -> bool:
        assert process.poll() is None, tail(run)
        let_leases_run_out(near)
        with closing(open_store(near)) as store:
            read = sum(count.received for count in store.stream_counts())
            return (store.progress(MODEL).judged_until == closed_at(ROWS) and read == len(ROWS)
                    and not store.outbox_depth()["pending"])  # fmt: skip

    until(done, lambda: tail(run), seconds=120)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calm:
    """A topic that holds the story, and what an undisturbed daemon makes of it."""

    kafka: Broker
    topic: str
    expected: dict[str, Any]


@pytest.fixture(scope="module")
def calm(kafka: Broker, postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Calm:
    if not kafka.real:
        pytest.skip("needs Apache Kafka itself")
    topic, url = kafka.create_topic(f"story.{uuid.uuid4().hex[:8]}", PARTITIONS), postgres.create_database()
    Feeder(kafka.bootstrap, topic).put(ROWS)
    with people() as told:
        run = told_story(kafka, tmp_path_factory.mktemp("calm"), topic, told, url)
        with running(run) as process:
            until_told(run, url, process)
            stop(run, process)
    expected = outcome(url, topic)
    assert len(expected["deliveries"]) == MESSAGES
    with closing(open_store(url)) as store:
        assert {start: found for start, found in facts(store).items() if start >= START} == oracle(ROWS)
    return Calm(kafka=kafka, topic=topic, expected=expected)


@pytest.mark.kafka
@pytest.mark.real_kafka
@pytest.mark.postgres
@pytest.mark.long
@pytest.mark.fault(8)
@pytest.mark.parametrize("moment", list(Moment))
def test_commits_that_are_cut_again_and_again_lose_and_double_neither_windows_nor_messages(calm, postgres, tmp_path, moment):
    url = make_url(postgres.create_database())
    near = url.render_as_string(hide_password=False)
    with proxy(url.host or "", url.port or 0) as way, people() as told:
        run = told_story(calm.kafka, tmp_path, calm.topic, told, url.set(port=way.port).render_as_string(hide_password=False))
        with running(run) as process:
            until(lambda: bool(lines(run, "daemon.started")), lambda: tail(run))
            cut = way.cut(Cut(pattern=COMMIT, moment=moment, at=2, every=13))
            until_told(run, near, process)
            way.cut(None)
            stop(run, process)
        assert cut is not None
        assert cut.done >= 6
        assert_same(outcome(near, calm.topic), calm.expected)
        assert not assert_told(told.told(), near, calm.expected["deliveries"])  # sent and not marked: it was kept in mind
