"""One column of one window beside its reference: all that a signature may look at."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np

from monitor.core.drift.base import ColumnProfile
from monitor.core.drift.calibration import METRICS, by_chance, column_distance, season_gap
from monitor.core.evaluate import Subject
from monitor.core.profile import CategoricalProfile, NumericProfile, Profile
from monitor.core.reference import Reference
from monitor.core.results import Result, WindowKey

MOST = 0.95  # of the reference's windows: the very largest may be a freak
MARGIN = 1.25  # times: as far is still usual
CHANCE = 0.05  # how often chance alone may make the distance that still counts as usual


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A column of ``window`` and of the reference ``against`` it, on one grid.

    ``moved``: the window's columns with a bad result. ``start``: when it began, where known: the reference may have a rhythm.
    """

    name: str
    window: Profile
    against: Reference
    moved: tuple[str, ...] = ()
    start: datetime | None = None

    @property
    def reference(self) -> Profile:
        """All that the window is compared with."""
        return self.against.profile

    @property
    def here(self) -> ColumnProfile:
        """The column in the window."""
        return self.window.columns[self.name]

    @property
    def there(self) -> ColumnProfile:
        """The column in the reference."""
        return self.reference.columns[self.name]

    @property
    def numbers(self) -> tuple[NumericProfile, NumericProfile] | None:
        """Window and reference where both are numeric and have values."""
        here, there = self.here, self.there
        if isinstance(here, NumericProfile) and isinstance(there, NumericProfile) and here.n and there.n:
            return here, there
        return None

    @property
    def categories(self) -> tuple[CategoricalProfile, CategoricalProfile] | None:
        """Window and reference where both are categorical and have values."""
        here, there = self.here, self.there
        if isinstance(here, CategoricalProfile) and isinstance(there, CategoricalProfile) and here.n and there.n:
            return here, there
        return None

    @property
    def distance(self) -> float | None:
        """The share of values that are elsewhere: D for numbers, total variation for categories; None without values."""
        here, there = self.here, self.there
        return column_distance(there, here) if here.n and there.n and type(here) is type(there) else None

    @property
    def usual(self) -> float:
        """The distance that nineteen in twenty of the reference's own windows stay well under; 0 where they are not known."""
        baseline = self.against.baseline
        distances = () if baseline is None else baseline.distances.get(self.name, {}).get(METRICS[type(self.there)], ())
        rhythm = {} if baseline is None else baseline.rhythm.get(self.name, {})
        gap = 0.0 if self.start is None else season_gap(self.there, rhythm, self.start)
        return MARGIN * float(np.quantile(distances, MOST)) + gap if distances else 0.0

    @property
    def slack(self) -> float:
        """The distance at which values are still as usual: what windows differ by, and what chance makes of so many rows."""
        if not self.here.n or not self.there.n:
            return self.usual
        return max(self.usual, by_chance(self.there, self.here, CHANCE))

    def of(self, name: str) -> Scene:
        """Another column of the same window."""
        return Scene(name=name, window=self.window, against=self.against, moved=self.moved, start=self.start)


def scene_of(name: str, subject: Subject | None, moved: tuple[str, ...] = ()) -> Scene | None:
    """The column's scene; None where the profiles are not at hand, do not know it or cannot be compared."""
    against = None if subject is None else subject.compared_with
    if subject is None or subject.profile is None or against is None:
        return None
    if subject.profile.grid != against.grid or name not in subject.profile.columns:
        return None
    known = tuple(other for other in moved if other in subject.profile.columns)  # labels are no column of the window
    return Scene(name=name, window=subject.profile, against=against, moved=known, start=subject.key.start)


def key_of(result: Result) -> WindowKey:
    """The window that a result is of."""
    return WindowKey(
        model=result.model, version=result.version, segment=result.segment, start=result.window_start, end=result.window_end
    )
