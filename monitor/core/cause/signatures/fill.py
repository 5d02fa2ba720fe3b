"""Constant or default fill: one value took the place of others, which are fewer but as usual among themselves."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from monitor.core.cause.names import shares_by_name
from monitor.core.cause.scene import Scene
from monitor.core.cause.sentence import SHORTEST, clipped
from monitor.core.cause.signatures.sign import Sign
from monitor.core.drift.base import side_of
from monitor.core.drift.ks import ks_distance
from monitor.core.drift.tvd import tvd
from monitor.core.finding import number, percent
from monitor.core.profile import NumericProfile
from monitor.core.schema import Floats

LEAST_KNOWN = 0.2  # growth of a value that the reference has, too: in a weekly rhythm shares come and go by a tenth
LEAST_NEW = 0.05  # the same of a value that the reference hardly has
HARDLY = 0.005  # share in the reference
LEAST_ROWS = 10  # that bear it
SURE = 4.0  # standard errors of its share
ALL = 0.98  # share of rows with the value from which on it is all of them, and nothing is left to be as usual
FIT = 0.35  # distance of the other rows from the reference, in units of the whole difference
WORST_FIT = 0.7  # the same for a value that the reference hardly has, where the rest is as usual for the column
OTHERS = 1.8  # effective number of other values: with fewer any move of shares looks like a fill
DEFAULTS = frozenset({
    "", "unknown", "unk", "null", "none", "nil", "nan", "n/a", "na", "other", "default", "missing", "undefined", "empty", "-", "?", "0",
    "-1", "-9", "-99", "-999", "-9,999", "-99,999", "99", "999", "9,999", "99,999", "false", "1,970", "1970-01-01",
})  # fmt: skip  # what programs write where they know nothing, as numbers are said
SIGHTED = 0.9  # share of a bin's sampled rows that have one value, from which on the bin stands for it
SIGHTINGS = 5  # sampled rows in a bin that can tell


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shares:
    """A column's shares in reference and window, both of shape (k,); ``names`` of categories, empty for numbers."""

    before: Floats
    after: Floats
    names: Sequence[str] = ()

    def distance(self, after: Floats) -> float:
        """D for numbers, total variation for categories."""
        return tvd(self.before, after) if self.names else ks_distance(self.before, after)


def fill(scene: Scene) -> Sign | None:
    """Of the share of rows that it took over. Numbers: where a bin of the grid, or the row sample, tells the single value."""
    shares = _named(scene) if scene.categories else _binned(scene)
    if shares is None:
        return None
    at = int(np.argmax(shares.after - shares.before))
    before, after = float(shares.before[at]), float(shares.after[at])
    if not _took_over(before, after, scene.here.n, scene.there.n):
        return None
    rest, plain = _rest(shares, at), shares.distance(shares.after)
    fits = rest <= FIT * plain and plain > scene.usual if before > HARDLY else rest <= max(FIT * plain, min(WORST_FIT * plain, scene.slack))
    value = _value(scene, shares, at) if after >= ALL or fits else None
    if value is None:
        return None
    filled = (after - before) / (1 - before)
    kind = "constant" if after >= ALL else "default fill" if value.strip('"').casefold() in DEFAULTS else "one value took over"
    evidence = f"{percent(filled)} of rows taken over; distance of all rows {number(plain)}, of the others {number(rest)}"
    return Sign(said=f"{value} in {percent(after)} of rows, usual {percent(before)} ({kind})", evidence=evidence, share=min(filled, 1.0))


def _took_over(before: float, after: float, rows: int, reference_rows: int) -> bool:
    grown = after - before
    chance = math.sqrt(before * (1 - before) * (1 / rows + 1 / reference_rows))
    return grown >= (LEAST_NEW if before <= HARDLY else LEAST_KNOWN) and grown * rows >= LEAST_ROWS and grown >= SURE * chance


def _rest(shares: _Shares, at: int) -> float:
    """The distance that stays when what the value took over is given back; 1 where the others are too few to be told by."""
    others = np.delete(shares.before, at)
    if not others.sum() or others.sum() ** 2 < OTHERS * float((others**2).sum()):
        return 1.0
    back = shares.after.copy()
    back[at] = 0.0
    if not back.sum():
        return 0.0
    back *= (1 - shares.before[at]) / back.sum()
    back[at] = shares.before[at]
    return shares.distance(back)


def _named(scene: Scene) -> _Shares | None:
    """Categories by name; what could not be kept by name is one more, without one."""
    before, after = shares_by_name(scene.reference, scene.name), shares_by_name(scene.window, scene.name)
    names = sorted({*before, *after})
    sides = [np.array([*(side.get(name, 0.0) for name in names), max(1 - sum(side.values()), 0.0)]) for side in (before, after)]
    return _Shares(before=sides[0], after=sides[1], names=names) if names else None


def _binned(scene: Scene) -> _Shares | None:
    return None if scene.numbers is None else _Shares(before=side_of(scene.there).shares, after=side_of(scene.here).shares)


def _value(scene: Scene, shares: _Shares, at: int) -> str | None:
    """The value in words; None where nobody can tell that it is one."""
    if shares.names:
        return f'"{clipped(shares.names[at], SHORTEST)}"' if at < len(shares.names) else None
    column = scene.here
    if not isinstance(column, NumericProfile):
        return None
    if column.min == column.max:
        return number(column.min)
    if column.grid.atoms[at]:
        return number(float(column.grid.edges[at - 1]))
    return _sighted(scene, column, at)


def _sighted(scene: Scene, column: NumericProfile, at: int) -> str | None:
    """The one value that the sampled rows of a bin have."""
    numbers = scene.window.sample.numbers(scene.name)
    inside = numbers[column.grid.bins_of(numbers) == at]
    if len(inside) < SIGHTINGS:
        return None
    value, count = Counter(inside.tolist()).most_common(1)[0]
    return number(value) if count >= SIGHTED * len(inside) else None
