"""The share of categories that the reference has never seen, as a drift signal."""

from __future__ import annotations

import numpy as np

from monitor.core.drift.base import AlarmsWhen, ColumnProfile, Measure, Method, Pair, Side, distance
from monitor.core.drift.calibration import unseen_rows
from monitor.core.profile import CategoricalProfile
from monitor.core.schema import Kind


def novelty_pair(reference: ColumnProfile, window: ColumnProfile) -> Pair:
    """Rows whose category the reference has and rows whose category it lacks. Raises ValueError for numbers."""
    if not isinstance(reference, CategoricalProfile) or not isinstance(window, CategoricalProfile):
        raise ValueError("numbers have no categories")
    unseen = unseen_rows(window, reference)
    return Pair(reference=Side(counts=np.array([reference.n, 0])), window=Side(counts=np.array([window.n - unseen, unseen])))


def _measure(pair: Pair) -> Measure:
    """The share of the window's values whose category the reference lacks; within [0, 1].

    Direction: one-sided; a category that went away is seen by TVD. Not for columns with a long tail of rare categories, where
    every window has new ones (the learned limit of quality's unseen categories is for those); with more than some 1,250 categories
    in the reference the rarest count as new though it had them. Source: the estimate of unseen mass is its mean, n₁/n (Good 1953,
    Biometrika 40). It has no namesake in Evidently.
    """
    return distance(float(pair.window.shares[1]))


NEW_CATEGORIES = Method(
    name="new_categories",
    kinds=frozenset({Kind.CATEGORICAL}),
    alarms_when=AlarmsWhen.ABOVE,
    default_threshold=0.01,  # of the rows
    measure=_measure,
    pair=novelty_pair,
)
