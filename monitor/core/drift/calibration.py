"""Limits learned from the reference's own windows, under a budget of false alarms.

A fixed limit fires every day on real traffic, since no day is like the other. So each reference window is compared with what
the rest of the reference makes expect of it (at its hour and on its weekday, where the column has such a rhythm), and a new window
may differ about as much as those did: the limit is the upper end of a prediction interval (Hahn and Meeker, Statistical Intervals,
1991) of the cube root of the distance, which is nearly normal for sums of squares and their kin (Wilson and Hilferty, 1931). What keeps
it honest, each measured (docs/decisions.md, 10 and 24): distances below what sampling alone makes count as that noise, else the useless
lower tail widens the limit; windows that are odd in several columns at once, and a freak or two of one column, are left out, else one
blizzard blinds the column; the spread is drawn towards a usual one, else few windows give wild limits; and what the reference itself
did more often than the budget allows is no alarm, else a rhythm nobody knows of alarms at every beat.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache

import numpy as np
from scipy import special

from monitor.core.drift.base import ColumnProfile
from monitor.core.drift.noise import Noise, noise_of
from monitor.core.drift.rhythm import ColumnWindows, choose_cycles, column_windows, distance_for, expected_shares, shares_of
from monitor.core.profile import CategoricalProfile, NumericProfile, Profile
from monitor.core.profile.extent import out_of_range_share
from monitor.core.profile.top import top_rows
from monitor.core.reference import Baseline, Cycle, Rhythm
from monitor.core.results import Check
from monitor.core.rules import AlertRules, Budget, Model
from monitor.core.schema import Flags, Floats, Ints

MIN_WINDOWS = 3  # reference windows from which a limit can be learned
NOISE_SHARE = 0.8  # distances below this share of the mean sampling noise count as that much (docs/decisions.md, 24: how it was chosen)
PRIOR_SPREAD = 0.6  # standard deviation of the logarithm of a usual column's distances (flights: .3 to 1.2)
PRIOR_WINDOWS = 4  # how many windows that prior is worth
FREAK = 2.5  # upper standard deviations above the median from which a window is a freak
FREAK_SHARE = 0.05  # at most 1 window in 20 is one; a weekly rhythm (1 in 7) is no freak
FREAK_MIN_WINDOWS = 10  # with fewer windows nobody can tell
FREAK_MIN_SPREAD = 0.3  # smallest spread a freak is measured in: that of pure noise (sd of ln D, Kolmogorov)
ODD = 2.0  # the same spreads, in each of ODD_COLUMNS at once: a window that is a freak as a whole (measured: 1.5 to 2.5 alike)
ODD_COLUMNS = 2
ODD_SHARE = 0.1  # at most 1 window in 10 is one
TOGETHER = 0.5  # correlation from which columns go together (a large one: Cohen, 1988; measured: .5 to .9 alike on January and February)
ROOT = 1 / 3  # of distances: their cube roots are nearly normal
LOGARITHM = 0.0  # of shares and rows
MARGIN = 1.1  # times the largest usual distance of the reference: as far is still usual
UPPER = 0.9  # the quantile that tells the upper spread
UPPER_DEVIATIONS = float(special.ndtri(UPPER))  # of a normal distribution, from its median to there
REMEMBERED = 4096  # predictions of columns kept: a reference judges many windows
MIN_ALPHA, MAX_ALPHA = 1e-9, 0.5
SMALLEST_DISTANCE = 1e-6  # so that a logarithm exists
LARGEST_LOG = 700.0  # of what a float can hold
SMALL_WINDOW = 0.25  # of the median rows: reference windows below it (cut ones at the ends) teach nothing

SHARE_OF_BUDGET = {Check.DRIFT: 0.5, Check.QUALITY: 0.25, Check.VOLUME: 0.25}
"""How the false alarms of a model are shared: all checks together keep to the budget."""

WITH_PERFORMANCE = {Check.DRIFT: 0.4, Check.QUALITY: 0.2, Check.VOLUME: 0.2, Check.PERFORMANCE: 0.2}
"""The same where performance is judged too: it takes a fifth of each (docs/decisions.md, 35)."""

NO_RHYTHM: Rhythm = {}
METRICS = {NumericProfile: "ks", CategoricalProfile: "tvd"}


def alpha_per_window(budget: Budget, window: timedelta) -> float:
    """The chance of a false alarm that one window may have, for all checks and columns together."""
    return min(max(budget.alarms * (window / budget.per), MIN_ALPHA), MAX_ALPHA)


def budget_shares(rules: Model) -> Mapping[Check, float]:
    """How the false alarms of this model are shared by its checks."""
    return SHARE_OF_BUDGET if rules.performance is None else WITH_PERFORMANCE


def expected_false_alarms(budget: Budget, window: timedelta, alerts: AlertRules) -> float:
    """False incidents that a model on unchanged traffic may open per ``budget.per``, on average and at most: its windows times the
    chance that one opens an incident. With ``open_after`` above 1 the windows are taken for independent, so lasting weather may open more.
    """
    alpha = alpha_per_window(budget, window)
    within = alerts.open_within or alerts.open_after
    followed = float(special.bdtrc(alerts.open_after - 2, within - 1, alpha)) if alerts.open_after > 1 else 1.0
    return budget.per / window * alpha * followed


def by_chance(reference: ColumnProfile, window: ColumnProfile, alpha: float) -> float:
    """The default distance that chance alone exceeds with probability ``alpha`` at most; both have values."""
    return noise_of(reference).quantile(alpha) * math.sqrt(1 / window.n + 1 / reference.n)


# --- learned limits ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """Where a new window's value will lie: a power of it in a Student distribution, or where the reference's windows lay.

    ``power``: its logarithm where LOGARITHM. ``seen`` are their values without the freaks, ascending, at least one.
    """

    center: float
    scale: float
    degrees: float
    seen: tuple[float, ...]
    power: float = LOGARITHM

    @staticmethod
    def learn(values: Sequence[float], least: float, prior_spread: float = PRIOR_SPREAD, power: float = LOGARITHM) -> Prediction:
        """From the values of the reference's windows (at least one); those below ``least`` count as ``least``."""
        return _predicted(tuple(values), max(least, SMALLEST_DISTANCE), prior_spread, power)

    def upper(self, alpha: float) -> float:
        """The value that a new window exceeds with probability ``alpha``."""
        student = self._straight(self.center + float(special.stdtrit(self.degrees, 1 - alpha)) * self.scale)
        return max(student, MARGIN * self.seen[-1 - int(alpha * len(self.seen))])

    def lower(self, alpha: float) -> float:
        """The value that a new window falls below with probability ``alpha``."""
        return self._straight(self.center - float(special.stdtrit(self.degrees, 1 - alpha)) * self.scale)

    def survival(self, value: float) -> float:
        """The chance that a new window has at least ``value``."""
        if value <= 0:
            return 1.0
        bent = value**self.power if self.power else math.log(value)
        student = float(special.stdtr(self.degrees, (self.center - bent) / self.scale))
        return max(student, sum(MARGIN * seen >= value for seen in self.seen) / len(self.seen))

    def _straight(self, bent: float) -> float:
        if self.power:
            return float(max(bent, 0.0) ** (1 / self.power))
        return math.exp(min(bent, LARGEST_LOG))


