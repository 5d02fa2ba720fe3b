"""Streaming readers of reference data: csv, parquet and jsonl, chunk by chunk."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, TypeVar

import msgspec

from monitor.core.schema import Kind, Values
from monitor.errors import UsageError
from monitor.references import parquet
from monitor.references import values as rules
from monitor.references.rows import Chunk, Piece, Wanted, batch_of, named_once, scalar_rule

T = TypeVar("T")

CHUNK_ROWS = 20_000
NAMING_LINES = 10_000  # lines of a jsonl file whose keys are its columns


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
        yield from self._each(self._reader.pieces(self.path, names, CHUNK_ROWS))

    def chunks(self, wanted: Wanted) -> Iterator[Chunk]:
        """The rows in their order."""
        yield from self._each(self._reader.chunks(self.path, wanted, CHUNK_ROWS))

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


# --- csv -----------------------------------------------------------------------------------------------------


def _csv_names(path: Path) -> Sequence[str]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return named_once(path, next(csv.reader(file), []))


def _csv_texts(path: Path, wanted: Sequence[str], size: int) -> Iterator[tuple[Mapping[str, Sequence[str]], int, int]]:
    total = path.stat().st_size
    names = _csv_names(path)
    places = {name: names.index(name) for name in wanted}
    with path.open("rb") as raw:
        for lines in _pieces(_csv_rows(path, raw, len(names)), size):
            table = list(zip(*lines, strict=True))
            yield {name: table[place] for name, place in places.items()}, min(raw.tell(), total), total


def _csv_chunks(path: Path, wanted: Wanted, size: int) -> Iterator[Chunk]:
    first = 0
    for texts, done, total in _csv_texts(path, wanted.names, size):
        chunk = _text_chunk(first, texts, wanted, done, total)
        first += len(chunk.batch)
        yield chunk


def _csv_pieces(path: Path, names: Sequence[str], size: int) -> Iterator[Piece]:
    for texts, done, total in _csv_texts(path, names, size):
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
    columns = {name: _text_values(kind, texts[name]) for name, kind in wanted.read.items()}
    times = None if wanted.time is None else rules.times_of(texts[wanted.time])
    versions = None if wanted.version is None else rules.encode(texts[wanted.version], rules.category_of_text)
    return Chunk(batch=batch_of(first, rows, wanted, columns, times, versions), done=done, total=total)


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


def _jsonl_pieces(path: Path, names: Sequence[str], size: int) -> Iterator[Piece]:
    total = path.stat().st_size
    with path.open("rb") as file:
        for rows in _pieces(_jsonl_rows(path, file), size):
            yield Piece(columns={name: [row.get(name) for row in rows] for name in names}, done=min(file.tell(), total), total=total)


def _jsonl_chunks(path: Path, wanted: Wanted, size: int) -> Iterator[Chunk]:
    first = 0
    for piece in _jsonl_pieces(path, wanted.names, size):
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
    columns = {name: _scalar_values(kind, raw[name]) for name, kind in wanted.read.items()}
    times = None if wanted.time is None else rules.times_of(raw[wanted.time])
    versions = None if wanted.version is None else rules.encode(raw[wanted.version], rules.category_of_scalar)
    return Chunk(batch=batch_of(first, rows, wanted, columns, times, versions), done=piece.done, total=piece.total)


def _scalar_values(kind: Kind, scalars: Sequence[object]) -> Values:
    if kind is Kind.NUMERIC:
        return rules.numbers_of_scalars(scalars)
    return rules.encode(scalars, scalar_rule(kind))


# --- the formats ---------------------------------------------------------------------------------------------


def _untyped(_path: Path) -> Mapping[str, Kind | None]:
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """How a format is read; see the methods of ``File``. The last argument is the number of rows at a time."""

    names: Callable[[Path], Sequence[str]]
    chunks: Callable[[Path, Wanted, int], Iterator[Chunk]]
    pieces: Callable[[Path, Sequence[str], int], Iterator[Piece]]
    typed: Callable[[Path], Mapping[str, Kind | None]] = _untyped


_CSV = Reader(names=_csv_names, chunks=_csv_chunks, pieces=_csv_pieces)
_JSONL = Reader(names=_jsonl_names, chunks=_jsonl_chunks, pieces=_jsonl_pieces)
_PARQUET = Reader(names=parquet.names, chunks=parquet.chunks, pieces=parquet.pieces, typed=parquet.typed)

READERS: Mapping[str, Reader] = {".csv": _CSV, ".jsonl": _JSONL, ".ndjson": _JSONL, ".parquet": _PARQUET}


def _pieces(rows: Iterator[T], size: int) -> Iterator[list[T]]:
    while piece := list(islice(rows, size)):
        yield piece
