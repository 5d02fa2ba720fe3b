"""Labelled rows for the tests of performance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

import numpy as np

from monitor.core.labels.labels import Joined
from monitor.core.labels.predicted import Predicted
from monitor.core.rules import PerformanceRules
from monitor.core.schema import CategoricalValues, NumericValues, Values

RULES = PerformanceRules(metrics=("roc_auc",), max_drop=0.03, label_delay=timedelta(days=30))


def texts(found: Sequence[object]) -> CategoricalValues:
    """None is null; a list is a wrong type; all else its text, booleans in lower case."""
    said = [None if one is None else str(one).lower() if isinstance(one, bool | np.bool_) else str(one) for one in found]
    dictionary = tuple(dict.fromkeys(one for one in said if one is not None and not one.startswith("[")))
    places = {one: i for i, one in enumerate(dictionary)}
    codes = [-1 if one is None else -2 if one.startswith("[") else places[one] for one in said]
    return CategoricalValues(codes=np.array(codes, dtype=np.int32), dictionary=dictionary)


def numbers(found: object) -> NumericValues:
    return NumericValues(values=np.asarray(found, dtype=np.float64))


def joined(
    labels: Values, prediction: Values | None = None, scores: object = None, classes: tuple[str, ...] = (),
    segments: Mapping[str, CategoricalValues] | None = None,
) -> Joined:
    """``scores``: shape (n,) or (n, k)."""
    size = len(labels.codes) if isinstance(labels, CategoricalValues) else len(labels.values)
    given = None if scores is None else np.asarray(scores, dtype=np.float64)
    given = given[:, None] if given is not None and given.ndim == 1 else given
    rows = Predicted(ids=np.arange(size, dtype=np.uint64), prediction=prediction, scores=given, classes=classes, segments=segments or {})
    return Joined(rows=rows, labels=labels, times=np.zeros(size, dtype=np.int64))


def binary_window(rng: np.random.Generator, n: int, sharp: float = 1.0, base: float = 0.3, labelled: float = 1.0) -> Joined:
    """Rows whose positive ones score higher, by ``sharp`` standard deviations of a normal score; the score is the true probability."""
    truth = rng.random(n) < base
    signal = rng.normal(0, 1, n) + sharp * truth
    scores = 1 / (1 + np.exp(-(sharp * signal - sharp**2 / 2 + np.log(base / (1 - base)))))
    said = [bool(one) if known else None for one, known in zip(truth, rng.random(n) < labelled, strict=True)]
    return joined(texts(said), texts([int(score >= 0.5) for score in scores]), scores)


def regression_window(rng: np.random.Generator, n: int, spread: float = 5.0, shift: float = 0.0) -> Joined:
    """Predictions that err by a normal distribution."""
    truth = rng.gamma(4.0, 10.0, n) + 1
    return joined(numbers(truth), numbers(truth + shift + rng.normal(0, spread, n)))
