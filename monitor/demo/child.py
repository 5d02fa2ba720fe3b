"""driftd as a process of its own: the demo runs the commands that people run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from monitor.errors import Permanent

COMMAND = (sys.executable, "-m", "monitor")
LAST_LINES = 12
STOP_WITHIN = 15.0
"""Seconds for a graceful stop; driftd itself promises 10."""


def run_command(arguments: Sequence[str]) -> str:
    """Run a command to its end and return what it printed. Raises Permanent with its last words when it fails."""
    done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, check=False)  # noqa: S603 - our own program
    if done.returncode != 0:
        raise Permanent(f"`driftd {' '.join(arguments)}` ended with {done.returncode}:\n{_tail(done.stderr or done.stdout)}")
    return done.stdout


class Daemon:
    """A running ``driftd run``; it writes its log to a file. In a session of its own, so that Ctrl-C reaches the demo alone."""

    def __init__(self, config: Path, log: Path) -> None:
        self.log = log
        with log.open("ab") as out:
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                [*COMMAND, "run", str(config)], stdout=out, stderr=out, stdin=subprocess.DEVNULL, start_new_session=True
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def check(self) -> None:
        """Raises Permanent with the end of the log when the daemon is gone."""
        code = self._process.poll()
        if code is not None:
            raise Permanent(f"the daemon ended with {code}; the end of {self.log}:\n{_tail(self.log.read_text(errors='replace'))}")

    def stop(self) -> int:
        """SIGTERM, and wait for it to finish its work. Returns its exit code (negative: the signal that had to end it)."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(STOP_WITHIN)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
        return self._process.wait()


def _tail(text: str) -> str:
    return "\n".join(text.strip().splitlines()[-LAST_LINES:])
