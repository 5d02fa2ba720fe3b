"""A target: what is fuzzed, from which seeds, and what must hold of every input."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

Check = Callable[[bytes], None]
"""Takes one input. Whatever it raises is a finding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """``opened`` gives the check, with a folder to write into; ``inputs`` is its part of a whole run of a million.

    ``words`` are what mutations put in; ``longest``: bytes of an input. ``short`` is its part of the short run.
    """

    name: str
    inputs: int
    short: int
    longest: int
    seeds: Callable[[], Sequence[bytes]]
    words: Sequence[bytes]
    opened: Callable[[Path], AbstractContextManager[Check]]


def require(holds: bool, said: str) -> None:
    """An assertion that is there under ``python -O`` too."""
    if not holds:
        raise AssertionError(said)
