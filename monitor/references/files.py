"""Streaming readers of reference data: csv, parquet and jsonl, chunk by chunk."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any, TypeVar

import msgspec
import numpy as np

from monitor.core.schema import Batch, CategoricalValues, Flags, Floats, Ints, Kind, Values
from monitor.errors import UsageError
from monitor.formats.times import NO_TIME
from monitor.references import values as rules

T = TypeVar("T")

CHUNK_ROWS = 20_000
NAMING_LINES = 10_000  # lines of a jsonl file whose keys are its columns


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be read of a file: columns with their kinds, and the columns of time and version where there are any."""

    columns: Mapping[str, Kind]
    time: str | None = None
    version: str | None = None

    @property
    def names(self) -> list[str]:
        """Every column to be read, once."""
        return list(dict.fromkeys([*self.columns, *(name for name in (self.time, self.version) if name is not None)]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Some rows. ``batch.offsets`` are row numbers from 0, ``batch.times`` are ``NO_TIME`` where there is none.

    ``done`` of ``total`` is how far the file was read, in bytes or rows.
    """

    batch: Batch
    done: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """The same rows of some columns as they stand in the file, read by no kind; ``done`` of ``total`` as in ``Chunk``."""

    columns: Mapping[str, Sequence[object]]
    done: int
    total: int


class File:
    """A file of reference data, told by its suffix. Raises UsageError for what cannot be read."""

    def __init__(self, path: Path) -> None:
        if path.suffix not in READERS:
            raise UsageError(f"{path}: cannot read {path.suffix or 'a file without suffix'!r}; known are {sorted(READERS)}")
        if not path.is_file():
            raise UsageError(f"{path}: no such file")
        self.path = path
        self._reader = READERS[path.suffix]

    def names(self) -> tuple[str, ...]:
        """The file's columns in their order."""
        return tuple(self._guarded(lambda: list(self._reader.names(self.path))))

    def typed(self) -> Mapping[str, Kind | None]:
        """The columns whose type the file states, with their kinds: None where it is a type that no kind fits (a time, a list …)."""
        return self._guarded(lambda: self._reader.typed(self.path))

    def pieces(self, names: Sequence[str]) -> Iterator[Piece]:
        """The values of the named columns in their order: None, bool, int, float, str or something nested."""
        yield from self._each(self._reader.pieces(self.path, names))

    def chunks(self, wanted: Wanted) -> Iterator[Chunk]:
        """The rows in their order."""
        yield from self._each(self._reader.chunks(self.path, wanted))

    def sha256(self) -> str:
        """The hash of the bytes, 64 hex digits."""
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def _each(self, found: Iterator[T]) -> Iterator[T]:
        while (one := self._guarded(lambda: next(found, None))) is not None:
            yield one

    def _guarded(self, read: Callable[[], T]) -> T:
        try:
            return read()
        except (OSError, ValueError, NotImplementedError, csv.Error) as error:  # of pyarrow, text decoding and the csv module
            raise UsageError(f"{self.path}: cannot be read: {error}") from error


def _batch(first: int, rows: int, wanted: Wanted, columns: Mapping[str, Values], times: Ints | None, versions: Values | None) -> Batch:
    return Batch(
        offsets=np.arange(first, first + rows),
        times=np.full(rows, NO_TIME) if times is None else times,
        versions=versions if isinstance(versions, CategoricalValues) else None,
        ids=None,
        columns=dict(zip(wanted.columns, columns.values(), strict=True)),
    )


# --- csv -----------------------------------------------------------------------------------------------------


def _csv_names(path: Path) -> Sequence[str]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return _once(path, next(csv.reader(file), []))


def _csv_texts(path: Path, wanted: Sequence[str]) -> Iterator[tuple[Mapping[str, Sequence[str]], int, int]]:
    total = path.stat().st_size
    names = _csv_names(path)
    places = {name: names.index(name) for name in wanted}
    with path.open("rb") as raw:
        for lines in _pieces(_csv_rows(path, raw, len(names)), CHUNK_ROWS):
            table = list(zip(*lines, strict=True))
            yield {name: table[place] for name, place in places.items()}, min(raw.tell(), total), total


def _csv_chunks(path: Path, wanted: Wanted) -> Iterator[Chunk]:
    first = 0
    for texts, done, total in _csv_texts(path, wanted.names):
        chunk = _text_chunk(first, texts, wanted, done, total)
        first += len(chunk.batch)
        yield chunk


def _csv_pieces(path: Path, names: Sequence[str]) -> Iterator[Piece]:
    for texts, done, total in _csv_texts(path, names):
        yield Piece(columns={name: rules.scalars_of_texts(cells) for name, cells in texts.items()}, done=done, total=total)


def _csv_rows(path: Path, raw: IO[bytes], width: int) -> Iterator[list[str]]:
    reader = csv.reader(line.decode("utf-8-sig" if at == 0 else "utf-8") for at, line in enumerate(raw))
    next(reader, None)
    for row in reader:
        if not row and width > 1:
            continue
        row = row or [""]
        if len(row) != width:
            raise UsageError(f"{path}:{reader.line_num}: expected {width} fields, found {len(row)}")
        yield row


def _text_chunk(first: int, texts: Mapping[str, Sequence[str]], wanted: Wanted, done: int, total: int) -> Chunk:
    rows = len(next(iter(texts.values())))
    columns = {name: _text_values(kind, texts[name]) for name, kind in wanted.columns.items()}
    times = None if wanted.time is None else rules.times_of(texts[wanted.time])
    versions = None if wanted.version is None else rules.encode(texts[wanted.version], rules.category_of_text)
    return Chunk(batch=_batch(first, rows, wanted, columns, times, versions), done=done, total=total)


def _text_values(kind: Kind, texts: Sequence[str]) -> Values:
    if kind is Kind.NUMERIC:
        return rules.numbers_of_texts(texts)
    return rules.encode(texts, rules.boolean_of_text if kind is Kind.BOOLEAN else rules.category_of_text)


# --- jsonl ---------------------------------------------------------------------------------------------------


def _jsonl_names(path: Path) -> Sequence[str]:
    names: dict[str, None] = {}
    with path.open("rb") as file:
        for at, row in enumerate(_jsonl_rows(path, file)):
            if at >= NAMING_LINES:
                break
            names.update(dict.fromkeys(row))
    return list(names)


def _jsonl_pieces(path: Path, names: Sequence[str]) -> Iterator[Piece]:
    total = path.stat().st_size
    with path.open("rb") as file:
        for rows in _pieces(_jsonl_rows(path, file), CHUNK_ROWS):
            yield Piece(columns={name: [row.get(name) for row in rows] for name in names}, done=min(file.tell(), total), total=total)


def _jsonl_chunks(path: Path, wanted: Wanted) -> Iterator[Chunk]:
    first = 0
    for piece in _jsonl_pieces(path, wanted.names):
        chunk = _scalar_chunk(first, piece, wanted)
        first += len(chunk.batch)
        yield chunk


def _jsonl_rows(path: Path, file: IO[bytes]) -> Iterator[dict[str, object]]:
    for number, line in enumerate(file, start=1):
        if line.isspace():
            continue
        try:
            row = _json(line)
        except (ValueError, RecursionError) as error:
            raise UsageError(f"{path}:{number}: not JSON: {error}") from error
        if not isinstance(row, dict):
            raise UsageError(f"{path}:{number}: expected an object, found {type(row).__name__}")
        yield row


def _json(line: bytes) -> object:
    try:
        return msgspec.json.decode(line)
    except msgspec.DecodeError:
        return json.loads(line)  # knows NaN and Infinity


def _scalar_chunk(first: int, piece: Piece, wanted: Wanted) -> Chunk:
    raw = piece.columns
    rows = len(next(iter(raw.values())))
    columns = {name: _scalar_values(kind, raw[name]) for name, kind in wanted.columns.items()}
    times = None if wanted.time is None else rules.times_of(raw[wanted.time])
    versions = None if wanted.version is None else rules.encode(raw[wanted.version], rules.category_of_scalar)
    return Chunk(batch=_batch(first, rows, wanted, columns, times, versions), done=piece.done, total=piece.total)


def _scalar_values(kind: Kind, scalars: Sequence[object]) -> Values:
    if kind is Kind.NUMERIC:
        return rules.numbers_of_scalars(scalars)
    return rules.encode(scalars, _scalar_rule(kind))


def _scalar_rule(kind: Kind) -> rules.Rule:
    return rules.boolean_of_scalar if kind is Kind.BOOLEAN else rules.category_of_scalar


# --- parquet -------------------------------------------------------------------------------------------------


def _parquet_names(path: Path) -> Sequence[str]:
    import pyarrow.parquet as pq

    names: list[str] = pq.read_schema(path).names
    return _once(path, names)


def _parquet_typed(path: Path) -> Mapping[str, Kind | None]:
    import pyarrow.parquet as pq
    import pyarrow.types as types

    found = {}
    for field in pq.read_schema(path):
        of = field.type.value_type if types.is_dictionary(field.type) else field.type
        if types.is_boolean(of):
            found[field.name] = Kind.BOOLEAN
        elif types.is_integer(of) or types.is_floating(of) or types.is_decimal(of):
            found[field.name] = Kind.NUMERIC
        elif not (types.is_string(of) or types.is_large_string(of) or types.is_string_view(of) or types.is_null(of)):
            found[field.name] = None
    return found


def _parquet_pieces(path: Path, names: Sequence[str]) -> Iterator[Piece]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        done, total = 0, file.metadata.num_rows
        for table in file.iter_batches(batch_size=CHUNK_ROWS, columns=list(names)):
            done += table.num_rows
            yield Piece(columns={name: table.column(name).to_pylist() for name in names}, done=done, total=total)


def _parquet_chunks(path: Path, wanted: Wanted) -> Iterator[Chunk]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        first, total = 0, file.metadata.num_rows
        for table in file.iter_batches(batch_size=CHUNK_ROWS, columns=wanted.names):
            columns = {name: _arrow_values(kind, table.column(name)) for name, kind in wanted.columns.items()}
            times = None if wanted.time is None else _arrow_times(table.column(wanted.time))
            versions = None if wanted.version is None else _arrow_categories(table.column(wanted.version), rules.category_of_scalar)
            batch = _batch(first, table.num_rows, wanted, columns, times, versions)
            first += table.num_rows
            yield Chunk(batch=batch, done=first, total=total)


def _arrow_values(kind: Kind, array: Any) -> Values:
    import pyarrow.types as types

    if kind is not Kind.NUMERIC:
        return _arrow_categories(array, _scalar_rule(kind))
    if not (types.is_integer(array.type) or types.is_floating(array.type) or types.is_decimal(array.type)):
        return rules.numbers_of_scalars(array.to_pylist())
    null: Flags = array.is_null().to_numpy(zero_copy_only=False)
    floats: Floats = array.cast("float64", safe=False).to_numpy(zero_copy_only=False)
    return rules.numbers_of_floats(floats, null)


def _arrow_categories(array: Any, rule: rules.Rule) -> CategoricalValues:
    import pyarrow.types as types

    if types.is_nested(array.type) or types.is_null(array.type):
        return rules.encode(array.to_pylist(), rule)
    encoded = array if types.is_dictionary(array.type) else array.dictionary_encode()
    known = rules.encode(encoded.dictionary.to_pylist(), rule)
    indices = encoded.indices.fill_null(len(known.codes)).to_numpy(zero_copy_only=False)
    table = np.append(known.codes, CategoricalValues.NULL).astype(np.int32)
    return CategoricalValues(codes=table[indices], dictionary=known.dictionary)


def _arrow_times(array: Any) -> Ints:
    import pyarrow as pa
    import pyarrow.types as types

    if not (types.is_timestamp(array.type) or types.is_date(array.type)):
        return rules.times_of(array.to_pylist())
    micros = array.cast(pa.timestamp("us"), safe=False) if types.is_date(array.type) else array.cast(
        pa.timestamp("us", tz=array.type.tz), safe=False)  # fmt: skip
    found: Ints = micros.cast("int64").fill_null(NO_TIME).to_numpy(zero_copy_only=False)
    return found


# --- the formats ---------------------------------------------------------------------------------------------


def _untyped(_path: Path) -> Mapping[str, Kind | None]:
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """How a format is read; see the methods of ``File``."""

    names: Callable[[Path], Sequence[str]]
    chunks: Callable[[Path, Wanted], Iterator[Chunk]]
    pieces: Callable[[Path, Sequence[str]], Iterator[Piece]]
    typed: Callable[[Path], Mapping[str, Kind | None]] = _untyped


_CSV = Reader(names=_csv_names, chunks=_csv_chunks, pieces=_csv_pieces)
_JSONL = Reader(names=_jsonl_names, chunks=_jsonl_chunks, pieces=_jsonl_pieces)
_PARQUET = Reader(names=_parquet_names, chunks=_parquet_chunks, pieces=_parquet_pieces, typed=_parquet_typed)

READERS: Mapping[str, Reader] = {".csv": _CSV, ".jsonl": _JSONL, ".ndjson": _JSONL, ".parquet": _PARQUET}


def _once(path: Path, names: Sequence[str]) -> Sequence[str]:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(f"{path}: columns named twice: {twice}")
    return names


def _pieces(rows: Iterator[T], size: int) -> Iterator[list[T]]:
    while piece := list(islice(rows, size)):
        yield piece
