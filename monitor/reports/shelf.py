"""A folder of pages: one file an incident, whose name holds the hash of what is in it."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_NAME = re.compile(rf"(?P<incident>{_ID.pattern})\.(?P<hash>[0-9a-f]{{16}})\.html")
HASH_DIGITS = 16
UNFINISHED = ".unfinished-"


class Shelf:
    """The newest ``keep`` pages. The folder is made when the first one is put there; what else is in it is left alone.

    Files are for us alone to read (0600): they show values of the window's rows. A page is there whole or not at all.
    """

    def __init__(self, folder: Path, keep: int) -> None:
        self._folder = folder
        self.keep = keep

    def ids(self) -> frozenset[str]:
        """The incidents that have a page."""
        return frozenset(incident for incident, _ in self._pages())

    def get(self, incident: str) -> bytes | None:
        """The page, where it is what its name says."""
        for found, file in self._pages():
            if found == incident:
                with suppress(OSError):
                    data = file.read_bytes()
                    return data if file.name == _name(incident, data) else None
        return None

    def put(self, incident: str, html: str) -> None:
        """Keep it. Raises OSError, ValueError for no id of ours."""
        if not _ID.fullmatch(incident):
            raise ValueError(f"{incident[:100]!r} is no id of an incident")
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._sweep_up()
        data = html.encode()
        file = self._folder / _name(incident, data)
        self._write(file, data)
        for found, other in self._pages():
            if found == incident and other != file:
                other.unlink(missing_ok=True)
        for _, old in sorted(self._pages(), key=lambda page: (_age(page[1]), page[1].name))[: -self.keep]:
            old.unlink(missing_ok=True)

    def _write(self, file: Path, data: bytes) -> None:
        number, unfinished = tempfile.mkstemp(prefix=UNFINISHED, dir=self._folder)
        try:
            with os.fdopen(number, "wb") as stream:
                stream.write(data)
            Path(unfinished).replace(file)
        except OSError:
            Path(unfinished).unlink(missing_ok=True)
            raise

    def _sweep_up(self) -> None:
        """What a process left that was killed as it wrote."""
        for file in self._folder.glob(f"{UNFINISHED}*"):
            file.unlink(missing_ok=True)

    def _pages(self) -> Iterator[tuple[str, Path]]:
        with suppress(OSError):
            for file in sorted(self._folder.iterdir()):
                if (name := _NAME.fullmatch(file.name)) is not None:
                    yield name["incident"], file


def _name(incident: str, data: bytes) -> str:
    return f"{incident}.{hashlib.sha256(data).hexdigest()[:HASH_DIGITS]}.html"


def _age(file: Path) -> float:
    """When it was written, in seconds; 0 where it is gone by now."""
    try:
        return file.stat().st_mtime_ns / 1e9
    except OSError:
        return 0.0
