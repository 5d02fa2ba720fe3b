"""The worker as the daemon sees it: started when needed, asked one thing at a time, ended when it overruns."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import msgspec

import monitor
from monitor.errors import Retryable
from monitor.reports import wire
from monitor.settings import Settings

KEPT_VARIABLES = ("PATH", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "SYSTEMROOT")
"""The rest of the environment may hold secrets, and is nothing to a library."""
FIXED = {
    "DO_NOT_TRACK": "1",         # Evidently's telemetry
    "PYTHONHASHSEED": "0",       # the same samples give the same numbers
    "PYTHONDONTWRITEBYTECODE": "1",
    "MATPLOTLIBRC": os.devnull,  # its settings are ours: another may have put a file into the folder for temporary ones
    "PYTHONNOUSERSITE": "1",     # its home is a folder that others may write to
    "OMP_NUM_THREADS": "1",      # one core, and one arena of memory
    "OPENBLAS_NUM_THREADS": "1",
}
LONGEST_COMPLAINT = 300
DEFAULT_MEMORY = 2**30
IDLE_SECONDS = 300.0
WAIT_SECONDS = 5.0
"""For a killed process to be gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a worker may take: bytes of memory, seconds for an answer (its start included), seconds without work until it ends."""

    memory: int = DEFAULT_MEMORY
    seconds: float = 60.0
    idle_seconds: float = IDLE_SECONDS


def worker_of(settings: Settings, *, idle_seconds: float = IDLE_SECONDS) -> Worker:
    """The worker as it is configured."""
    reports = settings.reports
    memory, seconds = reports.memory or DEFAULT_MEMORY, reports.deadline.total_seconds()
    return Worker(Limits(memory=memory, seconds=seconds, idle_seconds=idle_seconds))


class Died(Exception):
    """The worker is gone, or had to be ended: why, for people."""


class Stopped(Retryable):
    """Asked while the daemon stops: the next start asks again."""


class Worker:
    """At most one process at a time. Safe to share by threads; they wait for each other. ``variables``: more of the environment."""

    def __init__(self, limits: Limits = Limits(), variables: Mapping[str, str] | None = None) -> None:
        self.limits = limits
        self._variables = dict(variables or {})
        self._lock = threading.Lock()
        self._running: _Running | None = None
        self._stopped = False

    def ask(self, request: wire.Request) -> wire.Answer:
        """The answer, by a fresh process where none is there. Raises Died."""
        with self._lock:
            if self._stopped:
                raise Stopped("the worker is being stopped")
            deadline = time.monotonic() + self.limits.seconds
            if self._running is not None and self._running.left():
                self._end()  # it made way, or was killed, while nobody asked: that is nothing to this question
            kept = self._running is not None
            try:
                return self._asked(request, deadline)
            except _Left:
                if not kept:
                    raise Died("the worker ended as it was asked") from None
            try:  # it had made way for a fresh one
                return self._asked(request, deadline)
            except _Left:
                raise Died("the worker ended as it was asked") from None

    def close(self) -> None:
        """End the process; the next question starts another."""
        with self._lock:
            self._end()

    def stop(self) -> None:
        """Answer nothing more, and let nobody wait for an answer: what is asked, now or later, raises Stopped. For another thread."""
        self._stopped = True
        running = self._running
        if running is not None:
            running.kill()

    @property
    def pid(self) -> int | None:
        """Of the process, None while there is none."""
        return None if self._running is None else self._running.process.pid

    def _asked(self, request: wire.Request, deadline: float) -> wire.Answer:
        if self._running is None:
            self._running = self._start()
            if self._stopped:  # meanwhile
                self._end()
                raise Stopped("the worker was stopped")
        running = self._running
        try:
            wire.send(running.connection, request, deadline)
            return wire.answers.decode(wire.receive(running.connection, deadline))
        except TimeoutError:
            self._end()
            raise Died(f"no answer within {self.limits.seconds:g} s: the worker was ended") from None
        except (wire.Ended, OSError):
            code, complaint = running.wait(), running.complaint()
            self._end()
            if self._stopped:
                raise Stopped("the worker was stopped") from None
            if code == 0:
                raise _Left from None
            raise Died(_how(code, complaint)) from None
        except (ValueError, msgspec.DecodeError) as error:
            self._end()
            raise Died(f"the worker's answer cannot be read ({error}): it was ended") from None

    def _start(self) -> _Running:
        """Raises Died where the system has no process, no files or no folder for temporary ones left."""
        with ExitStack() as undo:
            try:
                ours, theirs = socket.socketpair()
                undo.callback(ours.close)
                undo.callback(theirs.close)
                complaints = tempfile.TemporaryFile()  # noqa: SIM115  closed with the process
                undo.callback(complaints.close)
                process = subprocess.Popen(  # noqa: S603  our own command
                    self._command(theirs.fileno()), stdin=subprocess.DEVNULL, stdout=complaints, stderr=complaints,
                    pass_fds=(theirs.fileno(),), cwd="/", start_new_session=True, env=self._environment(),
                )
            except OSError as error:
                raise Died(f"the worker cannot be started: {error.strerror or error}") from None
            undo.pop_all()
        theirs.close()
        return _Running(process=process, connection=ours, complaints=complaints)

    def _command(self, connection: int) -> list[str]:
        limits = self.limits
        return [sys.executable, "-P", "-m", "monitor.reports.worker", str(connection), str(limits.memory),
                str(max(round(limits.seconds), 1)), str(max(round(limits.idle_seconds), 1))]

    def _environment(self) -> dict[str, str]:
        """Raises OSError where there is no folder for temporary files."""
        root, scratch = str(Path(monitor.__file__).resolve().parent.parent), tempfile.gettempdir()
        kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
        path = os.pathsep.join(filter(None, (self._variables.get("PYTHONPATH"), root)))
        return {**kept, **FIXED, "HOME": scratch, "MPLCONFIGDIR": scratch, **self._variables, "PYTHONPATH": path}

    def _end(self) -> None:
        if self._running is not None:
            self._running.end()
            self._running = None


class _Left(Exception):
    """The worker had ended in order, without an answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Running:
    """One process, with all that it started in a session of its own."""

    process: subprocess.Popen[bytes]
    connection: socket.socket
    complaints: IO[Any]

    def left(self) -> bool:
        """Whether it is gone, or says something that nobody asked for."""
        return self.process.poll() is not None or wire.readable(self.connection, 0)

    def wait(self) -> int | None:
        """Its exit code, once it has closed the connection; None where it lives on."""
        with suppress(subprocess.TimeoutExpired):
            return self.process.wait(WAIT_SECONDS)
        return None

    def complaint(self) -> str:
        """The last line that it wrote, for people."""
        self.complaints.seek(0, os.SEEK_END)
        self.complaints.seek(max(self.complaints.tell() - 4 * LONGEST_COMPLAINT, 0))
        lines = self.complaints.read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1][:LONGEST_COMPLAINT] if lines else ""

    def kill(self) -> None:
        """Kill it and its children."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def end(self) -> None:
        """Kill it, and let go of it."""
        self.kill()
        self.wait()
        self.connection.close()
        self.complaints.close()


def _how(code: int | None, complaint: str) -> str:
    if code is None:
        return "the worker closed its connection: it was ended"
    if code < 0:
        name = signal.Signals(-code).name if -code in signal.Signals.__members__.values() else f"signal {-code}"
        hint = ", perhaps for want of memory" if -code == signal.SIGKILL else ""
        return f"the worker was ended by {name}{hint}"
    return f"the worker ended with code {code}" + (f": {complaint}" if complaint else "")
