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
FARTHEST = 6.0  # log-odds, a chance of 1 in 400: beyond it a slope would hang on a few rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """The chance behind the scores of one class.

    ``helps``: whether scores are read through ``blocks``; else they are taken as they are, for rows that had no part in it were not
    told better by it. Whole windows come true otherwise than their scores say: ``spread`` is the standard deviation, on the scale of
    log-odds, by which they do so more or less often, and ``slant`` that of the factor by which scores far from the middle are more or less
    worth. Both are 0 where the reference has too few windows to tell.
    """

    blocks: Blocks
    helps: bool
    spread: float = 0.0
    slant: float = 0.0

    def chances(self, scores: Floats) -> Floats:
        """The chance that each comes true; same shape."""
        return self.blocks.at(scores) if self.helps else scores

    def document(self) -> dict[str, object]:
        """As plain JSON values."""
        return {**self.blocks.document(), "helps": self.helps, "spread": self.spread, "slant": self.slant}

    @staticmethod
    def of(fields: canonical.Fields) -> Calibration:
        """From a parsed document. Raises DecodeError."""
        spread, slant = fields.real("spread"), fields.real("slant")
        for name, value in (("spread", spread), ("slant", slant)):
            if value < 0:
                raise fields.fault(name, "a number from 0")
        return Calibration(blocks=Blocks.of(fields), helps=fields.flag("helps"), spread=spread, slant=slant)


def calibrate(counts: ScoreCounts) -> Calibration:
    """Of the rows counted, of which there is at least one."""
    scores, rows, hits = counts.scores, counts.rows.sum(axis=0), counts.hits.sum(axis=0)
    blocks = isotonic(scores, rows, hits)
    helps = _helps(counts, scores)
    chances = blocks.at(scores) if helps else scores
    spread, slant = _spreads(counts, chances, rows)
    return Calibration(blocks=blocks, helps=helps, spread=rounded(spread), slant=rounded(slant))


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


def _spreads(counts: ScoreCounts, chances: Floats, rows: Ints) -> tuple[float, float]:
    """Of whole windows, on the scale of log-odds: of their level, and of the slope of what their scores are worth."""
    starts = np.arange(COARSE_BINS) * COARSE
    of_bin = np.maximum(np.add.reduceat(rows, starts), 1)
    means = np.add.reduceat(rows * chances, starts) / of_bin
    within = np.add.reduceat(rows * chances * (1 - chances), starts) / of_bin
    level, slope = [], []
    for n, hit in counts.windows.values():
        information = n * within
        off = hit - n * means
        level.append((float(off.sum()), float(information.sum())))
        slant = from_middle(means, information)
        slope.append((float(off @ slant), float(information @ slant**2)))
    return _beyond_chance(level), _beyond_chance(slope)


def from_middle(chances: Floats, weights: Floats) -> Floats:
    """Log-odds less their weighted mean, same shape; those beyond ``FARTHEST`` count as that far."""
    with np.errstate(divide="ignore"):
        odds = np.clip(np.log(chances) - np.log1p(-chances), -FARTHEST, FARTHEST)
    total = float(weights.sum())
    middle: Floats = odds - (float(weights @ odds) / total if total else 0.0)
    return middle


def _beyond_chance(windows: list[tuple[float, float]]) -> float:
    """By the method of moments: of windows that are ``off`` by a sum of variance V + spread² V², each beside its V."""
    told = [(off, chance) for off, chance in windows if chance >= LEAST_INFORMATION]
    if len(told) < FEWEST_WINDOWS:
        return 0.0
    beyond = sum(off**2 - chance for off, chance in told) / sum(chance**2 for _, chance in told)
    return float(np.sqrt(max(beyond, 0.0) * len(told) / (len(told) - 1))) * with_error(len(told))
