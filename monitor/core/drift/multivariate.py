"""Drift of the columns together: how badly the reference's principal components rebuild the window's rows.

Columns whose relation breaks may each look as ever. Principal components of the reference hold how its columns usually move together;
what they leave of a row is its reconstruction error. Its mean square over a window follows from the window's correlations alone, so no
row is needed: with ``R = I - V V'`` and ``C`` the window's correlation matrix it is ``trace(R C)``. The window is scaled by its own means
and deviations: a column that moved or widened is the business of that column's test, and is not told twice. Direction: larger is worse;
relations that only grow stronger (delays by hour in summer) rebuild rows better and wake nobody. Not for columns without relation:
nothing is there to break.
Source: Shlens, A Tutorial on Principal Component Analysis (2014); NannyML uses reconstruction errors of raw rows.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from monitor.core.drift.calibration import Prediction
from monitor.core.finding import BROKEN, Finding, number
from monitor.core.profile import Profile
from monitor.core.profile.comoments import FEWEST_COLUMNS, CoMoments, paired
from monitor.core.reference import Reference, Together
from monitor.core.results import Check, Verdict
from monitor.core.schema import Floats

METRIC = "pca_reconstruction"
VARIANCE_KEPT = 0.65  # share of the reference's variance that the components hold (NannyML's default)
MIN_WINDOWS = 10  # reference windows from which the usual error can be told
PRIOR_SPREAD = 0.1  # standard deviation of the logarithm of a usual model's errors (flights by day: .01 to .04)
SMALL = 0.5  # of a usual reference window's rows: the error of fewer rows scatters more than those did
NAMED = 3  # columns named in the reason
LEAST_ERROR = 1e-6  # of a standard deviation: columns that rebuild one another exactly do so by arithmetic


@dataclass(frozen=True, slots=True, kw_only=True)
class Components:
    """What the reference teaches: ``residual`` is the projector ``R`` on what the ``kept`` components leave, shape (d, d)."""

    columns: tuple[str, ...]
    residual: Floats
    kept: int

    def errors(self, window: CoMoments) -> Floats:
        """The mean square of what is left of each column's values, in its standard deviations; shape (d,), from 0."""
        left: Floats = np.diagonal(self.residual @ correlation(window, self.columns) @ self.residual)
        return np.maximum(left, 0.0)

    def error(self, window: CoMoments) -> float:
        """The root mean square over rows, per column, in standard deviations, from LEAST_ERROR."""
        return max(math.sqrt(float(self.errors(window).mean())), LEAST_ERROR)


def components(reference: CoMoments, names: Collection[str]) -> Components | None:
    """Of those of ``names`` that vary; None where nothing is left to rebuild."""
    spread = deviations(reference)
    columns = tuple(name for name, width in zip(reference.columns, spread.tolist(), strict=True) if name in names and width > 0)
    if len(columns) < FEWEST_COLUMNS:
        return None
    values, vectors = np.linalg.eigh(correlation(reference, columns))
    shares = np.cumsum(values[::-1]) / values.sum()
    kept = min(int(np.searchsorted(shares, VARIANCE_KEPT)) + 1, len(columns) - 1)
    directions = vectors[:, ::-1][:, :kept]
    return Components(columns=columns, residual=np.eye(len(columns)) - directions @ directions.T, kept=kept)


def deviations(moments: CoMoments) -> Floats:
    """The standard deviation of each column, in whole numbers of its scale; shape (d,). Raises ValueError without rows."""
    spread: Floats = np.sqrt(np.maximum(np.diagonal(moments.second(moments.mean)), 0.0))
    return spread


def correlation(moments: CoMoments, columns: Sequence[str]) -> Floats:
    """Pearson's, shape (d, d); a column that does not vary has none with any other. Raises ValueError without rows."""
    at = [moments.columns.index(name) for name in columns]
    spread = deviations(moments)[at]
    spread[spread == 0] = np.inf
    found: Floats = moments.second(moments.mean)[np.ix_(at, at)] / np.outer(spread, spread)
    np.fill_diagonal(found, 1.0)
    return found


def learn_together(windows: Sequence[Profile], total: Profile, names: Collection[str]) -> Together | None:
    """For the baseline: the error of each window under the components of the rest of ``total``; None where they cannot be told."""
    there = total.comoments
    if there is None:
        return None
    parts = [window.comoments for window in windows if window.comoments is not None and window.comoments.rows]
    learnt = [(part, components(there.minus(part), names)) for part in parts]
    errors = tuple(found.error(part) for part, found in learnt if found is not None)
    columns = tuple(name for name in there.columns if name in names)
    return Together(columns=columns, errors=errors) if errors else None


def judge_multivariate(profile: Profile, reference: Reference, alpha: float) -> list[Finding]:
    """At most one finding of the whole model: the error against what the reference's own windows make usual.

    ``alpha``: the chance of a false alarm. Nothing where the grid has too few or too many numeric columns.
    """
    if not paired(reference.grid.columns):
        return []
    together = None if reference.baseline is None else reference.baseline.together
    here, there = profile.comoments, reference.profile.comoments
    if here is None or there is None:
        return [_finding(Verdict.SKIPPED, "the reference or the window was counted before second moments were kept")]
    if together is None or reference.baseline is None or len(together.errors) < MIN_WINDOWS:
        known = 0 if together is None else len(together.errors)
        return [_finding(Verdict.SKIPPED, f"{known} windows of the reference to learn the usual error from, {MIN_WINDOWS} are needed")]
    usual = float(np.median(reference.baseline.window_rows))
    if profile.rows < SMALL * usual:
        return [_finding(Verdict.INSUFFICIENT, f"{profile.rows:,} rows, fewer than half of a usual reference window's {usual:,.0f}")]
    learnt = components(there, together.columns)
    if learnt is None:
        return [_finding(Verdict.SKIPPED, "no two numeric columns of the reference vary")]
    try:
        return [_against(Prediction.learn(together.errors, LEAST_ERROR, PRIOR_SPREAD), learnt, here, there, alpha)]
    except BROKEN as error:  # LinAlgError is a ValueError
        return [_finding(Verdict.ERROR, f"{METRIC} failed: {error}")]


def _against(usual: Prediction, learnt: Components, here: CoMoments, there: CoMoments, alpha: float) -> Finding:
    value, limit = learnt.error(here), usual.upper(alpha)
    bad = value > limit
    said = f"reconstruction error {number(value)}, limit {number(limit)}"
    if bad:
        said = f"the numeric columns do not move together as usual: {said}, most in {', '.join(_leaning(learnt, here, there))}"
    else:
        said = f"the numeric columns move together as usual: {said}"
    return _finding(Verdict.ALERT if bad else Verdict.OK, said, value, limit, usual.survival(value))


def _finding(
    verdict: Verdict, reason: str, value: float | None = None, threshold: float | None = None, p_value: float | None = None
) -> Finding:
    return Finding(
        check=Check.DRIFT, column=None, metric=METRIC, verdict=verdict, reason=reason, value=value, threshold=threshold, p_value=p_value
    )


def _leaning(learnt: Components, here: CoMoments, there: CoMoments) -> tuple[str, ...]:
    """The columns whose own error changed most."""
    moved = np.abs(learnt.errors(here) - learnt.errors(there))
    return tuple(learnt.columns[i] for i in np.argsort(-moved, kind="stable")[:NAMED].tolist())
