"""Are the largest of endless new categories named? By the 256 smallest hashes alone, and with the row sample beside them."""

from __future__ import annotations

import numpy as np

from monitor.core.profile import CategoricalGrid, Grid, Profile
from monitor.core.quality import NAMED
from monitor.core.schema import Batch, CategoricalValues

ROWS = 100_000
WINDOWS = 40
DISTINCT = 1_000_000
SAMPLE_ROWS = 200
GRID = Grid({"x": CategoricalGrid(categories=())})


def zipf(exponent: float, rng: np.random.Generator) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Ranks from 0 of ``ROWS`` draws among ``DISTINCT`` categories; the share of rank r falls as (r + 1)^-exponent."""
    weights = np.arange(1, DISTINCT + 1, dtype=np.float64) ** -exponent
    shares = np.cumsum(weights)
    return np.searchsorted(shares, rng.random(ROWS) * shares[-1])


def window(ranks: np.ndarray[tuple[int], np.dtype[np.int64]], seed: int, sample_rows: int) -> Profile:
    """The profile of one window; names differ from window to window, so that their hashes do."""
    found, codes = np.unique(ranks, return_inverse=True)
    values = CategoricalValues(codes=codes.astype(np.int32), dictionary=tuple(f"{seed}-{rank}" for rank in found))
    profile = Profile.empty(GRID, sample_rows)
    times = np.zeros(len(ranks), dtype=np.int64)
    profile.fold(Batch(offsets=np.arange(len(ranks)), times=times, versions=None, ids=None, columns={"x": values}), topic_seed=seed)
    return profile


def named(profile: Profile) -> list[str]:
    """The largest as the quality check would name them."""
    counts = profile.new_categories("x")
    return sorted(counts, key=lambda text: (-counts[text], text))[:NAMED]


def main() -> None:
    """Print the table."""
    print(f"{ROWS:,} rows among {DISTINCT:,} new categories, {WINDOWS} windows, a sample of {SAMPLE_ROWS} rows")
    print(f"{'Zipf':>5}{'shares of the 3 largest':>25}{'largest first':>15}{'largest named':>15}{'all 3 named':>17}{'hashes alone':>14}")
    for exponent in (1.0, 1.1, 1.2, 1.5, 2.0):
        first = any_place = of_three = alone = 0
        for seed in range(WINDOWS):
            ranks = zipf(exponent, np.random.default_rng(seed))
            largest = [f"{seed}-{rank}" for rank in range(NAMED)]
            found = named(window(ranks, seed, SAMPLE_ROWS))
            first += found[0] == largest[0]
            any_place += largest[0] in found
            of_three += len({*found} & {*largest})
            alone += len({*named(window(ranks, seed, 0))} & {*largest})
        shares = " ".join(f"{count / ROWS:.1%}" for count in np.bincount(ranks)[:NAMED])
        print(f"{exponent:5.1f}{shares:>25}{first / WINDOWS:15.0%}{any_place / WINDOWS:15.0%}{of_three / WINDOWS / NAMED:17.0%}"
              f"{alone / WINDOWS / NAMED:14.0%}")  # fmt: skip


if __name__ == "__main__":
    main()
