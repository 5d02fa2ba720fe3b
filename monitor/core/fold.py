"""Folding: batches of one partition become account and profile deltas of windows, the same whatever the batches were."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from types import MappingProxyType

import numpy as np

from monitor.core.held import HeldRows
from monitor.core.ids import IdSet
from monitor.core.labels.keep import predicted_of
from monitor.core.labels.predicted import Predicted
from monitor.core.merged import GRID_ROWS
from monitor.core.profile import Grid, Profile
from monitor.core.results import ALL_ROWS, OTHER_VERSIONS, Account, WindowKey
from monitor.core.rules import Model
from monitor.core.schema import MICROSECOND, Batch, Fault, Flags, Hashes, Ints, from_micros, to_micros
from monitor.core.segments import OwnValues, grouped, segment_text, segments_of, slots_of
from monitor.core.windows import judge_lateness, window_of, window_starts

NO_VERSION = "*"  # the version of rows whose stream maps none
Place = tuple[str, int]  # topic and partition
VERSIONED_WINDOWS = 4096
"""So many windows' versions are remembered, those that had rows last: of windows long sealed too, since late rows are booked there."""
NO_SEGMENTS: OwnValues = MappingProxyType({})
MOST_CELLS = 50_000
"""Columns of windows (1.5 to 8 kB each) held at most before they should be drained: a year of minutes comes as a window per row."""


@dataclass(slots=True, kw_only=True)
class PartitionState:
    """What folding remembers of a partition between batches. ``max_time``: microseconds."""

    seed: int
    max_time: int | None = None
    seen: dict[int, IdSet] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Delta:
    """What one window gained since the last drain."""

    account: Account = field(default_factory=Account)
    profile: Profile | None = None
    kept: list[Predicted] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded:
    """All that was gained since the last drain: windows, and by place and window start the ids newly counted.

    By window start besides: ``crowded``, rows that were counted under ``OTHER_VERSIONS``, and ``unremembered``, rows that were
    counted though their ids could not be kept, so that they may be doubles.
    """

    windows: Mapping[WindowKey, Delta]
    ids: Mapping[tuple[Place, datetime], Hashes]
    untimed: int
    crowded: Mapping[datetime, int] = field(default_factory=dict)
    unremembered: Mapping[datetime, int] = field(default_factory=dict)


