"""The profile of a numeric column."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from monitor.core.profile import canonical
from monitor.core.profile.grid import NumericGrid
from monitor.core.profile.moments import are_moments, mean, moments, root, to_float, variance
from monitor.core.schema import CategoricalValues, Floats, Ints, NumericValues, State, Values

_SIDES = ("null", "nan", "pos_inf", "neg_inf", "wrong_type")


@dataclass(slots=True, kw_only=True, eq=False)
class NumericProfile:
    """Counts per bin, counts of what is no finite number, and exact moments. An accumulator: ``add`` changes it.

    ``counts`` has shape (len(grid.edges) + 1,). ``total_units`` and ``total_squares`` are the sums of ``q`` and ``q * q``,
    see ``moments``. ``min`` and ``max`` are None where there is no finite value; after ``minus`` they are outer bounds.
    """

    grid: NumericGrid
    counts: Ints = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    null: int = 0
    nan: int = 0
    pos_inf: int = 0
    neg_inf: int = 0
    wrong_type: int = 0
    min: float | None = None
    max: float | None = None
    total_units: int = 0
    total_squares: int = 0
    _n: int | None = field(default=None, init=False, repr=False)  # a verdict asks 25 times

    def __post_init__(self) -> None:
        if not len(self.counts):
            self.counts = np.zeros(self.grid.bins, dtype=np.int64)
        if self.counts.shape != (self.grid.bins,):
            raise ValueError(f"{len(self.counts)} counts do not fit {self.grid.bins} bins")

    # --- reading ---------------------------------------------------------------------------------------------

    @property
    def n(self) -> int:
        """Finite values."""
        if self._n is None:
            self._n = int(self.counts.sum())
        return self._n

    @property
    def non_finite(self) -> int:
        """NaN and both infinities."""
        return self.nan + self.pos_inf + self.neg_inf

    @property
    def total(self) -> int:
        """All rows that came for this column."""
        return self.n + self.null + self.non_finite + self.wrong_type

    @property
    def mean(self) -> float | None:
        """The mean, within 2^-37 reference scales; exact for whole numbers. None without values."""
        n = self.n
        if n == 0 or self.min is None or self.max is None:
            return None
        return min(max(mean(n, self.total_units, self.grid.center, self.grid.unit), self.min), self.max)

    @property
    def variance(self) -> float | None:
        """The sample variance (n - 1), infinite where no float can hold it. None under two values."""
        n = self.n
        if n < 2:
            return None
        return to_float(variance(n, self.total_units, self.total_squares) * Fraction(self.grid.unit) ** 2)

    @property
    def std(self) -> float | None:
        """The sample standard deviation (n - 1). None under two values."""
        n = self.n
        if n < 2:
            return None
        return to_float(root(variance(n, self.total_units, self.total_squares)) * Fraction(self.grid.unit))

    @property
    def cdf(self) -> Floats:
        """The share of finite values below each edge, shape (len(edges),). Zeros without values."""
        below = np.cumsum(self.counts)[:-1].astype(np.float64)
        return below / max(self.n, 1)

    # --- counting --------------------------------------------------------------------------------------------

    def add(self, values: Values) -> None:
        """Count a batch of values. Values of another kind than the grid's are wrong types, their nulls nulls."""
        self._n = None
        if isinstance(values, CategoricalValues):
            null = int(np.count_nonzero(values.codes == CategoricalValues.NULL))
            self.null += null
            self.wrong_type += len(values.codes) - null
            return
        self._add_finite(self._add_states(values))

    def _add_states(self, values: NumericValues) -> Floats:
        """Count what is no number; gives back the numbers in ascending order, all of them finite."""
        data = values.values
        if values.states is not None:
            tally = np.bincount(values.states, minlength=State.WRONG_TYPE + 1)
            self.null += int(tally[State.NULL])
            self.nan += int(tally[State.NAN])
            self.pos_inf += int(tally[State.POS_INF])
            self.neg_inf += int(tally[State.NEG_INF])
            self.wrong_type += int(tally[State.WRONG_TYPE])
            data = data[values.states == State.VALUE]
        ordered = np.sort(data)
        size = len(ordered)
        if not size or (ordered[-1] < np.inf and ordered[0] > -np.inf):
            return ordered
        start, stop, nans = (
            int(ordered.searchsorted(-np.inf, side="right")),
            int(ordered.searchsorted(np.inf)),
            int(ordered.searchsorted(np.nan)),
        )
        self.neg_inf += start
        self.pos_inf += nans - stop
        if values.states is None:
            self.null += size - nans
        else:
            self.nan += size - nans
        return ordered[start:stop]

    def _add_finite(self, ordered: Floats) -> None:
        if not len(ordered):
            return
        below = ordered.searchsorted(self.grid.edges)
        self.counts[:-1] += below
        self.counts[1:] -= below
        self.counts[-1] += len(ordered)
        units, squares = moments(ordered, self.grid.center, self.grid.unit)
        self.total_units += units
        self.total_squares += squares
        low, high = float(ordered[0]) + 0.0, float(ordered[-1]) + 0.0  # + 0.0: no -0.0, whose place in a sort is chance
        self.min = low if self.min is None else min(self.min, low)
        self.max = high if self.max is None else max(self.max, high)

    # --- combining -------------------------------------------------------------------------------------------

    def merge(self, other: NumericProfile) -> NumericProfile:
        """Both together, as a new profile. The grids are one (the caller checked)."""
        lows = [bound for bound in (self.min, other.min) if bound is not None]
        highs = [bound for bound in (self.max, other.max) if bound is not None]
        return NumericProfile(
            grid=self.grid,
            counts=self.counts + other.counts,
            min=min(lows, default=None),
            max=max(highs, default=None),
            total_units=self.total_units + other.total_units,
            total_squares=self.total_squares + other.total_squares,
            **{side: getattr(self, side) + getattr(other, side) for side in _SIDES},
        )

    def minus(self, other: NumericProfile) -> NumericProfile:
        """What is left without ``other``, which must be a part of this. Raises ValueError where it cannot be one."""
        counts = self.counts - other.counts
        sides = {side: getattr(self, side) - getattr(other, side) for side in _SIDES}
        if (counts < 0).any() or min(sides.values()) < 0:
            raise ValueError("cannot subtract a profile that is no part of this one")
        left = bool(counts.any())
        return NumericProfile(
            grid=self.grid,
            counts=counts,
            min=self.min if left else None,
            max=self.max if left else None,
            total_units=self.total_units - other.total_units,
            total_squares=self.total_squares - other.total_squares,
            **sides,
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NumericProfile) and self.grid == other.grid and self.document() == other.document()

    __hash__ = None  # type: ignore[assignment]  # it changes

    # --- writing ---------------------------------------------------------------------------------------------

    def document(self) -> dict[str, object]:
        """As plain JSON values."""
        return {
            "counts": self.counts.tolist(),
            "min": self.min,
            "max": self.max,
            "total_units": self.total_units,
            "total_squares": self.total_squares,
            **{side: getattr(self, side) for side in _SIDES},
        }

    @staticmethod
    def of(fields: canonical.Fields, grid: NumericGrid) -> NumericProfile:
        """From a parsed document. Raises DecodeError."""
        counts = fields.wholes("counts", grid.bins)
        units, squares = fields.whole("total_units", least=None), fields.whole("total_squares", most=None)
        if not are_moments(int(counts.sum()), units, squares):
            raise fields.fault("total_squares", "what fits total_units")
        return NumericProfile(
            grid=grid,
            counts=counts,
            min=fields.real_or_none("min"),
            max=fields.real_or_none("max"),
            total_units=units,
            total_squares=squares,
            **{side: fields.whole(side) for side in _SIDES},
        )
