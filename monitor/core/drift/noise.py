"""Sampling noise: what chance alone makes of the default distances."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy import special

from monitor.core.drift.base import ColumnProfile, side_of
from monitor.core.profile import NumericProfile
from monitor.core.schema import Floats


class Noise(Protocol):
    """What chance alone makes of a distance, in units of ``sqrt(1/n + 1/m)`` for samples of n and m rows."""

    @property
    def mean(self) -> float:
        """What chance makes on average."""

    def quantile(self, alpha: float) -> float:
        """The distance that chance exceeds with probability ``alpha`` at most."""

    def survival(self, distance: float) -> float:
        """The chance of at least this distance, or an upper bound of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KsNoise:
    """Kolmogorov's distribution; an upper bound for columns whose values repeat."""

    mean: float = 0.8687  # sqrt(pi / 2) * ln 2

    def quantile(self, alpha: float) -> float:
        """The distance that chance exceeds with probability ``alpha``."""
        return float(special.kolmogi(alpha))

    def survival(self, distance: float) -> float:
        """The chance of at least this distance."""
        return float(special.kolmogorov(distance))


@dataclass(frozen=True, slots=True, kw_only=True)
class TvdNoise:
    """Half the sum of the sizes of normal deviations, taken for a chi distribution with the same mean and variance.

    For two categories within 2 % of the exact quantile. ``degrees`` are those of the chi, ``scale`` its unit; 0 where one category holds
    everything.
    """

    mean: float
    degrees: float
    scale: float

    @staticmethod
    def of(shares: Floats) -> TvdNoise:
        """For categories with these shares, shape (k,).

        The covariance of two sizes is ``(2 / pi) (sqrt(1 - r^2) + r asin r - 1)`` deviations, at most ``(1 - 2 / pi) r^2`` of them.
        """
        p = shares[(shares > 0) & (shares < 1)]
        if not len(p):
            return TvdNoise(mean=0.0, degrees=1.0, scale=0.0)
        deviations = np.sqrt(p * (1 - p))
        mean = math.sqrt(2 / math.pi) * float(deviations.sum()) / 2
        joint = p**2 / deviations
        pairs = 2 * float(joint[1:] @ np.cumsum(joint)[:-1])  # no difference of squares: beside a share of nearly 1 nothing is left of it
        variance = (1 - 2 / math.pi) * (float((deviations**2).sum()) + pairs) / 4
        square = mean**2 + variance
        degrees = 1 / (2 - math.sqrt(4 - 8 * variance / square))  # of chi: variance / square = 1 / 2v - 1 / 8v^2 + …
        return TvdNoise(mean=mean, degrees=degrees, scale=math.sqrt(square / degrees))

    def quantile(self, alpha: float) -> float:
        """The distance that chance exceeds with probability ``alpha``."""
        return self.scale * math.sqrt(float(special.chdtri(self.degrees, alpha)))

    def survival(self, distance: float) -> float:
        """The chance of at least this distance."""
        if self.scale == 0:
            return 1.0 if distance <= 0 else 0.0
        return float(special.chdtrc(self.degrees, (distance / self.scale) ** 2))


def noise_of(reference: ColumnProfile) -> Noise:
    """The noise of a column's default distance."""
    return KsNoise() if isinstance(reference, NumericProfile) else TvdNoise.of(side_of(reference).shares)
