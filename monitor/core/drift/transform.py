"""Recognises what was done to a numeric column: every value multiplied by a factor, moved by an offset, or both between known units."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from monitor.core.drift.base import Side
from monitor.core.drift.curve import Curve, curve_of
from monitor.core.schema import Floats

UNIT_FACTORS = (
    1e-9, 1e-6, 1e-3, 0.01, 1 / 3600, 1 / 60, 1 / 24, 1 / 7, 0.1,
    0.3048, 0.45359237, 1 / 1.609344, 1 / 2.54, 1 / 3.6,
    1e9, 1e6, 1e3, 100.0, 3600.0, 60.0, 24.0, 7.0, 10.0,
    1 / 0.3048, 1 / 0.45359237, 1.609344, 2.54, 3.6,
)  # fmt: skip  # prefixes, per cent, seconds to minutes, hours, days, weeks; feet, pounds, miles, inches, m/s to km/h
UNITS = {
    0.3048: "feet → metres", 1 / 0.3048: "metres → feet", 1.609344: "miles → km", 1 / 1.609344: "km → miles",
    0.45359237: "pounds → kg", 1 / 0.45359237: "kg → pounds", 2.54: "inches → cm", 1 / 2.54: "cm → inches",
    3.6: "m/s → km/h", 1 / 3.6: "km/h → m/s",
}  # fmt: skip  # the factors that only one common pair of units has; ×60 may be minutes to seconds, or hours to minutes
AFFINE = ((1.0, 273.15, "°C → K"), (1.0, -273.15, "K → °C"), (1.8, 32.0, "°C → °F"), (1 / 1.8, -32 / 1.8, "°F → °C"))
LEAST_FACTOR = 1.2  # smaller changes of scale are not told from ordinary drift
FIT = 0.5  # the explained distance must be at most this share of the unexplained
WORST_FIT = 0.25  # and at most so large: days differ that much by themselves (flights, D of dep_delay)
WORST_FIT_UNKNOWN = 0.12  # the same for a factor or offset that nobody knows: with two free numbers much fits a little
FIT_UNKNOWN = 0.4  # and this share: with any number allowed a busy day is soon half explained
KNOWN_BONUS = 0.05  # a known factor is taken though another number fits better by so much
LARGE_FACTOR = 5.0  # times, or a fifth; a smaller known factor has many neighbours: mean and spread must agree, too
SMALL_MISFIT = 0.3
MOMENTS_WEIGHT = 0.02  # D that one unit of misfit in mean and spread counts as: it decides between factors that fit alike
WORST_MISFIT = 3.0  # more says no more: one outlier makes any spread
BLIND = 0.5  # share of the changed reference between two edges of the window, from which on curves tell nothing
BLIND_MISFIT = 0.5  # that mean and spread may then be off
LEAST_DISTANCE = 0.05  # D: the effect floor of the default verdict; less needs no explanation
CHANCE = 1.63  # Kolmogorov's D in units of sqrt(1/n + 1/m) that chance exceeds once in a hundred
NUDGE = 1e-9  # relative: a value of its own bin must not miss its step by rounding
QUANTILES = np.linspace(0.05, 0.95, 19)
NEAR_ZERO = 0.02  # of the largest quantile: values below it tell nothing of a factor


class Change(StrEnum):
    """What happened to every value."""

    FACTOR = "factor"
    OFFSET = "offset"


@dataclass(frozen=True, slots=True, kw_only=True)
class Transform:
    """``amount`` is the factor or the offset; ``known``: between two common units, named by ``units`` where only one pair has it.

    ``plain``: D between reference and window as they are; ``distance``: D that stays once the change is taken back, and
    ``misfit`` how far mean and spread are then off, in standard deviations and logarithms.
    """

    change: Change
    amount: float
    distance: float
    misfit: float = 0.0
    plain: float = 1.0
    known: bool = False
    units: str = ""

    @property
    def is_large(self) -> bool:
        """Whether it is a factor without known neighbours that would fit about as well."""
        return self.change is Change.OFFSET or abs(math.log(abs(self.amount))) >= math.log(LARGE_FACTOR)


def recognise(reference: Side, window: Side) -> Transform | None:
    """The factor or offset that makes the reference's curve the window's, judged by D at the edges; None where none does.

    Silent about a window of one single value, which any factor small enough explains, and where D is chance or next to nothing.
    """
    if window.edges is None or not len(window.edges) or not reference.n or not window.n or window.low == window.high:
        return None
    with np.errstate(all="ignore"):
        fit = _Fit.of(reference, window)
        plain = fit.rest(window.edges)
        if plain < max(LEAST_DISTANCE, CHANCE * math.sqrt(1 / window.n + 1 / reference.n)):
            return None
        found = [replace(t, plain=plain) for t in _candidates(fit, reference, window) if _fits(t, plain)]
    return min(found, key=_rank, default=None)


def _rank(transform: Transform) -> tuple[float, float]:
    misfit = MOMENTS_WEIGHT * min(transform.misfit, WORST_MISFIT)
    return transform.distance - KNOWN_BONUS * transform.known + misfit, abs(math.log(abs(transform.amount)))


def distance_between(reference: Side, window: Side) -> float:
    """D between two numeric sides on different bins, at the window's edges: what those cannot tell apart counts as alike."""
    if window.edges is None:
        raise ValueError("a distance of curves needs edges")
    return _Fit.of(reference, window).rest(window.edges)


