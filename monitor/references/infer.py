"""The columns of a model that names none: their kinds, read from the reference data."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from monitor.core.profile.categorical import category_hash
from monitor.core.profile.sample import splitmix64
from monitor.core.schema import Flags, Hashes, Kind
from monitor.formats.columns import BOOLEANS
from monitor.references.build import Progress
from monitor.references.files import File

SAMPLE_ROWS = 10_000  # rows of a column whose values are counted apart: those with the smallest hashes of the row number
MIN_SAMPLED = 1_000  # of so few rows or fewer, distinct texts prove nothing
ID_SHARE = 0.5  # a larger share of distinct values than this among the sampled rows is that of ids, names or free text
LONGEST_NAME = 200  # characters, as for columns that the configuration names

_ROW_NUMBERS = re.compile(r"__index_level_\d+__")
"""How pandas names the row numbers that it writes into parquet files."""
_NAME_IT = "list all columns in columns: to watch it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Inferred:
    """Columns in the order of the file with their kinds, and a sentence for each that was left out or is in doubt."""

    kinds: Mapping[str, Kind]
    notes: tuple[str, ...]


def infer_kinds(path: Path, leave_out: Collection[str], *, progress: Progress = lambda _done, _total: None) -> Inferred:
    """The kinds of a file's columns, without those in ``leave_out``. Reads every row once, in bounded memory; raises UsageError.

    Boolean: true and false only. Numeric: numbers only, however few are distinct. Categorical: all else that is text, as long as
    texts repeat. Times, ids, lists, objects and columns without a value are left out with a note. Types that a parquet file states
    are believed; in csv files blank cells are null, and numbers are what can be parsed as such.
    """
    file = File(path)
    names = [name for name in file.names() if name not in leave_out]
    typed = file.typed()
    found = {name: _of_name(name) or _of_type(name, typed) for name in names}
    unknown = [name for name, known in found.items() if known is None]
    found |= {name: evidence.verdict(name) for name, evidence in _evidence(file, unknown, progress).items()}
    verdicts = {name: verdict for name, verdict in found.items() if verdict is not None}
    return Inferred(
        kinds={name: verdict.kind for name, verdict in verdicts.items() if verdict.kind is not None},
        notes=tuple(verdict.note for verdict in verdicts.values() if verdict.note),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Verdict:
    """What became of a column; without a kind it is left out."""

    kind: Kind | None = None
    note: str = ""


def _left_out(name: str, why: str, advice: str = f"; {_NAME_IT}") -> _Verdict:
    return _Verdict(note=f"column {name[:LONGEST_NAME]!r} is left out: {why}{advice}")


def _of_name(name: str) -> _Verdict | None:
    if not name:
        return _left_out(name, "it has no name", "")
    if len(name) > LONGEST_NAME:
        return _left_out(name, f"its name is longer than {LONGEST_NAME} characters", "")
    if _ROW_NUMBERS.fullmatch(name):
        return _left_out(name, "row numbers of a data frame")
    return None


def _of_type(name: str, typed: Mapping[str, Kind | None]) -> _Verdict | None:
    if name not in typed:
        return None
    kind = typed[name]
    if kind is None:
        return _left_out(name, "its type in the file is neither boolean, number nor text, but a time, bytes or nested")
    return _Verdict(kind=kind)


def _evidence(file: File, names: Sequence[str], progress: Progress) -> dict[str, _Evidence]:
    found = {name: _Evidence() for name in names}
    if not names:
        return found
    first = 0
    for piece in file.pieces(names):
        rows = len(piece.columns[names[0]])
        hashes = splitmix64(0, np.arange(first, first + rows))
        for name, scalars in piece.columns.items():
            found[name].add(scalars, hashes)
        first += rows
        progress(piece.done, piece.total)
    return found


class _Evidence:
    """What the values of one column are, counted by type."""

    def __init__(self) -> None:
        self._types: Counter[type] = Counter()
        self._only_times = True
        self._only_truths = True  # all texts are "true" or "false"
        self._sample = _DistinctShare()

    def add(self, scalars: Sequence[object], hashes: Hashes) -> None:
        """Take in the values of some rows and the hashes of their numbers."""
        self._types.update(map(type, scalars))
        self._sample.add(scalars, hashes)
        if str not in self._types:
            return
        texts = {scalar for scalar in scalars if isinstance(scalar, str)}
        self._only_times = self._only_times and all(map(_is_time, texts))
        self._only_truths = self._only_truths and texts <= set(BOOLEANS)

    def verdict(self, name: str) -> _Verdict:
        """The kind of the column, or why it has none."""
        values = self._types.total() - self._types[type(None)]
        numbers = self._types[int] + self._types[float]
        texts, truths = self._types[str], self._types[bool]
        if not values:
            return _left_out(name, "it holds no values")
        if truths == values:
            return _Verdict(kind=Kind.BOOLEAN)
        if numbers == values:
            return _Verdict(kind=Kind.NUMERIC)
        if not texts + truths + numbers:
            return _left_out(name, "it holds lists or objects")
        if texts == values and self._only_times:
            return _left_out(name, "it holds times")
        return self._categorical(name, values, numbers, texts + truths)

    def _categorical(self, name: str, values: int, numbers: int, truths: int) -> _Verdict:
        if truths == values and self._only_truths:
            why = 'it holds the texts "true" and "false", which are no booleans'
            return _left_out(name, why, "; list all columns in columns:, this one as categorical")
        mostly = f"{values - numbers:,} of {values:,} values are no numbers" if 2 * numbers > values else ""
        if self._sample.is_of_ids:
            distinct = f"{self._sample.distinct:,} of {self._sample.rows:,} sampled values are distinct, as those of ids are"
            return _left_out(name, f"{mostly}, and {distinct}" if mostly else distinct)
        return _Verdict(
            kind=Kind.CATEGORICAL,
            note=f"column {name!r} is taken as categorical: {mostly}; list all columns in columns: to make it numeric" if mostly else "",
        )


def _is_time(text: str) -> bool:
    """Whether a text is a date or a date with a time of day, as in RFC 3339; digits alone are none."""
    text = text.strip()
    if text[4:5] != "-":
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


class _DistinctShare:
    """How many distinct values there are in a sample of the rows: those with the smallest hashes, at most ``SAMPLE_ROWS``."""

    def __init__(self) -> None:
        self._rows: Hashes = np.empty(0, dtype=np.uint64)
        self._values: Hashes = np.empty(0, dtype=np.uint64)

    def add(self, scalars: Sequence[object], hashes: Hashes) -> None:
        """Take in the values of some rows, without null, lists and objects."""
        chosen = np.flatnonzero(self._wanted(hashes))
        kept = [at for at in chosen.tolist() if isinstance(scalars[at], str | int | float)]
        if not kept:
            return
        rows = np.concatenate([self._rows, hashes[kept]])
        values = np.concatenate([self._values, _hashed(scalars[at] for at in kept)])
        smallest = np.argsort(rows)[:SAMPLE_ROWS]
        self._rows, self._values = rows[smallest], values[smallest]

    def _wanted(self, hashes: Hashes) -> Flags:
        if len(self._rows) < SAMPLE_ROWS:
            return np.ones(len(hashes), dtype=np.bool_)
        wanted: Flags = hashes < self._rows[-1]
        return wanted

    @property
    def rows(self) -> int:
        """How many rows the sample has."""
        return len(self._rows)

    @property
    def distinct(self) -> int:
        """How many distinct values it has."""
        return len(np.unique(self._values))

    @property
    def is_of_ids(self) -> bool:
        """Whether nearly every value is another one."""
        return self.rows > MIN_SAMPLED and self.distinct > ID_SHARE * self.rows


def _hashed(scalars: Iterable[object]) -> Hashes:
    return np.fromiter((category_hash(str(scalar)) for scalar in scalars), dtype=np.uint64)
