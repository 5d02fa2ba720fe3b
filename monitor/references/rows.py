"""Rows of reference data as every format hands them over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from monitor.core.schema import Batch, CategoricalValues, Ints, Kind, Values
from monitor.errors import UsageError
from monitor.formats.times import NO_TIME
from monitor.references import values as rules


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be read of a file: columns with their kinds, and the columns of time and version where there are any.

    ``apart``: columns that are read and not profiled: the label, which no window's messages bear.
    """

    columns: Mapping[str, Kind]
    time: str | None = None
    version: str | None = None
    apart: Mapping[str, Kind] = field(default_factory=dict)

    @property
    def read(self) -> Mapping[str, Kind]:
        """All columns of values, with their kinds."""
        return {**self.columns, **self.apart}

    @property
    def names(self) -> list[str]:
        """Every column to be read, once."""
        return list(dict.fromkeys([*self.read, *(name for name in (self.time, self.version) if name is not None)]))


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


def batch_of(first: int, rows: int, wanted: Wanted, columns: Mapping[str, Values], times: Ints | None, versions: Values | None) -> Batch:
    """Rows from number ``first`` on."""
    return Batch(
        offsets=np.arange(first, first + rows),
        times=np.full(rows, NO_TIME) if times is None else times,
        versions=versions if isinstance(versions, CategoricalValues) else None,
        ids=None,
        columns=dict(zip(wanted.read, columns.values(), strict=True)),
    )


def scalar_rule(kind: Kind) -> rules.Rule:
    """How a value of no stated type becomes a category."""
    return rules.boolean_of_scalar if kind is Kind.BOOLEAN else rules.category_of_scalar


def named_once(path: Path, names: Sequence[str]) -> Sequence[str]:
    """The names as they are. Raises UsageError where two are the same."""
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(f"{path}: columns named twice: {twice}")
    return names
