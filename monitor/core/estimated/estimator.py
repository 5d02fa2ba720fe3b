"""What a reference teaches of performance without labels: a part of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from monitor.core.estimated.estimate import Estimate, unsaid
from monitor.core.estimated.losses import LossModel
from monitor.core.estimated.scores import ScoreModel
from monitor.core.labels.predicted import Predicted
from monitor.core.profile import Profile, canonical


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimator:
    """Of a classifier ``scores``, of a regressor ``losses``; neither where nothing could be learned, and ``reason`` says why."""

    scores: ScoreModel | None = None
    losses: LossModel | None = None
    reason: str = ""

    def estimate(
        self, predicted: Predicted, profile: Profile | None, metrics: Iterable[str], value: Mapping[str, float] | None = None
    ) -> Mapping[str, Estimate]:
        """Every metric of a window: of a classifier from its predictions, of a regressor from its profile.

        ``value``: what a prediction is worth, by cell of the confusion matrix. What cannot be said has a reason.
        """
        if self.scores is not None:
            return self.scores.estimate(predicted, metrics, value or {})
        if self.losses is not None:
            rows = len(predicted) or (0 if profile is None else profile.rows)
            return self.losses.estimate(profile, rows, metrics)
        return {name: unsaid(self.reason) for name in metrics}

    def document(self) -> dict[str, object]:
        """As plain JSON values; what is empty is no part of it."""
        scores = {} if self.scores is None else {"scores": self.scores.document()}
        losses = {} if self.losses is None else {"losses": self.losses.document()}
        return {**scores, **losses, **({"reason": self.reason} if self.reason else {})}

    @staticmethod
    def of(fields: canonical.Fields) -> Estimator:
        """From a parsed document. Raises DecodeError."""
        return Estimator(
            scores=ScoreModel.parse(fields.part("scores")) if fields.has("scores") else None,
            losses=LossModel.parse(fields.part("losses")) if fields.has("losses") else None,
            reason=fields.text("reason") if fields.has("reason") else "",
        )


def taught(found: ScoreModel | LossModel | str) -> Estimator:
    """An estimator of what was learned, or of why nothing was."""
    if isinstance(found, ScoreModel):
        return Estimator(scores=found)
    return Estimator(losses=found) if isinstance(found, LossModel) else Estimator(reason=found)
