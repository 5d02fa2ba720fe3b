"""Grids: the immutable binning of every column, derived from the first reference of a model version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from monitor.core.profile import canonical
from monitor.core.schema import Column, Flags, Floats, Ints, Kind

BOOLEANS = ("false", "true")
BLANK_UNIT = 2.0**-36  # 1.5e-11: where no reference tells the scale of a column


def next_floats(values: Floats) -> Floats:
    """The next float above each, infinity above the largest."""
    with np.errstate(over="ignore"):
        after: Floats = np.nextafter(values, np.inf)
        return after


def single_valued(edges: Floats) -> Flags:
    """Which of the bins between these edges, shape (k,), hold one single value; shape (k + 1,)."""
    flags = np.zeros(len(edges) + 1, dtype=np.bool_)
    if len(edges):
        after = next_floats(edges)
        flags[1:-1] = after[:-1] == edges[1:]
        flags[-1] = np.isinf(after[-1])
    return flags


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NumericGrid:
    """Bins of a numeric column. ``edges`` is finite and strictly increasing, shape (k,), k may be 0.

    Bin ``i`` of the ``k + 1`` holds ``edges[i-1] <= x < edges[i]``; the first and the last are open.
    ``by_value``: every distinct value of the reference has the bin ``[v, nextafter(v))`` to itself, the gaps are bins too.
    ``center`` and ``unit`` (a power of two) scale the integer moments: ``rint((x - center) / unit)``.
    """

    edges: Floats
    by_value: bool = False
    center: float = 0.0
    unit: float = BLANK_UNIT

    def __post_init__(self) -> None:
        edges = np.ascontiguousarray(self.edges, dtype=np.float64) + 0.0  # a copy of our own, and no -0.0
        if edges.ndim != 1 or not np.isfinite(edges).all() or (edges[1:] <= edges[:-1]).any():
            raise ValueError("edges must be finite and strictly increasing")
        if not (self.unit > 0 and np.isfinite(self.unit) and np.frexp(self.unit)[0] == 0.5):
            raise ValueError(f"unit must be a power of two, not {self.unit!r}")
        edges.setflags(write=False)
        object.__setattr__(self, "edges", edges)

    @property
    def bins(self) -> int:
        """How many bins there are: one more than edges."""
        return len(self.edges) + 1

    def bins_of(self, values: Floats) -> Ints:
        """The bin of each finite value."""
        return np.searchsorted(self.edges, values, side="right").astype(np.int64)

    @property
    def atoms(self) -> Flags:
        """Which bins hold one single value, shape (k + 1,)."""
        return single_valued(self.edges)

    def document(self) -> dict[str, object]:
        """As plain JSON values."""
        return {
            "kind": Kind.NUMERIC.value,
            "by_value": self.by_value,
            "center": float(self.center),
            "unit": float(self.unit),
            "edges": self.edges.tolist(),
        }

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NumericGrid) and self.document() == other.document()

    def __hash__(self) -> int:
        return hash((self.edges.tobytes(), self.by_value, self.center, self.unit))


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoricalGrid:
    """The categories of the reference, sorted and distinct. Booleans: ``("false", "true")``."""

    categories: tuple[str, ...] = ()
    positions: Mapping[str, int] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        if list(self.categories) != sorted(set(self.categories)):
            raise ValueError("categories must be sorted and distinct")
        object.__setattr__(self, "positions", {text: i for i, text in enumerate(self.categories)})

    def document(self) -> dict[str, object]:
        """As plain JSON values."""
        return {"kind": Kind.CATEGORICAL.value, "categories": list(self.categories)}


ColumnGrid = NumericGrid | CategoricalGrid


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """The binning of all columns, by name. Two profiles on grids of one hash can be compared and merged."""

    columns: Mapping[str, ColumnGrid]
    hash: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", MappingProxyType(dict(sorted(self.columns.items()))))
        object.__setattr__(self, "hash", canonical.digest(self.document()))

    @staticmethod
    def blank(columns: Sequence[Column]) -> Grid:
        """For a model without any reference: one bin per numeric column, no categories but those of booleans."""
        return Grid({column.name: _blank(column.kind) for column in columns})

    def document(self) -> dict[str, object]:
        """As plain JSON values."""
        return {name: grid.document() for name, grid in self.columns.items()}

    def to_json(self) -> str:
        """The canonical text; ``hash`` is its SHA-256."""
        return canonical.compact(self.document())

    @staticmethod
    def from_json(text: str) -> Grid:
        """Raises DecodeError naming what is wrong."""
        return grid_of(canonical.parse(text, "grid"))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Grid) and self.hash == other.hash

    def __hash__(self) -> int:
        return hash(self.hash)

    def __reduce__(self) -> tuple[type[Grid], tuple[dict[str, ColumnGrid]]]:
        return Grid, (dict(self.columns),)


def _blank(kind: Kind) -> ColumnGrid:
    if kind is Kind.NUMERIC:
        return NumericGrid(edges=np.empty(0))
    return CategoricalGrid(categories=BOOLEANS if kind is Kind.BOOLEAN else ())


def grid_of(fields: canonical.Fields) -> Grid:
    """The grid of a parsed document. Raises DecodeError naming what is wrong."""
    return Grid({name: _column_grid(fields.part(name)) for name in fields.keys()})  # noqa: SIM118 - Fields is no mapping


def _column_grid(fields: canonical.Fields) -> ColumnGrid:
    kind = fields.text("kind")
    try:
        if kind == Kind.NUMERIC:
            return NumericGrid(
                edges=fields.reals("edges"),
                by_value=fields.flag("by_value"),
                center=fields.real("center"),
                unit=fields.real("unit"),
            )
        if kind == Kind.CATEGORICAL:
            return CategoricalGrid(categories=fields.texts("categories"))
    except ValueError as error:
        raise fields.fault("edges" if kind == Kind.NUMERIC else "categories", str(error)) from error
    raise fields.fault("kind", "one of ['categorical', 'numeric']")
