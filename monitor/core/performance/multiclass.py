"""Counts of the labelled rows of a model with more than two classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from monitor.core.labels.labels import Joined
from monitor.core.performance.binary import EPSILON
from monitor.core.performance.bins import SCORE_BINS, Sparse, score_bins, sparse_of
from monitor.core.performance.classes import NO_CLASS, UNKNOWN, WRONG, Classes
from monitor.core.performance.odd import Odd, Odds, count_odds
from monitor.core.performance.sums import Exact, merged, sums_document, sums_of
from monitor.core.profile.canonical import MOST, Fields
from monitor.core.schema import Flags, Floats, Ints
from monitor.errors import DecodeError

K = TypeVar("K")

SUM_SLACK = 1e-3  # by how much probabilities of a row may miss 1: floats of 16 bits do
MAX_SCORED = 50  # classes up to which a histogram of scores is kept for each
SUMS = ("log_loss", "log_loss_squares")


@dataclass(frozen=True, slots=True, kw_only=True)
class MulticlassRows:
    """Labelled rows that can be used; ``truth`` and ``predicted`` are positions in ``names`` (-1: no prediction), shape (n,).

    ``scores``: shape (n, k), those of ``names`` in their order; rows of NaN where there are none. k is 0 where the model gives none.
    """

    names: tuple[str, ...]
    truth: Ints
    predicted: Ints
    scores: Floats

    @property
    def scored(self) -> tuple[Ints, Floats]:
        """Truth and scores of the rows that have them."""
        if not self.scores.shape[1]:
            return self.truth[:0], self.scores[:0]
        has = ~np.isnan(self.scores[:, 0])
        return self.truth[has], self.scores[has]


def multiclass_rows(joined: Joined, classes: Classes) -> tuple[MulticlassRows, Odds]:
    """The usable rows, and what was odd of the labelled ones."""
    size, rows = len(joined), joined.rows
    truth, predicted = classes.codes(joined.labels, size), classes.codes(rows.prediction, size)
    usable = truth >= 0
    scores, outside, off = _scores(joined, classes)
    without = np.isnan(scores[:, 0]) if scores.shape[1] else np.ones(size, dtype=np.bool_)
    if rows.prediction is None and scores.shape[1]:
        predicted = np.where(without, NO_CLASS, np.argmax(np.nan_to_num(scores), axis=1))
    odds = count_odds({
        Odd.LABEL_UNKNOWN: truth == UNKNOWN,
        Odd.LABEL_WRONG_TYPE: truth == WRONG,
        Odd.PREDICTION_MISSING: usable & (predicted == NO_CLASS) & without & ~outside & ~off,
        Odd.PREDICTION_UNKNOWN: usable & (predicted == UNKNOWN),
        Odd.PREDICTION_WRONG_TYPE: usable & (predicted == WRONG),
        Odd.SCORE_OUTSIDE: usable & outside,
        Odd.SCORE_SUM: usable & off,
    })
    predicted = np.maximum(predicted[usable], NO_CLASS)
    return MulticlassRows(names=classes.names, truth=truth[usable], predicted=predicted, scores=scores[usable]), odds


def _scores(joined: Joined, classes: Classes) -> tuple[Floats, Flags, Flags]:
    """Scores in the order of the classes, NaN in rows that have no sound ones; rows outside [0, 1]; rows that do not sum to 1.

    A class that a row leaves out has no probability in it: one row that names another class takes the scores of no other row away.
    """
    given, names = joined.rows.scores, joined.rows.classes
    none = np.zeros(len(joined), dtype=np.bool_)
    if given is None or not names:
        return np.empty((len(joined), 0)), none, none
    some: Flags = np.count_nonzero(~np.isnan(given), axis=1) > 0
    given = np.where(np.isnan(given), 0.0, given)
    outside: Flags = some & (np.count_nonzero((given < 0) | (given > 1), axis=1) > 0)
    with np.errstate(invalid="ignore"):
        off: Flags = some & ~outside & (np.abs(given.sum(axis=1) - 1) > SUM_SLACK)
    places = {name: i for i, name in enumerate(classes.names)}
    scores = np.zeros((len(joined), len(classes.names)))
    for at, name in enumerate(names):
        if name in places:
            scores[:, places[name]] = given[:, at]
    scores[~some | outside | off] = np.nan
    return scores, outside, off


@dataclass(frozen=True, slots=True, kw_only=True)
class MulticlassCounts:
    """``cells``: rows by label and predicted class. ``labels``: rows by label, with or without a prediction. ``sums``: by ``SUMS``,
    over ``scored`` rows. ``scores``: by class, the other rows and its own by the score of that class."""

    cells: Mapping[tuple[str, str], int] = field(default_factory=dict)
    labels: Mapping[str, int] = field(default_factory=dict)
    scored: int = 0
    sums: dict[str, Exact] = field(default_factory=lambda: dict.fromkeys(SUMS, Exact()))
    scores: Mapping[str, Sparse] = field(default_factory=dict)

    @staticmethod
    def of(rows: MulticlassRows) -> MulticlassCounts:
        """Of usable rows."""
        truth, scores = rows.scored
        loss = row_log_losses(truth, scores)
        return MulticlassCounts(
            cells=_cells(rows),
            labels={rows.names[i]: n for i, n in enumerate(np.bincount(rows.truth, minlength=len(rows.names)).tolist()) if n},
            scored=len(truth),
            sums={"log_loss": Exact.of(loss), "log_loss_squares": Exact.of(loss**2)},
            scores=_histograms(rows.names, truth, scores) if len(truth) and len(rows.names) <= MAX_SCORED else {},
        )

    @property
    def usable(self) -> int:
        """Rows whose label is a class."""
        return sum(self.labels.values())

    def merge(self, other: MulticlassCounts) -> MulticlassCounts:
        """Both together."""
        return MulticlassCounts(
            cells=_added(self.cells, other.cells),
            labels=_added(self.labels, other.labels),
            scored=self.scored + other.scored,
            sums=merged(self.sums, other.sums),
            scores={
                name: self.scores.get(name, Sparse.empty(2)).merge(other.scores.get(name, Sparse.empty(2)))
                for name in sorted({*self.scores, *other.scores})
            },
        )

    def document(self) -> dict[str, object]:
        """As plain JSON values."""
        return {
            "cells": [[*cell, n] for cell, n in sorted(self.cells.items())], "labels": dict(self.labels), "scored": self.scored,
            "sums": sums_document(self.sums), "scores": {name: scores.document() for name, scores in self.scores.items()},
        }  # fmt: skip

    @staticmethod
    def read(fields: Fields) -> MulticlassCounts:
        """Of a document. Raises DecodeError."""
        labels, scores = fields.part("labels"), fields.part("scores")
        return MulticlassCounts(
            cells=_read_cells(fields),
            labels={name: labels.whole(name, least=1) for name in labels.keys()},  # noqa: SIM118 - Fields is no mapping
            scored=fields.whole("scored"),
            sums=sums_of(fields.part("sums"), SUMS),
            scores={name: sparse_of(scores.part(name), 2, (0, SCORE_BINS - 1)) for name in scores.keys()},  # noqa: SIM118
        )


def row_log_losses(truth: Ints, scores: Floats) -> Floats:
    """``-ln`` of the probability that each row gave to what came true, clipped as scikit-learn does; shape (n, k) to (n,)."""
    if not len(truth):
        return np.empty(0)
    losses: Floats = -np.log(np.clip(scores[np.arange(len(truth)), truth], EPSILON, 1 - EPSILON))
    return losses


def _cells(rows: MulticlassRows) -> dict[tuple[str, str], int]:
    known, size = rows.predicted >= 0, max(len(rows.names), 1)
    codes, counts = np.unique(rows.truth[known] * size + rows.predicted[known], return_counts=True)
    found = zip(codes.tolist(), counts.tolist(), strict=True)
    return {(rows.names[code // size], rows.names[code % size]): n for code, n in found}


def _histograms(names: tuple[str, ...], truth: Ints, scores: Floats) -> dict[str, Sparse]:
    found = {}
    for i, name in enumerate(names):
        own, bins = truth == i, score_bins(scores[:, i])
        found[name] = Sparse.of(bins[~own], bins[own])
    return found


def _added(one: Mapping[K, int], other: Mapping[K, int]) -> dict[K, int]:
    return {key: one.get(key, 0) + other.get(key, 0) for key in {**one, **other}}


def _read_cells(fields: Fields) -> dict[tuple[str, str], int]:
    found: dict[tuple[str, str], int] = {}
    cells = fields.raw().get("cells")
    for cell in cells if isinstance(cells, list) else [None]:
        match cell:
            case [str() as true, str() as predicted, int() as n] if 0 < n <= MOST:
                found[true, predicted] = n
            case _:
                raise DecodeError("tally.cells: expected a list of label, predicted class and rows")
    return found
