"""Incidents as lines of a file or of standard output.

The file is opened for each message, so one that was rotated away is made anew; a line goes out in one piece at the end of the file
(``O_APPEND``) and is on the disk (``fsync``) before the message counts as sent.
"""

from __future__ import annotations

import json
import os
import select
import stat
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from monitor.core.messages import to_body
from monitor.core.schema import rfc3339
from monitor.errors import Permanent, Retryable
from monitor.notify.letters import letter_of
from monitor.notify.plain import cut, is_incident, message_of, said
from monitor.ports import Clock, Delivery, Receipt, Receiver
from monitor.settings.targets import FileTargetSettings, LineFormat

FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
MODE = 0o640
STDOUT = 1
PIECE = 4096
"""Bytes that one write to a pipe may bring without waiting, once it is said to be ready (PIPE_BUF of Linux)."""
PATIENCE = 10.0
"""Seconds for which whoever reads standard output or a FIFO may keep us waiting."""
MAX_TEXT = 2000


class FileLines:
    """Writes a line for each message. ``path`` None: standard output."""

    def __init__(self, name: str, path: Path | None, form: LineFormat, *, patience: float = PATIENCE) -> None:
        self.name = name
        self._path = path
        self._form = form
        self._patience = patience
        self._torn = False

    def send(self, delivery: Delivery) -> Receipt:
        """Append its line. Raises Retryable where that fails: a full disk is mended while the message waits."""
        line = line_of(delivery, self._form).encode("utf-8", "replace") + b"\n"
        if self._path is None:
            self._append(STDOUT, line)
            return Receipt(detail="written to standard output")
        try:
            descriptor = os.open(self._path, FLAGS, MODE)
        except OSError as error:
            raise Retryable(f"{self.name}: cannot open {self._path}: {error.strerror}") from None
        try:
            self._append(descriptor, line)
        finally:
            os.close(descriptor)
        return Receipt(detail=f"written to {self._path.name}")

    def close(self) -> None:
        """Nothing is held open between messages."""

    def _append(self, descriptor: int, line: bytes) -> None:
        try:
            found = os.fstat(descriptor)
            regular = stat.S_ISREG(found.st_mode)
            self._write(descriptor, b"\n" + line if self._torn else line, found.st_size if regular else None)
            if regular:
                os.fsync(descriptor)
        except OSError as error:
            raise Retryable(f"{self.name}: cannot write: {error.strerror or type(error).__name__}") from None
        self._torn = False

    def _write(self, descriptor: int, line: bytes, size: int | None) -> None:
        """All of it, or as if nothing. ``size``: of a regular file before; of what is none a part may be out, and its line is ended later.

        Raises OSError.
        """
        done, ends = 0, time.monotonic() + self._patience
        try:
            while done < len(line):
                if not select.select([], [descriptor], [], max(ends - time.monotonic(), 0.0))[1]:
                    raise TimeoutError("nobody reads it")
                done += os.write(descriptor, line[done : done + PIECE] if size is None else line[done:])
        except OSError:
            self._torn = done > 0
            if size is not None and done:
                with suppress(OSError):  # then the torn line is ended later
                    self._torn = not _taken_back(descriptor, size, done)
            raise


def _taken_back(descriptor: int, size: int, done: int) -> bool:
    """Cut off what was written of a line; False where somebody else has written behind it. Raises OSError."""
    if os.fstat(descriptor).st_size != size + done:
        return False
    os.ftruncate(descriptor, size)
    return True


def made(name: str, settings: FileTargetSettings, clock: Clock) -> Receiver:  # noqa: ARG001 - as the other receivers
    """From its settings."""
    return FileLines(name, settings.path, settings.format)


def ask(settings: FileTargetSettings, clock: Clock) -> str:  # noqa: ARG001 - as the other receivers
    """Whether it could be written, without writing. Raises Permanent."""
    path = settings.path
    if path is None:
        return "standard output"
    there = path.exists()
    if path.is_dir() or not os.access(path if there else path.parent, os.W_OK):
        raise Permanent(f"{path} cannot be written")
    return f"{path} can be written" + ("" if there else ", and is made with the first message")


def line_of(delivery: Delivery, form: LineFormat) -> str:
    """One line without its end. ``at``: when driftd decided to tell."""
    at, about = rfc3339(delivery.created_at), message_of(delivery) if is_incident(delivery) else None
    if form is LineFormat.TEXT:
        return f"{at} {cut(letter_of(delivery).subject, MAX_TEXT)}" if about is None else f"{at} {said(about, MAX_TEXT)} ({about.incident})"
    body = delivery.body if about is None else to_body(about)
    fields: Mapping[str, object] = {"at": at, "delivery": delivery.id, "kind": delivery.kind, **body}
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
