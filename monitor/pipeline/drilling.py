"""Drills: stored windows with faults, judged again in a shadow. Nothing is written and nobody is told."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from monitor.core.drill import FAULTS, Fault, FaultName, Line, Scene, Seen, Size
from monitor.core.drill.labels import flipped
from monitor.core.drill.outcome import at_size
from monitor.core.drill.scene import alerts_of
from monitor.core.drill.spots import Limits, blind_spots, limits_of
from monitor.core.evaluate import Subject
from monitor.core.incidents import Incident
from monitor.core.performance.tally import Tally as Counted
from monitor.core.performance.verdict import label_name
from monitor.core.performed import recounted
from monitor.core.recipes import Disturbance
from monitor.core.replay import incidents
from monitor.core.results import ALL_ROWS, DECIDED, Result, WindowKey
from monitor.core.rules import Model, Task
from monitor.core.schema import Role, rfc3339
from monitor.errors import DecodeError, UsageError
from monitor.metrics import Metrics
from monitor.pipeline.judge import Judge, came_late
from monitor.pipeline.lengths import other_length
from monitor.pipeline.references import References
from monitor.pipeline.replay import PastStore, Rehearsal
from monitor.pipeline.telling import Telling
from monitor.ports import Clock, StoredWindow, Tally

LABELS = "(labels)"
"""The column of faults of labels, where the configuration does not say how it is called."""
ROWS = "(rows)"
"""The column of faults of all rows."""


class DrillStore(PastStore, Protocol):
    """A store that is only read."""

    def window_accounts(self, *, model: str | None = None, since: datetime | None = None,
                        segment: str | None = None) -> Sequence[StoredWindow]:
        """Windows without their profiles."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is drilled: empty ``columns`` and ``faults`` are all. ``windows``: the last so many, of those from ``since`` on."""

    windows: int
    since: datetime | None = None
    columns: frozenset[str] = frozenset()
    faults: frozenset[FaultName] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Drilled:
    """``alerting``: windows that alert without any fault, of all ``windows``; ``incidents``: those that fire then."""

    model: Model
    windows: int
    first: datetime
    last: datetime
    alerting: int
    incidents: Sequence[Incident]
    lines: Sequence[Line]
    limits: Limits

    @property
    def blind_spots(self) -> list[str]:
        """Sentences."""
        return blind_spots(self.lines, self.limits, self.model)


@dataclass(slots=True, kw_only=True)
class _Book:
    """What was seen by column, fault and size, in the order of the windows."""

    windows: int = 0
    found: dict[tuple[str, FaultName, Size], list[Seen]] = field(default_factory=dict)

    def write(self, column: str, fault: Fault, size: Size, seen: Seen) -> None:
        """Of the latest window."""
        row = self.found.setdefault((column, fault.name, size), [])
        row += [Seen.UNTOLD] * (self.windows - 1 - len(row))
        row.append(seen)

    def lines(self, model: Model) -> list[Line]:
        """By column, the faults in their order."""
        found = []
        for column in sorted({column for column, _, _ in self.found}, key=lambda name: (name in (ROWS, LABELS), name)):
            for fault in FAULTS.values():
                sizes = [at_size(size, row, model.alerts) for size in fault.sizes if (row := self.found.get((column, fault.name, size)))]
                if sizes:
                    found.append(Line(column=column, fault=fault, sizes=tuple(sizes)))
        return found


class _Past(Rehearsal):
    """The windows and incidents as they were: what was learned from is what really was."""

    def disturbances(self, model: str, before: datetime) -> Sequence[Disturbance]:
        """The real ones."""
        return self._store.disturbances(model, before)


def windows_of(store: DrillStore, model: Model, asked: Asked) -> list[datetime]:
    """When the judged windows began that are asked for, oldest first. Raises UsageError where there is none."""
    if other := other_length(store, model.name, model.window):
        raise UsageError(f"{model.name}: {other}; windows of another length cannot be judged again")
    until = store.progress(model.name).judged_until
    kept = store.window_accounts(model=model.name, since=asked.since, segment=ALL_ROWS)
    found = sorted({w.key.start for w in kept if until is not None and w.key.end <= until and not came_late(w)})
    if not found:
        since = f" from {rfc3339(asked.since)} on" if asked.since else ""
        raise UsageError(f"{model.name} has no judged windows{since}: there is nothing to inject faults into")
    return found[-asked.windows :]


