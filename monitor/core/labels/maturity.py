"""How labels come in over time: learned from windows that have all of theirs, used for those that still wait.

Labels that come early may be of another sort than those that come late (a flight that lands early was not delayed). How far a metric
moves from some age of a window to its end is learned from earlier windows, and what is to be expected in the end is said.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from monitor.core.labels.labels import Joined
from monitor.core.performance.odd import has_value
from monitor.core.schema import MICROSECOND, to_micros

AGES = (0.0, 1 / 64, 1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)
"""Of ``label_delay``: the ages of a window, counted from its end, at which is noted what was known by then."""
FEWEST = 3
"""Windows that one can learn from."""
OF_SD = 1.96
"""Standard deviations of the earlier windows on either side: the interval in which nineteen of twenty would end."""

ValuesOf = Callable[[Joined], Mapping[str, float]]
"""The metrics of some rows, as far as they are defined."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrivals:
    """One window, at each of ``AGES``: the share of its rows that had a label, and its metrics by name (None: not defined yet).

    ``delay``: the ``label_delay`` that the ages are parts of.
    """

    delay: timedelta
    shares: tuple[float, ...]
    values: Mapping[str, tuple[float | None, ...]]

    def document(self) -> dict[str, object]:
        """As plain JSON values."""
        values = {name: list(values) for name, values in self.values.items()}
        return {"delay_microseconds": self.delay // MICROSECOND, "shares": list(self.shares), "values": values}

    @staticmethod
    def of(document: Mapping[str, object]) -> Arrivals | None:
        """Of a document; None where it is none of ours: then nothing is learned from it."""
        delay, shares, values = document.get("delay_microseconds"), document.get("shares"), document.get("values")
        if not isinstance(delay, int) or not isinstance(shares, list) or not isinstance(values, dict) or len(shares) != len(AGES):
            return None
        found = {name: tuple(known) for name, known in values.items()}
        return Arrivals(delay=delay * MICROSECOND, shares=tuple(map(float, shares)), values=found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What a window will come to. ``low`` and ``high`` hold the final ``value`` of nineteen windows of twenty."""

    share: float
    value: float
    low: float
    high: float


def arrivals_of(joined: Joined, end: datetime, delay: timedelta, values_of: ValuesOf) -> Arrivals | None:
    """How the labels of a window that ended then came in; None where none did."""
    there = has_value(joined.labels)
    if not there.any():
        return None
    after, values = joined.times - to_micros(end), []
    by_then = [there & (after <= age * (delay // MICROSECOND)) for age in AGES[:-1]] + [there]
    for flags in by_then:
        values.append(values_of(joined.take(flags)) if flags.any() else {})
    return Arrivals(
        delay=delay,
        shares=tuple(float(flags.mean()) for flags in by_then),
        values={name: tuple(found.get(name) for found in values) for name in values[-1]},
    )


def expected(metric: str, value: float, age: timedelta, delay: timedelta, learned: Sequence[Arrivals]) -> Expected | None:
    """What a metric that is ``value`` at some age of its window comes to. None when it is final, or too little is known."""
    if age >= delay:
        return None
    at = max(i for i, known in enumerate(AGES) if known <= max(age / delay, 0.0))
    alike = [one for one in learned if one.delay == delay]  # ages are parts of it
    moves = [(found[-1] or 0.0) - (found[at] or 0.0) for one in alike
             if (found := one.values.get(metric)) is not None and found[-1] is not None and found[at] is not None]
    if len(moves) < FEWEST:
        return None
    spread = OF_SD * float(np.std(moves, ddof=1)) * math.sqrt(1 + 1 / len(moves))
    final = value + float(np.mean(moves))
    return Expected(share=float(np.mean([one.shares[-1] for one in alike])), value=final, low=final - spread, high=final + spread)
