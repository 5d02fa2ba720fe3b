"""What a reference says of performance: its own counts, how its windows differ, its classes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from monitor.core.performance.estimators import Estimator, estimator_of
from monitor.core.performance.tally import Tally
from monitor.core.profile.canonical import Fields
from monitor.core.schema import Floats

MIN_WINDOWS = 3  # reference windows from which the spread of a metric is told
PRIOR_WINDOWS = 2  # that vary by sampling alone, as many as the reference's own (docs/decisions.md, 35: how it was chosen)
FREAK = 4.0  # robust standard deviations from the median beyond which a window is a freak
FREAK_SHARE = 0.05  # at most 1 window in 20 is one
FREAK_MIN_WINDOWS = 10  # with fewer nobody can tell
TO_DEVIATION = 1.4826  # median absolute deviations in a standard deviation of a normal distribution
NEVER_ENDING = math.inf  # degrees of freedom of a variance that is known


@dataclass(frozen=True, slots=True, kw_only=True)
class Between:
    """How a metric varies from window to window: ``whole``, all of it, and ``variance``, what of it is beyond sampling.

    ``degrees``: of freedom of ``whole``, infinite where nothing was learned.
    """

    variance: float = 0.0
    whole: float = 0.0
    degrees: float = NEVER_ENDING


@dataclass(frozen=True, slots=True, kw_only=True)
class PartWindows:
    """The reference's windows: usable ``rows`` of each, ``values`` of every metric where it is defined, ``sampling``, the mean of
    their sampling variances, and ``labels``, the distance of each window's labels from the rest of them."""

    rows: tuple[int, ...] = ()
    values: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    sampling: Mapping[str, float] = field(default_factory=dict)
    labels: tuple[float, ...] = ()

    def between(self, name: str) -> Between:
        """Of one metric, without freaks; the variance of a further window around the mean of these."""
        kept = without_freaks(np.array(self.values.get(name, ())))
        if len(kept) < MIN_WINDOWS:
            return Between()
        sampling, degrees = self.sampling.get(name, 0.0), len(kept) - 1 + PRIOR_WINDOWS
        whole = (float(kept.var(ddof=1)) * (len(kept) - 1) + sampling * PRIOR_WINDOWS) / degrees
        further = 1 + 1 / len(kept)  # a new window beside the mean of these
        return Between(variance=max(whole - sampling, 0.0) * further, whole=whole * further, degrees=degrees)

    def document(self) -> dict[str, object]:
        """As plain JSON values."""
        return {
            "rows": list(self.rows), "values": {name: list(values) for name, values in self.values.items()},
            "sampling": dict(self.sampling), "labels": list(self.labels),
        }  # fmt: skip

    @staticmethod
    def of(fields: Fields) -> PartWindows:
        """Of a document. Raises DecodeError."""
        values, sampling = fields.part("values"), fields.part("sampling")
        return PartWindows(
            rows=tuple(fields.wholes("rows").tolist()),
            values={name: tuple(values.reals(name).tolist()) for name in values.raw()},
            sampling={name: sampling.real(name) for name in sampling.raw()},
            labels=tuple(fields.reals("labels").tolist()),
        )


def without_freaks(values: Floats) -> Floats:
    """Without the few values far from all others on either side, shape (n,) to (m,): one odd day must not blind for ever."""
    if len(values) < FREAK_MIN_WINDOWS:
        return values
    off = np.abs(values - np.median(values))
    deviation = TO_DEVIATION * float(np.median(off))
    most = max(1, int(FREAK_SHARE * len(values)))
    far = np.argsort(-off, kind="stable")[:most]
    kept: Floats = np.delete(values, far[off[far] > FREAK * deviation]) if deviation else values
    return kept


@dataclass(frozen=True, slots=True, kw_only=True)
class PerformancePart:
    """``tally``: the reference's labelled rows. ``classes``: all that it saw, sorted; ``positive``: that of a binary model, empty where
    it is not known. ``estimator``: what estimates performance without labels, where one was fitted."""

    tally: Tally
    windows: PartWindows = PartWindows()
    classes: tuple[str, ...] = ()
    positive: str = ""
    estimator: Estimator | None = None

    def document(self) -> dict[str, object]:
        """As plain JSON values; without an estimator there is no word of one."""
        estimator = {} if self.estimator is None else {"estimator": self.estimator.document()}
        return estimator | {
            "tally": self.tally.document(), "windows": self.windows.document(), "classes": list(self.classes), "positive": self.positive,
        }

    @staticmethod
    def of(fields: Fields) -> PerformancePart:
        """Of a document. Raises DecodeError."""
        return PerformancePart(
            tally=Tally.of(fields.part("tally")),
            windows=PartWindows.of(fields.part("windows")),
            classes=fields.texts("classes"),
            positive=fields.text("positive"),
            estimator=estimator_of(fields.part("estimator")) if fields.has("estimator") else None,
        )
