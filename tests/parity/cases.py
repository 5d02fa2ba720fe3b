"""Columns with and without drift, by name; each draws the same rows in every process."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np

from monitor.core.schema import Floats, Ints, Kind

Draw = Callable[[np.random.Generator, int], Floats]

SIZES = ((1_000, 1_000), (10_000, 1_000), (10_000, 10_000), (100_000, 10_000), (100_000, 100_000))
TWICE = (10_000, 10_000)  # drawn with two seeds
ZEROS, ROUNDED_TO = 0.6, 0.5

NUMERIC: Mapping[str, Draw] = {
    "normal": lambda rng, n: rng.normal(0, 1, n),
    "lognormal": lambda rng, n: rng.lognormal(0, 1, n),
    "uniform": lambda rng, n: rng.uniform(0, 1, n),
    "gamma": lambda rng, n: rng.gamma(2.0, 2.0, n),
    "bimodal": lambda rng, n: rng.normal(0, 1, n) + 6 * (rng.random(n) < 0.3),
    "poisson": lambda rng, n: rng.poisson(4.0, n).astype(np.float64),
    "t3": lambda rng, n: rng.standard_t(3, n),
    "zero-inflated": lambda rng, n: np.where(rng.random(n) < ZEROS, 0.0, rng.lognormal(0, 1, n)),
    "rounded": lambda rng, n: np.round(rng.normal(50, 5, n) / ROUNDED_TO) * ROUNDED_TO,
}
SD = {
    "normal": 1.0, "lognormal": 2.16, "uniform": 0.289, "gamma": 2.83, "bimodal": 2.93, "poisson": 2.0, "t3": 1.73,
    "zero-inflated": 1.59, "rounded": 5.0,
}  # fmt: skip
SHIFTS: Mapping[str, tuple[float, float]] = {
    "none": (0.0, 1.0), "+.05 sd": (0.05, 1.0), "+.1 sd": (0.1, 1.0), "+.2 sd": (0.2, 1.0), "+.5 sd": (0.5, 1.0), "+1 sd": (1.0, 1.0),
    "×1.1": (0.0, 1.1), "×1.3": (0.0, 1.3),
}  # fmt: skip
"""What is added to every value, in standard deviations, after a factor: a Poisson column leaves its whole numbers."""

CATEGORIES = (2, 3, 5, 10, 50)
MOVES = ("none", "1 point", "2 points", "5 points", "10 points", "one new", "one gone")
NEW_SHARE = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One column: what it is drawn from, what happens to the window, rows of reference and window."""

    kind: Kind
    source: str
    change: str
    sizes: tuple[int, int]
    seed: int = 0

    @property
    def name(self) -> str:
        n, m = self.sizes
        return f"{self.source} {self.change} {n // 1000}k/{m // 1000}k" + (f" seed {self.seed}" if self.seed else "")

    def rows(self) -> tuple[Floats | Ints, Floats | Ints]:
        """Values of a numeric column, numbers of categories of a categorical one."""
        rng = np.random.default_rng(zlib.crc32(self.name.encode()))
        n, m = self.sizes
        if self.kind is Kind.NUMERIC:
            shift, factor = SHIFTS[self.change]
            draw = NUMERIC[self.source]
            return draw(rng, n), draw(rng, m) * factor + shift * SD[self.source]
        before, after = _shares(int(self.source.split()[1]), self.change)
        return rng.choice(len(before), n, p=before), rng.choice(len(after), m, p=after)


def _shares(k: int, move: str) -> tuple[Floats, Floats]:
    """Shares that fall with rank; the window's after rows moved from the commonest category to the next."""
    before = 1.0 / np.arange(1, k + 1)
    before /= before.sum()
    after = before.copy()
    if move == "one new":
        return before, np.append(before * (1 - NEW_SHARE), NEW_SHARE)
    if move == "one gone":
        after[-1] = 0.0
        return before, after / after.sum()
    points = 0.0 if move == "none" else int(move.split()[0]) / 100
    after[0], after[1] = after[0] - points, after[1] + points
    return before, after


def _sizes() -> list[tuple[tuple[int, int], int]]:
    return [(sizes, 0) for sizes in SIZES] + [(TWICE, 1)]


CASES = tuple(
    Case(kind=Kind.NUMERIC, source=source, change=change, sizes=sizes, seed=seed)
    for source, change, (sizes, seed) in product(NUMERIC, SHIFTS, _sizes())
) + tuple(
    Case(kind=Kind.CATEGORICAL, source=f"categories {k}", change=move, sizes=sizes, seed=seed)
    for k, move, (sizes, seed) in product(CATEGORIES, MOVES, _sizes())
)

REQUIRED = {"psi": 0.1, "jensenshannon": 0.1, "ks": 0.05, "wasserstein": 0.1, "chisquare": 0.05}
"""The tests that must agree, with Evidently's thresholds."""
METHODS: Mapping[Kind, tuple[str, ...]] = {
    Kind.NUMERIC: ("psi", "jensenshannon", "ks", "wasserstein", "kl_div", "t_test", "mannw", "cramer_von_mises", "anderson", "ed"),
    Kind.CATEGORICAL: ("psi", "jensenshannon", "chisquare", "kl_div"),
}


def methods(case: Case) -> tuple[str, ...]:
    """What is asked of a case; z compares two categories."""
    return (*METHODS[case.kind], "z") if case.source == "categories 2" and case.change != "one new" else METHODS[case.kind]
