"""An additive model of a loss on groups of columns: ridge regression by normal equations on counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from monitor.core.estimated.estimate import with_error
from monitor.core.estimated.losses import Loss
from monitor.core.profile.sample import splitmix64
from monitor.core.schema import Flags, Floats, Ints

MOST_COLUMNS = 20  # that a model of the loss has: those that tell it best by themselves
FOLDS = 5  # parts of the reference, whole windows where it has enough: each is told by what the others teach
RIDGES = (1.0, 10.0, 100.0, 1000.0, 10_000.0)  # rows of "nothing is different here" that are added to each group; the best of the folds
FEWEST_WINDOWS = 10  # of the reference, from which folds are whole windows and the spread between them is learned
FEWEST_IN_WINDOW = 30  # rows of a window, below which its mean loss tells nothing
LARGEST_MEAN = 1e150  # of a loss, whose square a float holds
NO_WINDOW = np.iinfo(np.int64).min
"""In place of the start of a window, of rows that have no time."""
DIGITS = 9  # of a term, in units of the mean loss: beyond them the order of sums shows


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Rows: the group of each by column, shape (n,), of ``sizes`` groups; and the start of their windows, shape (n,)."""

    codes: Mapping[str, Ints]
    windows: Ints
    sizes: Mapping[str, int]

    def only(self, columns: Sequence[str]) -> Kept:
        """The same rows of fewer columns."""
        return Kept(codes={name: self.codes[name] for name in columns}, windows=self.windows, sizes=self.sizes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """Sums over rows: their number, of products of membership (d, d), of the loss by group (d,), of the loss and of its square."""

    rows: float
    products: Floats
    by_group: Floats
    loss: float
    squares: float

    def __add__(self, other: Sums) -> Sums:
        return Sums(
            rows=self.rows + other.rows,
            products=self.products + other.products,
            by_group=self.by_group + other.by_group,
            loss=self.loss + other.loss,
            squares=self.squares + other.squares,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Taught:
    """``mean + (membership - shares) @ terms``."""

    mean: float
    shares: Floats
    terms: Floats

    def off(self, sums: Sums) -> float:
        """The sum of squared errors over the rows of ``sums``."""
        start = self.mean - float(self.shares @ self.terms)
        fitted = float(self.terms @ sums.products @ self.terms)
        cross = float(self.terms @ sums.products.diagonal())
        rest = -2 * (start * sums.loss + float(self.terms @ sums.by_group)) + 2 * start * cross
        return sums.squares + rest + start**2 * sums.rows + fitted


def telling(kept: Kept, loss: Floats) -> tuple[str, ...]:
    """The columns whose groups explain most of the loss, each by itself, the noise of their means taken off; by name."""
    variance = float(np.var(loss))
    explained = {}
    for name, codes in kept.codes.items():
        rows = np.bincount(codes, minlength=kept.sizes[name])
        means = np.bincount(codes, weights=loss, minlength=kept.sizes[name]) / np.maximum(rows, 1)
        between = float(rows @ (means - loss.mean()) ** 2)
        explained[name] = between - variance * (np.count_nonzero(rows) - 1)
    best = sorted(explained, key=lambda name: (-explained[name], name))[:MOST_COLUMNS]
    return tuple(sorted(best))


def fit_additive(kept: Kept, loss: Floats) -> Loss | str:
    """The model of one loss, or why there is none."""
    mean = float(loss.mean())
    if not mean <= LARGEST_MEAN:
        return "errors of the reference are too large to compute with"
    if mean <= 0:
        return "the reference has no errors to learn from"
    folds = _folds(kept.windows)
    scaled = loss / mean  # so that nothing overflows, and terms are rounded alike
    parts = [_sums(kept, scaled, np.flatnonzero(folds == fold)) for fold in range(FOLDS)]
    whole = _added(parts)
    ridge = min(RIDGES, key=lambda ridge: sum(_taught(others, ridge).off(part) for part, others in _held_out(parts)))
    taught = [_taught(others, ridge) for _, others in _held_out(parts)]
    noise = sum(one.off(part) for one, part in zip(taught, parts, strict=True)) / whole.rows
    model = _taught(whole, ridge)
    terms = np.round(model.terms - float(model.shares @ model.terms) / len(kept.codes), DIGITS) * mean
    return Loss(
        mean=mean,
        terms=dict(zip(kept.codes, np.split(terms, np.cumsum([kept.sizes[name] for name in kept.codes])[:-1]), strict=True)),
        noise=float(round(np.sqrt(max(noise, 0.0)), DIGITS)),
        spread=float(round(_spread(kept, scaled, folds, taught, noise), DIGITS)),
    )


def _folds(windows: Ints) -> Ints:
    starts, rows = np.unique(windows, return_counts=True)
    if np.count_nonzero(_telling(starts, rows)) >= FEWEST_WINDOWS:
        return (splitmix64(FOLDS, windows) % np.uint64(FOLDS)).astype(np.int64)
    return np.arange(len(windows)) % FOLDS  # rows are ordered by hash


def _telling(starts: Ints, rows: Ints) -> Flags:
    """Which windows have enough rows to tell something."""
    enough: Flags = (rows >= FEWEST_IN_WINDOW) & (starts != NO_WINDOW)
    return enough


def _held_out(parts: Sequence[Sums]) -> list[tuple[Sums, Sums]]:
    """Each part beside the sum of the others."""
    return [(part, _added([other for other in parts if other is not part])) for part in parts]


def _added(parts: Sequence[Sums]) -> Sums:
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def _sums(kept: Kept, loss: Floats, rows: Ints) -> Sums:
    starts = np.cumsum([0] + [kept.sizes[name] for name in kept.codes])
    products, by_group = np.zeros((starts[-1], starts[-1])), np.zeros(starts[-1])
    codes = [column[rows] for column in kept.codes.values()]
    sizes = [kept.sizes[name] for name in kept.codes]
    for i, mine in enumerate(codes):
        by_group[starts[i] : starts[i + 1]] = np.bincount(mine, weights=loss[rows], minlength=sizes[i])
        for j in range(i + 1):
            pairs = np.bincount(mine * sizes[j] + codes[j], minlength=sizes[i] * sizes[j]).reshape(sizes[i], sizes[j])
            products[starts[i] : starts[i + 1], starts[j] : starts[j + 1]] = pairs
            products[starts[j] : starts[j + 1], starts[i] : starts[i + 1]] = pairs.T
    chosen = loss[rows]
    return Sums(rows=float(len(rows)), products=products, by_group=by_group, loss=float(chosen.sum()), squares=float(np.sum(chosen**2)))


def _taught(sums: Sums, ridge: float) -> Taught:
    rows = max(sums.rows, 1.0)
    shares, mean = sums.products.diagonal() / rows, sums.loss / rows
    inner = sums.products - rows * np.outer(shares, shares)
    inner[np.diag_indices_from(inner)] += ridge
    terms = np.linalg.solve(inner, sums.by_group - rows * shares * mean).astype(np.float64)
    return Taught(mean=mean, shares=shares, terms=terms)


def _spread(kept: Kept, loss: Floats, folds: Ints, taught: Sequence[Taught], noise: float) -> float:
    """Of the mean loss of whole windows about what windows of other folds teach of them, beyond what the noise of rows makes."""
    starts, at, rows = np.unique(kept.windows, return_inverse=True, return_counts=True)
    enough = _telling(starts, rows)
    if np.count_nonzero(enough) < FEWEST_WINDOWS:
        return 0.0
    means = np.bincount(at, weights=loss) / rows
    fold_of = np.zeros(len(starts), dtype=np.int64)
    fold_of[at] = folds
    expected = np.array([taught[fold].mean - float(taught[fold].shares @ taught[fold].terms) for fold in fold_of.tolist()])
    place = 0
    for name, codes in kept.codes.items():
        size = kept.sizes[name]
        terms = np.array([one.terms[place : place + size] for one in taught])
        expected += np.bincount(at, weights=terms[folds, codes]) / rows
        place += size
    off = (means - expected)[enough]
    beyond = float(np.mean((off**2 - noise / rows[enough]) / np.maximum(expected[enough], 0.1) ** 2))
    return float(np.sqrt(max(beyond, 0.0))) * with_error(len(off))
