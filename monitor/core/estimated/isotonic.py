"""Isotonic regression on counts: the share of rows that came true, as a step that never falls with the score."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from monitor.core.profile import canonical
from monitor.core.schema import Floats, Ints

MOST_BLOCKS = 200  # of one class; the neighbours that differ least become one: keeps the document small
HALF_ROW = 0.5  # added to the rows on both sides where the noise of a share is estimated (Jeffreys' prior), so that 0 of 10 is not sure
DIGITS = 12  # significant digits of what is written

Block = tuple[int, int, int, int]
"""First and last place, rows and hits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocks:
    """Scores from ``first`` to ``last`` of each block, ascending; of its ``rows`` so many ``hits`` came true; all of shape (m,), m > 0."""

    first: Floats
    last: Floats
    rows: Ints
    hits: Ints

    @property
    def shares(self) -> Floats:
        """What came true in each block, shape (m,)."""
        shares: Floats = self.hits / self.rows
        return shares

    @property
    def noise(self) -> Floats:
        """The variance of each share as an estimate, shape (m,)."""
        shares = (self.hits + HALF_ROW) / (self.rows + 2 * HALF_ROW)
        noise: Floats = shares * (1 - shares) / (self.rows + 2 * HALF_ROW)
        return noise

    def at(self, scores: Floats) -> Floats:
        """The share at each score: flat within a block, linear between two, as scikit-learn's IsotonicRegression."""
        places = np.column_stack([self.first, self.last]).ravel()
        heights = np.repeat(self.shares, 2)
        distinct = np.append(True, places[1:] > places[:-1])
        found: Floats = np.interp(scores, places[distinct], heights[distinct])
        return found

    def place(self, scores: Floats) -> Ints:
        """The block of each score, the nearer one of two."""
        middles = (self.last[:-1] + self.first[1:]) / 2
        return np.searchsorted(middles, scores, side="right").astype(np.int64)

    def document(self) -> dict[str, object]:
        """As plain JSON values."""
        return {
            "first": [rounded(value) for value in self.first.tolist()],
            "last": [rounded(value) for value in self.last.tolist()],
            "rows": self.rows.tolist(),
            "hits": self.hits.tolist(),
        }

    @staticmethod
    def of(fields: canonical.Fields) -> Blocks:
        """From a parsed document. Raises DecodeError."""
        first, rows = fields.reals("first"), fields.wholes("rows")
        last, hits = fields.reals("last"), fields.wholes("hits", len(rows))
        if not len(rows) or (rows == 0).any() or (hits > rows).any():
            raise fields.fault("hits", "at least one block, and in each no more hits than rows")
        if len(first) != len(rows) or len(last) != len(rows) or (first > last).any() or (last[:-1] > first[1:]).any():
            raise fields.fault("last", "ascending ends, one for each block")
        return Blocks(first=first, last=last, rows=rows, hits=hits)


def rounded(value: float) -> float:
    """To the digits that are written, so that what is used is what was stored."""
    return float(f"{value:.{DIGITS}g}")


def isotonic(scores: Floats, rows: Ints, hits: Ints) -> Blocks:
    """The blocks that pool adjacent violators of ascending ``scores`` (Barlow and others 1972); some of the ``rows`` are above 0.

    ``hits`` of ``rows`` came true at each score. Least squares among all steps that do not fall.
    """
    some = rows > 0
    places = scores[some].tolist()
    found: list[Block] = []
    for at, (n, k) in enumerate(zip(rows[some].tolist(), hits[some].tolist(), strict=True)):
        block = (at, at, n, k)
        while found and found[-1][3] * block[2] >= block[3] * found[-1][2]:
            before = found.pop()
            block = (before[0], block[1], before[2] + block[2], before[3] + block[3])
        found.append(block)
    blocks = _thinned(found)
    return Blocks(
        first=np.array([rounded(places[block[0]]) for block in blocks]),
        last=np.array([rounded(places[block[1]]) for block in blocks]),
        rows=np.array([block[2] for block in blocks], dtype=np.int64),
        hits=np.array([block[3] for block in blocks], dtype=np.int64),
    )


def _thinned(blocks: list[Block]) -> list[Block]:
    """At most ``MOST_BLOCKS``: those whose union adds least to the squared error become one (Ward 1963)."""
    while len(blocks) > MOST_BLOCKS:
        rows = np.array([block[2] for block in blocks], dtype=np.float64)
        shares = np.array([block[3] for block in blocks]) / rows
        at = int(np.argmin(np.diff(shares) ** 2 * rows[1:] * rows[:-1] / (rows[1:] + rows[:-1])))
        one, two = blocks[at], blocks[at + 1]
        blocks = [*blocks[:at], (one[0], two[1], one[2] + two[2], one[3] + two[3]), *blocks[at + 2 :]]
    return blocks
