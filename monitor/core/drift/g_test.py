"""G-test of homogeneity: the likelihood ratio beside the chi-square test."""

from __future__ import annotations

import numpy as np
from scipy import special

from monitor.core.drift.base import CATEGORICAL, AlarmsWhen, Measure, Method, Pair, both_counts
from monitor.core.drift.chisquare import ChiSquare, tables
from monitor.core.schema import Ints


def g_test(reference: Ints, window: Ints) -> ChiSquare:
    """``2 * sum(seen * ln(seen / expected))`` over both samples' categories, from counts of shape (k,), against chi-square.

    ``expected`` comes from both samples together. Direction: symmetric. Categories with too few expected rows are taken
    together, as for chisquare, with which it nearly agrees. Not for large windows: with many rows every difference is
    significant, so use a distance there. Evidently's test of this name is one-sample, and fails unless both sides have equally
    many rows. Source: Sokal and Rohlf, Biometry, 1981; ``scipy.stats.chi2_contingency(…, lambda_="log-likelihood")``.
    """
    table, expected = tables(reference, window)
    statistic = 2 * float(np.sum(special.rel_entr(table, expected)))
    return ChiSquare(statistic=max(statistic, 0.0), degrees=table.shape[1] - 1)


def _measure(pair: Pair) -> Measure:
    return g_test(*both_counts(pair)).measure


G_TEST = Method(name="g_test", kinds=CATEGORICAL, alarms_when=AlarmsWhen.P_BELOW, default_threshold=0.1, measure=_measure)
