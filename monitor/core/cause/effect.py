"""How large an effect is, on one scale for all checks: the share of rows concerned, less where the limit is hardly passed.

``effect = affected * (1 - 1 / times)``. ``affected`` is the share of the column's rows that are not where the reference has them;
``times`` is how many times the limit. Both factors lie within [0, 1]: 2 % of nulls over a floor of 1 % come to 0.01, a column of which
nine tenths moved to 0.6 though its limit be wide. P-values are no part of it: they are nothing but row counts once n is large.
"""

from __future__ import annotations

from monitor.core.cause.scene import Scene
from monitor.core.results import Result

OF_ROWS = frozenset({"ks", "tvd"})  # metrics that are shares of rows themselves, besides those named *_share
UNKNOWN = 0.5  # affected, or beyond the limit, where nothing tells
MAX_TIMES = 1e9  # the limit: where that is zero


def effect(result: Result, scene: Scene | None) -> float:
    """The effect of a bad result, within [0, 1]."""
    return _affected(result, scene) * _beyond(result)


def _affected(result: Result, scene: Scene | None) -> float:
    if result.value is not None and (result.metric in OF_ROWS or result.metric.endswith("_share")):
        return min(abs(result.value), 1.0)
    moved = None if scene is None else scene.distance
    return UNKNOWN if moved is None else moved


def _beyond(result: Result) -> float:
    return UNKNOWN if result.value is None or result.threshold is None else 1 - 1 / times(result)


def times(result: Result) -> float:
    """How many times the limit, or how many times below it: half of the fewest usual rows is as bad as twice the most. At least 1."""
    value, threshold = result.value, result.threshold
    if value is None or threshold is None:
        return 1.0
    low, high = sorted((abs(value), abs(threshold)))
    return 1.0 if high == 0 else min(high / low, MAX_TIMES) if low > high / MAX_TIMES else MAX_TIMES
