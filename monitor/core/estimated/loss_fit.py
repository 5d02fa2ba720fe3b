"""Teaches a ``LossModel`` from labelled predictions, chunk by chunk: of the rows with the smallest hashes, at most ``MOST_ROWS``."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from monitor.core.estimated.additive import Kept, fit_additive, telling
from monitor.core.estimated.groups import Groups, groups_of
from monitor.core.estimated.losses import Loss, LossModel
from monitor.core.profile import Profile
from monitor.core.profile.sample import splitmix64
from monitor.core.schema import Batch, Floats, Hashes, Ints, NumericValues, State, Values

MOST_ROWS = 200_000  # that the terms are fitted to: enough to tell 20 groups in each of 20 columns to 1 % of a row's spread
MOST_CONSIDERED = 256  # columns, a byte for each row; the first by name
FEWEST_ROWS = 500  # with label and prediction, from which a model of the loss is taught
LARGEST_ERROR = 1e75  # whose fourth power a float holds: that of its square has a variance
NEAR_ZERO = 0.01  # of the median size of labels; a label below it makes a percentage of nothing
NO_WINDOW = np.iinfo(np.int64).min


class LossFit:
    """Takes in all labelled rows once. ``reference``: the profile of all of them, whose bins are grouped; ``columns``: those to use."""

    def __init__(self, reference: Profile, columns: tuple[str, ...]) -> None:
        self._grid = reference.grid
        chosen = sorted(name for name in columns if name in reference.columns)[:MOST_CONSIDERED]
        self._groups: dict[str, Groups] = {name: groups_of(reference.columns[name].counts, self._grid.columns[name]) for name in chosen}
        self._parts: list[tuple[Hashes, Ints, Floats, Floats, Ints]] = []
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
        codes = [groups.codes(part.columns.get(name), self._grid.columns[name], len(part)) for name, groups in self._groups.items()]
        table = np.column_stack([column.astype(np.uint8) for column in codes]) if codes else np.empty((len(part), 0), dtype=np.uint8)
        windows = np.full(len(part), NO_WINDOW) if starts is None else starts[fit]
        self._parts.append((splitmix64(0, part.offsets), table.astype(np.uint8), errors[fit], truth[fit], windows))
        self._held += len(part)
        if self._held > 2 * MOST_ROWS:
            self._shrink()

    def model(self) -> LossModel | str:
        """What was learned, or why nothing could be."""
        if not self._groups:
            return "the reference has no column to tell the loss by"
        if self._held < FEWEST_ROWS:
            return f"only {self._held:,} of {self._seen:,} rows of the reference have a label and a prediction that are numbers"
        self._shrink()
        (_, codes, errors, truth, windows), = self._parts
        kept = Kept(codes=dict(zip(self._groups, codes.T.astype(np.int64), strict=True)), windows=windows, sizes=self._sizes)
        chosen = telling(kept, np.abs(errors))
        kept = kept.only(chosen)
        refused = {}
        targets = {"mae": np.abs(errors), "mse": errors**2}
        if _near_zero(truth):
            refused["mape"] = "labels of the reference are at or near zero, where a percentage of them has no meaning"
        else:
            with np.errstate(over="ignore"):
                targets["mape"] = np.abs(errors) / np.abs(truth)
        losses: dict[str, Loss] = {}
        for name, target in targets.items():
            found = fit_additive(kept, target)
            if isinstance(found, str):
                refused |= {name: found} | ({"rmse": found} if name == "mse" else {})
            else:
                losses[name] = found
        return LossModel(
            grid=self._grid.hash,
            groups={name: self._groups[name] for name in chosen},
            rows={name: np.bincount(kept.codes[name], minlength=self._sizes[name]).astype(np.float64) for name in chosen},
            losses=losses,
            refused=refused,
        )

    @property
    def _sizes(self) -> Mapping[str, int]:
        return {name: groups.size for name, groups in self._groups.items()}

    def _shrink(self) -> None:
        """The rows with the smallest hashes, ascending."""
        hashes, codes, errors, truth, windows = (np.concatenate(column) for column in zip(*self._parts, strict=True))
        order = np.argsort(hashes, kind="stable")[:MOST_ROWS]
        self._parts = [(hashes[order], codes[order], errors[order], truth[order], windows[order])]
        self._held = len(order)


def _numbers(values: Values | None, rows: int) -> Floats:
    """Finite numbers, NaN where there is none."""
    if not isinstance(values, NumericValues):
        return np.full(rows, np.nan)
    fit = np.isfinite(values.values) if values.states is None else values.states == State.VALUE
    return np.where(fit, values.values, np.nan)


def _near_zero(truth: Floats) -> bool:
    sizes = np.abs(truth)
    return bool(sizes.min() <= NEAR_ZERO * float(np.median(sizes)))
