"""Recognises what was done to a numeric column: every value multiplied by a factor, or moved by an offset."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from monitor.core.drift.base import Side
from monitor.core.drift.wasserstein import Curve, curve_of
from monitor.core.schema import Floats

UNIT_FACTORS = (
    1e-9, 1e-6, 1e-3, 0.01, 1 / 3600, 1 / 60, 1 / 24, 1 / 7, 0.1,
    0.3048, 0.45359237, 1 / 1.609344, 1 / 2.54, 1 / 3.6,
    1e9, 1e6, 1e3, 100.0, 3600.0, 60.0, 24.0, 7.0, 10.0,
    1 / 0.3048, 1 / 0.45359237, 1.609344, 2.54, 3.6,
)  # fmt: skip  # prefixes, per cent, seconds to minutes, hours, days, weeks; feet, pounds, miles, inches, m/s to km/h
LEAST_FACTOR = 1.2  # smaller changes of scale are not told from ordinary drift
FIT = 0.5  # the explained distance must be at most this share of the unexplained
WORST_FIT = 0.25  # and at most so large: days differ that much by themselves (flights, D of dep_delay)
WORST_FIT_UNKNOWN = 0.12  # the same for a factor or offset that nobody knows: with two free numbers much fits a little
KNOWN_BONUS = 0.05  # a known factor is taken though another number fits better by so much
NUDGE = 1e-9  # relative: a value of its own bin must not miss its step by rounding
QUANTILES = np.linspace(0.05, 0.95, 19)
NEAR_ZERO = 0.02  # of the largest quantile: values below it tell nothing of a factor


class Change(StrEnum):
    """What happened to every value."""

    FACTOR = "factor"
    OFFSET = "offset"


@dataclass(frozen=True, slots=True, kw_only=True)
class Transform:
    """``amount`` is the factor or the offset; ``known``: a factor between two common units; ``distance``: D that stays."""

    change: Change
    amount: float
    distance: float
    known: bool = False


def recognise(reference: Side, window: Side) -> Transform | None:
    """The factor or offset that makes the reference's curve the window's, judged by D at the edges; None where none does."""
    if window.edges is None or not len(window.edges) or not reference.n or not window.n:
        return None
    with np.errstate(all="ignore"):
        fit = _Fit(reference=curve_of(reference), places=window.edges, seen=np.cumsum(window.counts)[:-1] / window.n)
        plain = fit.rest(window.edges)
        found = [t for t in _candidates(fit, reference, window) if t.distance <= min(FIT * plain, _worst(t))]
    return min(found, key=lambda t: (t.distance - KNOWN_BONUS * t.known, abs(math.log(abs(t.amount)))), default=None)


def _worst(transform: Transform) -> float:
    return WORST_FIT if transform.known else WORST_FIT_UNKNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fit:
    """The reference's curve, and the shares ``seen`` of the window below its edges ``places``."""

    reference: Curve
    places: Floats
    seen: Floats

    def rest(self, places: Floats) -> float:
        """D between the window and the changed reference; ``places``: where the window's edges were before the change."""
        width = np.abs(places) * NUDGE
        low = np.interp(places - width, *self.reference, left=0.0, right=1.0)
        high = np.interp(places + width, *self.reference, left=0.0, right=1.0)
        return float(np.maximum(np.maximum(low - self.seen, self.seen - high), 0.0).max())


def _candidates(fit: _Fit, reference: Side, window: Side) -> Iterator[Transform]:
    before, after = quantiles(reference), quantiles(window)
    for factor in sorted({*UNIT_FACTORS, *_factors(before, after)}):
        if factor > 0 and abs(math.log(factor)) >= math.log(LEAST_FACTOR):
            rest = fit.rest(fit.places / factor)
            yield Transform(change=Change.FACTOR, amount=factor, distance=rest, known=factor in UNIT_FACTORS)
    means = () if reference.mean is None or window.mean is None else (window.mean - reference.mean,)
    for offset in _finite(float(np.median(after - before)), *means):
        if offset:
            yield Transform(change=Change.OFFSET, amount=offset, distance=fit.rest(fit.places - offset))


def _factors(before: Floats, after: Floats) -> list[float]:
    telling = (np.abs(before) > NEAR_ZERO * np.abs(before).max()) & (before * after > 0)
    ratios = after[telling] / before[telling]
    return _finite(float(np.median(ratios)), float(np.exp(np.mean(np.log(ratios))))) if len(ratios) else []


def _finite(*values: float) -> list[float]:
    return [float(value) for value in values if math.isfinite(value)]


def quantiles(side: Side) -> Floats:
    """The values at 5, 10, … 95 per cent, rows spread evenly within a bin; shape (19,). Raises ValueError without values."""
    places, heights = curve_of(side)
    return np.interp(QUANTILES, heights, places)
