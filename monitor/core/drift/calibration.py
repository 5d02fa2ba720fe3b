"""Limits learned from the reference's own windows, under a budget of false alarms.

A fixed limit fires every day on real traffic, since no day is like the other. So each reference window is compared with
the rest of the reference, and a new window may differ about as much as those did: the limit is the upper end of a
log-normal prediction interval (Hahn and Meeker, Statistical Intervals, 1991). Four things keep it honest, each measured on
real traffic (docs/decisions.md): distances below what sampling alone makes count as that noise, else the useless lower tail
of the logarithm widens the limit; a freak window or two are left out, else one blizzard blinds the column; the spread is
drawn towards a usual one, else few windows give wild limits; and what the reference itself did more often than the budget
allows is no alarm, else a weekly rhythm, whose distances have two humps, alarms every week.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

import numpy as np
from scipy import special

from monitor.core.drift.base import ColumnProfile, side_of
from monitor.core.drift.ks import ks_distance
from monitor.core.drift.tvd import tvd
from monitor.core.profile import CategoricalProfile, NumericProfile, Profile
from monitor.core.profile.extent import out_of_range_share
from monitor.core.profile.top import top_rows
from monitor.core.reference import Baseline
from monitor.core.rules import Budget
from monitor.core.schema import Floats

MIN_WINDOWS = 3  # reference windows from which a limit can be learned
NOISE_SHARE = 0.6  # distances below this share of the mean sampling noise count as that much (measured: .5 to .7 alike)
PRIOR_SPREAD = 0.6  # standard deviation of the logarithm of a usual column's distances (flights: .3 to 1.2)
PRIOR_WINDOWS = 4  # how many windows that prior is worth
FREAK = 2.5  # upper standard deviations above the median from which a window is a freak
FREAK_SHARE = 0.05  # at most 1 window in 20 is one; a weekly rhythm (1 in 7) is no freak
FREAK_MIN_WINDOWS = 10  # with fewer windows nobody can tell
FREAK_MIN_SPREAD = 0.3  # smallest spread a freak is measured in: that of pure noise (sd of ln D, Kolmogorov)
MARGIN = 1.1  # times the largest usual distance of the reference: as far is still usual
UPPER = 0.9  # the quantile that tells the upper spread
MIN_ALPHA, MAX_ALPHA = 1e-9, 0.5
SMALLEST_DISTANCE = 1e-6  # so that a logarithm exists
LARGEST_LOG = 700.0  # of what a float can hold
SMALL_WINDOW = 0.25  # of the median rows: reference windows below it (cut ones at the ends) teach nothing

METRICS = {NumericProfile: "ks", CategoricalProfile: "tvd"}


def alpha_per_window(budget: Budget, window: timedelta) -> float:
    """The chance of a false alarm that one window may have, for all columns together."""
    return min(max(budget.alarms * (window / budget.per), MIN_ALPHA), MAX_ALPHA)


# --- sampling noise ------------------------------------------------------------------------------------------


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
    """Half the sum of normal deviations, bounded by Gaussian concentration: median + z * largest deviation of any set of categories."""

    mean: float
    spread: float

    @staticmethod
    def of(shares: Floats) -> TvdNoise:
        """For categories with these shares, shape (k,)."""
        largest = float(shares.max())
        worst = largest * (1 - largest) if largest >= 0.5 else 0.25
        mean = float(np.sum(np.sqrt(2 / math.pi * shares * (1 - shares))) / 2)
        return TvdNoise(mean=mean, spread=math.sqrt(worst))

    def quantile(self, alpha: float) -> float:
        """The distance that chance exceeds with probability ``alpha`` at most."""
        return self.mean + float(-special.ndtri(alpha)) * self.spread

    def survival(self, distance: float) -> float:
        """An upper bound of the chance of at least this distance."""
        if self.spread == 0:
            return 1.0 if distance <= self.mean else 0.0
        return float(special.ndtr((self.mean - distance) / self.spread))


def noise_of(reference: ColumnProfile) -> Noise:
    """The noise of a column's default distance."""
    return KsNoise() if isinstance(reference, NumericProfile) else TvdNoise.of(side_of(reference).shares)


