"""A secret: given in the file, by the environment or as the path of a file; read at use, never shown."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from monitor.errors import Retryable
from monitor.log import hide

MASK = "********"
MAX_BYTES = 64 * 1024
"""No secret is longer; what is longer is another file, whose text must not become a header."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """Exactly one of ``text`` and ``file`` is set. ``repr`` and ``str`` show the file's path or a mask, never the text."""

    text: str | None = field(default=None, repr=False)
    file: Path | None = None

    def __post_init__(self) -> None:
        if (self.text is None) == (self.file is None):
            raise ValueError("a secret has either a text or a file")

    def __str__(self) -> str:
        return MASK if self.file is None else f"{MASK} (from {self.file})"

    def read(self) -> str:
        """The secret as it is now, without surrounding white space: a file is read each time, so that it can be rotated.

        What was read is masked from then on wherever it turns up in a log or an error. Raises Retryable when the file
        cannot be read or is empty: it may be mounted or rotated at this moment.
        """
        text = self._read()
        hide(text)
        return text

    def _read(self) -> str:
        if self.text is not None:
            return self.text
        try:
            text = _bounded(str(self.file)).decode().strip()
        except (OSError, UnicodeDecodeError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
            raise Retryable(f"secret file {self.file}: {reason}") from None
        if not text:
            raise Retryable(f"secret file {self.file}: empty")
        return text


def _bounded(path: str) -> bytes:
    """What a regular file holds. Opened without waiting: a FIFO that nobody writes to would hold up its reader for ever.

    Raises OSError, ValueError for a path with a null byte, and Retryable for what is no regular file or too long.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise Retryable(f"secret file {path}: not a regular file")
        with open(descriptor, "rb", closefd=False) as file:
            content = file.read(MAX_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(content) > MAX_BYTES:
        raise Retryable(f"secret file {path}: over {MAX_BYTES} bytes; expected a secret alone")
    return content
