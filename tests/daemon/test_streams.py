"""The daemon's standard streams: closed before it began, or at the end of a pipe that nobody reads any more."""

from __future__ import annotations

import fcntl
import http.client
import os
import re
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.daemon.running import a_run, until
from tests.flights_run import Run

NO_BROKER = "127.0.0.1:1"
SMALL_PIPE = 4096
GRACE = 9.0
"""What the stop guard allows; ten seconds is what is promised."""


@contextmanager
def started(run: Run, shell: str = "", **streams: int) -> Iterator[subprocess.Popen[bytes]]:
    """`driftd run`, by a shell that does something with its streams where that is asked for."""
    command = run.command("run", str(run.config))
    process = subprocess.Popen(["sh", "-c", f'exec "$@" {shell}', "sh", *command] if shell else command, cwd=run.folder, **streams)
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        process.wait()


class Collector:
    """Reads a log from a pipe of one page until it hangs."""

    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()
        fcntl.fcntl(self.reading, fcntl.F_SETPIPE_SZ, SMALL_PIPE)
        self.text = b""
        self.filled = 0

    def read_until(self, words: bytes) -> None:
        while words not in self.text:
            self.text += os.read(self.reading, SMALL_PIPE)

    def hang(self) -> None:
        """From now on the pipe is full: what is written to it waits."""
        threading.Thread(target=self._fill, daemon=True).start()
        until(self._waits)

    def _fill(self) -> None:
        """Byte by byte: a longer text would leave room for short lines."""
        with suppress(OSError):
            while os.write(self.writing, b"x"):
                self.filled += 1

    def _waits(self) -> bool:
        before = self.filled
        time.sleep(1)
        return 0 < before == self.filled

    def close(self) -> None:
        os.close(self.reading)
        os.close(self.writing)


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector()
    yield made
    made.close()


@pytest.mark.fault(34)
def test_a_log_that_nobody_reads_any_more_does_not_hold_up_the_end(collector, tmp_path):
    run = a_run(tmp_path, NO_BROKER, "t")
    with started(run, stdout=collector.writing, stderr=collector.writing) as process:
        collector.read_until(b'"daemon.started"')
        collector.hang()
        process.send_signal(signal.SIGHUP)  # of which it writes a line: from here on the main thread holds the lock of the log
        time.sleep(2)
        assert process.poll() is None
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0
        assert GRACE - 1 < time.monotonic() - began < GRACE + 5


def target(process: subprocess.Popen[bytes], number: int) -> str:
    """What a descriptor of the process is."""
    return str(Path(f"/proc/{process.pid}/fd/{number}").readlink())


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def loaded_at(process: subprocess.Popen[bytes], port: int) -> float:
    """When the configuration in force was loaded, as the daemon's metrics tell; 0 while they do not."""
    assert process.poll() is None, f"it ended with {process.returncode}"
    with suppress(OSError, http.client.HTTPException):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", "/metrics")
        found = re.search(r"^driftd_config_last_reload_success_timestamp_seconds (\S+)$", connection.getresponse().read().decode(), re.M)
        connection.close()
        return float(found[1]) if found else 0.0
    return 0.0


@pytest.mark.fault(35)
@pytest.mark.parametrize("closed", ["2>&-", "<&- >&- 2>&-"])
def test_streams_that_were_closed_are_no_file_of_ours_and_a_reload_works(closed, tmp_path):
    port = free_port()
    run = a_run(tmp_path, NO_BROKER, "t", extra={"http": {"port": port}})
    numbers = [number for number, sign in enumerate(("<&-", " >&-", "2>&-")) if sign in f" {closed}"]
    with started(run, closed, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        until(lambda: loaded_at(process, port))
        assert [target(process, number) for number in numbers] == [os.devnull] * len(numbers)
        before = loaded_at(process, port)
        process.send_signal(signal.SIGHUP)
        until(lambda: loaded_at(process, port) > before)
        assert [target(process, number) for number in numbers] == [os.devnull] * len(numbers)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0