def drill(store: DrillStore, model: Model, clock: Clock, asked: Asked, told: Callable[[], object] = lambda: None) -> Drilled:
    """Every fault in every window. ``told``: called after each window.

    Estimates of performance, and what is asked of row samples in another process, are left out. Each window is judged as if the faults
    had begun with it: references that are merged from windows before it know nothing of them.
    Raises UsageError where there are no windows or no such column; Retryable when the store is away.
    """
    starts = windows_of(store, model, asked)
    past = _Past(store, model, None, lambda _: None)
    judge = Judge(store=past, models=[model], references=References(store, clock), clock=clock, metrics=Metrics(), telling=Telling({}),
                  partitions=frozenset)
    tallies, sealed = _tallies(store, model, starts), store.progress(model.name).sealed_until
    book, results, alerting = _Book(), [], 0
    for start in starts:
        windows = [window for window in store.windows(model.name, start) if not came_late(window)]
        subjects = judge.subjects(model, windows)
        scene = Scene(subjects, model)
        _check(asked.columns, scene, model)
        book.windows += 1
        _drill_columns(scene, asked, book)
        labels = _drill_labels(model, list(_labelled(subjects, tallies.get(start, []), model, sealed)), asked, book)
        found = [*scene.results, *labels]
        alerting += bool(alerts_of(found))
        results += found
        told()
    return Drilled(model=model, windows=len(starts), first=starts[0], last=starts[-1], alerting=alerting, lines=book.lines(model),
                   incidents=incidents(results, model.alerts), limits=limits_of(results))


def _asked(asked: Asked, column: str) -> Iterable[tuple[Fault, Size]]:
    if asked.columns and column not in asked.columns:
        return
    for fault in FAULTS.values():
        if not asked.faults or fault.name in asked.faults:
            for size in fault.sizes:
                yield fault, size


def _drill_columns(scene: Scene, asked: Asked, book: _Book) -> None:
    for column in scene.columns:
        for fault, size in _asked(asked, column):
            seen = scene.with_fault(column, fault, size.value) if fault.inject is not None else None
            if seen is not None:
                book.write(column, fault, size, seen)
    for fault, size in _asked(asked, ROWS):
        if fault.name is FaultName.VOLUME:
            book.write(ROWS, fault, size, scene.with_rows(size.value))


# --- labels --------------------------------------------------------------------------------------------------


def _tallies(store: DrillStore, model: Model, starts: Sequence[datetime]) -> dict[datetime, list[Tally]]:
    found: dict[datetime, list[Tally]] = {}
    for tally in store.tallies(model.name, starts[0]) if model.performance else ():
        found.setdefault(tally.key.start, []).append(tally)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Labelled:
    """The counts of one window's labelled rows, with what they are compared with."""

    key: WindowKey
    counts: Counted
    subject: Subject
    last: bool

    def results(self, model: Model, counts: Counted) -> Sequence[Result]:
        return recounted(self.key, counts, self.subject.reference, model, versions=self.subject.versions, last=self.last)


def _drill_labels(model: Model, labelled: Sequence[_Labelled], asked: Asked, book: _Book) -> list[Result]:
    """What the labels say without a fault; with one goes into the book."""
    quiet = [result for one in labelled for result in one.results(model, one.counts)]
    column = label_name(model) or LABELS
    for fault, size in _asked(asked, column):
        if fault.name is FaultName.LABEL_FLIP and any(one.counts.usable for one in labelled) and model.task is not Task.REGRESSION:
            book.write(column, fault, size, _flip(model, labelled, quiet, size.value))
    return quiet


def _labelled(subjects: Sequence[Subject], tallies: Sequence[Tally], model: Model, sealed: datetime | None) -> Iterable[_Labelled]:
    """Counts that cannot be read are passed over, as when they are judged again."""
    by_key = {subject.key: subject for subject in subjects}
    for tally in tallies:
        if tally.key in by_key:
            with suppress(DecodeError):
                yield _Labelled(key=tally.key, counts=Counted.from_bytes(tally.data), subject=by_key[tally.key],
                                last=sealed is not None and tally.key.end + model.label_delay <= sealed)


def _flip(model: Model, labelled: Sequence[_Labelled], quiet: Sequence[Result], share: float) -> Seen:
    wrong = [(one, flipped(one.counts, share)) for one in labelled]
    found = [result for one, counts in wrong if counts is not None for result in one.results(model, counts)]
    if not any(result.verdict in DECIDED for result in found):
        return Seen.UNTOLD
    if alerts_of(quiet):
        return Seen.LEFT_OUT
    return Seen.CAUGHT if alerts_of(found) else Seen.MISSED


def _check(columns: frozenset[str], scene: Scene, model: Model) -> None:
    """Raises UsageError naming a column that is asked for and is none."""
    if not scene.columns or not columns:
        return
    own = [column.name for column in model.columns if column.role is not Role.LABEL]
    known = {*scene.columns, *own, ROWS, *([label_name(model) or LABELS] if model.performance else [])}
    unknown = sorted(columns - known)
    if unknown:
        raise UsageError(f"{model.name} has no column {unknown[0]!r}; known are {sorted(known)}")
