"""A sample of a window's rows: those with the smallest hashes of (topic, partition, offset). Deterministic and mergeable."""

from __future__ import annotations

import heapq
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from monitor.core.profile import canonical
from monitor.core.profile.categorical import category_text
from monitor.core.schema import Batch, CategoricalValues, Floats, Hashes, Ints, NumericValues, State, Values

WRONG_TYPE = "<wrong type>"  # stands for a value that was of no type the column takes

Scalar = str | float | None
Row = tuple[Scalar, ...]

_HASH = re.compile("[0-9a-f]{16}")

_GOLDEN, _MIX1, _MIX2 = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_STATE_TEXT: Mapping[int, Scalar] = MappingProxyType({
    State.NULL: None,
    State.NAN: "NaN",
    State.POS_INF: "Infinity",
    State.NEG_INF: "-Infinity",
    State.WRONG_TYPE: WRONG_TYPE,
})


def splitmix64(seed: int, offsets: Ints) -> Hashes:
    """The SplitMix64 finaliser of ``seed + (offset + 1) * golden`` (Steele, Lea, Flood 2014), vectorised; wraps at 2^64."""
    with np.errstate(over="ignore"):
        mixed = np.uint64(seed % 2**64) + (offsets.astype(np.uint64) + np.uint64(1)) * _GOLDEN
        mixed = (mixed ^ (mixed >> np.uint64(30))) * _MIX1
        mixed = (mixed ^ (mixed >> np.uint64(27))) * _MIX2
        result: Hashes = mixed ^ (mixed >> np.uint64(31))
        return result


@dataclass(frozen=True, slots=True, kw_only=True)
class RowSample:
    """At most ``size`` rows by their hash; a row has one scalar per column of ``columns``, in that order.

    Null is None, what is not finite is "NaN", "Infinity" or "-Infinity", a wrong type is ``WRONG_TYPE``; a category is written
    as profiles write it. Size 0 keeps nothing.
    """

    columns: tuple[str, ...]
    size: int = 0
    rows: Mapping[int, Row] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "rows", MappingProxyType(dict(sorted(self.rows.items()))))

    def fold(self, batch: Batch, seed: int) -> RowSample:
        """With the rows of a batch; ``seed`` tells topics and partitions apart."""
        if not self.size or not len(batch):
            return self
        hashes = splitmix64(seed, batch.offsets)
        chosen = self._candidates(hashes)
        if not len(chosen):
            return self
        part = batch.take(chosen)
        scalars = [_scalars(part.columns.get(name), len(chosen)) for name in self.columns]
        rows = zip(*scalars, strict=True) if scalars else iter([()] * len(chosen))
        return self._with(zip(hashes[chosen].tolist(), rows, strict=True), self.size)

    def _candidates(self, hashes: Hashes) -> Ints:
        """Positions of the rows that may be among the smallest."""
        if len(self.rows) >= self.size:
            return np.flatnonzero(hashes <= np.uint64(max(self.rows)))
        if len(hashes) <= self.size:
            return np.arange(len(hashes))
        return np.flatnonzero(hashes <= np.partition(hashes, self.size - 1)[self.size - 1])

    def sightings(self, column: str) -> Counter[str]:
        """Rows of the sample by the text that they have in a column."""
        at = self.columns.index(column)
        texts = (row[at] for row in self.rows.values())
        return Counter(text for text in texts if isinstance(text, str) and text != WRONG_TYPE)

    def numbers(self, column: str) -> Floats:
        """The finite numbers that the sampled rows have in a column, shape (n,)."""
        at = self.columns.index(column)
        return np.array([value for row in self.rows.values() if isinstance(value := row[at], float)], dtype=np.float64)

    def merge(self, other: RowSample) -> RowSample:
        """The smallest of both, as many as the smaller size keeps."""
        return self._with(other.rows.items(), min(self.size, other.size))

    def values(self, column: str) -> tuple[Scalar, ...]:
        """The scalars of a column, in the order of the rows' hashes: a beginning of them is a sample too. Raises ValueError."""
        at = self.columns.index(column)
        return tuple(row[at] for row in self.rows.values())

    def document(self) -> dict[str, object]:
        """As plain JSON values: the hashes as 16 hex digits, then the scalars of each column."""
        columns = {name: list(self.values(name)) for name in self.columns}
        return {"size": self.size, "hashes": [f"{key:016x}" for key in self.rows], "columns": columns}

    @staticmethod
    def of(fields: canonical.Fields) -> RowSample:
        """From a parsed document. Raises DecodeError."""
        hashes, parts = fields.texts("hashes"), fields.part("columns")
        if not all(_HASH.fullmatch(text) for text in hashes) or len(set(hashes)) != len(hashes):
            raise fields.fault("hashes", "distinct hashes of 16 hex digits")
        names = parts.keys()
        columns = [parts.scalars(name, len(hashes)) for name in names]
        rows = zip(*columns, strict=True) if columns else iter([()] * len(hashes))
        kept = dict(zip((int(text, 16) for text in hashes), rows, strict=True))
        return RowSample(columns=names, size=fields.whole("size", least=len(hashes)), rows=kept)

    def _with(self, rows: Iterable[tuple[int, Row]], size: int) -> RowSample:
        together = dict(self.rows)
        for key, row in rows:
            known = together.get(key)
            together[key] = row if known is None else min(known, row, key=repr)  # one of two rows of one hash, always the same
        if len(together) > size:
            together = {key: together[key] for key in heapq.nsmallest(size, together)}
        return RowSample(columns=self.columns, size=size, rows=together)


def _scalars(values: Values | None, rows: int) -> list[Scalar]:
    if values is None:
        return [None] * rows
    if isinstance(values, CategoricalValues):
        beside: dict[int, Scalar] = {CategoricalValues.NULL: None, CategoricalValues.WRONG: WRONG_TYPE}
        return [category_text(values.dictionary[code]) if code >= 0 else beside[code] for code in values.codes.tolist()]
    return _numbers(values)


def _numbers(values: NumericValues) -> list[Scalar]:
    numbers = (values.values + 0.0).tolist()
    if values.states is None:
        return [None if number != number else number for number in numbers]
    return [
        number if state == State.VALUE else _STATE_TEXT[state]
        for number, state in zip(numbers, values.states.tolist(), strict=True)
    ]