class Folder:
    """Folds the rows of one model. ``grid_of`` gives the grid that the rows of a version are counted on.

    ``named`` gives the versions that have windows of their own however many there are: those with a reference. ``own_of`` gives
    the values that have segments of their own in a version, by segment column: no column where none is kept apart.
    """

    def __init__(
        self,
        model: Model,
        grid_of: Callable[[str], Grid],
        named: Callable[[], Collection[str]] = tuple,
        own_of: Callable[[str], OwnValues] = lambda _: NO_SEGMENTS,
    ) -> None:
        self._model = model
        self._grid_of = grid_of
        self._named = named
        self._own_of = own_of
        self._places: dict[Place, PartitionState] = {}
        self._versions: dict[int, set[str]] = {}
        self._kept_ids = 0
        self._reset()

    def _reset(self) -> None:
        self._windows: dict[WindowKey, Delta] = {}
        self._held = HeldRows()
        self._cells = 0
        self._ids: dict[tuple[Place, datetime], list[Hashes]] = {}
        self._untimed = 0
        self._crowded: Counter[datetime] = Counter()
        self._unremembered: Counter[datetime] = Counter()

    def restart(self, versions: Mapping[int, Collection[str]] | None = None) -> None:
        """Forget everything. ``versions``: by the start of each window not yet sealed (microseconds), those stored for it."""
        self._places, self._kept_ids = {}, 0
        self._versions = {start: {*names} - {OTHER_VERSIONS} for start, names in (versions or {}).items()}
        self._reset()

    def assign(self, place: Place, *, seed: int, max_time: int | None, seen: Mapping[int, Hashes]) -> None:
        """Begin a partition from its stored state; ``seen`` holds id hashes by window start (microseconds), the latest kept first."""
        self._kept_ids -= sum(map(len, self._places[place].seen.values())) if place in self._places else 0
        state = self._places[place] = PartitionState(seed=seed, max_time=max_time)
        for start in sorted(seen, reverse=True):
            state.seen[start] = IdSet(seen[start][: self._room])
            self._kept_ids += len(state.seen[start])

    @property
    def _room(self) -> int:
        """How many more ids may be kept."""
        return max(self._model.dedupe_ids - self._kept_ids, 0)

    def max_time(self, place: Place) -> int | None:
        """The latest event time folded from a partition, in microseconds."""
        return self._places[place].max_time

    def fold(self, place: Place, batch: Batch) -> Account:
        """Take a batch in; the account says where its messages went."""
        state = self._places[place]
        total = Account()
        for fault in batch.faults:
            total += self._book_fault(fault)
        if len(batch):
            lateness = judge_lateness(batch.times, size=self._model.window, allowed=self._model.allowed_lateness, max_time=state.max_time)
            state.max_time = lateness.max_time
            starts = window_starts(batch.times, self._model.window)
            for start in np.unique(starts).tolist():
                total += self._fold_window(place, start, batch, starts == start, lateness.late)
            self._forget_sealed(state)
        return total

    @property
    def full(self) -> bool:
        """Whether what was gained is to be drained before anything more is folded."""
        return self._cells >= MOST_CELLS

    def drain(self) -> Folded:
        """Hand over what was gained, and start from nothing."""
        self._fold_held()
        gained = Folded(
            windows=self._windows,
            ids={key: np.concatenate(chunks) for key, chunks in self._ids.items()},
            untimed=self._untimed,
            crowded=self._crowded,
            unremembered=self._unremembered,
        )
        self._reset()
        return gained

    def _delta(self, version: str, start: datetime, segment: str = ALL_ROWS) -> Delta:
        key = WindowKey(model=self._model.name, version=version, segment=segment, start=start, end=start + self._model.window)
        return self._windows.setdefault(key, Delta())

    def _book_fault(self, fault: Fault) -> Account:
        account = Account(quarantined=1)
        if fault.time is None:
            self._untimed += 1
        else:
            start, _ = window_of(from_micros(fault.time), self._model.window)
            version = fault.version or NO_VERSION
            self._delta(version if self._has_own_window(to_micros(start), version) else OTHER_VERSIONS, start).account += account
        return account

    def _fold_window(self, place: Place, start: int, batch: Batch, rows: Flags, late: Flags) -> Account:
        """The rows of one window. An id counts once in it, whatever the version: the first row in the order of offsets."""
        counted = rows & ~late
        if self._model.dedupe and batch.ids is not None and counted.any():
            counted = self._first_seen(place, start, batch.ids, counted)
        total = Account()
        for version, own in self._by_version(start, batch, rows):
            total += self._add(place, from_micros(start), version, batch, own & counted, own & late, own)
            if self._model.segments and version != OTHER_VERSIONS:
                self._add_segments(from_micros(start), version, batch, counted, late, np.flatnonzero(own))
        return total

    def _add(self, place: Place, start: datetime, version: str, batch: Batch, counted: Flags, late: Flags, rows: Flags) -> Account:
        n, tardy = int(counted.sum()), int(late.sum())
        account = Account(counted=n, late=tardy, duplicate=int(rows.sum()) - n - tardy)
        delta = self._delta(version, start)
        delta.account += account
        if n:
            profile = self._kept(delta, partial(self._empty, version))
            usable, seed = batch if n == len(batch) else batch.take(counted), self._places[place].seed
            profile.fold(usable, topic_seed=seed)
            kept = predicted_of(usable, self._model, self._own_of(version) if self._model.segments else NO_SEGMENTS, seed)
            delta.kept += [] if kept is None else [kept]
        return account

    def _empty(self, version: str) -> Profile:
        grid = self._grid_of(version)
        return Profile.empty(grid, sample_rows(self._model, grid))

    def _kept(self, delta: Delta, empty: Callable[[], Profile]) -> Profile:
        if delta.profile is None:
            delta.profile = empty()
            self._cells += len(delta.profile.columns)
        return delta.profile

    def _add_segments(self, start: datetime, version: str, batch: Batch, counted: Flags, late: Flags, at: Ints) -> None:
        """The rows of one version again, by segment: each of them, counted or not, is in one segment of each segment column."""
        own = self._own_of(version)
        for column, values in own.items():
            slots, names = slots_of(batch.columns.get(column), len(batch), values), segments_of(values)
            for slot, here in grouped(slots, at).items():
                n, tardy = int(counted[here].sum()), int(late[here].sum())
                delta = self._delta(version, start, segment_text(column, names[slot]))
                delta.account += Account(counted=n, late=tardy, duplicate=len(here) - n - tardy)
                if n:
                    self._kept(delta, partial(Profile.lean, self._grid_of(version)))
        usable = at[counted[at]]
        if own and len(usable):
            self._held.add(version, start, own, batch if len(usable) == len(batch) else batch.take(usable))
            if self._held.full:
                self._fold_held()

    def _fold_held(self) -> None:
        """Segments are lean: the rows of the window's sample tell their segment, and columns together are judged over all rows."""
        for held in self._held.take():
            batch = held.batch
            for column, values in held.own.items():
                slots, names = slots_of(batch.columns.get(column), len(batch), values), segments_of(values)
                for slot, here in grouped(slots, np.arange(len(batch))).items():
                    profile = self._delta(held.version, held.start, segment_text(column, names[slot])).profile
                    if profile is not None:
                        profile.fold(batch.take(here))

    def _first_seen(self, place: Place, start: int, ids: Hashes, rows: Flags) -> Flags:
        at = np.flatnonzero(rows)
        added = self._places[place].seen.setdefault(start, IdSet()).add(ids[at], self._room)
        new, kept = at[added.new], at[added.kept]
        if len(kept):
            self._ids.setdefault((place, from_micros(start)), []).append(ids[kept])
            self._kept_ids += len(kept)
        if len(new) > len(kept):
            self._unremembered[from_micros(start)] += len(new) - len(kept)
        flags = np.zeros(len(rows), dtype=np.bool_)
        flags[new] = True
        return flags

    def _by_version(self, start: int, batch: Batch, rows: Flags) -> Iterator[tuple[str, Flags]]:
        """The rows of each version that has a window of its own, in the order that they appear; then those of all others."""
        versions = batch.versions
        if versions is None:
            yield NO_VERSION, rows
            return
        crowd: list[int] = []
        codes, first = np.unique(versions.codes[rows], return_index=True)
        for code in codes[np.argsort(first)].tolist():
            version = versions.dictionary[code] if code >= 0 else "unknown"
            if self._has_own_window(start, version):
                yield version, rows & (versions.codes == code)
            else:
                crowd.append(code)
        if crowd:
            others = rows & np.isin(versions.codes, crowd)
            self._crowded[from_micros(start)] += int(others.sum())
            yield OTHER_VERSIONS, others

    def _has_own_window(self, start: int, version: str) -> bool:
        """Whether a version is one of the first ``max_versions`` of a window, or one that always has its own."""
        known = self._versions[start] = self._versions.pop(start, set())  # to the end: it had rows last
        if len(self._versions) > VERSIONED_WINDOWS:
            del self._versions[next(iter(self._versions))]
        if version not in known:
            if len(known) >= self._model.max_versions and version not in self._named():
                return False
            known.add(version)
        return True

    def _forget_sealed(self, state: PartitionState) -> None:
        """Ids of windows that take no more rows from this partition."""
        if state.max_time is None:
            return
        step = (self._model.window + self._model.allowed_lateness) // MICROSECOND
        for start in [s for s in state.seen if s + step <= state.max_time]:
            self._kept_ids -= len(state.seen.pop(start))


def sample_rows(model: Model, grid: Grid) -> int:
    """How many rows of a window are kept: more while a grid is still to be fitted to them, none where none are wanted."""
    waiting = model.merges and model.sample_rows and grid == Grid.blank(model.columns)
    return max(model.sample_rows, GRID_ROWS) if waiting else model.sample_rows
