"""Direct loss estimation: a regressor's errors from the profile of its inputs and predictions alone.

The expected loss of a row is taken to be a sum over columns: one term for the group of bins that its value falls into. The shares of the
bins tell the mean of such a sum, so a window's estimate needs no rows: it is exact, for this model, from the profile. It sees that inputs
move to where the model errs more; it does not see that the model errs more where it was good (concept drift), nor losses beyond those that
the reference holds. The idea is NannyML's (DLE), with trees in place of the sum.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from monitor.core.estimated.estimate import Estimate, said, unsaid
from monitor.core.estimated.groups import Groups
from monitor.core.labels.predicted import Predicted
from monitor.core.profile import Profile, canonical
from monitor.core.schema import Floats

KIND = "losses"
UNSAID: Mapping[str, str] = {
    "mean_error": "over and under cancel out: a model without bias on the reference has none in any estimate made from it",
    "r2": "the spread of the labels, which it is relative to, is not known without them",
    **dict.fromkeys((f"error_p{level}" for level in (50, 90, 95, 99)), "only means of losses can be estimated, no quantiles"),
}
ROOTED = {"rmse": "mse"}  # metrics that are the root of a mean


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """The mean of one loss in the reference, and by how much each group of each column is above it; ``terms``: by column, (size,).

    ``noise``: the standard deviation of what the terms leave open in one row, and ``spread``: of what they leave open in the mean of a
    whole window, both as multiples of the mean; ``spread`` is 0 where the reference has too few windows to tell.
    """

    mean: float
    terms: Mapping[str, Floats]
    noise: float
    spread: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LossModel:
    """``losses``: by name (``mae``, ``mse``, ``mape``). ``groups`` and ``rows`` of the reference by group, shape (size,): by column.

    ``grid``: the hash of that whose bins are grouped. ``refused``: by name, why a loss was not learned.
    """

    grid: str
    groups: Mapping[str, Groups]
    rows: Mapping[str, Floats]
    losses: Mapping[str, Loss]
    refused: Mapping[str, str]

    def estimate(
        self, predicted: Predicted, profile: Profile | None, metrics: Iterable[str], _value: Mapping[str, float] | None = None
    ) -> dict[str, Estimate]:
        """As ``Estimator`` has it; of ``predicted`` only how many rows there are is needed, none stands for all of the profile."""
        shares = self._shares(profile)
        rows = len(predicted) or (0 if profile is None else profile.rows)
        if isinstance(shares, str):
            return {name: unsaid(shares) for name in metrics}
        return {name: self._one(name, shares, max(rows, 1)) for name in metrics}

    def _shares(self, profile: Profile | None) -> dict[str, Floats] | str:
        """The share of each group by column, or why there is none."""
        if profile is None or not profile.rows:
            return "no rows in this window"
        if profile.grid.hash != self.grid:
            return "the window was counted on another grid than the model of the loss"
        found = {}
        for name, groups in self.groups.items():
            counts = groups.counts(profile.columns[name])
            if not counts.any():
                return f"no row of this window carries {name!r}, which the model of the loss needs"
            found[name] = counts / counts.sum()
        return found

    def _one(self, name: str, shares: Mapping[str, Floats], rows: int) -> Estimate:
        loss = self.losses.get(ROOTED.get(name, name))
        if loss is None:
            return unsaid(self.refused.get(ROOTED.get(name, name)) or UNSAID.get(name) or f"there is no estimate of {name} from a profile")
        level = loss.mean + sum(float(shares[column] @ terms) for column, terms in loss.terms.items())
        if not level > 0:
            return unsaid("this window is too far from the reference: the estimated loss is below zero")
        variance = level**2 * (loss.noise**2 / rows + loss.spread**2) + (loss.noise * loss.mean) ** 2 * self._strange(shares)
        if name in ROOTED:
            return said(math.sqrt(level), variance / (4 * level))
        return said(level, variance)

    def _strange(self, shares: Mapping[str, Floats]) -> float:
        """How uncertain the terms are together, in variances of one row's loss: groups that the reference hardly had count most."""
        total = 0.0
        for column, now in shares.items():
            rows = self.rows[column]
            total += float(np.sum((now - rows / rows.sum()) ** 2 / (rows + 1)))
        return total

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LossModel) and self.document() == other.document()

    __hash__ = None  # type: ignore[assignment]  # arrays have none

    def document(self) -> dict[str, object]:
        """As plain JSON values."""
        return {
            "kind": KIND,
            "grid": self.grid,
            "groups": {name: groups.of_bin.tolist() for name, groups in self.groups.items()},
            "rows": {name: [int(count) for count in rows] for name, rows in self.rows.items()},
            "losses": {name: _written(loss) for name, loss in self.losses.items()},
            "refused": dict(self.refused),
        }

    @staticmethod
    def of(fields: canonical.Fields) -> LossModel:
        """From a parsed document. Raises DecodeError."""
        groups = {name: Groups(of_bin=fields.part("groups").wholes(name)) for name in fields.part("groups").keys()}  # noqa: SIM118
        sizes = {name: one.size for name, one in groups.items()}
        rows = {name: fields.part("rows").wholes(name, size).astype(np.float64) for name, size in sizes.items()}
        if any(not counts.any() for counts in rows.values()):
            raise fields.fault("rows", "at least one row of each column")
        losses, refused = fields.part("losses"), fields.part("refused")
        return LossModel(
            grid=fields.text("grid"),
            groups=groups,
            rows=rows,
            losses={name: _loss(losses.part(name), sizes) for name in losses.keys()},  # noqa: SIM118
            refused={name: refused.text(name) for name in refused.keys()},  # noqa: SIM118
        )


def _written(loss: Loss) -> dict[str, object]:
    terms = {name: values.tolist() for name, values in loss.terms.items()}
    return {"mean": loss.mean, "noise": loss.noise, "spread": loss.spread, "terms": terms}


def _loss(fields: canonical.Fields, sizes: Mapping[str, int]) -> Loss:
    terms = fields.part("terms")
    found = {name: terms.reals(name) for name in terms.keys()}  # noqa: SIM118 - Fields is no mapping
    if {name: len(values) for name, values in found.items()} != sizes:
        raise fields.fault("terms", f"one number for each group of the columns {sorted(sizes)}")
    return Loss(mean=fields.real("mean"), noise=fields.real("noise"), spread=fields.real("spread"), terms=found)
