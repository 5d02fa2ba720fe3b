"""Profiles as bytes for SQL: MessagePack with raw little-endian arrays, deflated. One content, one sequence of bytes."""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping

import msgspec
import numpy as np

from monitor.core.profile.canonical import MOST
from monitor.core.profile.categorical import CategoricalProfile, NewCategories
from monitor.core.profile.comoments import CoMoments, paired
from monitor.core.profile.grid import CategoricalGrid, ColumnGrid, Grid, NumericGrid
from monitor.core.profile.moments import are_moments
from monitor.core.profile.numeric import NumericProfile
from monitor.core.profile.sample import RowSample
from monitor.core.profile.unmapped import NOTHING, Unmapped
from monitor.core.schema import Ints
from monitor.errors import DecodeError

FORMAT = 1
LEVEL = 1  # zlib: fastest


class _Numeric(msgspec.Struct, array_like=True, frozen=True, tag=0):
    counts: bytes
    sides: tuple[int, int, int, int, int]
    min: float | None
    max: float | None
    units: bytes
    squares: bytes


class _Categorical(msgspec.Struct, array_like=True, frozen=True, tag=1):
    counts: bytes
    null: int
    wrong_type: int
    new_rows: int
    new_kept: dict[str, int]


class _Packed(msgspec.Struct, array_like=True, frozen=True):
    format: int
    grid: bytes
    rows: int
    columns: list[_Numeric | _Categorical]
    sample_size: int
    sample: list[tuple[int, list[str | float | None]]]
    comoments: tuple[int, bytes, bytes] | None = None  # rows, sums, upper triangle of the products; older blobs have none
    unmapped: tuple[int, int, dict[str, int], str] | None = None  # messages looked at, paths in them, messages by path, mapping


_decoder = msgspec.msgpack.Decoder(_Packed)


def pack(
    grid: Grid,
    rows: int,
    columns: Mapping[str, NumericProfile | CategoricalProfile],
    sample: RowSample,
    comoments: CoMoments | None = None,
    unmapped: Unmapped = NOTHING,
) -> bytes:
    """The parts of a profile as bytes; columns are in the order of the grid."""
    packed = _Packed(
        format=FORMAT,
        grid=bytes.fromhex(grid.hash),
        rows=rows,
        columns=[_pack_column(columns[name]) for name in grid.columns],
        sample_size=sample.size,
        sample=[(key, list(row)) for key, row in sample.rows.items()],
        comoments=None if comoments is None else (comoments.rows, _raw(comoments.sums), _raw(comoments.triangle)),
        unmapped=(unmapped.looked, unmapped.found, dict(unmapped.kept), unmapped.mapping) if unmapped.looked else None,
    )
    return zlib.compress(msgspec.msgpack.encode(packed), LEVEL)


Unpacked = tuple[int, dict[str, NumericProfile | CategoricalProfile], RowSample, CoMoments | None, Unmapped]
"""Rows, columns, sample, co-moments and what messages held besides."""


def unpack(data: bytes, grid: Grid) -> Unpacked:
    """The parts of a profile. Raises DecodeError."""
    packed = _decode(data)
    if packed.format != FORMAT:
        raise DecodeError(f"profile format {packed.format} is not {FORMAT}: written by another version of driftd")
    if packed.grid.hex() != grid.hash:
        raise DecodeError(f"profile is on grid {packed.grid.hex()[:12]}, not on {grid.hash[:12]}")
    if len(packed.columns) != len(grid.columns):
        raise DecodeError(f"profile has {len(packed.columns)} columns, its grid {len(grid.columns)}")
    columns = {
        name: _unpack_column(name, column, part) for (name, column), part in zip(grid.columns.items(), packed.columns, strict=True)
    }
    _sound("rows", packed.rows, packed.sample_size)
    rows = {key: tuple(row) for key, row in packed.sample}
    if any(len(row) != len(columns) for row in rows.values()) or not all(0 <= key < 2**64 for key in rows):
        raise DecodeError("profile has a sample that does not fit its columns")
    sample = RowSample(columns=tuple(grid.columns), size=packed.sample_size, rows=rows)
    return packed.rows, columns, sample, _comoments(packed.comoments, grid), _unmapped(packed.unmapped)


