"""Counts of a binary model's labelled rows."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from monitor.core.labels.labels import Joined
from monitor.core.performance.bins import SCORE_BINS, Sparse, score_bins, sparse_of
from monitor.core.performance.classes import NEGATIVE, NO_CLASS, POSITIVE, UNKNOWN, WRONG, Classes
from monitor.core.performance.odd import Odd, Odds, count_odds
from monitor.core.performance.sums import Exact, exact_of, merged, sums_document, sums_of
from monitor.core.profile.canonical import Fields
from monitor.core.schema import Flags, Floats, Ints

CUT = 0.5  # the score from which a row counts as positive, where the model says no class
EPSILON = float(np.finfo(np.float64).eps)  # scores are clipped by so much before their logarithm, as in scikit-learn
CALIBRATION_BINS = 10  # of equal width, over [0, 1]
SUMS = ("log_loss", "log_loss_squares", "brier", "brier_squares")


@dataclass(frozen=True, slots=True, kw_only=True)
class BinaryRows:
    """Labelled rows that can be used, arrays of shape (n,). ``predicted``: 1, 0 or -1 for none; ``scores``: NaN for none."""

    truth: Flags
    predicted: Ints
    scores: Floats

    @property
    def scored(self) -> tuple[Flags, Floats]:
        """Truth and score of the rows that have one."""
        has = ~np.isnan(self.scores)
        return self.truth[has], self.scores[has]


def binary_rows(joined: Joined, classes: Classes) -> tuple[BinaryRows, Odds]:
    """The usable rows, and what was odd of the labelled ones."""
    size, rows = len(joined), joined.rows
    truth = classes.codes(joined.labels, size)
    usable = truth >= 0
    predicted, scores = classes.codes(rows.prediction, size), positive_scores(joined, classes)
    outside = usable & ((scores < 0) | (scores > 1))
    scores = np.where(outside, np.nan, scores)
    if rows.prediction is None:
        predicted = np.where(np.isnan(scores), NO_CLASS, np.where(scores >= CUT, POSITIVE, NEGATIVE))
    odds = count_odds({
        Odd.LABEL_UNKNOWN: truth == UNKNOWN,
        Odd.LABEL_WRONG_TYPE: truth == WRONG,
        Odd.PREDICTION_MISSING: usable & (predicted == NO_CLASS) & np.isnan(scores) & ~outside,
        Odd.PREDICTION_UNKNOWN: usable & (predicted == UNKNOWN),
        Odd.PREDICTION_WRONG_TYPE: usable & (predicted == WRONG),
        Odd.SCORE_OUTSIDE: outside,
    })
    kept = BinaryRows(truth=truth[usable] == POSITIVE, predicted=np.maximum(predicted[usable], NO_CLASS), scores=scores[usable])
    return kept, odds


def positive_scores(joined: Joined, classes: Classes) -> Floats:
    """The score of the positive class, shape (n,); NaN where there is none."""
    scores = joined.rows.scores
    if scores is None or not scores.shape[1]:
        return np.full(len(joined), np.nan)
    if scores.shape[1] == 1:
        return scores[:, 0]
    at = [i for i, name in enumerate(joined.rows.classes) if name in classes.positive]
    return scores[:, at[0]] if at else np.full(len(joined), np.nan)


@dataclass(frozen=True, slots=True, kw_only=True)
class BinaryCounts:
    """``tp, fp, fn, tn``: rows with a predicted class. ``labels``: negative and positive ones, with or without a prediction.

    ``scores``: negative and positive rows by score. ``sums``: over rows with a score, by ``SUMS``. ``calibration``: by tenth of the
    score, rows and positive rows, shape (2, 10), beside ``tenths``, the sum of their scores.
    """

    tp: int = 0
    fp: int = 0
    fn: int = 0
    tn: int = 0
    labels: tuple[int, int] = (0, 0)
    scores: Sparse = field(default_factory=lambda: Sparse.empty(2))
    sums: dict[str, Exact] = field(default_factory=lambda: dict.fromkeys(SUMS, Exact()))
    calibration: tuple[tuple[int, ...], tuple[int, ...]] = ((0,) * CALIBRATION_BINS, (0,) * CALIBRATION_BINS)
    tenths: tuple[Exact, ...] = (Exact(),) * CALIBRATION_BINS

    @staticmethod
    def of(rows: BinaryRows) -> BinaryCounts:
        """Of usable rows."""
        cells = np.bincount((2 * rows.truth + rows.predicted)[rows.predicted >= 0], minlength=4).tolist()
        truth, scores = rows.scored
        tenth = np.minimum((scores * CALIBRATION_BINS).astype(np.int64), CALIBRATION_BINS - 1)
        loss, brier = row_log_loss(truth, scores), (scores - truth) ** 2
        bins = score_bins(scores)
        return BinaryCounts(
            tn=cells[0], fp=cells[1], fn=cells[2], tp=cells[3],
            labels=(int(np.count_nonzero(~rows.truth)), int(np.count_nonzero(rows.truth))),
            scores=Sparse.of(bins[~truth], bins[truth]),
            sums=dict(zip(SUMS, (Exact.of(values) for values in (loss, loss**2, brier, brier**2)), strict=True)),
            calibration=(_tenths(tenth), _tenths(tenth[truth])),
            tenths=tuple(Exact.of(scores[tenth == i]) for i in range(CALIBRATION_BINS)),
        )  # fmt: skip

    @property
    def usable(self) -> int:
        """Rows whose label is a class."""
        return sum(self.labels)

    def merge(self, other: BinaryCounts) -> BinaryCounts:
        """Both together."""
        return BinaryCounts(
            tp=self.tp + other.tp, fp=self.fp + other.fp, fn=self.fn + other.fn, tn=self.tn + other.tn,
            labels=(self.labels[0] + other.labels[0], self.labels[1] + other.labels[1]),
            scores=self.scores.merge(other.scores),
            sums=merged(self.sums, other.sums),
            calibration=(_added(self.calibration[0], other.calibration[0]), _added(self.calibration[1], other.calibration[1])),
            tenths=tuple(one + two for one, two in zip(self.tenths, other.tenths, strict=True)),
        )  # fmt: skip

    def document(self) -> dict[str, object]:
        """As plain JSON values."""
        return {
            "cells": [self.tp, self.fp, self.fn, self.tn], "labels": list(self.labels), "scores": self.scores.document(),
            "sums": sums_document(self.sums), "calibration": [list(rows) for rows in self.calibration],
            "tenths": [sum_.document() for sum_ in self.tenths],
        }  # fmt: skip

    @staticmethod
    def read(fields: Fields) -> BinaryCounts:
        """Of a document. Raises DecodeError."""
        tp, fp, fn, tn = fields.wholes("cells", 4).tolist()
        negative, positive = fields.wholes("labels", 2).tolist()
        tenths = fields.raw().get("tenths")
        if not isinstance(tenths, list) or len(tenths) != CALIBRATION_BINS:
            raise fields.fault("tenths", f"{CALIBRATION_BINS} sums")
        return BinaryCounts(
            tp=tp, fp=fp, fn=fn, tn=tn, labels=(negative, positive),
            scores=sparse_of(fields.part("scores"), 2, (0, SCORE_BINS - 1)),
            sums=sums_of(fields.part("sums"), SUMS),
            calibration=_calibration(fields),
            tenths=tuple(exact_of(one, "tenths") for one in tenths),
        )  # fmt: skip


def row_log_loss(truth: Flags, scores: Floats) -> Floats:
    """``-ln`` of the probability that each row gave to what came true, clipped as scikit-learn does; shape (n,)."""
    given: Floats = -np.log(np.clip(np.where(truth, scores, 1 - scores), EPSILON, 1 - EPSILON))
    return given


def _tenths(tenth: Ints) -> tuple[int, ...]:
    return tuple(np.bincount(tenth, minlength=CALIBRATION_BINS).tolist())


def _added(one: tuple[int, ...], other: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(a + b for a, b in zip(one, other, strict=True))


def _calibration(fields: Fields) -> tuple[tuple[int, ...], tuple[int, ...]]:
    found = fields.raw().get("calibration")
    if not isinstance(found, list) or len(found) != 2:
        raise fields.fault("calibration", "two lists of counts")
    parts = Fields({"rows": found[0], "positive": found[1]}, "tally.calibration")
    rows, positive = parts.wholes("rows", CALIBRATION_BINS), parts.wholes("positive", CALIBRATION_BINS)
    if (positive > rows).any():
        raise fields.fault("calibration", "no more positive rows than rows")
    return tuple(rows.tolist()), tuple(positive.tolist())
