"""A window's rows as they may turn out: the chance of each class, what was decided, and how far a metric may be from its mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from monitor.core.estimated.calibration import Calibration, from_middle
from monitor.core.schema import Floats, Ints


@dataclass(frozen=True, slots=True, kw_only=True)
class Chances:
    """``chances`` and ``scores`` (as they came), shape (n, k), each row a distribution; ``decided``: the class predicted, shape (n,).

    A binary model's classes are the negative and the positive one, with one calibration, of the positive one.
    """

    chances: Floats
    scores: Floats
    decided: Ints
    calibrations: Sequence[Calibration]

    @property
    def rows(self) -> int:
        """How many."""
        return len(self.decided)

    @property
    def classes(self) -> int:
        """How many."""
        return int(self.chances.shape[1])

    @property
    def confusion(self) -> Floats:
        """Expected rows by decided (first axis) and true class, shape (k, k)."""
        size = self.classes
        columns = [np.bincount(self.decided, weights=self.chances[:, true], minlength=size) for true in range(size)]
        return np.column_stack(columns)

    def variance(self, slopes: Floats) -> float:
        """Of a metric that grows by ``slopes[i, c]``, shape (n, k), where row i turns out to be of class c (delta method).

        Three parts: the chance in each row, rows being independent given their scores; the noise of the calibration, whose blocks err
        for all their rows together; and how whole windows differ.
        """
        means = np.sum(self.chances * slopes, axis=1)
        rows = float(np.sum(self.chances * slopes**2) - np.sum(means**2))
        return rows + sum(self._of_class(at, slopes, means) for at in range(len(self.calibrations)))

    def _of_class(self, at: int, slopes: Floats, means: Floats) -> float:
        binary = len(self.calibrations) == 1
        own = at + binary
        moved = slopes[:, own] - (slopes[:, 0] if binary else means)  # where one class gains, the others lose
        calibration, chances = self.calibrations[at], self.chances[:, own]
        blocks = calibration.blocks
        by_block = np.bincount(blocks.place(self.scores[:, own]), weights=moved, minlength=len(blocks.rows))
        by_odds = chances * (slopes[:, own] - means)
        level = float(by_odds.sum())
        slope = float(by_odds @ from_middle(chances, chances * (1 - chances)))
        return float(np.sum(by_block**2 * blocks.noise)) + (calibration.spread * level) ** 2 + (calibration.slant * slope) ** 2
