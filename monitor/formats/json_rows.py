"""JSON objects, one a message."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
import numpy as np
import xxhash

from monitor.core.joining import joined
from monitor.core.rules import Stream, StreamKind
from monitor.core.schema import Batch, CategoricalValues, Column, Fault, Hashes, Ints, Reason, Record, Scores, Values
from monitor.formats.columns import categorical_values, column_values, text_of
from monitor.formats.faults import fault_of
from monitor.formats.labels import wrong_labels
from monitor.formats.mapping import by_path, dig, level_of, looked_at, mapped_of, mapping_of, place_of, tree_of, unmapped, wanted
from monitor.formats.moments import event_times
from monitor.formats.scores import scores_of

CHUNK_ROWS = 500
"""So many messages are turned into columns at a time: their values stay in the processor's cache, and no garbage collection starts."""
VERSION_CHARACTERS = 100
UNKNOWN_VERSION = "unknown"
"""The version of a row that lacks one where the stream maps it."""
LARGEST_ID = 10**100
"""An integer id beyond this is nonsense, and Python refuses to write the longest."""
NOTHING = b"{}"
"""Read in place of a message that is not looked into, so that rows and records stay side by side."""


@dataclass(slots=True)
class _Read:
    """Messages and what was read of them, by position: structs, the parsed JSON of odd ones, and what is wrong with others."""

    records: Sequence[Record]
    rows: list[Any] = field(default_factory=list)
    odd: dict[int, Mapping[str, object]] = field(default_factory=dict)
    faults: dict[int, Fault] = field(default_factory=dict)

    def patched(self, values: Sequence[object], path: str) -> Sequence[object]:
        """The values at a path, those of odd messages included."""
        if not self.odd:
            return values
        found = list(values)
        for i, document in self.odd.items():
            found[i] = dig(document, path)
        return found


