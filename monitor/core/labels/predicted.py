"""What is kept of a counted prediction until its label comes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from monitor.core.schema import CategoricalValues, Flags, Floats, Hashes, Ints, Values


@dataclass(frozen=True, slots=True, kw_only=True)
class Predicted:
    """Counted predictions of one version, one row each; arrays of shape (n,).

    ``ids``: 64-bit hashes. ``prediction``: classes as categories, or numbers; None where the stream maps none. ``scores``: shape
    (n, k), the probability of each of ``classes``, NaN where there is none; a binary model has one column, of its positive class,
    and no ``classes``. ``segments``: by segment column the segment of each row, as ``core/segments`` names them.
    """

    ids: Hashes
    prediction: Values | None = None
    scores: Floats | None = None
    classes: tuple[str, ...] = ()
    segments: Mapping[str, CategoricalValues] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, where: Flags | Ints) -> Predicted:
        """The rows chosen by a mask or by positions."""
        return Predicted(
            ids=self.ids[where],
            prediction=None if self.prediction is None else self.prediction.take(where),
            scores=None if self.scores is None else self.scores[where],
            classes=self.classes,
            segments={column: values.take(where) for column, values in self.segments.items()},
        )
