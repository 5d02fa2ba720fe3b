"""The domain classifier: can a model tell the window's rows from the reference's? Runs in the worker only.

Small gradient-boosted trees on all columns; their area under the ROC curve on rows that they were not fitted on. Without any
difference it is one half on average. Trees see what no column shows alone: a pair of columns that no longer go together.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold

from monitor.core.drift.sampled import MAX_CATEGORIES
from monitor.core.schema import Floats, Ints
from monitor.reports import wire

FOLDS = 5
SEED = 0
TREES, LEAVES, MIN_LEAF = 40, 8, 20
"""Small: 0.1 s for 5,200 rows of 12 columns. More trees tell no more of 200 rows."""
MOST_LEANING = 5


def tell(request: wire.Tell) -> wire.Told:
    """The area of the window (NaN without rows), and of each part of the reference against the rest of the reference."""
    reference, window = (_matrix(request.columns, side) for side in ("reference", "window"))
    auc, leaning = _told_apart(reference, window) if len(window) else (float("nan"), [0.0] * len(request.columns))
    usual = [_area(np.delete(reference, part, axis=0), reference[part]) for part in request.parts]
    names = [column.name for column in request.columns]
    most = sorted(zip(names, leaning, strict=True), key=lambda pair: (-pair[1], pair[0]))[:MOST_LEANING]
    return wire.Told(auc=auc, usual=usual, leaning=[(name, drop) for name, drop in most if drop > 0])


def _matrix(columns: list[wire.Column], side: str) -> Floats:
    """Numbers as they are, categories by their rank; shape (rows, columns), NaN where missing."""
    return np.column_stack([_values(column, getattr(column, side)) for column in columns])


def _values(column: wire.Column, values: list[float | str | None]) -> Floats:
    if column.numeric:
        return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    rank = _ranks(column.reference)
    return np.array([np.nan if value is None else rank.get(value, MAX_CATEGORIES) for value in values], dtype=np.float64)


def _ranks(reference: list[float | str | None]) -> dict[float | str, int]:
    """The place of each category by how frequent it is in the reference, ties by text; what is rarer or new has one place behind them."""
    counts = Counter(value for value in reference if value is not None)
    ordered = sorted(counts, key=lambda text: (-counts[text], str(text)))
    return {text: place for place, text in enumerate(ordered[:MAX_CATEGORIES])}


def _area(one: Floats, other: Floats) -> float:
    return float(np.mean([area for area, _, _, _ in _folds(one, other)]))


def _told_apart(reference: Floats, window: Floats) -> tuple[float, list[float]]:
    """The area, and how much of it is lost when a column's values are shuffled."""
    rng = np.random.default_rng(SEED)
    areas, losses = [], np.zeros(reference.shape[1])
    for area, model, rows, labels in _folds(reference, window):
        areas.append(area)
        for at in range(rows.shape[1]):
            shuffled = rows.copy()
            shuffled[:, at] = rng.permutation(shuffled[:, at])
            losses[at] += (area - _scored(model, shuffled, labels)) / FOLDS
    return float(np.mean(areas)), losses.tolist()


def _folds(one: Floats, other: Floats) -> list[tuple[float, HistGradientBoostingClassifier, Floats, Ints]]:
    """Of each fold: the area on its rows, the model fitted on the others, its rows and their labels."""
    rows, labels = np.vstack([one, other]), np.repeat([0, 1], [len(one), len(other)])
    found = []
    for fitted, held in StratifiedKFold(FOLDS, shuffle=True, random_state=SEED).split(rows, labels):
        model = HistGradientBoostingClassifier(max_iter=TREES, max_leaf_nodes=LEAVES, min_samples_leaf=MIN_LEAF, early_stopping=False,
                                               random_state=SEED).fit(rows[fitted], labels[fitted])
        found.append((_scored(model, rows[held], labels[held]), model, rows[held], labels[held]))
    return found


def _scored(model: HistGradientBoostingClassifier, rows: Floats, labels: Ints) -> float:
    return float(roc_auc_score(labels, model.predict_proba(rows)[:, 1]))
