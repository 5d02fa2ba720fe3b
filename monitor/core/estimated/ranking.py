"""Expected roc_auc and average precision of one class, and how each row's outcome moves them."""

from __future__ import annotations

import numpy as np

from monitor.core.schema import Floats, Ints


def roc_auc(chances: Floats, scores: Floats) -> tuple[float, Floats]:
    """The expected share of pairs of a hit and a miss that the scores put in order, ties counting half; and its slope by row, (n,).

    Ratio of expectations over pairs of different rows. Rows: the chance of a hit, and the score; both outcomes must be possible.
    """
    groups, size = _groups(scores)
    hit, miss = np.bincount(groups, chances, size), np.bincount(groups, 1 - chances, size)
    below = (np.cumsum(miss) - miss / 2)[groups] - (1 - chances) / 2  # misses under each row, without itself
    above = (hit.sum() - np.cumsum(hit) + hit / 2)[groups] - chances / 2
    hits, misses = float(chances.sum()), float((1 - chances).sum())
    pairs = hits * misses - float(np.sum(chances * (1 - chances)))
    area = float(np.sum(chances * below)) / pairs
    more_pairs = (misses - (1 - chances)) - (hits - chances)
    return area, (below - above - area * more_pairs) / pairs


def average_precision(chances: Floats, scores: Floats) -> tuple[float, Floats]:
    """The expected sum over thresholds of the step in recall times the precision, as scikit-learn defines it; and its slope by row."""
    groups, size = _groups(-scores)
    gained = np.bincount(groups, chances, size)
    doubt = np.bincount(groups, chances * (1 - chances), size)  # hits of one threshold vary together with themselves
    taken = np.cumsum(np.bincount(groups, minlength=size))
    found = np.cumsum(gained)
    hits = float(chances.sum())
    area = float(np.sum((gained * found + doubt) / taken)) / hits
    later = np.cumsum((gained / taken)[::-1])[::-1]
    return area, ((found / taken + later)[groups] - area) / hits


def _groups(scores: Floats) -> tuple[Ints, int]:
    """Rows of one score are one group; in ascending order."""
    values, groups = np.unique(scores, return_inverse=True)
    return groups.astype(np.int64), len(values)
