"""What a reference teaches of performance without labels: a part of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from monitor.core.estimated.estimate import Estimate, unsaid
from monitor.core.labels.predicted import Predicted
from monitor.core.profile import Profile
from monitor.core.profile.canonical import Fields


class Estimator(Protocol):
    """What was learned from the reference's labels; its document has the text ``kind``, by which it is read again."""

    def estimate(
        self, predicted: Predicted, profile: Profile | None, metrics: Iterable[str], value: Mapping[str, float] | None = None
    ) -> Mapping[str, Estimate]:
        """Every metric of a window: of a classifier from its predictions, of a regressor from its profile.

        ``value``: what a prediction is worth, by cell of the confusion matrix. What cannot be said has a reason.
        """

    def document(self) -> dict[str, object]:
        """As plain JSON values."""


NOTHING = "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Nothing:
    """The reference teaches nothing, for a ``reason``."""

    reason: str

    def estimate(
        self, _predicted: Predicted, _profile: Profile | None, metrics: Iterable[str], _value: Mapping[str, float] | None = None
    ) -> Mapping[str, Estimate]:
        """The reason, for every metric."""
        return {name: unsaid(self.reason) for name in metrics}

    def document(self) -> dict[str, object]:
        """As plain JSON values."""
        return {"kind": NOTHING, "reason": self.reason}

    @staticmethod
    def of(fields: Fields) -> Nothing:
        """From a parsed document. Raises DecodeError."""
        return Nothing(reason=fields.text("reason"))




def taught(found: Estimator | str) -> Estimator:
    """What was learned, or that nothing was."""
    return Nothing(reason=found) if isinstance(found, str) else found
