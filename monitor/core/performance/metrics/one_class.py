"""Precision, recall and f1 of one class of several: ``recall[JFK]``."""

from __future__ import annotations

from monitor.core.performance.intervals import Measured
from monitor.core.performance.metrics.base import Better, Metric, Undefined, matrix
from monitor.core.performance.metrics.f1 import f1_of
from monitor.core.performance.metrics.precision_recall import precision_of, recall_of
from monitor.core.performance.multiclass import MulticlassCounts

KINDS = {"f1": f1_of, "precision": precision_of, "recall": recall_of}


def one_class(name: str, kind: str, of: str) -> Metric:
    """The entry of scikit-learn's score with ``average=None`` that is of the class ``of``. Not defined where no row has to do with it."""

    def measured(counts: MulticlassCounts) -> Measured:
        found = matrix(counts)
        if of not in found.names:
            raise Undefined(f"none of {found.n:,} labelled rows is {of} or was predicted as it")
        return KINDS[kind](found, found.names.index(of))

    return Metric(name=name, better=Better.HIGHER, unit="share of rows" if kind != "f1" else "", multiclass=measured)
