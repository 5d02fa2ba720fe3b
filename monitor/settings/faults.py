"""Faults between keys: where, seen from the part that is checked, and what."""

from __future__ import annotations

from collections.abc import Iterator

from monitor.settings.block import Block
from monitor.settings.document import Loc

Fault = tuple[Loc, str]


def either(at: Loc, block: Block, name: str) -> Iterator[Fault]:
    """A secret given both as it is and as a file."""
    secret = getattr(block, name)
    if f"{name}_file" in block.model_fields_set and secret is not None and secret.file is None:
        yield (*at, f"{name}_file"), f"given beside {name}; expected only one of them"
