"""What a drill comes to: of each column and fault, in how many windows each size was seen, and how soon an incident opens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from math import inf
from statistics import median_low

from monitor.core.drill.base import Fault, Size
from monitor.core.incidents import IncidentState, Judged, step
from monitor.core.results import ALL_ROWS, Check, Result, Verdict
from monitor.core.rules import AlertRules

HALF, NEARLY_ALL = 0.5, 0.95
"""Shares of the windows in which a fault is seen: more often than not, and so that one can count on it."""

HORIZON = 20
"""Windows after the beginning of a fault that are looked at for an incident."""


class Seen(StrEnum):
    """What became of a fault in one window. ``left_out``: the column alerts there without any; ``untold``: nothing can be judged."""

    CAUGHT = "caught"
    MISSED = "missed"
    LEFT_OUT = "left_out"
    UNTOLD = "untold"


@dataclass(frozen=True, slots=True, kw_only=True)
class AtSize:
    """A fault of one size, in ``windows`` windows that were quiet without it. ``opens_in``: in which window from its beginning on an
    incident usually opens (the median over all beginnings); None: it usually does not within ``HORIZON`` windows."""

    size: Size
    windows: int
    caught: int
    left_out: int
    opens_in: int | None

    @property
    def share(self) -> float:
        """Of the windows in which it was seen; 0 where there are none."""
        return self.caught / max(self.windows, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One column and fault; ``sizes`` in the order of the fault."""

    column: str
    fault: Fault
    sizes: tuple[AtSize, ...]

    def smallest(self, share: float) -> AtSize | None:
        """The smallest size from which on it is seen in such a share of the windows; None where the largest is not."""
        found = None
        for at in reversed(self.sizes):
            if not at.windows or at.share < share:
                break
            found = at
        return found


def at_size(size: Size, seen: Sequence[Seen], rules: AlertRules) -> AtSize:
    """``seen``: of each window, in the order of time."""
    caught, missed = seen.count(Seen.CAUGHT), seen.count(Seen.MISSED)
    return AtSize(size=size, windows=caught + missed, caught=caught, left_out=seen.count(Seen.LEFT_OUT), opens_in=opens_in(seen, rules))


def opens_in(seen: Sequence[Seen], rules: AlertRules) -> int | None:
    """In which window from its beginning on a fault usually opens an incident, by the same steps as the daemon's.

    Beginnings too near to the end to tell are left out. Maintenance is none of a drill: faults do not keep to its times.
    """
    rules = replace(rules, maintenance=())
    found: list[float] = []
    for start, first in enumerate(seen):
        ahead = tuple(seen[start : start + HORIZON])
        opened = _opened(ahead, rules) if first in (Seen.CAUGHT, Seen.MISSED) else None
        if opened is not None:
            found.append(opened)
        elif first in (Seen.CAUGHT, Seen.MISSED) and len(ahead) >= min(HORIZON, len(seen)):
            found.append(inf)
    middle = median_low(found) if found else inf
    return None if middle == inf else int(middle)


@lru_cache(maxsize=4096)
def _opened(seen: tuple[Seen, ...], rules: AlertRules) -> int | None:
    """The number of the window, from 1, that fires an incident."""
    incident = None
    for at, one in enumerate(seen):
        incident = step(incident, _judged(at, one), rules).incident
        if incident is not None and incident.state is IncidentState.FIRING:
            return at + 1
    return None


VERDICTS = {Seen.CAUGHT: Verdict.ALERT, Seen.MISSED: Verdict.OK, Seen.LEFT_OUT: Verdict.SKIPPED, Seen.UNTOLD: Verdict.SKIPPED}
EPOCH, HOUR = datetime(2000, 1, 1, tzinfo=UTC), timedelta(hours=1)


def _judged(at: int, seen: Seen) -> Judged:
    """A window that says nothing but this."""
    start, end = EPOCH + at * HOUR, EPOCH + (at + 1) * HOUR
    result = Result(model="", version="", segment=ALL_ROWS, window_start=start, window_end=end, check=Check.QUALITY, column=None,
                    metric="drill", value=None, threshold=None, p_value=None, verdict=VERDICTS[seen], reason="", rows=0)
    return Judged(model="", start=start, end=end, results=(result,))
