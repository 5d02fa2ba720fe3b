"""Swapped columns: each of two columns has the values of the other."""

from __future__ import annotations

from collections.abc import Iterator

from monitor.core.cause.names import common, shares_by_name
from monitor.core.cause.scene import Scene
from monitor.core.cause.sentence import short
from monitor.core.cause.signatures.sign import FIT, Sign
from monitor.core.drift.base import side_of
from monitor.core.drift.transform import BLIND, distance_between, largest_gap
from monitor.core.finding import number
from monitor.core.profile import NumericProfile

LEAST_MOVED = 0.1  # distance of each column to its own reference: two columns that are alike cannot be told from each other
WORST_FIT = 0.2  # distance to the other's reference
MOST_COLUMNS = 40  # moved columns that are looked at as partners: beyond, pairs grow too many and too like each other
MEAN_APART = 0.5  # of the other's standard deviation
SPREAD_APART = 2.0  # times
RANGE_APART = 10.0  # standard deviations that the range may go beyond the other's: larger windows have farther outliers


def swapped(scene: Scene) -> Sign | None:
    """Of every row. Decided on the grids: this window's curve against the other's reference, and the other way round."""
    if _too_near(scene):
        return None
    found = min(_partners(scene), default=None)
    if found is None:
        return None
    rest, partner = found
    told = f"distance to its own reference {number(scene.distance)}; to the other's, the larger of both ways, {number(rest)}"
    return Sign(said=f"looks swapped with {short(partner)}", evidence=told, share=1.0, partner=partner)


def _too_near(scene: Scene) -> bool:
    return (scene.distance or 0.0) < LEAST_MOVED


def _partners(scene: Scene) -> Iterator[tuple[float, str]]:
    """Columns that this one may have changed places with, with the larger of the two distances that stay."""
    for name in scene.moved[:MOST_COLUMNS]:
        other = scene.of(name)
        if name == scene.name or type(other.here) is not type(scene.here) or _too_near(other):
            continue
        rests = [_rest(scene, other), _rest(other, scene)]
        if _fits(rests[0], scene, other) and _fits(rests[1], other, scene):
            yield max(rests), name


def _fits(rest: float, scene: Scene, other: Scene) -> bool:
    return rest <= min(FIT * (scene.distance or 0.0), max(WORST_FIT, other.usual))


def _rest(scene: Scene, other: Scene) -> float:
    """The distance between this window and the other's reference; 1 where it cannot be told to be small."""
    here, there = scene.here, other.there
    if isinstance(here, NumericProfile) and isinstance(there, NumericProfile):
        return _between(here, there)
    return 1 - common(shares_by_name(scene.window, scene.name), shares_by_name(other.reference, other.name))


def _between(window: NumericProfile, reference: NumericProfile) -> float:
    if largest_gap(side_of(reference), window.grid.edges) > BLIND and not _moments_agree(window, reference):
        return 1.0
    return distance_between(side_of(reference), side_of(window))


def _moments_agree(window: NumericProfile, reference: NumericProfile) -> bool:
    """Mean, spread and range are exact whatever the grid, and have to do where its edges lie elsewhere."""
    if window.mean is None or reference.mean is None or window.min is None or reference.min is None:
        return False
    spread, usual = window.std or 0.0, reference.std or 0.0
    low, high = reference.min, reference.max or 0.0
    return (
        0 < usual <= SPREAD_APART * spread <= SPREAD_APART**2 * usual
        and abs(window.mean - reference.mean) <= MEAN_APART * usual
        and low - RANGE_APART * usual <= window.min <= (window.max or 0.0) <= high + RANGE_APART * usual
    )

