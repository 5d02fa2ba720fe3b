"""What messages hold beside the mapped columns: in how many of those that were looked at whole each path was found."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from monitor.core.profile import canonical
from monitor.core.profile.categorical import category_hash, category_text

MIXED = "mixed"
"""The mapping of messages that were read by several."""
LONGEST_MAPPING = 16
KEPT_PATHS = 100  # paths that are kept, those with the smallest hashes: enough for nearly all, and 20 kB at the very most


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmapped:
    """``looked``: messages looked at, read by ``mapping``, its digest. ``kept``: messages by path, exact. ``found``: the same over all
    paths, those not kept too.

    A path among the smallest of the whole is among the smallest of every part, so its count is exact after any merging.
    """

    looked: int = 0
    found: int = 0
    kept: Mapping[str, int] = field(default_factory=dict)
    mapping: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "kept", MappingProxyType(dict(sorted(self.kept.items()))))

    @staticmethod
    def of_messages(messages: Iterable[Iterable[str]], mapping: str = "") -> Unmapped:
        """``messages``: the paths that each of them holds. Long ones are cut, and told apart by a hash."""
        each = [set(map(category_text, paths)) for paths in messages]
        counts = Counter(path for paths in each for path in paths)
        return Unmapped(looked=len(each), found=counts.total(), kept=_smallest(counts), mapping=mapping if each else "")

    def merge(self, other: Unmapped) -> Unmapped:
        """Both together. Associative, commutative and exact."""
        if not self.looked or not other.looked:
            return self if self.looked else other
        counts = Counter(self.kept)
        counts.update(other.kept)
        mapping = self.mapping if self.mapping == other.mapping else MIXED
        return Unmapped(looked=self.looked + other.looked, found=self.found + other.found, kept=_smallest(counts), mapping=mapping)

    def tells(self, path: str) -> bool:
        """Whether a path that is not kept was found nowhere; else it may be among those that there is no room for."""
        if self.found == sum(self.kept.values()):
            return True
        return category_hash(path) <= max(map(category_hash, self.kept), default=0)

    def share(self, path: str) -> float:
        """In which part of the messages it was found."""
        return self.kept.get(path, 0) / max(self.looked, 1)

    def document(self) -> dict[str, object]:
        """As plain JSON values."""
        return {"looked": self.looked, "found": self.found, "paths": dict(self.kept), "mapping": self.mapping}

    @staticmethod
    def of_parts(looked: int, found: int, kept: Mapping[str, int], mapping: str) -> Unmapped:
        """From what was written. Raises ValueError where no messages were looked at so."""
        sound = 0 < looked <= canonical.MOST and sum(kept.values()) <= found <= canonical.MOST and len(kept) <= KEPT_PATHS
        if not sound or len(mapping) > LONGEST_MAPPING or any(not 0 < count <= looked for count in kept.values()):
            raise ValueError(f"no {looked} messages hold {len(kept)} such paths, {found} together")
        return Unmapped(looked=looked, found=found, kept=kept, mapping=mapping)

    @staticmethod
    def of(fields: canonical.Fields) -> Unmapped:
        """From a parsed document. Raises DecodeError."""
        paths = fields.part("paths")
        kept = {path: paths.whole(path) for path in map(str, paths.raw())}
        try:
            return Unmapped.of_parts(fields.whole("looked"), fields.whole("found"), kept, fields.text("mapping"))
        except ValueError as error:
            raise fields.fault("paths", str(error)) from error


def _smallest(counts: Mapping[str, int]) -> Mapping[str, int]:
    if len(counts) <= KEPT_PATHS:
        return counts
    return {path: counts[path] for path in heapq.nsmallest(KEPT_PATHS, counts, key=lambda path: (category_hash(path), path))}


NOTHING = Unmapped()
"""No message was looked at."""
