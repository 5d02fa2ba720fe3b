"""The profile of a categorical or boolean column."""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
import xxhash

from monitor.core.profile import canonical
from monitor.core.profile.grid import CategoricalGrid
from monitor.core.schema import Ints, NumericValues, State, Values

MAX_TEXT = 200  # characters of a category's text that are kept
KEPT = 256  # new categories that are kept, those with the smallest hashes


def category_hash(text: str) -> int:
    """64 bits of XXH3, the same on every machine."""
    return xxhash.xxh3_64_intdigest(text.encode("utf-8", "surrogatepass"))


def category_text(text: str) -> str:
    """A category as it is kept: at most 200 characters and the hash of the whole where it was longer, always valid Unicode."""
    if len(text) > MAX_TEXT:
        text = f"{text[:MAX_TEXT]}…#{category_hash(text):016x}"
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCategories:
    """Categories that are not in the grid. ``kept``: rows of the 256 categories whose 64-bit hashes are smallest, exact.

    A category among the smallest of the whole is among the smallest of every part, so its count is exact after any merging.
    They are chosen by hash, not by size: the large ones among the others show in the window's row sample
    (``Profile.new_categories``).
    """

    rows: int = 0
    kept: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "kept", MappingProxyType(dict(sorted(self.kept.items()))))

    @property
    def other(self) -> int:
        """Rows in new categories that are not kept."""
        return self.rows - sum(self.kept.values())

    @property
    def distinct(self) -> int:
        """How many new categories: exact while all are kept, else estimated from the largest kept hash (about 6 % off)."""
        if not self.other or not self.kept:
            return len(self.kept)
        largest = max(map(category_hash, self.kept))
        return max(len(self.kept), round((len(self.kept) - 1) * 2**64 / max(largest, 1)))

    def plus(self, counts: Mapping[str, int], rows: int) -> NewCategories:
        """With ``rows`` more rows, of which ``counts`` tells the category."""
        together = dict(self.kept)
        for text, count in counts.items():
            together[text] = together.get(text, 0) + count
        if len(together) > KEPT:
            smallest = heapq.nsmallest(KEPT, together, key=lambda text: (category_hash(text), text))
            together = {text: together[text] for text in smallest}
        return NewCategories(rows=self.rows + rows, kept=together)

    def minus(self, other: NewCategories) -> NewCategories:
        """Without a part. ``distinct`` of the rest is exact only where all were kept. Raises ValueError for no part."""
        kept = {text: count - other.kept.get(text, 0) for text, count in self.kept.items()}
        rows = self.rows - other.rows
        if rows < 0 or min(kept.values(), default=0) < 0 or sum(kept.values()) > rows:
            raise ValueError("cannot subtract new categories that are no part of these")
        return NewCategories(rows=rows, kept={text: count for text, count in kept.items() if count})


@dataclass(slots=True, kw_only=True, eq=False)
class CategoricalProfile:
    """Rows per category of the grid, shape (len(grid.categories),), and beside them. An accumulator: ``add`` changes it."""

    grid: CategoricalGrid
    counts: Ints = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    null: int = 0
    wrong_type: int = 0
    new: NewCategories = field(default_factory=NewCategories)
    _n: int | None = field(default=None, init=False, repr=False)  # a verdict asks 15 times

    def __post_init__(self) -> None:
        if not len(self.counts):
            self.counts = np.zeros(len(self.grid.categories), dtype=np.int64)
        if self.counts.shape != (len(self.grid.categories),):
            raise ValueError(f"{len(self.counts)} counts do not fit {len(self.grid.categories)} categories")

    @property
    def n(self) -> int:
        """Rows with a category, known or new."""
        if self._n is None:
            self._n = int(self.counts.sum()) + self.new.rows
        return self._n

    @property
    def total(self) -> int:
        """All rows that came for this column."""
        return self.n + self.null + self.wrong_type

    def is_new(self, text: str) -> bool:
        """Whether the grid lacks a category."""
        return text not in self.grid.positions

    def add(self, values: Values) -> None:
        """Count a batch of values. Values of another kind than the grid's are wrong types, their nulls nulls."""
        self._n = None
        if isinstance(values, NumericValues):
            null = _nulls(values)
            self.null += null
            self.wrong_type += len(values.values) - null
            return
        tally = np.bincount(values.codes + 2, minlength=len(values.dictionary) + 2)
        self.wrong_type += int(tally[0])
        self.null += int(tally[1])
        self._add_known(tally[2:].tolist(), values.dictionary)

    def _add_known(self, tally: list[int], dictionary: tuple[str, ...]) -> None:
        positions = self.grid.positions
        fresh: dict[str, int] = {}
        for text, count in zip(dictionary, tally, strict=True):
            if not count:
                continue
            at = positions.get(text)
            if at is None:
                text = category_text(text)
                at = positions.get(text)
            if at is None:
                fresh[text] = fresh.get(text, 0) + count
            else:
                self.counts[at] += count
        if fresh:
            self.new = self.new.plus(fresh, sum(fresh.values()))

    def merge(self, other: CategoricalProfile) -> CategoricalProfile:
        """Both together, as a new profile. The grids are one (the caller checked)."""
        return CategoricalProfile(
            grid=self.grid,
            counts=self.counts + other.counts,
            null=self.null + other.null,
            wrong_type=self.wrong_type + other.wrong_type,
            new=self.new.plus(other.new.kept, other.new.rows),
        )

    def minus(self, other: CategoricalProfile) -> CategoricalProfile:
        """What is left without ``other``, which must be a part of this. Raises ValueError where it cannot be one."""
        counts = self.counts - other.counts
        null, wrong = self.null - other.null, self.wrong_type - other.wrong_type
        if (counts < 0).any() or min(null, wrong) < 0:
            raise ValueError("cannot subtract a profile that is no part of this one")
        return CategoricalProfile(grid=self.grid, counts=counts, null=null, wrong_type=wrong, new=self.new.minus(other.new))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CategoricalProfile) and self.grid == other.grid and self.document() == other.document()

    __hash__ = None  # type: ignore[assignment]  # it changes

    def document(self) -> dict[str, object]:
        """As plain JSON values."""
        return {
            "counts": self.counts.tolist(),
            "null": self.null,
            "wrong_type": self.wrong_type,
            "new": {"rows": self.new.rows, "kept": dict(self.new.kept)},
        }

    @staticmethod
    def of(fields: canonical.Fields, grid: CategoricalGrid) -> CategoricalProfile:
        """From a parsed document. Raises DecodeError."""
        new = fields.part("new")
        kept = new.part("kept")
        found = NewCategories(rows=new.whole("rows"), kept={text: kept.whole(text, least=1) for text in kept.keys()})  # noqa: SIM118
        if found.other < 0 or len(found.kept) > KEPT:
            raise new.fault("kept", f"at most {KEPT} categories of {found.rows} rows")
        return CategoricalProfile(
            grid=grid,
            counts=fields.wholes("counts", len(grid.categories)),
            null=fields.whole("null"),
            wrong_type=fields.whole("wrong_type"),
            new=found,
        )


def _nulls(values: NumericValues) -> int:
    missing = np.isnan(values.values) if values.states is None else values.states == State.NULL
    return int(np.count_nonzero(missing))
