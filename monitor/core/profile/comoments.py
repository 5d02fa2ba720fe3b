"""How the numeric columns of a window move together: exact second moments of all their pairs, as integers.

Each value is scaled by its grid, cut off far out, and rounded to a whole number of 2^-12 scales, so that sums of products add up to
the same bits in every order: float64 products of whole numbers are exact below 2^53, and int64 holds the sums of 2^36 rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from monitor.core.profile import canonical
from monitor.core.profile.fit import UNIT_BITS
from monitor.core.profile.grid import ColumnGrid, NumericGrid
from monitor.core.schema import Floats, Ints, NumericValues, State, Values

STEPS = 2.0**12  # whole numbers per scale; a scale is one to two widths of the bulk, about 5 to 10 standard deviations
REACH = 2.0  # scales from the center beyond which a value counts as that far, 10 to 20 standard deviations: robust, see decisions
MOST_COLUMNS = 64  # the products grow with the square: 64 columns take 17 kB before deflating, and about as long to fold as their bins
FEWEST_COLUMNS = 2
CHUNK = 2**14  # rows whose scaled values are held at once: 8 MB for 64 columns


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CoMoments:
    """Sums over ``rows`` rows of ``q`` (shape (d,)) and of ``q[i] * q[j]`` (shape (d, d), symmetric), both int64.

    A row without a finite value of a column counts as the center of its grid there.
    """

    columns: tuple[str, ...]
    rows: int
    sums: Ints
    products: Ints

    @staticmethod
    def empty(columns: tuple[str, ...]) -> CoMoments:
        """No rows yet."""
        size = len(columns)
        return CoMoments(columns=columns, rows=0, sums=np.zeros(size, dtype=np.int64), products=np.zeros((size, size), dtype=np.int64))

    def fold(self, grids: Mapping[str, ColumnGrid], values: Mapping[str, Values], rows: int) -> CoMoments:
        """With ``rows`` more rows; a column that they do not carry counts as its center."""
        sums, products = self.sums.copy(), self.products.copy()
        for start in range(0, rows, CHUNK):
            scaled = _scaled([grids[name] for name in self.columns], [values.get(name) for name in self.columns], start, rows)
            sums += scaled.sum(axis=1).astype(np.int64)
            products += (scaled @ scaled.T).astype(np.int64)
        return CoMoments(columns=self.columns, rows=self.rows + rows, sums=sums, products=products)

    def merge(self, other: CoMoments) -> CoMoments:
        """Both together; of one grid."""
        return CoMoments(
            columns=self.columns, rows=self.rows + other.rows, sums=self.sums + other.sums, products=self.products + other.products
        )

    def minus(self, other: CoMoments) -> CoMoments:
        """This without a part of it."""
        return CoMoments(
            columns=self.columns, rows=self.rows - other.rows, sums=self.sums - other.sums, products=self.products - other.products
        )

    @property
    def mean(self) -> Floats:
        """Of each column, in whole numbers of its scale; shape (d,). Raises ValueError without rows."""
        if not self.rows:
            raise ValueError("no rows to take a mean of")
        return self.sums / self.rows

    def second(self, around: Floats) -> Floats:
        """The mean product of deviations from ``around``, shape (d, d): the covariance where ``around`` is the mean."""
        mean = self.mean
        moved: Floats = self.products / self.rows - np.outer(mean, around) - np.outer(around, mean) + np.outer(around, around)
        return moved

    def document(self) -> dict[str, object]:
        """As plain JSON values; of the products the upper triangle."""
        return {"rows": self.rows, "sums": self.sums.tolist(), "products": self.triangle.tolist()}

    @property
    def triangle(self) -> Ints:
        """The products with i <= j, row by row; shape (d * (d + 1) / 2,)."""
        upper: Ints = self.products[np.triu_indices(len(self.columns))]
        return upper

    @staticmethod
    def of_parts(columns: tuple[str, ...], rows: int, sums: Ints, triangle: Ints) -> CoMoments:
        """From what was written. Raises ValueError where no rows have such moments."""
        size = len(columns)
        if len(sums) != size or len(triangle) != size * (size + 1) // 2:
            raise ValueError(f"{len(sums)} sums and {len(triangle)} products do not fit {size} columns")
        products = np.zeros((size, size), dtype=np.int64)
        products[np.triu_indices(size)] = triangle
        products = products + np.triu(products, 1).T
        most = STEPS * REACH
        if rows < 0 or (np.abs(sums) > rows * most).any() or (np.abs(products) > rows * most**2).any() or (products.diagonal() < 0).any():
            raise ValueError(f"no {rows} rows have such moments")
        return CoMoments(columns=columns, rows=rows, sums=sums, products=products)

    @staticmethod
    def of(fields: canonical.Fields, columns: tuple[str, ...]) -> CoMoments:
        """From a parsed document. Raises DecodeError."""
        try:
            return CoMoments.of_parts(columns, fields.whole("rows"), fields.integers("sums"), fields.integers("products"))
        except ValueError as error:
            raise fields.fault("products", str(error)) from error


def paired(grids: Mapping[str, ColumnGrid]) -> tuple[str, ...]:
    """The columns whose products are kept: the numeric ones whose scale is known; none where they are too few or too many."""
    names = tuple(name for name, grid in grids.items() if isinstance(grid, NumericGrid) and len(grid.edges))
    return names if FEWEST_COLUMNS <= len(names) <= MOST_COLUMNS else ()


def scale_of(grid: NumericGrid) -> float:
    """What one scale of the column is: a power of two, the bulk's width or up to twice as much."""
    return float(np.ldexp(grid.unit, UNIT_BITS))


def _scaled(grids: Sequence[ColumnGrid], values: Sequence[Values | None], start: int, rows: int) -> Floats:
    """A chunk as whole numbers, shape (d, n); 0 where there is no finite value."""
    stop = min(start + CHUNK, rows)
    data = np.full((len(grids), stop - start), np.nan)
    for i, given in enumerate(values):
        if isinstance(given, NumericValues):
            data[i] = given.values[start:stop]
            if given.states is not None:
                data[i, given.states[start:stop] != State.VALUE] = np.nan
    numeric = [grid for grid in grids if isinstance(grid, NumericGrid)]
    centers, scales = np.array([grid.center for grid in numeric]), np.array([scale_of(grid) for grid in numeric])
    missing = ~np.isfinite(data)
    with np.errstate(all="ignore"):
        data -= centers[:, None]
        data /= scales[:, None]  # not by the inverse: of a tiny scale no float holds it
        data *= STEPS
        np.rint(data, out=data)
        np.clip(data, -STEPS * REACH, STEPS * REACH, out=data)
    data[missing] = 0.0
    return data
