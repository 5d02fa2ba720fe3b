"""The profile of a window: every column's profile on one grid, and a sample of rows."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from monitor.core.profile import canonical, packing
from monitor.core.profile.categorical import CategoricalProfile
from monitor.core.profile.comoments import CoMoments, paired
from monitor.core.profile.grid import ColumnGrid, Grid, NumericGrid
from monitor.core.profile.numeric import NumericProfile
from monitor.core.profile.sample import RowSample
from monitor.core.profile.unmapped import NOTHING, Unmapped
from monitor.core.schema import Batch
from monitor.errors import DecodeError

ColumnProfile = NumericProfile | CategoricalProfile

SIGHTINGS = 3  # rows of the sample that a category needs for an estimate: one or two may be chance


class Profile:
    """Counts and moments of the rows of one window. ``fold`` changes it; ``merge`` and ``minus`` make new ones.

    ``rows`` counts all rows folded; a column that a batch does not carry counts fewer (``total``). ``comoments`` is None where
    the grid has too few or too many numeric columns, or where a part was counted before they were kept. ``unmapped``: what the
    messages held besides, of those that were looked at.
    """

    __slots__ = ("columns", "comoments", "grid", "rows", "sample", "unmapped")

    def __init__(
        self, *, grid: Grid, rows: int, columns: Mapping[str, ColumnProfile], sample: RowSample, comoments: CoMoments | None = None,
        unmapped: Unmapped = NOTHING,
    ) -> None:
        if set(columns) != set(grid.columns):
            raise ValueError(f"columns {sorted(columns)} do not fit the grid's {sorted(grid.columns)}")
        self.grid = grid
        self.rows = rows
        self.columns: Mapping[str, ColumnProfile] = MappingProxyType({name: columns[name] for name in grid.columns})
        self.sample = sample
        self.comoments = comoments
        self.unmapped = unmapped

    @staticmethod
    def empty(grid: Grid, sample_rows: int = 0) -> Profile:
        """No rows yet; ``sample_rows`` is how many are to be kept as they are."""
        columns = {name: _empty_column(column) for name, column in grid.columns.items()}
        names = paired(grid.columns)
        sample = RowSample(columns=tuple(grid.columns), size=sample_rows)
        return Profile(grid=grid, rows=0, columns=columns, sample=sample, comoments=CoMoments.empty(names) if names else None)

    @staticmethod
    def lean(grid: Grid) -> Profile:
        """No rows yet, and column by column only: neither a sample nor co-moments are kept."""
        return Profile(grid=grid, rows=0, columns=Profile.empty(grid).columns, sample=RowSample(columns=tuple(grid.columns)))

    def fold(self, batch: Batch, topic_seed: int | None = None) -> None:
        """Count the rows of a batch. Columns that the grid does not know are left out; ``topic_seed`` None takes no sample and no looks."""
        self.rows += len(batch)
        for name, column in self.columns.items():
            values = batch.columns.get(name)
            if values is not None:
                column.add(values)
        if self.comoments is not None:
            self.comoments = self.comoments.fold(self.grid.columns, batch.columns, len(batch))
        if topic_seed is not None:
            self.sample = self.sample.fold(batch, topic_seed)
            looks = batch.own_looks()
            self.unmapped = self.unmapped.merge(Unmapped.of_messages(looks, batch.mapping)) if looks else self.unmapped

    def new_categories(self, name: str) -> Mapping[str, int]:
        """Rows of the categories of a column that its grid lacks: exact where kept, else estimated where the sample shows them often.

        Of 200 sampled rows, a category of 5 % of the window is missed once in 400 windows, one of 3 % once in 16.
        """
        column = self.columns[name]
        if not isinstance(column, CategoricalProfile) or not column.new.other:
            return column.new.kept if isinstance(column, CategoricalProfile) else {}
        seen = {text: count for text, count in self.sample.sightings(name).items() if count >= SIGHTINGS and column.is_new(text)}
        rows = self.rows / max(len(self.sample.rows), 1)
        return {text: min(round(count * rows), column.new.other) for text, count in seen.items()} | dict(column.new.kept)

    def merge(self, other: Profile) -> Profile:
        """Both together. Associative, commutative and exact. Raises ValueError on different grids."""
        self._check(other)
        columns: dict[str, ColumnProfile] = {}
        for name, mine in self.columns.items():
            columns[name] = mine.merge(other.columns[name])  # type: ignore[arg-type]  # one grid, one kind
        both = None if self.comoments is None or other.comoments is None else self.comoments.merge(other.comoments)
        sample, unmapped = self.sample.merge(other.sample), self.unmapped.merge(other.unmapped)
        return Profile(grid=self.grid, rows=self.rows + other.rows, columns=columns, sample=sample, comoments=both, unmapped=unmapped)

    def minus(self, other: Profile) -> Profile:
        """This without a part of it: counts and moments exact; min and max stay as bounds; no sample, and no looks.

        Raises ValueError on different grids and where ``other`` cannot be a part.
        """
        self._check(other)
        if other.rows > self.rows:
            raise ValueError(f"cannot subtract {other.rows} rows from {self.rows}")
        columns: dict[str, ColumnProfile] = {}
        for name, mine in self.columns.items():
            columns[name] = mine.minus(other.columns[name])  # type: ignore[arg-type]  # one grid, one kind
        rest = None if self.comoments is None or other.comoments is None else self.comoments.minus(other.comoments)
        sample = RowSample(columns=tuple(columns))
        return Profile(grid=self.grid, rows=self.rows - other.rows, columns=columns, sample=sample, comoments=rest)

    def without_sample(self) -> Profile:
        """The same counts, nothing raw: neither rows nor names out of messages. Shares the columns."""
        sample = RowSample(columns=tuple(self.columns))
        return Profile(grid=self.grid, rows=self.rows, columns=self.columns, sample=sample, comoments=self.comoments)

    def _check(self, other: Profile) -> None:
        if self.grid != other.grid:
            raise ValueError(f"profiles on different grids ({self.grid.hash[:12]} and {other.grid.hash[:12]}) cannot be combined")

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Profile)
            and self.grid == other.grid
            and self.document() == other.document()
            and self.sample == other.sample
        )

    __hash__ = None  # type: ignore[assignment]  # it changes

    def __repr__(self) -> str:
        return f"Profile(rows={self.rows}, columns={list(self.columns)}, grid={self.grid.hash[:12]!r})"

    # --- writing ---------------------------------------------------------------------------------------------

    def document(self) -> dict[str, object]:
        """As plain JSON values, without the sample."""
        kept: dict[str, object] = {} if self.comoments is None else {"comoments": self.comoments.document()}
        kept |= {"unmapped": self.unmapped.document()} if self.unmapped.looked else {}
        columns = {name: column.document() for name, column in self.columns.items()}
        return {"grid": self.grid.hash, "rows": self.rows, "columns": columns, **kept}

    @property
    def hash(self) -> str:
        """SHA-256 of the canonical JSON, so of grid, counts and moments, not of the sample."""
        return canonical.digest(self.document())

    def to_json(self) -> str:
        """Canonical JSON without the sample."""
        return canonical.compact(self.document())

    @staticmethod
    def from_json(text: str, grid: Grid) -> Profile:
        """Raises DecodeError naming what is wrong, another grid included."""
        return profile_of(canonical.parse(text, "profile"), grid)

    def to_bytes(self) -> bytes:
        """Compact and canonical, sample included: equal profiles give equal bytes."""
        return packing.pack(self.grid, self.rows, self.columns, self.sample, self.comoments, self.unmapped)

    @staticmethod
    def from_bytes(data: bytes, grid: Grid) -> Profile:
        """Raises DecodeError for a blob that is broken, of another format or of another grid."""
        rows, columns, sample, comoments, unmapped = packing.unpack(data, grid)
        return Profile(grid=grid, rows=rows, columns=columns, sample=sample, comoments=comoments, unmapped=unmapped)


def _empty_column(grid: ColumnGrid) -> ColumnProfile:
    return NumericProfile(grid=grid) if isinstance(grid, NumericGrid) else CategoricalProfile(grid=grid)


def profile_of(fields: canonical.Fields, grid: Grid) -> Profile:
    """The profile of a parsed document. Raises DecodeError."""
    if fields.text("grid") != grid.hash:
        raise fields.fault("grid", f"{grid.hash!r}")
    parts = fields.part("columns")
    if set(parts.keys()) != set(grid.columns):
        raise DecodeError(f"profile.columns: expected {sorted(grid.columns)}, found {list(parts.keys())}")
    columns = {name: _column_of(parts.part(name), column) for name, column in grid.columns.items()}
    names, sample = paired(grid.columns), RowSample(columns=tuple(grid.columns))
    comoments = CoMoments.of(fields.part("comoments"), names) if fields.has("comoments") else None
    unmapped = Unmapped.of(fields.part("unmapped")) if fields.has("unmapped") else NOTHING
    return Profile(grid=grid, rows=fields.whole("rows"), columns=columns, sample=sample, comoments=comoments, unmapped=unmapped)


def _column_of(fields: canonical.Fields, grid: ColumnGrid) -> ColumnProfile:
    return NumericProfile.of(fields, grid) if isinstance(grid, NumericGrid) else CategoricalProfile.of(fields, grid)
