"""A secret: given in the file, by the environment or as the path of a file; read at use, never shown."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from monitor.errors import Retryable
from monitor.log import hide

MASK = "********"


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
            text = Path(str(self.file)).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
            raise Retryable(f"secret file {self.file}: {reason}") from None
        if not text:
            raise Retryable(f"secret file {self.file}: empty")
        return text