def by_chance(reference: ColumnProfile, window: ColumnProfile, alpha: float) -> float:
    """The default distance that chance alone exceeds with probability ``alpha`` at most; both have values."""
    return noise_of(reference).quantile(alpha) * math.sqrt(1 / window.n + 1 / reference.n)


# --- learned limits ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """Where a new window's value will lie: its logarithm in a Student distribution, or where the reference's windows lay.

    ``seen`` are their values without the freaks, ascending, at least one.
    """

    center: float
    scale: float
    degrees: float
    seen: tuple[float, ...]

    @staticmethod
    def learn(values: Sequence[float], least: float, prior_spread: float = PRIOR_SPREAD) -> Prediction:
        """From the values of the reference's windows (at least one); those below ``least`` count as ``least``."""
        logs = np.log(np.maximum(np.array(values, dtype=np.float64), max(least, SMALLEST_DISTANCE)))
        kept = without_freaks(logs)
        degrees = PRIOR_WINDOWS + len(kept) - 1
        squares = float(((kept - kept.mean()) ** 2).sum())
        variance = (PRIOR_WINDOWS * prior_spread**2 + squares) / degrees
        scale = math.sqrt(variance * (1 + 1 / len(kept)))
        return Prediction(center=float(kept.mean()), scale=scale, degrees=degrees, seen=tuple(np.exp(kept).tolist()))

    def upper(self, alpha: float) -> float:
        """The value that a new window exceeds with probability ``alpha``."""
        student = math.exp(min(self.center + float(special.stdtrit(self.degrees, 1 - alpha)) * self.scale, LARGEST_LOG))
        return max(student, MARGIN * self.seen[-1 - int(alpha * len(self.seen))])

    def lower(self, alpha: float) -> float:
        """The value that a new window falls below with probability ``alpha``."""
        return math.exp(self.center - float(special.stdtrit(self.degrees, 1 - alpha)) * self.scale)

    def survival(self, value: float) -> float:
        """The chance that a new window has at least ``value``."""
        if value <= 0:
            return 1.0
        student = float(special.stdtr(self.degrees, (self.center - math.log(value)) / self.scale))
        return max(student, sum(MARGIN * seen >= value for seen in self.seen) / len(self.seen))


def without_freaks(logs: Floats) -> Floats:
    """Ascending, without the few windows that lie far above all others, shape (n,) to (m,); measured by the upper half's spread."""
    ordered = np.sort(logs)
    if len(logs) < FREAK_MIN_WINDOWS:
        return ordered
    median = float(np.median(logs))
    spread = max((float(np.quantile(logs, UPPER)) - median) / float(special.ndtri(UPPER)), FREAK_MIN_SPREAD)
    most = max(1, int(FREAK_SHARE * len(logs)))
    freaks = int(np.count_nonzero((ordered[-most:] - median) / spread > FREAK))
    return ordered[: len(ordered) - freaks]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """The limit of one column's distance. ``rows`` are those of a usual reference window, ``reference_rows`` of all of it."""

    prediction: Prediction
    noise: Noise
    rows: float
    reference_rows: int

    def threshold(self, alpha: float, rows: int) -> float:
        """For a window of ``rows``: wider by its sampling noise where it is smaller than the reference's windows were."""
        learned = self.prediction.upper(alpha)
        quantile = self.noise.quantile(alpha)
        widened = math.hypot(learned, quantile * math.sqrt(self._excess(rows)))
        return max(widened, quantile * self._unit(rows))

    def p_value(self, distance: float, alpha: float, rows: int) -> float:
        """The chance of such a distance in a window like the reference's; at most ``alpha`` where it reaches the threshold."""
        excess = self.noise.quantile(alpha) * math.sqrt(self._excess(rows))
        rest = math.sqrt(max(distance**2 - excess**2, 0.0))
        return max(self.prediction.survival(rest), self.noise.survival(distance / self._unit(rows)))

    def _unit(self, rows: float) -> float:
        return math.sqrt(1 / rows + 1 / self.reference_rows)

    def _excess(self, rows: int) -> float:
        return max(1 / rows - 1 / self.rows, 0.0)


