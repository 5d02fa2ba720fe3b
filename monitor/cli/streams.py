"""The three standard streams, as a command may find them: closed, or in an encoding that lacks characters."""

from __future__ import annotations

import io
import os
import sys
from typing import TextIO, cast

STANDARD = (0, 1, 2)
STRICT = ("strict", "surrogateescape")
"""Handlers that raise over a character that the encoding lacks; another one was asked for."""


def settle() -> None:
    """Call it before anything opens a file.

    Python has None for a stream that was closed before it began, and the next file that is opened gets that stream's number: what
    some library writes to standard error would end in our database. So /dev/null takes the place of each of them.
    """
    missing = [number for number in STANDARD if not _is_open(number)]
    for number in missing:
        _fill(number)
    if 0 in missing:
        sys.stdin = _text(0, "r")
    if 1 in missing:
        sys.stdout = _text(1, "w")
    if 2 in missing:
        sys.stderr = _text(2, "w")
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors in STRICT:
        sys.stdout.reconfigure(errors="replace")  # a question mark in a table, not the end of it


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def _fill(number: int) -> None:
    opened = os.open(os.devnull, os.O_RDWR)
    if opened != number:
        os.dup2(opened, number)
        os.close(opened)
    os.set_inheritable(number, True)  # or what we start would find it closed


def _text(number: int, mode: str) -> TextIO:
    return cast("TextIO", open(number, mode, encoding="utf-8", errors="replace", closefd=False))
