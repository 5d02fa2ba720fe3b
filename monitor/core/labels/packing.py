"""Predictions and labels as bytes for SQL: MessagePack with raw little-endian arrays, each deflated where that makes it smaller.

Ids of predictions are apart, as they are: hashes do not deflate, and are read alone. Codes are of the narrowest type, with the part of the
dictionary that they use; whole numbers are differences from their least, of the narrowest type; what is a fraction has 8 bytes.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from monitor.core.labels.chunks import joined_labels
from monitor.core.labels.labels import Labels, Matches
from monitor.core.labels.predicted import Predicted
from monitor.core.schema import CategoricalValues, Flags, Hashes, Ints, NumericValues, State, Values
from monitor.errors import DecodeError

FORMAT = 1
LEVEL = 1  # zlib: fastest
PROBE = 16_384
"""Bytes from the middle of an array that tell whether the whole of it deflates."""
WORTH = 0.9
"""Of its bytes that may be left of an array for deflating to be worth the time: of probabilities as doubles some 95 per cent are left."""
HASHES, FLOATS, STATES = "<u8", "<f8", "|u1"
CODES, DIFFERENCES = ("|i1", "<i2", "<i4"), ("|u1", "<u2", "<u4", "<u8")
WRAP = 2**64

T = TypeVar("T")


class _Array(msgspec.Struct, array_like=True, frozen=True):
    kind: str
    deflated: bool
    data: bytes


class _Numbers(msgspec.Struct, array_like=True, frozen=True, tag=0):
    values: _Array
    states: _Array | None


class _Categories(msgspec.Struct, array_like=True, frozen=True, tag=1):
    codes: _Array
    dictionary: tuple[str, ...]


class _Whole(msgspec.Struct, array_like=True, frozen=True):
    least: int
    differences: _Array


class _Predicted(msgspec.Struct, array_like=True, frozen=True):
    format: int
    rows: int
    prediction: _Numbers | _Categories | None
    scores: tuple[_Array, ...] | None  # a column each
    classes: tuple[str, ...]
    segments: dict[str, _Categories]


class _Labels(msgspec.Struct, array_like=True, frozen=True):
    format: int
    rows: int
    ids: _Array | None
    where: _Whole | None  # rows of a window, whose ids are known
    values: _Numbers | _Categories
    times: _Whole
    offsets: _Whole
    partitions: _Whole


def pack_ids(ids: Hashes) -> bytes:
    """Hashes as they are."""
    return np.ascontiguousarray(ids, dtype=HASHES).tobytes()


def unpack_ids(data: bytes) -> Hashes:
    """Raises DecodeError."""
    if len(data) % 8:
        raise DecodeError(f"{len(data)} bytes of ids are not whole hashes")
    return np.frombuffer(data, dtype=HASHES).astype(np.uint64, copy=False)


def pack_flags(flags: Flags) -> bytes:
    """A bit each."""
    return np.packbits(flags, bitorder="little").tobytes()


def unpack_flags(data: bytes, rows: int) -> Flags:
    """Raises DecodeError."""
    if len(data) != (rows + 7) // 8:
        raise DecodeError(f"{len(data)} bytes of flags are not those of {rows} rows")
    return np.unpackbits(np.frombuffer(data, dtype=np.uint8), count=rows, bitorder="little").astype(np.bool_)


def pack_predicted(predicted: Predicted) -> bytes:
    """All but the ids."""
    packed = _Predicted(
        format=FORMAT,
        rows=len(predicted),
        prediction=None if predicted.prediction is None else _pack_values(predicted.prediction),
        scores=None if predicted.scores is None else tuple(_pack_array(column, FLOATS) for column in predicted.scores.T),
        classes=predicted.classes,
        segments={column: _pack_categories(values) for column, values in predicted.segments.items()},
    )
    return msgspec.msgpack.encode(packed)


def unpack_predicted(ids: bytes, data: bytes) -> Predicted:
    """Raises DecodeError."""
    packed, hashes = _decode(data, _predicted), unpack_ids(ids)
    if len(hashes) != packed.rows:
        raise DecodeError(f"kept predictions have {len(hashes)} ids for {packed.rows} rows")
    columns = None if packed.scores is None else [_unpack_array(column, packed.rows, FLOATS) for column in packed.scores]
    if columns is not None and len(columns) != max(len(packed.classes), 1):
        raise DecodeError(f"kept predictions have {len(columns)} columns of scores for {len(packed.classes)} classes")
    return Predicted(
        ids=hashes,
        prediction=None if packed.prediction is None else _unpack_values(packed.prediction, packed.rows),
        scores=None if columns is None else np.column_stack(columns).astype(np.float64, copy=False),
        classes=packed.classes,
        segments={column: _unpack_categories(values, packed.rows) for column, values in packed.segments.items()},
    )


def pack_labels(labels: Labels) -> bytes:
    """Labels with their ids."""
    return msgspec.msgpack.encode(_labels_of(labels, _pack_array(labels.ids, HASHES), None))


def unpack_labels(data: bytes) -> Labels:
    """Raises DecodeError."""
    packed = _decode(data, _labels)
    if packed.ids is None:
        raise DecodeError("stored labels have no ids")
    return _labels_from(packed, _unpack_array(packed.ids, packed.rows, HASHES).astype(np.uint64, copy=False))


def pack_matches(matches: Matches) -> bytes:
    """Labels by the rows that they belong to; their ids are those of the rows."""
    return msgspec.msgpack.encode(_labels_of(matches.labels, None, _pack_whole(matches.rows)))


def unpack_matches(data: bytes, ids: Hashes) -> Matches:
    """Of the window whose rows have these ids. Raises DecodeError."""
    packed = _decode(data, _labels)
    rows = _rows_from(packed)
    if not _within(rows, 0, len(ids)):
        raise DecodeError(f"stored matches are of rows beyond the {len(ids)} of their window")
    return Matches(rows=rows, labels=_labels_from(packed, ids[rows]))


def merged_matches(parts: Sequence[bytes]) -> bytes:
    """Packed matches of one window as one, without knowing its ids. Raises DecodeError."""
    found = []
    for part in parts:
        packed = _decode(part, _labels)
        found.append((_rows_from(packed), _labels_from(packed, np.zeros(packed.rows, dtype=np.uint64))))
    rows, labels = np.concatenate([rows for rows, _ in found]), joined_labels([labels for _, labels in found])
    return pack_matches(Matches(rows=rows, labels=labels))


_predicted, _labels = msgspec.msgpack.Decoder(_Predicted), msgspec.msgpack.Decoder(_Labels)


def _decode(data: bytes, decoder: msgspec.msgpack.Decoder[T]) -> T:
    try:
        packed = decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DecodeError(f"{len(data)} bytes of kept rows cannot be read: {error}") from error
    if packed.format != FORMAT:  # type: ignore[attr-defined]  # both kinds have one
        raise DecodeError(f"format {packed.format} of kept rows is not {FORMAT}: written by another version of driftd")  # type: ignore[attr-defined]
    return packed


def _labels_of(labels: Labels, ids: _Array | None, where: _Whole | None) -> _Labels:
    times, offsets, partitions = (_pack_whole(numbers) for numbers in (labels.times, labels.offsets, labels.partitions))
    values = _pack_values(labels.values)
    return _Labels(FORMAT, len(labels), ids=ids, where=where, values=values, times=times, offsets=offsets, partitions=partitions)


def _rows_from(packed: _Labels) -> Ints:
    if packed.where is None:
        raise DecodeError("stored matches have no rows")
    return _unpack_whole(packed.where, packed.rows)


def _labels_from(packed: _Labels, ids: Hashes) -> Labels:
    times, offsets, partitions = (_unpack_whole(whole, packed.rows) for whole in (packed.times, packed.offsets, packed.partitions))
    return Labels(ids=ids, values=_unpack_values(packed.values, packed.rows), times=times, offsets=offsets, partitions=partitions)


def _pack_values(values: Values) -> _Numbers | _Categories:
    if isinstance(values, CategoricalValues):
        return _pack_categories(values)
    states = None if values.states is None else _pack_array(values.states, STATES)
    return _Numbers(values=_pack_array(values.values, FLOATS), states=states)


def _unpack_values(part: _Numbers | _Categories, rows: int) -> Values:
    if isinstance(part, _Categories):
        return _unpack_categories(part, rows)
    values = _unpack_array(part.values, rows, FLOATS).astype(np.float64, copy=False)
    if part.states is None:
        return NumericValues(values=values)
    states = _unpack_array(part.states, rows, STATES)
    if not _within(states, State.VALUE, State.WRONG_TYPE + 1):
        raise DecodeError("kept numbers have a state that is none")
    return NumericValues(values=values, states=states)


def _pack_categories(values: CategoricalValues) -> _Categories:
    """Codes into the part of the dictionary that is used, in its order."""
    used = np.zeros(len(values.dictionary), dtype=bool)
    used[values.codes[values.codes >= 0]] = True
    named = np.append(np.cumsum(used) - 1, (CategoricalValues.WRONG, CategoricalValues.NULL))
    codes = named[values.codes]  # the negative ones find the two at the end
    kind = next(kind for kind in CODES if used.sum() <= np.iinfo(kind).max)
    dictionary = tuple(text for text, is_used in zip(values.dictionary, used.tolist(), strict=True) if is_used)
    return _Categories(codes=_pack_array(codes, kind), dictionary=dictionary)


def _unpack_categories(part: _Categories, rows: int) -> CategoricalValues:
    codes = _unpack_array(part.codes, rows, *CODES).astype(np.int32, copy=False)
    if not _within(codes, CategoricalValues.WRONG, len(part.dictionary)):
        raise DecodeError(f"kept categories have a code beyond their dictionary of {len(part.dictionary)}")
    return CategoricalValues(codes=codes, dictionary=part.dictionary)


def _pack_whole(numbers: Ints) -> _Whole:
    least = int(numbers.min(initial=np.iinfo(np.int64).max)) if len(numbers) else 0
    differences = numbers.astype(np.uint64) - np.uint64(least % WRAP)
    most = int(differences.max(initial=0))
    kind = next(kind for kind in DIFFERENCES if most <= np.iinfo(kind).max)
    return _Whole(least=least, differences=_pack_array(differences, kind))


def _unpack_whole(part: _Whole, rows: int) -> Ints:
    differences = _unpack_array(part.differences, rows, *DIFFERENCES).astype(np.uint64)
    return (differences + np.uint64(part.least % WRAP)).astype(np.int64)


def _pack_array(array: NDArray[Any], kind: str) -> _Array:
    data = np.ascontiguousarray(array, dtype=kind).tobytes()
    if kind != HASHES and _deflates(data):
        return _Array(kind=kind, deflated=True, data=zlib.compress(data, LEVEL))
    return _Array(kind=kind, deflated=False, data=data)


def _deflates(data: bytes) -> bool:
    """Told by a probe: to deflate in vain costs more than all else here."""
    first = max(len(data) - PROBE, 0) // 2
    probe = data[first : first + PROBE]
    return len(zlib.compress(probe, LEVEL)) < WORTH * len(probe)


def _unpack_array(part: _Array, rows: int, *kinds: str) -> NDArray[Any]:
    if part.kind not in kinds:
        raise DecodeError(f"kept rows have an array of {part.kind!r}, expected one of {kinds}")
    expected = rows * np.dtype(part.kind).itemsize
    data = _inflated(part.data, expected) if part.deflated else part.data
    if len(data) != expected:
        raise DecodeError(f"kept rows have an array of {len(data)} bytes, expected {expected}")
    return np.frombuffer(data, dtype=part.kind)


def _inflated(data: bytes, most: int) -> bytes:
    """Never much longer than is expected, whatever the damage."""
    try:
        return zlib.decompressobj().decompress(data, most + 1)
    except (zlib.error, OverflowError, ValueError) as error:
        raise DecodeError(f"kept rows cannot be inflated: {error}") from error


def _within(numbers: NDArray[Any], least: int, beyond: int) -> bool:
    return not len(numbers) or bool(numbers.min() >= least and numbers.max() < beyond)
