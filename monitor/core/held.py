"""Rows held back until there are many: folding ten of them costs as much as folding a thousand, and a segment has few in each batch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime

from monitor.core.joining import joined
from monitor.core.schema import Batch
from monitor.core.segments import OwnValues

MOST_VALUES = 1_000_000
"""Held at most, 8 bytes each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """The counted rows of one version's window, and the values that had segments of their own when they came."""

    version: str
    start: datetime
    own: OwnValues
    batches: list[Batch] = field(default_factory=list)

    @property
    def batch(self) -> Batch:
        """All of them."""
        return joined(self.batches)


class HeldRows:
    """What is to be folded by segment."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, datetime], list[Held]] = {}
        self._values = 0

    @property
    def full(self) -> bool:
        """Whether what is held is to be folded before more is."""
        return self._values >= MOST_VALUES

    def add(self, version: str, start: datetime, own: OwnValues, batch: Batch) -> None:
        """Hold the rows of a batch."""
        parts = self._held.setdefault((version, start), [])
        if not parts or parts[-1].own != own:
            parts.append(Held(version=version, start=start, own=own))
        parts[-1].batches.append(replace(batch, looks={}, scores=None))  # of several partitions, whose offsets are the same
        self._values += len(batch) * max(len(batch.columns), 1)

    def take(self) -> Iterator[Held]:
        """Hand over what is held, and hold nothing."""
        held, self._held, self._values = self._held, {}, 0
        for parts in held.values():
            yield from parts
