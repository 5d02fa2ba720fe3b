"""The watched model: gradient-boosted trees that tell at departure whether a flight will arrive more than 15 minutes late."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from monitor.demo.scenario import CATEGORICAL_FEATURES, FEATURES, MODEL_VERSION, NUMERIC_FEATURES

if TYPE_CHECKING:
    import pandas as pd

LATE_FROM_SCORE = 0.5
SEED = 2013
FOLDS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """``pipeline`` is the fitted scikit-learn model; ``reference`` the training flights with their out-of-fold predictions.

    ``roc_auc`` and ``late_share`` are measured on those predictions.
    """

    pipeline: Any
    reference: pd.DataFrame
    roc_auc: float
    late_share: float


def train(flights: pd.DataFrame, version: str = MODEL_VERSION) -> Trained:
    """Fit on flights with a label. The reference holds every flight, scored by a model that did not learn from it.

    Scores of rows that a model has learned from are too sure of themselves: as a reference they would make every
    later day look drifted.
    """
    import numpy as np
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import KFold

    known = flights["arrived_late"].notna()
    p_late = np.zeros(len(flights))
    for learn, judge in KFold(FOLDS, shuffle=True, random_state=SEED).split(flights):
        fold = flights.iloc[learn]
        fitted = _fit(fold[fold["arrived_late"].notna()])
        p_late[judge] = scores(fitted, flights.iloc[judge])
    truth = flights.loc[known, "arrived_late"].astype(int)
    return Trained(
        pipeline=_fit(flights[known]),
        reference=with_decision(flights.assign(p_late=p_late), version),
        roc_auc=float(roc_auc_score(truth, p_late[known])),
        late_share=float(truth.mean()),
    )


def predict(pipeline: Any, flights: pd.DataFrame, version: str = MODEL_VERSION) -> pd.DataFrame:
    """The flights with what the model says of them: ``p_late``, ``late`` and ``model_version``."""
    return with_decision(flights.assign(p_late=scores(pipeline, flights)), version)


def scores(pipeline: Any, flights: pd.DataFrame) -> Any:
    """The probability of a late arrival, rounded as a model server would send it; shape (n,)."""
    with _one_thread():
        return pipeline.predict_proba(flights[list(FEATURES)])[:, 1].round(4)


def with_decision(scored: pd.DataFrame, version: str = MODEL_VERSION) -> pd.DataFrame:
    """Adds ``late`` (0 or 1) and ``model_version`` to flights that bear ``p_late``."""
    return scored.assign(late=(scored["p_late"] >= LATE_FROM_SCORE).astype(int), model_version=version)


def _fit(flights: pd.DataFrame) -> Any:
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OrdinalEncoder

    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=float("nan"))
    columns = make_column_transformer((codes, list(CATEGORICAL_FEATURES)), ("passthrough", list(NUMERIC_FEATURES)))
    trees = HistGradientBoostingClassifier(
        categorical_features=[i < len(CATEGORICAL_FEATURES) for i in range(len(FEATURES))],
        max_iter=60, early_stopping=False, random_state=SEED,
    )
    with _one_thread():
        return make_pipeline(columns, trees).fit(flights[list(FEATURES)], flights["arrived_late"].astype(int))


def _one_thread() -> AbstractContextManager[object]:
    """Threads that share busy cores spend their time waiting for each other: two need 12 s where one needs 4 (measured)."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # it ships no types

    limits: AbstractContextManager[object] = threadpool_limits(1, user_api="openmp")
    return limits