@lru_cache(maxsize=REMEMBERED)
def _predicted(values: tuple[float, ...], least: float, prior_spread: float, power: float) -> Prediction:
    logs = np.log(np.maximum(np.array(values, dtype=np.float64), least))
    kept = without_freaks(logs)
    bent = np.exp(power * kept) if power else kept
    center, degrees = float(bent.mean()), PRIOR_WINDOWS + len(kept) - 1
    prior = prior_spread * power * center if power else prior_spread
    squares = float(((bent - center) ** 2).sum())
    variance = (PRIOR_WINDOWS * prior**2 + squares) / degrees
    scale = math.sqrt(variance * (1 + 1 / len(kept)))
    return Prediction(center=center, scale=scale, degrees=degrees, seen=tuple(np.exp(kept).tolist()), power=power)


def without_freaks(logs: Floats) -> Floats:
    """Ascending, without the few windows that lie far above all others, shape (n,) to (m,); measured by the upper half's spread."""
    ordered = np.sort(logs)
    if len(logs) < FREAK_MIN_WINDOWS:
        return ordered
    most = max(1, int(FREAK_SHARE * len(logs)))
    freaks = int(np.count_nonzero(oddness(ordered)[-most:] > FREAK))
    return ordered[: len(ordered) - freaks]


def oddness(logs: Floats) -> Floats:
    """How far above the median each window lies, in standard deviations of the upper half; shape (n,)."""
    ordered = np.sort(logs)
    median = quantile(ordered, 0.5)
    spread = max((quantile(ordered, UPPER) - median) / UPPER_DEVIATIONS, FREAK_MIN_SPREAD)
    odd: Floats = (logs - median) / spread
    return odd