def learn_limit(distances: Sequence[float], window_rows: Sequence[int], column: ColumnProfile, profile_rows: int) -> Limit | None:
    """The limit of a column, from its leave-one-out distances; None where there are too few of them."""
    if len(distances) < MIN_WINDOWS or column.n == 0:
        return None
    share = column.n / max(profile_rows, column.n)
    rows = max(float(np.median(window_rows)) * share, 1.0) if window_rows else column.n / len(distances)
    noise = noise_of(column)
    usual = noise.mean * math.sqrt(1 / rows + 1 / column.n)
    prediction = Prediction.learn(distances, NOISE_SHARE * usual)
    return Limit(prediction=prediction, noise=noise, rows=rows, reference_rows=column.n)


# --- what the reference's windows teach ----------------------------------------------------------------------


def column_distance(reference: ColumnProfile, window: ColumnProfile) -> float:
    """The default distance: D for numbers, total variation for categories. Raises ValueError without values."""
    measure = ks_distance if isinstance(reference, NumericProfile) else tvd
    return measure(side_of(reference).shares, side_of(window).shares)


def build_baseline(windows: Sequence[Profile], total: Profile) -> Baseline:
    """Each window against the rest of ``total``, which they are parts of. Empty windows are left out.

    A column has no entry for a window where it, or the rest, has no values, nor for windows under a quarter of the
    median rows. Raises ValueError where a window is no part of ``total``.
    """
    full = [window for window in windows if window.rows]
    rows = tuple(window.rows for window in full)
    least = SMALL_WINDOW * float(np.median(rows)) if rows else 0.0
    distances: dict[str, dict[str, list[float]]] = {name: {METRICS[type(column)]: []} for name, column in total.columns.items()}
    shares: dict[str, dict[str, list[float]]] = {name: {} for name in total.columns}
    for window in full:
        if window.rows < least:
            continue
        rest = total.minus(window)
        for name, column in window.columns.items():
            if column.n and rest.columns[name].n:
                distances[name][METRICS[type(column)]].append(column_distance(rest.columns[name], column))
            for kind, share in column_shares(column, rest.columns[name]).items():
                shares[name].setdefault(kind, []).append(share)
    return Baseline(window_rows=rows, distances=_frozen(distances), shares=_frozen(shares))


def column_shares(column: ColumnProfile, reference: ColumnProfile) -> dict[str, float]:
    """What the quality check judges, by kind: shares of rows that bear no usable value, and of values that have something odd.

    Unseen are those whose category ``reference`` lacks, out of range those beyond its values; same is the most frequent value.
    """
    total = column.total
    if not total:
        return {}
    shares = {"null": column.null / total, "wrong_type": column.wrong_type / total}
    if isinstance(column, NumericProfile):
        shares["non_finite"] = column.non_finite / total
    if not column.n:
        return shares
    shares["same_value"] = top_rows(column) / column.n
    if isinstance(column, NumericProfile) and isinstance(reference, NumericProfile):
        shares["out_of_range"] = out_of_range_share(column, reference)
    if isinstance(column, CategoricalProfile) and isinstance(reference, CategoricalProfile):
        shares["unseen"] = unseen_rows(column, reference) / column.n
    return shares


def unseen_rows(column: CategoricalProfile, reference: CategoricalProfile) -> int:
    """Rows whose category ``reference`` does not have."""
    gone = int(column.counts[reference.counts == 0].sum())
    known = sum(count for text, count in column.new.kept.items() if text in reference.new.kept)
    return gone + column.new.rows - known


def _frozen(series: dict[str, dict[str, list[float]]]) -> dict[str, dict[str, tuple[float, ...]]]:
    return {column: {name: tuple(values) for name, values in named.items()} for column, named in series.items()}