def _unmapped(part: tuple[int, int, dict[str, int], str] | None) -> Unmapped:
    try:
        return NOTHING if part is None else Unmapped.of_parts(*part)
    except ValueError as error:
        raise DecodeError(f"profile has looks at messages that are none: {error}") from error


def _comoments(part: tuple[int, bytes, bytes] | None, grid: Grid) -> CoMoments | None:
    if part is None:
        return None
    rows, sums, products = part
    try:
        return CoMoments.of_parts(paired(grid.columns), rows, np.frombuffer(sums, "<i8").astype(np.int64), np.frombuffer(products, "<i8"))
    except ValueError as error:
        raise DecodeError(f"profile has co-moments that are none: {error}") from error


def _decode(data: bytes) -> _Packed:
    try:
        return _decoder.decode(zlib.decompress(data))
    except (zlib.error, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DecodeError(f"profile of {len(data)} bytes cannot be read: {error}") from error


def _pack_column(column: NumericProfile | CategoricalProfile) -> _Numeric | _Categorical:
    if isinstance(column, NumericProfile):
        return _Numeric(
            counts=_raw(column.counts),
            sides=(column.null, column.nan, column.pos_inf, column.neg_inf, column.wrong_type),
            min=column.min,
            max=column.max,
            units=_big(column.total_units),
            squares=_big(column.total_squares),
        )
    return _Categorical(
        counts=_raw(column.counts),
        null=column.null,
        wrong_type=column.wrong_type,
        new_rows=column.new.rows,
        new_kept=dict(column.new.kept),
    )


def _unpack_column(name: str, grid: ColumnGrid, part: _Numeric | _Categorical) -> NumericProfile | CategoricalProfile:
    if isinstance(grid, NumericGrid) and isinstance(part, _Numeric):
        null, nan, pos_inf, neg_inf, wrong_type = part.sides
        _sound(name, *part.sides)
        if not all(bound is None or math.isfinite(bound) for bound in (part.min, part.max)):
            raise DecodeError(f"profile column {name!r} has a bound that is no number")
        counts = _counts(name, part.counts, grid.bins)
        units, squares = int.from_bytes(part.units, "little", signed=True), int.from_bytes(part.squares, "little", signed=True)
        if not are_moments(int(counts.sum()), units, squares):
            raise DecodeError(f"profile column {name!r} has moments that no numbers have")
        return NumericProfile(
            grid=grid, counts=counts, null=null, nan=nan, pos_inf=pos_inf, neg_inf=neg_inf,
            wrong_type=wrong_type, min=part.min, max=part.max,
            total_units=units, total_squares=squares,
        )  # fmt: skip
    if isinstance(grid, CategoricalGrid) and isinstance(part, _Categorical):
        _sound(name, part.null, part.wrong_type, part.new_rows, part.new_rows - sum(part.new_kept.values()), *part.new_kept.values())
        return CategoricalProfile(
            grid=grid, counts=_counts(name, part.counts, len(grid.categories)), null=part.null, wrong_type=part.wrong_type,
            new=NewCategories(rows=part.new_rows, kept=part.new_kept),
        )  # fmt: skip
    raise DecodeError(f"profile column {name!r} is not of its grid's kind")


def _raw(counts: Ints) -> bytes:
    return counts.astype("<i8").tobytes()


def _counts(name: str, data: bytes, size: int) -> Ints:
    if len(data) != size * 8:
        raise DecodeError(f"profile column {name!r} has {len(data)} bytes of counts, expected {size * 8}")
    counts = np.frombuffer(data, dtype="<i8").astype(np.int64)
    _sound(name, *(int(bound) for bound in (counts.min(initial=0), counts.max(initial=0))))
    return counts


def _sound(name: str, *counts: int) -> None:
    """Raises DecodeError for what counts nothing: bytes that were damaged where no checksum is."""
    if not all(0 <= count <= MOST for count in counts):
        raise DecodeError(f"profile column {name!r} has a count that is none")


def _big(number: int) -> bytes:
    return number.to_bytes(number.bit_length() // 8 + 1, "little", signed=True)