def quantile(ordered: Floats, share: float) -> float:
    """Of ascending values, shape (n,), by linear interpolation: ``numpy.quantile``, without what it costs on a few numbers."""
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return float(ordered[below] + (place - below) * (ordered[above] - ordered[below]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """The limit of one column's distance.

    ``rows`` are those of a usual reference window, ``reference_rows`` of what it is compared with. ``calm``: at most this share of the
    sampling noise is in such traffic; 1 where rows come by chance, less where a schedule makes them, which is no drawing of lots.
    """

    prediction: Prediction
    noise: Noise
    rows: float
    reference_rows: int
    calm: float = 1.0

    def threshold(self, alpha: float, rows: int) -> float:
        """For a window of ``rows``: wider by its sampling noise where it is smaller than the reference's windows were."""
        learned = self.prediction.upper(alpha)
        quantile = self.noise.quantile(alpha)
        widened = math.hypot(learned, quantile * math.sqrt(self._excess(rows)))
        return max(widened, quantile * self.calm * self._unit(rows))

    def p_value(self, distance: float, alpha: float, rows: int) -> float:
        """The chance of such a distance in a window like the reference's; at most ``alpha`` where it reaches the threshold."""
        excess = self.noise.quantile(alpha) * math.sqrt(self._excess(rows))
        rest = math.sqrt(max(distance**2 - excess**2, 0.0))
        return max(self.prediction.survival(rest), self.noise.survival(distance / (self.calm * self._unit(rows))))

    def _unit(self, rows: float) -> float:
        return math.sqrt(1 / rows + 1 / self.reference_rows)

    def _excess(self, rows: int) -> float:
        return max(1 / rows - 1 / self.rows, 0.0)


def learn_limit(
    distances: Sequence[float], window_rows: Sequence[int], column: ColumnProfile, profile_rows: int, rhythm: Rhythm = NO_RHYTHM
) -> Limit | None:
    """The limit of a column, from its leave-one-out distances; None where there are too few of them."""
    if len(distances) < MIN_WINDOWS or column.n == 0:
        return None
    share = column.n / max(profile_rows, column.n)
    rows = max(_median(tuple(window_rows)) * share, 1.0) if window_rows else column.n / len(distances)
    noise = noise_of(column)
    compared = max(column.n // max(seasons_of(rhythm), 1), 1)
    unit = math.sqrt(1 / rows + 1 / compared)
    prediction = Prediction.learn(distances, NOISE_SHARE * noise.mean * unit, power=ROOT)
    return Limit(prediction=prediction, noise=noise, rows=rows, reference_rows=compared, calm=calmness(prediction.seen, noise, unit))


@lru_cache(maxsize=REMEMBERED)
def _median(rows: tuple[int, ...]) -> float:
    return float(np.median(rows))


def calmness(distances: Sequence[float], noise: Noise, unit: float) -> float:
    """The share of the sampling noise that these distances show on average; within (0, 1]."""
    if noise.mean == 0:
        return 1.0
    return min(sum(distances) / len(distances) / unit / noise.mean, 1.0)


def seasons_of(rhythm: Rhythm) -> int:
    """Into how many parts the rhythm cuts the reference: what a window is compared with is that much smaller."""
    return sum(len(seasons) for seasons in rhythm.values())


# --- what the reference's windows teach ----------------------------------------------------------------------


def column_distance(reference: ColumnProfile, window: ColumnProfile, rhythm: Rhythm = NO_RHYTHM, start: datetime | None = None) -> float:
    """The default distance: D for numbers, total variation for categories. With a ``start``, from what its season makes expect.

    Raises ValueError without values.
    """
    whole = shares_of(reference)
    expected = whole if start is None else expected_shares(whole, rhythm, start)
    return float(distance_for(reference)(expected - shares_of(window)))


def season_gap(reference: ColumnProfile, rhythm: Rhythm, start: datetime) -> float:
    """How far a window's season lies from the whole reference: by so much more may the window differ from that. 0 without a rhythm."""
    if not rhythm:
        return 0.0
    whole = shares_of(reference)
    return float(distance_for(reference)(expected_shares(whole, rhythm, start) - whole))


def build_baseline(windows: Sequence[Profile], total: Profile, starts: Sequence[datetime] = ()) -> Baseline:
    """Each window against the rest of ``total``, which they are parts of. Empty windows are left out.

    ``starts``: when the windows began, so that a rhythm can be learned; empty where nobody knows. A column has no entry for a window
    where it, or the rest, has no values, nor for windows under a quarter of the median rows. Raises ValueError where a window is no
    part of ``total``.
    """
    full = [at for at, window in enumerate(windows) if window.rows]
    rows = tuple(windows[at].rows for at in full)
    least = SMALL_WINDOW * float(np.median(rows)) if rows else 0.0
    usual = [at for at in full if windows[at].rows >= least]
    shares = _window_shares([windows[at] for at in usual], total)
    columns = {name: _learned(name, windows, total, [starts[at] for at in usual] if starts else [], usual) for name in total.columns}
    freaks = odd_windows([column.oddness(len(windows)) for column in columns.values()])
    taught = {name: column.without(freaks) for name, column in columns.items()}
    return Baseline(
        window_rows=rows,
        distances={name: {METRICS[type(total.columns[name])]: column.distances()} for name, column in taught.items()},
        shares=shares,
        rhythm={name: column.windows.rhythm(column.cycles) for name, column in taught.items() if column.cycles},
        freaks=tuple(starts[at] for at in np.flatnonzero(freaks).tolist()) if starts else (),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Learned:
    """A column's windows, ``at`` which of the reference's they are (shape (t,)), and the cycles that help to predict them."""

    windows: ColumnWindows
    at: Ints
    cycles: tuple[Cycle, ...]
    noise: float  # the distance under which nothing can be told

    def oddness(self, size: int) -> Floats:
        """By window of the reference, shape (size,); nothing is odd where too few windows tell what is usual."""
        odd = np.full(size, -np.inf)
        if len(self.at) >= FREAK_MIN_WINDOWS:
            odd[self.at] = oddness(np.log(np.maximum(self.windows.distances(self.cycles), self.noise)))
        return odd

    def without(self, freaks: Flags) -> _Learned:
        """Freaks neither teach what a season looks like nor how far windows lie from it."""
        return replace(self, windows=replace(self.windows, teaching=~freaks[self.at]))

    def distances(self) -> tuple[float, ...]:
        """Of all windows but the freaks."""
        return tuple(self.windows.distances(self.cycles)[self.windows.teaching].tolist())


def _learned(name: str, windows: Sequence[Profile], total: Profile, starts: Sequence[datetime], usual: Sequence[int]) -> _Learned:
    whole = total.columns[name]
    at = [i for i, place in enumerate(usual) if 0 < windows[place].columns[name].n < whole.n]
    found = column_windows([windows[usual[i]].columns[name] for i in at], whole, [starts[i] for i in at] if starts else [])
    rows = whole.n / max(len(at), 1)
    noise = NOISE_SHARE * noise_of(whole).mean * math.sqrt(1 / rows + 1 / whole.n) if at else 0.0
    cycles = choose_cycles(found) if len(at) >= FREAK_MIN_WINDOWS else ()
    return _Learned(windows=found, at=np.array([usual[i] for i in at], dtype=np.int64), cycles=cycles, noise=max(noise, SMALLEST_DISTANCE))


def odd_windows(columns: Sequence[Floats]) -> Flags:
    """Windows that are odd in several columns at once, the oddest first, few; ``columns`` are their ``oddness``, each of shape (t,).

    Columns that go together in the other windows bear one witness: a model's score is odd whenever its first feature is.
    """
    if len(columns) < ODD_COLUMNS:
        return np.zeros(len(columns[0]) if columns else 0, dtype=np.bool_)
    oddities = np.array(columns)
    odd = np.sort(oddities, axis=0)[-ODD_COLUMNS]
    freaks: Flags = odd > ODD
    apart = _apart(oddities[:, ~freaks])
    for at in np.flatnonzero(freaks).tolist():
        witnesses = np.flatnonzero(oddities[:, at] > ODD)
        freaks[at] = apart[np.ix_(witnesses, witnesses)].any()
    freaks[np.argsort(-odd, kind="stable")[int(ODD_SHARE * len(odd)) :]] = False
    return freaks


def _apart(oddities: Floats) -> Flags:
    """Which of the columns do not go together in these windows, shape (c, t) to (c, c); no column is apart from itself."""
    known = np.where(np.isfinite(oddities), oddities, 0.0)
    known = known - known.mean(axis=1, keepdims=True) if known.shape[1] else known
    sizes = np.sqrt((known**2).sum(axis=1))
    apart: Flags = known @ known.T < TOGETHER * np.outer(sizes, sizes) + SMALLEST_DISTANCE
    np.fill_diagonal(apart, val=False)
    return apart


def _window_shares(windows: Sequence[Profile], total: Profile) -> dict[str, Mapping[str, tuple[float, ...]]]:
    shares: dict[str, dict[str, list[float]]] = {name: {} for name in total.columns}
    for window in windows:
        rest = total.minus(window)
        for name, column in window.columns.items():
            for kind, share in column_shares(column, rest.columns[name]).items():
                shares[name].setdefault(kind, []).append(share)
    return {name: {kind: tuple(values) for kind, values in named.items()} for name, named in shares.items()}


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