class JsonDecoder:
    """Reads what is mapped with msgspec; a message that it refuses is read alone by ``json``, which knows NaN and Infinity.

    A value of a wrong type costs its column that one value, not the message, and not the batch. Raises ValueError for
    paths that contradict each other.
    """

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        types = wanted(stream)
        self._shared = {path for path, kind in types.items() if kind is Any}
        self._mapped, self._mapping = mapped_of(tree_of(types)), mapping_of(types)
        self._level = level_of(types)
        self._blank = self._level.struct()
        self._decoder = msgspec.json.Decoder(self._level.struct)

    def decode(self, records: Sequence[Record], latest: int | None = None) -> Batch:
        """Rows of one partition in the order of their offsets."""
        chunks = [records[at : at + CHUNK_ROWS] for at in range(0, len(records), CHUNK_ROWS)]
        return joined([self._decode(chunk, latest) for chunk in chunks or [records]])

    def _decode(self, records: Sequence[Record], latest: int | None) -> Batch:
        read = self._read(records)
        raw = by_path(self._level, read.rows)
        times = self._times(raw, read, latest)
        versions = self._versions(raw, read)
        ids = self._ids(raw, read, times, versions)
        offsets = np.array([record.offset for record in records], dtype=np.int64)
        batch = Batch(
            offsets=offsets,
            times=times,
            versions=versions,
            ids=ids,
            columns={column.name: self._column(column, raw, read) for column in self._stream.columns},
            looks=self._looks(offsets, read),
            mapping=self._mapping,
            scores=self._scores(raw, read) if self._stream.scores else None,
        )
        if self._stream.kind is StreamKind.LABELS:
            self._require_labels(batch, raw, read)
        if not read.faults:
            return batch
        kept = np.ones(len(records), dtype=np.bool_)
        kept[list(read.faults)] = False
        return replace(batch.take(kept), faults=tuple(fault for _, fault in sorted(read.faults.items())))

    def _read(self, records: Sequence[Record]) -> _Read:
        read = _Read(records)
        values = self._values(read)
        decoded = map(self._decoder.decode, values)
        while len(read.rows) < len(values):
            try:
                read.rows.extend(decoded)  # up to a message that raises; ``map`` then goes on with the one after it
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                self._read_alone(len(read.rows), values[len(read.rows)], read)
                read.rows.append(self._blank)
        return read

    def _values(self, read: _Read) -> list[bytes]:
        """What is to be read: nothing in place of tombstones, empty and very large messages."""
        values = [record.value for record in read.records]
        limit = self._stream.max_bytes
        whole = [value for value in values if value]
        if len(whole) == len(values) and (not whole or max(map(len, whole)) <= limit):
            return whole
        for i, value in enumerate(values):
            if not value:
                detail = "no value (a tombstone)" if value is None else "an empty value"
                read.faults[i] = fault_of(read.records[i], Reason.EMPTY, detail)
            elif len(value) > limit:
                read.faults[i] = fault_of(read.records[i], Reason.TOO_LARGE, f"{len(value):,} bytes, at most {limit:,} are read")
        return [NOTHING if value is None or i in read.faults else value for i, value in enumerate(values)]

    def _read_alone(self, at: int, value: bytes, read: _Read) -> None:
        """A message that the fast path refused: NaN, a wrong type somewhere, or no JSON at all."""
        record = read.records[at]
        try:
            document = _parsed(value.decode("utf-8"))
        except UnicodeDecodeError as error:
            read.faults[at] = fault_of(record, Reason.NOT_UTF8, str(error))
        except RecursionError:
            read.faults[at] = fault_of(record, Reason.NOT_JSON, "nested too deeply")
        except ValueError as error:
            read.faults[at] = fault_of(record, Reason.NOT_JSON, str(error))
        else:
            if isinstance(document, dict):
                read.odd[at] = document
            else:
                read.faults[at] = fault_of(record, Reason.NOT_AN_OBJECT, f"a {type(document).__name__}, expected an object")

    def _looks(self, offsets: Ints, read: _Read) -> Mapping[int, tuple[str, ...]]:
        """What is not mapped in the rows' messages that are looked at, while they are in the processor's cache."""
        found = {}
        for i in looked_at(offsets):
            document = None if i in read.faults else _whole(read.records[i].value)
            if document is not None:
                found[read.records[i].offset] = tuple(sorted(unmapped(document, self._mapped)))
        return found

    def _times(self, raw: Mapping[str, Sequence[object]], read: _Read, latest: int | None) -> Ints:
        """Event times in microseconds; what has none that can be used becomes a fault."""
        stamps = np.array([record.timestamp for record in read.records], dtype=np.int64)
        if latest is not None:
            stamps = np.minimum(stamps, latest)
        path = self._stream.time
        values = read.patched(raw[path], path) if path else None
        times, wrong = event_times(values, path, stamps, self._stream.max_future)
        for i, (reason, detail) in wrong.items():
            read.faults.setdefault(i, fault_of(read.records[i], reason, detail))
        return times

    def _versions(self, raw: Mapping[str, Sequence[object]], read: _Read) -> CategoricalValues | None:
        path = self._stream.version
        if not path:
            return None
        values = read.patched(raw[path], path)
        first = values[0] if values else None
        if isinstance(first, str) and values.count(first) == len(values):
            values = [first]  # nearly always: one version at a time
        texts = categorical_values([_version_text(value) for value in values], {})
        if len(values) == len(read.rows):
            return texts
        return CategoricalValues(codes=np.zeros(len(read.rows), dtype=np.int32), dictionary=texts.dictionary)

    def _ids(self, raw: Mapping[str, Sequence[object]], read: _Read, times: Ints, versions: CategoricalValues | None) -> Hashes | None:
        """Hashes of the ids; a row without one becomes a fault that tells its window."""
        path = self._stream.id
        if not path:
            return None
        values = read.patched(raw[path], path)
        digest = xxhash.xxh3_64_intdigest
        if not read.odd and all(values) and set(map(type, values)) == {str}:
            return np.fromiter((digest(value.encode()) for value in values if isinstance(value, str)), dtype=np.uint64, count=len(values))
        texts = [_id_text(value) for value in values]
        for i, text in enumerate(texts):
            if text is None and i not in read.faults:
                version = None if versions is None else versions.dictionary[versions.codes[i]]
                read.faults[i] = fault_of(read.records[i], Reason.MISSING_ID, f"no id at {path!r}", time=int(times[i]), version=version)
        return np.fromiter((0 if text is None else digest(text) for text in texts), dtype=np.uint64, count=len(texts))

    def _column(self, column: Column, raw: Mapping[str, Sequence[object]], read: _Read) -> Values:
        path = place_of(column)
        values, odd = raw[path], {i: dig(document, path) for i, document in read.odd.items()}
        if path in self._shared:  # several uses of other types: the fast path took anything, so every value is looked at
            values, odd = [None] * len(read.rows), dict(enumerate(values)) | odd
        return column_values(column.kind, values, odd)

    def _scores(self, raw: Mapping[str, Sequence[object]], read: _Read) -> Scores:
        path = self._stream.scores
        values, odd = raw[path], {i: dig(document, path) for i, document in read.odd.items()}
        return scores_of(values, dict(enumerate(values)) | odd if path in self._shared else odd)

    def _require_labels(self, batch: Batch, raw: Mapping[str, Sequence[object]], read: _Read) -> None:
        """A row whose label cannot be one becomes a fault."""
        for column in self._stream.columns:
            path = place_of(column)
            for i, (reason, detail) in wrong_labels(batch.columns[column.name], read.patched(raw[path], path), path).items():
                read.faults.setdefault(i, fault_of(read.records[i], reason, detail, time=int(batch.times[i])))


def _whole(value: bytes | None) -> Mapping[str, object] | None:
    """A row's message, with what the fast path skipped; None where that holds something that it would have refused."""
    try:
        document = msgspec.json.decode(value or NOTHING)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        document = _odd(value or NOTHING)
    return document if isinstance(document, dict) else None


def _odd(value: bytes) -> object:
    try:
        return _parsed(value.decode("utf-8"))
    except (ValueError, RecursionError):
        return None


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        raise
    except ValueError:  # an integer of more digits than Python reads
        return json.loads(text, parse_int=float)


def _id_text(value: object) -> bytes | None:
    """The text that is hashed; None where the value is no id. The id 5 and the id "5" are the same."""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass") or None
    return repr(value).encode() if isinstance(value, int) and not isinstance(value, bool) and abs(value) < LARGEST_ID else None


def _version_text(value: object) -> str:
    text = text_of(value)
    return text[:VERSION_CHARACTERS] if isinstance(text, str) and text else UNKNOWN_VERSION
