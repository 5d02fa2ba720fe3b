"""What is refused at the start is not touched, to the byte: also where a killed process has left its log beside the file."""

from __future__ import annotations

import hashlib
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from monitor.errors import DriftdError, StoreUnavailable, UsageError
from monitor.storage import Schema, look, open_store
from monitor.storage.migrate import VERSION_TABLE
from tests.postgres import PostgresServer

pytestmark = pytest.mark.fault(11)
DIE_WRITING = """
import os, signal, sqlite3, sys
raw = sqlite3.connect(sys.argv[1], isolation_level=None)
raw.execute(sys.argv[2])
os.kill(os.getpid(), signal.SIGKILL)
"""
NEWER = f"UPDATE {VERSION_TABLE} SET version_num = '9999'"


def left(folder: Path) -> dict[str, str]:
    """Every file with its hash; the index of the log is made anew by everyone who looks."""
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir() if not p.name.endswith("-shm")}


def a_store(folder: Path) -> Path:
    path = folder / "driftd.db"
    open_store(f"sqlite:///{path}").close()
    return path


def die_writing(path: Path, statement: str) -> None:
    """A process that is killed after its commit: what it wrote is in the log alone."""
    done = subprocess.run([sys.executable, "-c", DIE_WRITING, str(path), statement], check=False)
    assert done.returncode == -signal.SIGKILL
    assert Path(f"{path}-wal").stat().st_size > 0


def assert_refused_untouched(path: Path, said: str) -> None:
    before = left(path.parent)
    for attempt in (open_store, look):
        with pytest.raises(UsageError, match=said):
            attempt(f"sqlite:///{path}")
        assert left(path.parent) == before


def test_a_newer_schema(tmp_path: Path) -> None:
    path = a_store(tmp_path)
    with sqlite3.connect(path) as raw:
        raw.execute(NEWER)
    raw.close()
    assert_refused_untouched(path, r"'9999', which is newer than this program .*use the newer driftd, or another database")
    assert [each.name for each in tmp_path.iterdir()] == ["driftd.db"]


def test_a_newer_schema_that_only_the_log_of_a_killed_process_tells_of(tmp_path: Path) -> None:
    path = a_store(tmp_path)
    die_writing(path, NEWER)
    assert_refused_untouched(path, "'9999', which is newer than this program")


def test_a_newer_schema_without_a_log_keeps_its_way_of_writing(tmp_path: Path) -> None:
    path = a_store(tmp_path)
    with sqlite3.connect(path) as raw:
        raw.execute(NEWER)
    raw.execute("PRAGMA journal_mode = DELETE")
    raw.close()
    assert_refused_untouched(path, "'9999', which is newer")


def test_a_damaged_file(tmp_path: Path) -> None:
    path = a_store(tmp_path)
    path.write_bytes(b"\xff" * 100 + path.read_bytes()[100:])
    assert_refused_untouched(path, r"damaged or is no SQLite database .*Move it away .*restore a backup")
    assert [each.name for each in tmp_path.iterdir()] == ["driftd.db"]


def test_a_damaged_file_beside_the_log_of_a_killed_process(tmp_path: Path) -> None:
    path = a_store(tmp_path)
    die_writing(path, "INSERT INTO progress (model) VALUES ('m')")
    path.write_bytes(path.read_bytes()[:100] + b"\xff" * 4_000 + path.read_bytes()[4_100:])
    Path(f"{path}-wal").write_bytes(Path(f"{path}-wal").read_bytes()[:-1_000])
    assert_refused_untouched(path, "damaged")


def test_an_older_schema_is_untouched_where_it_may_not_be_brought_up(tmp_path: Path) -> None:
    path = a_store(tmp_path)
    with sqlite3.connect(path) as raw:
        raw.execute(f"UPDATE {VERSION_TABLE} SET version_num = '0001'")
    raw.close()
    before = left(tmp_path)
    with pytest.raises(UsageError, match="migrations were not allowed"):
        open_store(f"sqlite:///{path}", migrate=False)
    assert look(f"sqlite:///{path}") is Schema.OLDER
    assert left(tmp_path) == before


def test_a_look_makes_nothing(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/driftd.db"
    assert look(url) is Schema.NONE
    assert list(tmp_path.iterdir()) == []
    Path(tmp_path / "driftd.db").touch()  # as `docker run -v` makes one
    assert look(url) is Schema.NONE
    open_store(url).close()
    before = left(tmp_path)
    assert look(url) is Schema.CURRENT
    assert left(tmp_path) == before


def test_a_look_at_a_place_where_no_file_can_be_made(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the folder must exist and be writable"):
        look(f"sqlite:///{tmp_path}/missing/driftd.db")


@pytest.mark.fault(9)
def test_a_file_that_is_locked_at_the_start_is_away_and_not_unusable(tmp_path: Path) -> None:
    path = a_store(tmp_path)
    with sqlite3.connect(path) as raw:
        raw.execute("PRAGMA journal_mode = DELETE")
    raw.close()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreUnavailable, match="database is locked"):
        look(f"sqlite:///{path}")
    other.close()
    assert look(f"sqlite:///{path}") is Schema.CURRENT


@pytest.mark.postgres
def test_a_look_at_a_server(postgres: PostgresServer) -> None:
    url = postgres.create_database()
    assert look(url) is Schema.NONE
    assert look(url) is Schema.NONE  # nothing was made
    store = open_store(url)
    assert look(url) is Schema.CURRENT
    for revision, expected in (("0001", Schema.OLDER), ("9999", UsageError)):
        with store._db.write() as connection:
            connection.exec_driver_sql(f"UPDATE {VERSION_TABLE} SET version_num = '{revision}'")
        assert looked(url) is expected
    store.close()


def looked(url: str) -> Schema | type[DriftdError]:
    try:
        return look(url)
    except DriftdError as error:
        return type(error)
