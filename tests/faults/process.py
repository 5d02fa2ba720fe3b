"""What the system says of a process: its memory, threads and open files."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path

MEGABYTE = 1 << 20


@dataclass(frozen=True, slots=True)
class Usage:
    """At one moment. ``memory`` in bytes, resident."""

    memory: int
    threads: int
    files: int


def usage(pid: int) -> Usage:
    """What a process holds now."""
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    files = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    return Usage(int(lines["VmRSS"].split()[0]) * 1024, int(lines["Threads"]), files)


@dataclass
class Peak:
    """The largest memory of a process while the block runs, looked at ten times a second."""

    pid: int
    memory: int = 0
    _over: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Peak:
        self._watch = threading.Thread(target=self._look, daemon=True)
        self._watch.start()
        return self

    def _look(self) -> None:
        while not self._over.wait(0.1):
            self.memory = max(self.memory, usage(self.pid).memory)

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._watch.join()
