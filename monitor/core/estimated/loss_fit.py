"""Teaches a ``LossModel`` from labelled predictions, chunk by chunk: of the rows with the smallest hashes, at most ``MOST_ROWS``."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from monitor.core.estimated.additive import NO_WINDOW, Kept, fit_additive, telling
from monitor.core.estimated.groups import Groups, codes_of, groups_of
from monitor.core.estimated.losses import LossModel
from monitor.core.profile import Grid, NumericGrid
from monitor.core.profile.sample import splitmix64
from monitor.core.schema import Batch, Floats, Hashes, Ints, NumericValues, State, Values

MOST_ROWS = 200_000  # that the terms are fitted to: enough to tell 20 groups in each of 20 columns to 1 % of a row's spread
MOST_CONSIDERED = 100  # columns, two bytes for each row; the first by name
FEWEST_ROWS = 500  # with label and prediction, from which a model of the loss is taught
LARGEST_ERROR = 1e75  # whose fourth power a float holds: that of its square has a variance
NEAR_ZERO = 0.01  # of the median size of labels; a label below it makes a percentage of nothing

Codes = NDArray[np.uint16]


class LossFit:
    """Takes in all labelled rows once. ``columns``: those of the grid to tell the loss by."""

    def __init__(self, grid: Grid, columns: Collection[str]) -> None:
        self._grid = grid
        self._columns = sorted(name for name in columns if name in grid.columns)[:MOST_CONSIDERED]
        self._parts: list[tuple[Hashes, Codes, Floats, Floats, Ints]] = []
        self._held = 0
        self._seen = 0

    def add(self, batch: Batch, prediction: Values | None, label: Values | None, starts: Ints | None = None) -> None:
        """Rows; those without both numbers are left out. ``starts``: of their windows. The hash of a row is that of its offset."""
        self._seen += len(batch)
        predicted, truth = _numbers(prediction, len(batch)), _numbers(label, len(batch))
        with np.errstate(invalid="ignore", over="ignore"):
            errors = predicted - truth
            fit = np.flatnonzero(np.abs(errors) <= LARGEST_ERROR)
        if not len(fit):
            return
        part = batch.take(fit)
        codes = np.zeros((len(part), len(self._columns)), dtype=np.uint16)
        for at, name in enumerate(self._columns):
            codes[:, at] = codes_of(part.columns.get(name), self._grid.columns[name], len(part))
        windows = np.full(len(part), NO_WINDOW) if starts is None else starts[fit]
        self._parts.append((splitmix64(0, part.offsets), codes, errors[fit], truth[fit], windows))
        self._held += len(part)
        if self._held > 2 * MOST_ROWS:
            self._shrink()

    def model(self) -> LossModel | str:
        """What was learned, or why nothing could be."""
        if not self._columns:
            return "the reference has no column to tell the loss by"
        if self._held < FEWEST_ROWS:
            return f"only {self._held:,} of {self._seen:,} rows of the reference have a label and a prediction that are numbers"
        self._shrink()
        ((_, codes, errors, truth, windows),) = self._parts
        groups = {name: self._groups(name, codes[:, at]) for at, name in enumerate(self._columns)}
        kept = Kept(
            codes={name: groups[name].of_code[codes[:, at]] for at, name in enumerate(self._columns)},
            sizes={name: one.size for name, one in groups.items()},
            windows=windows,
        )
        kept = kept.only(telling(kept, np.abs(errors)))
        targets, refused = _targets(errors, truth)
        found = {name: fit_additive(kept, target) for name, target in targets.items()}
        return LossModel(
            grid=self._grid.hash,
            groups={name: groups[name] for name in kept.codes},
            rows={name: np.bincount(column, minlength=kept.sizes[name]).astype(np.float64) for name, column in kept.codes.items()},
            losses={name: one for name, one in found.items() if not isinstance(one, str)},
            refused=refused | {name: one for name, one in found.items() if isinstance(one, str)},
        )

    def _groups(self, name: str, codes: Codes) -> Groups:
        grid = self._grid.columns[name]
        bins = grid.bins if isinstance(grid, NumericGrid) else len(grid.categories)
        return groups_of(np.bincount(codes, minlength=bins)[:bins].astype(np.int64), grid)

    def _shrink(self) -> None:
        """The rows with the smallest hashes, ascending."""
        hashes, codes, errors, truth, windows = (np.concatenate(column) for column in zip(*self._parts, strict=True))
        order = np.argsort(hashes, kind="stable")[:MOST_ROWS]
        self._parts = [(hashes[order], codes[order], errors[order], truth[order], windows[order])]
        self._held = len(order)


def _targets(errors: Floats, truth: Floats) -> tuple[dict[str, Floats], dict[str, str]]:
    """The losses of each row by name; and why one has none."""
    targets = {"mae": np.abs(errors), "mse": errors**2}
    sizes = np.abs(truth)
    if float(sizes.min()) <= NEAR_ZERO * float(np.median(sizes)):
        return targets, {"mape": "labels of the reference are at or near zero, where a percentage of them has no meaning"}
    with np.errstate(over="ignore"):
        return targets | {"mape": np.abs(errors) / sizes}, {}


def _numbers(values: Values | None, rows: int) -> Floats:
    """Finite numbers, NaN where there is none."""
    if not isinstance(values, NumericValues):
        return np.full(rows, np.nan)
    fit = np.isfinite(values.values) if values.states is None else values.states == State.VALUE
    return np.where(fit, values.values, np.nan)
