"""JSON objects, one a message."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
import xxhash

from monitor.core.rules import Stream
from monitor.core.schema import (
    Batch,
    CategoricalValues,
    Fault,
    Flags,
    Hashes,
    Ints,
    Reason,
    Record,
    from_micros,
    rfc3339,
)
from monitor.formats.columns import categorical_values, column_values, text_of
from monitor.formats.mapping import by_path, dig, level_of, wanted
from monitor.formats.times import NO_TIME, micros_of

SAMPLE_BYTES = 1_000
"""How much of a message goes to quarantine with it."""
VERSION_CHARACTERS = 100
UNKNOWN_VERSION = "unknown"
"""The version of a row that lacks one where the stream maps it."""
LARGEST_ID = 10**100
"""An integer id beyond this is nonsense, and Python refuses to write the longest."""
ANCIENT = 946_684_800_000_000
"""2000-01-01 in microseconds: an earlier event time is a wrong unit or a forgotten default."""


@dataclass(slots=True)
class _Read:
    """What was read of a list of messages: structs of readable ones, and by position the parsed JSON of odd ones."""

    records: list[Record] = field(default_factory=list)
    rows: list[Any] = field(default_factory=list)
    odd: dict[int, Mapping[str, object]] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)


class JsonDecoder:
    """Reads what is mapped with msgspec; a message that it refuses is read alone by ``json``, which knows NaN and Infinity.

    A value of a wrong type costs its column that one value, not the message, and not the batch. Raises ValueError for
    paths that contradict each other.
    """

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        types = wanted(stream)
        self._shared = {path for path, kind in types.items() if kind is Any}
        self._level = level_of(types)
        self._blank = self._level.struct()
        self._decoder = msgspec.json.Decoder(self._level.struct)

    def decode(self, records: Sequence[Record]) -> Batch:
        """Rows of one partition in the order of their offsets."""
        read = self._read(records)
        raw = by_path(self._level, read.rows)
        versions = self._versions(raw, read)
        times, wrong = self._times(raw, read)
        ids, nameless = self._ids(raw, read)
        for i, (reason, detail) in wrong.items():
            read.faults.append(_fault(read.records[i], reason, detail))
        for i in np.flatnonzero(nameless).tolist():
            if i not in wrong:
                version = None if versions is None else versions.dictionary[versions.codes[i]]
                detail = f"no id at {self._stream.id!r}"
                read.faults.append(_fault(read.records[i], Reason.MISSING_ID, detail, time=int(times[i]), version=version))
        batch = Batch(
            offsets=np.fromiter((r.offset for r in read.records), dtype=np.int64, count=len(read.records)),
            times=times, versions=versions, ids=ids, columns=self._columns(raw, read),
        )
        if wrong or nameless.any():
            keep = ~nameless
            keep[list(wrong)] = False
            batch = batch.take(keep)
        faults = tuple(sorted(read.faults, key=lambda fault: fault.offset))
        return Batch(offsets=batch.offsets, times=batch.times, versions=batch.versions, ids=batch.ids, columns=batch.columns, faults=faults)

    def _read(self, records: Sequence[Record]) -> _Read:
        read = _Read()
        decode, limit, rows, kept = self._decoder.decode, self._stream.max_bytes, read.rows, read.records
        for record in records:
            value = record.value
            if not value or len(value) > limit:
                read.faults.append(_unread(record, limit))
                continue
            try:
                rows.append(decode(value))
            except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
                self._read_alone(record, value, read)
            else:
                kept.append(record)
        return read

    def _read_alone(self, record: Record, value: bytes, read: _Read) -> None:
        """A message that the fast path refused: NaN, a wrong type somewhere, or no JSON at all."""
        try:
            document = json.loads(value.decode("utf-8"))
        except UnicodeDecodeError as error:
            read.faults.append(_fault(record, Reason.NOT_UTF8, str(error)[:200]))
        except RecursionError:
            read.faults.append(_fault(record, Reason.NOT_JSON, "nested too deeply"))
        except ValueError as error:
            read.faults.append(_fault(record, Reason.NOT_JSON, str(error)[:200]))
        else:
            if isinstance(document, dict):
                read.odd[len(read.rows)] = document
                read.rows.append(self._blank)
                read.records.append(record)
            else:
                read.faults.append(_fault(record, Reason.NOT_AN_OBJECT, f"a {type(document).__name__}, expected an object"))

    def _times(self, raw: Mapping[str, Sequence[object]], read: _Read) -> tuple[Ints, dict[int, tuple[Reason, str]]]:
        """Event times, and by position why there is none that can be used."""
        stamps = np.fromiter((r.timestamp for r in read.records), dtype=np.int64, count=len(read.records)) * 1_000
        if not self._stream.time:
            return stamps, {}
        values = _patched(raw[self._stream.time], read.odd, self._stream.time)
        times, unreadable = micros_of(values)
        wrong = {
            i: (Reason.MISSING_TIME, f"no time at {self._stream.time!r}") if values[i] is None else (Reason.BAD_TIME, detail)
            for i, detail in unreadable.items()
        }
        latest = np.where(stamps > 0, stamps, np.iinfo(np.int64).max // 2) + int(self._stream.max_future.total_seconds() * 1e6)
        wrong |= _outside(times > latest, times, Reason.FUTURE_TIME, "later than the broker's time and max_future allow")
        wrong |= _outside((times < ANCIENT) & (times != NO_TIME), times, Reason.ANCIENT_TIME, "before the year 2000: a wrong unit?")
        return times, wrong

    def _ids(self, raw: Mapping[str, Sequence[object]], read: _Read) -> tuple[Hashes | None, Flags]:
        """Hashes of the ids, and which rows have none."""
        nameless = np.zeros(len(read.rows), dtype=np.bool_)
        if not self._stream.id:
            return None, nameless
        texts = [_id_text(value) for value in _patched(raw[self._stream.id], read.odd, self._stream.id)]
        digest = xxhash.xxh3_64_intdigest
        hashes = np.fromiter((0 if text is None else digest(text) for text in texts), dtype=np.uint64, count=len(texts))
        if None in texts:
            nameless = np.array([text is None for text in texts], dtype=np.bool_)
        return hashes, nameless

    def _versions(self, raw: Mapping[str, Sequence[object]], read: _Read) -> CategoricalValues | None:
        if not self._stream.version:
            return None
        values = _patched(raw[self._stream.version], read.odd, self._stream.version)
        texts = values if set(map(type, values)) == {str} else [_version_text(value) for value in values]
        named = categorical_values(texts, {})
        return CategoricalValues(codes=named.codes, dictionary=tuple(name[:VERSION_CHARACTERS] for name in named.dictionary))

    def _columns(self, raw: Mapping[str, Sequence[object]], read: _Read) -> dict[str, Any]:
        columns = {}
        for column in self._stream.columns:
            path = column.path or column.name
            odd: dict[int, object] = {i: dig(document, path) for i, document in read.odd.items()}
            if path in self._shared:  # several uses of other types: the fast path took anything, so every value is looked at
                odd = dict(enumerate(raw[path])) | odd
                columns[column.name] = column_values(column.kind, [None] * len(read.rows), odd)
            else:
                columns[column.name] = column_values(column.kind, raw[path], odd)
        return columns


def _fault(record: Record, reason: Reason, detail: str, *, time: int | None = None, version: str | None = None) -> Fault:
    sample = (record.value or b"")[:SAMPLE_BYTES]
    return Fault(offset=record.offset, reason=reason, detail=detail, sample=sample, time=time, version=version)


def _unread(record: Record, limit: int) -> Fault:
    """A message that is not even looked into."""
    if not record.value:
        return _fault(record, Reason.EMPTY, "no value (a tombstone)" if record.value is None else "an empty value")
    return _fault(record, Reason.TOO_LARGE, f"{len(record.value):,} bytes, at most {limit:,} are read")


def _patched(raw: Sequence[object], odd: Mapping[int, Mapping[str, object]], path: str) -> Sequence[object]:
    """The values at a path, those of odd messages included."""
    if not odd:
        return raw
    values = list(raw)
    for i, document in odd.items():
        values[i] = dig(document, path)
    return values


def _outside(flags: Flags, times: Ints, reason: Reason, why: str) -> dict[int, tuple[Reason, str]]:
    return {i: (reason, f"{_shown(int(times[i]))} is {why}") for i in np.flatnonzero(flags).tolist()}


def _shown(micros: int) -> str:
    try:
        return rfc3339(from_micros(micros))
    except OverflowError:
        return f"{micros} µs since 1970"


def _id_text(value: object) -> bytes | None:
    """The text that is hashed; None where the value is no id. The id 5 and the id "5" are the same."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace") or None
    return repr(value).encode() if isinstance(value, int) and not isinstance(value, bool) and abs(value) < LARGEST_ID else None


def _version_text(value: object) -> str:
    text = text_of(value)
    return text if isinstance(text, str) and text else UNKNOWN_VERSION
