"""Labels that are wrong: a share of them at random, in the counts of a window's labelled rows.

Cells, labels, scores and calibration are counts: of each the share moves, to whole rows. Sums of losses move by what the rows of each bin
of scores lose and gain, as if their scores were in its middle (within 1/512 of them).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from monitor.core.drill.base import Fault, FaultName, shares
from monitor.core.drill.thinned import scaled_counts
from monitor.core.performance.binary import BinaryCounts, row_log_loss
from monitor.core.performance.bins import Sparse, score_middles
from monitor.core.performance.multiclass import MulticlassCounts, row_log_losses
from monitor.core.performance.sums import Exact, merged
from monitor.core.performance.tally import Tally
from monitor.core.results import Check
from monitor.core.schema import Floats, Ints

OTHER, OWN = 0, 1
"""The two series of a histogram of scores: rows of other classes, and of the class itself."""


def flipped(tally: Tally, share: float) -> Tally | None:
    """The window with a share of its labels another class; None for regression, whose labels are no classes."""
    match tally.counts:
        case BinaryCounts():
            return replace(tally, counts=_binary(tally.counts, share))
        case MulticlassCounts():
            return replace(tally, counts=_multiclass(tally.counts, share))
        case _:
            return None


def _hits(counts: Ints, share: float) -> Ints:
    """How many of each are hit, in the same shape."""
    flat = counts.ravel()
    return scaled_counts(flat, round(int(flat.sum()) * share)).reshape(counts.shape)


# --- two classes ---------------------------------------------------------------------------------------------


def _binary(counts: BinaryCounts, share: float) -> BinaryCounts:
    negative, positive = counts.labels
    cells = np.array([[counts.tn, counts.fp, negative - counts.tn - counts.fp],
                      [counts.fn, counts.tp, positive - counts.fn - counts.tp]], dtype=np.int64)  # label, then prediction or none
    cells = _swapped(cells, _hits(cells, share))
    of_scores = _hits(counts.scores.counts, share)
    rows, positives = (np.array(part, dtype=np.int64) for part in counts.calibration)
    tenths = np.array([rows - positives, positives])
    return replace(
        counts, tn=int(cells[0, 0]), fp=int(cells[0, 1]), fn=int(cells[1, 0]), tp=int(cells[1, 1]),
        labels=(int(cells[0].sum()), int(cells[1].sum())),
        scores=replace(counts.scores, counts=_swapped(counts.scores.counts, of_scores)),
        sums=merged(counts.sums, _lost_and_gained(score_middles(counts.scores.bins), of_scores)),
        calibration=(counts.calibration[0], tuple(_swapped(tenths, _hits(tenths, share))[1].tolist())),
    )  # fmt: skip


def _swapped(counts: Ints, hits: Ints) -> Ints:
    return counts - hits + hits[::-1]


def _lost_and_gained(scores: Floats, hits: Ints) -> dict[str, Exact]:
    """What the sums change by, ``hits`` being the rows of each score whose label was negative, and positive; shape (2, m)."""
    moved = (hits[0] - hits[1]).astype(np.float64)  # negative rows that became positive, less the other way
    no, yes = np.zeros(len(scores), dtype=np.bool_), np.ones(len(scores), dtype=np.bool_)
    losses = row_log_loss(yes, scores), row_log_loss(no, scores)
    briers = (scores - 1) ** 2, scores**2
    changes = {"log_loss": losses, "log_loss_squares": (losses[0] ** 2, losses[1] ** 2),
               "brier": briers, "brier_squares": (briers[0] ** 2, briers[1] ** 2)}
    return {name: Exact.of(moved * (after - before)) for name, (after, before) in changes.items()}


# --- several classes -----------------------------------------------------------------------------------------


def _multiclass(counts: MulticlassCounts, share: float) -> MulticlassCounts:
    """A wrong label is one of the other classes, as often as those come."""
    names = sorted(counts.labels)
    without = {name: n - sum(rows for (true, _), rows in counts.cells.items() if true == name) for name, n in counts.labels.items()}
    cells = [*counts.cells.items(), *(((name, ""), n) for name, n in without.items())]  # "": no prediction
    hits = _hits(np.array([n for _, n in cells], dtype=np.int64), share).tolist()
    moved: dict[tuple[str, str], int] = {}
    for ((true, predicted), n), hit in zip(cells, hits, strict=True):
        kept = n if len(names) < 2 else n - hit
        _add(moved, (true, predicted), kept)
        for name, rows in _to_others(true, names, counts.labels, n - kept):
            _add(moved, (name, predicted), rows)
    labels = {name: sum(n for (true, _), n in moved.items() if true == name) for name in names}
    scores, loss = _scores(counts, share) if len(names) > 1 else (counts.scores, {})
    return replace(counts, cells={cell: n for cell, n in moved.items() if n and cell[1]}, scores=scores,
                   labels={name: n for name, n in labels.items() if n}, sums=merged(counts.sums, loss) if loss else counts.sums)


def _add(cells: dict[tuple[str, str], int], cell: tuple[str, str], rows: int) -> None:
    cells[cell] = cells.get(cell, 0) + rows


def _to_others(true: str, names: list[str], labels: Mapping[str, int], rows: int) -> list[tuple[str, int]]:
    others = [name for name in names if name != true]
    if not rows or not others:
        return []
    return list(zip(others, scaled_counts(np.array([labels[name] for name in others], dtype=np.int64), rows).tolist(), strict=True))


def _scores(counts: MulticlassCounts, share: float) -> tuple[dict[str, Sparse], dict[str, Exact]]:
    """Of each class the rows that leave it and that come to it, by the score that it had; and what the sums change by."""
    found: dict[str, Sparse] = {}
    losses = [np.empty(0)]
    total = sum(counts.labels.values())
    for name, sparse in counts.scores.items():
        others, own = sparse.counts
        label = counts.labels.get(name, 0)
        # a row of another class i comes here with label / (total - rows of i); the mean over those rows, as the classes are about alike
        comes = sum(n * label / (total - n) for other, n in counts.labels.items() if other != name) / max(total - label, 1)
        out, into = _hits(own, share), _hits(others, min(share * comes, 1.0))
        found[name] = Sparse(bins=sparse.bins, counts=np.array([others + out - into, own - out + into]))
        each = _losses(sparse)
        losses += [np.repeat(-each, out), np.repeat(each, into)]
    change = np.concatenate(losses)
    if not found:
        return {}, {}
    return found, {"log_loss": Exact.of(change), "log_loss_squares": Exact.of(np.sign(change) * change**2)}


def _losses(sparse: Sparse) -> Floats:
    middles = score_middles(sparse.bins)
    return row_log_losses(np.zeros(len(middles), dtype=np.int64), middles[:, None])


LABEL_FLIP = Fault(
    name=FaultName.LABEL_FLIP,
    sizes=shares(1, 2, 5, 10, 20),
    ordered=True,
    worth=0.05,
    said="{size} of the labels ({column}) wrong",
    guard=(Check.PERFORMANCE, ""),
)
