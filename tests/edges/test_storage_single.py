import os
import subprocess
import sys
from pathlib import Path

import pytest

from monitor.errors import UsageError
from monitor.storage import only_daemon


@pytest.mark.fault(7)
def test_a_second_daemon_on_a_sqlite_file_is_refused_and_told_who_runs(tmp_path: Path):
    url = f"sqlite:///{tmp_path}/driftd.db"
    give_back = only_daemon(url)
    with pytest.raises(UsageError, match=rf"another driftd \(process {os.getpid()}\) runs on .*driftd\.db: SQLite serves one daemon"):
        only_daemon(url)
    give_back()
    only_daemon(url)()


def test_a_killed_daemon_leaves_no_lock_behind(tmp_path: Path):
    url = f"sqlite:///{tmp_path}/driftd.db"
    code = f"from monitor.storage import only_daemon\nheld = only_daemon({url!r})\nprint('held', flush=True)\nimport signal\nsignal.pause()"
    holder = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(UsageError, match=f"process {holder.pid}"):
        only_daemon(url)
    holder.kill()
    holder.wait()
    holder.stdout.close()
    only_daemon(url)()


def test_postgresql_serves_many():
    url = "postgresql+psycopg://user:pass@db.example/driftd"
    only_daemon(url)
    only_daemon(url)()


def test_a_directory_that_cannot_be_written_is_said(tmp_path: Path):
    with pytest.raises(UsageError, match="must be writable"):
        only_daemon(f"sqlite:///{tmp_path}/missing/driftd.db")
