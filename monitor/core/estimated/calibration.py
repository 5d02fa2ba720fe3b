"""What a score is worth: the chance that a class comes true, as the reference's labels teach it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from monitor.core.estimated.counts import COARSE, COARSE_BINS, FOLDS, ScoreCounts
from monitor.core.estimated.estimate import with_error
from monitor.core.estimated.isotonic import Blocks, isotonic, rounded
from monitor.core.profile import canonical
from monitor.core.schema import Floats, Ints

FEWEST_WINDOWS = 5  # of the reference, from which it is learned how their rates differ
LEAST_INFORMATION = 1.0  # sum of p * (1 - p) over a window's rows, below which it tells nothing of its rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """The chance behind the scores of one class.

    ``helps``: whether scores are read through ``blocks``; else they are taken as they are, for rows that had no part in it were not
    told better by it. ``spread``: the standard deviation, on the scale of log-odds, by which whole windows come true more or less often
    than their scores say; 0 where the reference has too few windows to tell.
    """

    blocks: Blocks
    helps: bool
    spread: float = 0.0

    def chances(self, scores: Floats) -> Floats:
        """The chance that each comes true; same shape."""
        return self.blocks.at(scores) if self.helps else scores

    def document(self) -> dict[str, object]:
        """As plain JSON values."""
        return {**self.blocks.document(), "helps": self.helps, "spread": self.spread}

    @staticmethod
    def of(fields: canonical.Fields) -> Calibration:
        """From a parsed document. Raises DecodeError."""
        spread = fields.real("spread")
        if spread < 0:
            raise fields.fault("spread", "a number from 0")
        return Calibration(blocks=Blocks.of(fields), helps=fields.flag("helps"), spread=spread)


def calibrate(counts: ScoreCounts) -> Calibration:
    """Of the rows counted, of which there is at least one."""
    scores, rows, hits = counts.scores, counts.rows.sum(axis=0), counts.hits.sum(axis=0)
    blocks = isotonic(scores, rows, hits)
    helps = _helps(counts, scores)
    chances = blocks.at(scores) if helps else scores
    return Calibration(blocks=blocks, helps=helps, spread=rounded(_spread(counts, chances, rows)))


def _helps(counts: ScoreCounts, scores: Floats) -> bool:
    """Whether rows that had no part in a calibration have a smaller Brier score by it.

    The Brier score is calibration error and what the order of scores leaves open; an isotonic step hardly changes the second, so the
    difference of both is that of the squared calibration errors, without any bins to choose.
    """
    raw = read = 0.0
    for fold in range(FOLDS):
        others = [other for other in range(FOLDS) if other != fold]
        rows = counts.rows[others].sum(axis=0)
        if not rows.any() or not counts.rows[fold].any():
            continue
        taught = isotonic(scores, rows, counts.hits[others].sum(axis=0)).at(scores)
        raw += _brier(scores, counts.rows[fold], counts.hits[fold])
        read += _brier(taught, counts.rows[fold], counts.hits[fold])
    return read < raw


def _brier(chances: Floats, rows: Ints, hits: Ints) -> float:
    return float(np.sum(hits * (1 - chances) ** 2 + (rows - hits) * chances**2))


def _spread(counts: ScoreCounts, chances: Floats, rows: Ints) -> float:
    """By the method of moments: a window's hits less those expected have the variance V + spread² V², V being the sum of p (1 - p)."""
    starts = np.arange(COARSE_BINS) * COARSE
    of_bin = np.maximum(np.add.reduceat(rows, starts), 1)
    means = np.add.reduceat(rows * chances, starts) / of_bin
    within = np.add.reduceat(rows * chances * (1 - chances), starts) / of_bin
    apart = [(float(hit.sum() - n @ means), float(n @ within)) for n, hit in counts.windows.values()]
    told = [(off, chance) for off, chance in apart if chance >= LEAST_INFORMATION]
    if len(told) < FEWEST_WINDOWS:
        return 0.0
    beyond = sum(off**2 - chance for off, chance in told) / sum(chance**2 for _, chance in told)
    return float(np.sqrt(max(beyond, 0.0) * len(told) / (len(told) - 1))) * with_error(len(told))
