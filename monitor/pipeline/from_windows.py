"""A reference of stored windows: of the first ones of a new version, or of those of an incident that a person called expected."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import reduce
from typing import Protocol

from monitor.core.drift.calibration import MIN_WINDOWS
from monitor.core.merged import windows_reference
from monitor.core.performance.learn import learn_part
from monitor.core.performance.multiclass import MulticlassCounts
from monitor.core.performance.part import PerformancePart
from monitor.core.performance.tally import Tally as Counted
from monitor.core.profile import Grid
from monitor.core.recipes import Candidate, Choice, choose
from monitor.core.reference import ANY_VERSION, Reference, Source
from monitor.core.results import ALL_ROWS
from monitor.core.rules import Model
from monitor.core.schema import Role, rfc3339
from monitor.core.windows import window_of
from monitor.errors import DecodeError, UsageError
from monitor.pipeline.kept_windows import of_version, profiles_of, segments_of
from monitor.ports import HistoryStore, Tally

MOST_WINDOWS = 500
"""The last so many of a longer time: learning the limits of 336 windows of 50 columns takes a second."""


class WindowStore(HistoryStore, Protocol):
    """What a reference of windows is read from."""

    def tallies(self, model: str, since: datetime | None = None, *, segment: str | None = None) -> Sequence[Tally]:
        """The counts of windows that start at or after then, of one segment (None: of all), ordered by key."""


def references_from_windows(
    store: WindowStore, model: Model, version: str, start: datetime, end: datetime, *, source: Source = Source.ACCEPTED,
    without: Collection[datetime] = (), labelled: bool = True, known: PerformancePart | None = None,
    notes: Mapping[str, object] | None = None,
) -> Reference:  # fmt: skip
    """The windows of a version ("*": of all) that lie within ``[start, end)`` as a reference, with the limits that they teach.

    ``without``: starts that are left out. ``labelled``: whether it is learned how well the model did, from the labels that are there.
    ``known``: what the reference in force says of performance, whose classes are kept. Windows
    with few rows, on another grid than the newest one or incomplete teach nothing. Raises UsageError where fewer than ``MIN_WINDOWS``
    are left: no limit could be learned.
    """
    one = None if version == ANY_VERSION else version
    starts = [at for at in starts_within(model, start, end) if at not in without]
    candidates = of_version(store.candidates(model.name, starts, segment=ALL_ROWS), one)
    grid = _grid_of(candidates, model)
    choice = choose(starts, candidates, grid, model.min_rows)
    profiles, choice = profiles_of(store, model, one, ALL_ROWS, choice)
    if len(profiles) < MIN_WINDOWS:
        raise UsageError(f"{_too_few(version, len(profiles), start, end, choice)}; {MIN_WINDOWS} are needed to learn limits from")
    return windows_reference(
        source, profiles, model=model.name, version=version, window=model.window, names=names_of(model),
        notes={"left_out": {str(why): count for why, count in sorted(choice.left_out.items())}, **(notes or {})},
        segments=segments_of(store, model, one, grid, choice, MIN_WINDOWS),
        performance=_performance(store, model, one, choice.starts, known) if labelled else None,
    )


def starts_within(model: Model, start: datetime, end: datetime) -> list[datetime]:
    """The starts of the last whole windows of a time, ascending."""
    last, _ = window_of(end, model.window)
    back = (last - n * model.window for n in range(1, MOST_WINDOWS + 1))
    return sorted(at for at in back if at >= start)


def names_of(model: Model) -> list[str]:
    """The columns that are watched together."""
    return [column.name for column in model.columns if column.role is not Role.LABEL]


def _grid_of(candidates: Sequence[Candidate], model: Model) -> str:
    """The hash of the grid that the newest windows were counted on; the blank one teaches nothing."""
    blank = Grid.blank(model.columns).hash
    fitted = [candidate for candidate in candidates if candidate.grid not in (None, blank)]
    return (max(fitted, key=lambda candidate: candidate.key.start).grid or "") if fitted else ""


def _too_few(version: str, found: int, start: datetime, end: datetime, choice: Choice) -> str:
    why = ", ".join(f"{count:,} {reason}" for reason, count in sorted(Counter(choice.left_out).items()))
    of = "" if version == ANY_VERSION else f" of version {version}"
    return f"{found} windows{of} between {rfc3339(start)} and {rfc3339(end)} can be learned from" + (f" ({why})" if why else "")


def _performance(
    store: WindowStore, model: Model, version: str | None, starts: Sequence[datetime], known: PerformancePart | None
) -> PerformancePart | None:
    """How well the model did in these windows, as far as labels tell; None with fewer labels than a verdict takes."""
    if model.performance is None:
        return None
    by_start: dict[datetime, Counted] = {}
    for tally in store.tallies(model.name, starts[0], segment=ALL_ROWS):
        if tally.key.start in starts and version in (None, tally.key.version):
            counted = _read(tally)
            if counted is not None:
                have = by_start.get(tally.key.start)
                by_start[tally.key.start] = counted if have is None else have.merge(counted)
    windows = [by_start[start] for start in sorted(by_start)]
    total = reduce(Counted.merge, windows, Counted.empty(model.task))
    if total.fault or total.usable < max(model.performance.min_labelled, 1):
        return None
    return learn_part(total, windows, _classes(total, known), "" if known is None else known.positive)


def _read(tally: Tally) -> Counted | None:
    """None where the stored counts are damaged: such a window teaches nothing of performance."""
    try:
        return Counted.from_bytes(tally.data)
    except DecodeError:
        return None


def _classes(total: Counted, known: PerformancePart | None) -> tuple[str, ...]:
    named = () if known is None else known.classes
    seen = {name for cell in total.counts.cells for name in cell} if isinstance(total.counts, MulticlassCounts) else set()
    return tuple(sorted({*named, *seen}))
