"""A process that is killed while it writes checkpoints: the offset and the rows in the windows never part."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from monitor.core.results import Account
from monitor.storage import open_store
from tests.contracts.store_story import TP0, key, profile_of
from tests.postgres import PostgresServer

WRITER = """
import sys
from monitor.storage import open_store
from tests.contracts.store_story import TP0, advance, checkpoint, delta, key
store = open_store(sys.argv[1])
stored = store.positions([TP0])
at = stored[TP0].next_offset if stored else None
while True:
    turn = at or 0
    store.checkpoint(checkpoint(*(delta(key(hour), 1.0, 2.0) for hour in range(5)), advances=(advance(TP0, at, turn + 1),)))
    at = turn + 1
    print(at, flush=True)
"""


def run_and_kill(url: str, after: int) -> int:
    """The last checkpoint that the writer told of before it was killed, ``after`` checkpoints into its life."""
    with subprocess.Popen([sys.executable, "-c", WRITER, url], stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]) as writer:
        assert writer.stdout is not None
        told = 0
        for _ in range(after):
            told = int(writer.stdout.readline())
        writer.kill()
        rest = writer.stdout.read().split()
    return int(rest[-1]) if rest else told


@pytest.mark.fault(1)
@pytest.mark.parametrize("make", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def test_offsets_and_windows_never_part_whenever_the_writer_is_killed(make: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    server: PostgresServer | None = request.getfixturevalue("postgres") if make == "postgres" else None
    url = f"sqlite:///{tmp_path}/driftd.db" if server is None else server.create_database()
    for after in (1, 7, 20):
        told = run_and_kill(url, after)
        store = open_store(url)
        offset, later = -1, 0
        while offset != later:  # a server may still be committing what the killed process had asked for
            offset = store.positions([TP0])[TP0].next_offset
            windows = store.window_accounts()
            profiles = [store.windows("m", key(hour).start)[0].profile for hour in range(5)]
            later = store.positions([TP0])[TP0].next_offset
        store.close()
        assert offset in (told, told + 1)  # the last one may have been committed and not told
        assert [window.account for window in windows] == [Account(counted=2 * offset)] * 5
        for profile in profiles:
            assert profile is not None
            assert profile.rows == 2 * offset
            assert profile.columns["carrier"].total == 2 * offset
            assert profile.grid == profile_of(1.0).grid
