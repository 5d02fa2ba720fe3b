"""Parquet files of reference data; pyarrow is imported where it is used, as it is large."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from monitor.core.schema import CategoricalValues, Flags, Floats, Ints, Kind, Values
from monitor.formats.times import NO_TIME
from monitor.references import values as rules
from monitor.references.rows import Chunk, Piece, Wanted, batch_of, named_once, scalar_rule


def names(path: Path) -> Sequence[str]:
    """The columns in their order."""
    import pyarrow.parquet as pq

    return named_once(path, pq.read_schema(path).names)


def typed(path: Path) -> Mapping[str, Kind | None]:
    """What the schema says of columns other than texts; None for a type that no kind fits."""
    import pyarrow.parquet as pq
    import pyarrow.types as types

    found: dict[str, Kind | None] = {}
    for field in pq.read_schema(path):
        of = field.type.value_type if types.is_dictionary(field.type) else field.type
        if types.is_boolean(of):
            found[field.name] = Kind.BOOLEAN
        elif types.is_integer(of) or types.is_floating(of) or types.is_decimal(of):
            found[field.name] = Kind.NUMERIC
        elif not (types.is_string(of) or types.is_large_string(of) or types.is_string_view(of) or types.is_null(of)):
            found[field.name] = None
    return found


def pieces(path: Path, names: Sequence[str], size: int) -> Iterator[Piece]:
    """The values of some columns, ``size`` rows at a time."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        done, total = 0, file.metadata.num_rows
        for table in file.iter_batches(batch_size=size, columns=list(names)):
            done += table.num_rows
            yield Piece(columns={name: table.column(name).to_pylist() for name in names}, done=done, total=total)


def chunks(path: Path, wanted: Wanted, size: int) -> Iterator[Chunk]:
    """The rows, ``size`` at a time."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        first, total = 0, file.metadata.num_rows
        for table in file.iter_batches(batch_size=size, columns=wanted.names):
            columns = {name: _arrow_values(kind, table.column(name)) for name, kind in wanted.read.items()}
            times = None if wanted.time is None else _arrow_times(table.column(wanted.time))
            versions = None if wanted.version is None else _arrow_categories(table.column(wanted.version), rules.category_of_scalar)
            batch = batch_of(first, table.num_rows, wanted, columns, times, versions)
            first += table.num_rows
            yield Chunk(batch=batch, done=first, total=total)


def _arrow_values(kind: Kind, array: Any) -> Values:
    import pyarrow.types as types

    if kind is not Kind.NUMERIC:
        return _arrow_categories(array, scalar_rule(kind))
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
