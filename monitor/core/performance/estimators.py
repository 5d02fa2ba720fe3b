"""Where a reference keeps what estimates performance without labels. A new kind is one file and one line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from monitor.core.estimated import losses, scores
from monitor.core.estimated.estimator import NOTHING, Estimator, Nothing
from monitor.core.profile.canonical import Fields

READERS: Mapping[str, Callable[[Fields], Estimator]] = {
    losses.KIND: losses.LossModel.of,
    NOTHING: Nothing.of,
    scores.KIND: scores.ScoreModel.of,
}
"""By kind: how it is read. Each raises DecodeError."""


def estimator_of(fields: Fields) -> Estimator:
    """Of a document. Raises DecodeError for a kind that nobody reads."""
    kind = fields.text("kind")
    if kind not in READERS:
        raise fields.fault("kind", f"one of {sorted(READERS)}: this reference was written by another version of driftd")
    return READERS[kind](fields)


__all__ = ["READERS", "Estimator", "estimator_of"]