def largest_gap(reference: Side, edges: Floats) -> float:
    """The largest share of a side's values that lies between two of some edges: how much those cannot tell apart."""
    return _largest_gap(curve_of(reference), edges)


def _largest_gap(curve: Curve, places: Floats) -> float:
    return float(np.diff(np.interp(places, *curve, left=0.0, right=1.0), prepend=0.0, append=1.0).max())


def _fits(transform: Transform, plain: float) -> bool:
    if not transform.known:
        return transform.distance <= min(FIT_UNKNOWN * plain, WORST_FIT_UNKNOWN)
    if transform.is_large:
        return transform.distance <= min(FIT * plain, WORST_FIT)
    return transform.distance <= min(FIT * plain, WORST_FIT_UNKNOWN) and transform.misfit <= SMALL_MISFIT


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fit:
    """The reference's curve, and the shares ``seen`` of the window below its edges ``places``."""

    reference: Curve
    places: Floats
    seen: Floats

    @staticmethod
    def of(reference: Side, window: Side) -> _Fit:
        edges = np.empty(0) if window.edges is None else window.edges
        return _Fit(reference=curve_of(reference), places=edges, seen=np.cumsum(window.counts)[:-1] / window.n)

    def rest(self, places: Floats) -> float:
        """D between the window and the changed reference; ``places``: where the window's edges were before the change."""
        width = np.abs(places) * NUDGE
        low = np.interp(places - width, *self.reference, left=0.0, right=1.0)
        high = np.interp(places + width, *self.reference, left=0.0, right=1.0)
        return float(np.maximum(np.maximum(low - self.seen, self.seen - high), 0.0).max())

    def largest_gap(self, places: Floats) -> float:
        """The largest share of the reference that lies between two places."""
        return _largest_gap(self.reference, places)


def _candidates(fit: _Fit, reference: Side, window: Side) -> Iterator[Transform]:
    before, after = quantiles(reference), quantiles(window)
    turned = reference.low >= 0 > window.low  # no positive factor makes a value negative
    for factor in () if turned else sorted({*UNIT_FACTORS, *_factors(before, after)}):
        if factor > 0 and abs(math.log(factor)) >= math.log(LEAST_FACTOR):
            known = factor in UNIT_FACTORS
            yield from _tried(fit, reference, window, _Line(factor=factor, known=known, units=UNITS.get(factor, "")))
    for factor, offset, units in AFFINE:
        yield from _tried(fit, reference, window, _Line(factor=factor, offset=offset, known=True, units=units))
    means = () if reference.mean is None or window.mean is None else (window.mean - reference.mean,)
    for offset in _finite(float(np.median(after - before)), *means):
        if offset:
            yield from _tried(fit, reference, window, _Line(offset=offset))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """``factor * value + offset``."""

    factor: float = 1.0
    offset: float = 0.0
    known: bool = False
    units: str = ""


def _tried(fit: _Fit, reference: Side, window: Side, line: _Line) -> Iterator[Transform]:
    """The transform with what it leaves unexplained; none where the edges cannot tell and the moments contradict."""
    before = (fit.places - line.offset) / line.factor
    misfit = _misfit(reference, window, line)
    if misfit <= BLIND_MISFIT or fit.largest_gap(before) <= BLIND:
        change, amount = (Change.OFFSET, line.offset) if line.factor == 1 else (Change.FACTOR, line.factor)
        yield Transform(
            change=change, amount=amount, distance=fit.rest(before), misfit=misfit, known=line.known, units=line.units
        )


def _misfit(reference: Side, window: Side, line: _Line) -> float:
    """Standard deviations that the mean is off, and the logarithm of the ratio of the spreads; 0 where nothing tells."""
    if reference.mean is None or window.mean is None or not reference.std or not window.std:
        return 0.0
    spread = line.factor * reference.std
    return abs(window.mean - line.factor * reference.mean - line.offset) / spread + abs(math.log(window.std / spread))


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
