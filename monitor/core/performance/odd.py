"""What no metric can use: labels, predictions and scores that are none, counted by what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import numpy as np

from monitor.core.schema import CategoricalValues, Flags, Ints, NumericValues, State, Values


class Odd(StrEnum):
    """Of rows that have a label: why it, the prediction or the score is left out."""

    LABEL_UNKNOWN = "label_unknown"
    LABEL_WRONG_TYPE = "label_wrong_type"
    LABEL_NOT_FINITE = "label_not_finite"
    LABEL_TOO_LARGE = "label_too_large"
    PREDICTION_MISSING = "prediction_missing"
    PREDICTION_UNKNOWN = "prediction_unknown"
    PREDICTION_WRONG_TYPE = "prediction_wrong_type"
    PREDICTION_NOT_FINITE = "prediction_not_finite"
    PREDICTION_TOO_LARGE = "prediction_too_large"
    SCORE_OUTSIDE = "score_outside"
    SCORE_SUM = "score_sum"


TOLD = {
    Odd.LABEL_UNKNOWN: "labels of a class that neither the reference nor the predictions know",
    Odd.LABEL_WRONG_TYPE: "labels of a wrong type",
    Odd.LABEL_NOT_FINITE: "labels that are no finite number",
    Odd.LABEL_TOO_LARGE: "labels too large to be summed",
    Odd.PREDICTION_MISSING: "labelled rows without a prediction",
    Odd.PREDICTION_UNKNOWN: "predictions of an unknown class",
    Odd.PREDICTION_WRONG_TYPE: "predictions of a wrong type",
    Odd.PREDICTION_NOT_FINITE: "predictions that are no finite number",
    Odd.PREDICTION_TOO_LARGE: "predictions too large to be summed",
    Odd.SCORE_OUTSIDE: "scores outside [0, 1]",
    Odd.SCORE_SUM: "rows whose probabilities do not sum to 1",
}

Odds = Mapping[Odd, int]
"""Rows by what is odd of them; what is not odd at all has no entry."""

LABEL_ODDS = frozenset(odd for odd in Odd if odd.startswith("label"))


def count_odds(found: Mapping[Odd, Flags]) -> dict[Odd, int]:
    """Rows by what is odd, from masks."""
    counts = {odd: int(np.count_nonzero(rows)) for odd, rows in found.items()}
    return {odd: count for odd, count in counts.items() if count}


def add_odds(one: Odds, other: Odds) -> dict[Odd, int]:
    """Both together, in the order of the names."""
    return {odd: one.get(odd, 0) + other.get(odd, 0) for odd in Odd if odd in one or odd in other}


def tell_odds(odds: Odds) -> str:
    """As a clause of a reason: ``3 labels of a wrong type, 2 scores outside [0, 1]``; empty where nothing is odd."""
    return ", ".join(f"{count:,} {TOLD[odd]}" for odd, count in odds.items())


def has_value(values: Values) -> Flags:
    """Which rows say something, right or wrong; null says nothing. Shape (n,)."""
    if isinstance(values, CategoricalValues):
        said: Flags = values.codes != CategoricalValues.NULL
        return said
    states = states_of(values)
    found: Flags = states != State.NULL
    return found


def states_of(values: NumericValues) -> Ints:
    """The state of each row, shape (n,)."""
    if values.states is None:
        return np.where(np.isnan(values.values), State.NULL, State.VALUE)
    return values.states.astype(np.int64)
