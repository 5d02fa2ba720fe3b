"""Folding: batches of one partition become account and profile deltas of windows, the same whatever the batches were."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np

from monitor.core.ids import IdSet
from monitor.core.profile import Grid, Profile
from monitor.core.results import Account, WindowKey
from monitor.core.rules import Model
from monitor.core.schema import Batch, CategoricalValues, Fault, Flags, Hashes, from_micros
from monitor.core.windows import judge_lateness, window_of, window_starts

NO_VERSION = "*"  # the version of rows whose stream maps none
Place = tuple[str, int]  # topic and partition


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded:
    """All that was gained since the last drain: windows, and by place and window start the ids newly counted."""

    windows: Mapping[WindowKey, Delta]
    ids: Mapping[tuple[Place, datetime], Hashes]
    untimed: int


class Folder:
    """Folds the rows of one model. ``grid_of`` gives the grid that the rows of a version are counted on."""

    def __init__(self, model: Model, grid_of: Callable[[str], Grid]) -> None:
        self._model = model
        self._grid_of = grid_of
        self._places: dict[Place, PartitionState] = {}
        self._windows: dict[WindowKey, Delta] = {}
        self._ids: dict[tuple[Place, datetime], list[Hashes]] = {}
        self._untimed = 0

    def assign(self, place: Place, *, seed: int, max_time: int | None, seen: Mapping[int, Hashes]) -> None:
        """Begin a partition from its stored state; ``seen`` holds id hashes by window start (microseconds)."""
        self._places[place] = PartitionState(seed=seed, max_time=max_time, seen={start: IdSet(h) for start, h in seen.items()})

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
            for start, version, rows in _groups(batch, window_starts(batch.times, self._model.window)):
                total += self._fold_window(place, state, start, version, batch, rows, lateness.late)
            self._forget_sealed(state)
        return total

    def drain(self) -> Folded:
        """Hand over what was gained, and start from nothing."""
        gained = Folded(
            windows=self._windows,
            ids={key: np.concatenate(chunks) for key, chunks in self._ids.items()},
            untimed=self._untimed,
        )
        self._windows, self._ids, self._untimed = {}, {}, 0
        return gained

    def _delta(self, version: str, start: datetime) -> Delta:
        key = WindowKey(model=self._model.name, version=version, start=start, end=start + self._model.window)
        return self._windows.setdefault(key, Delta())

    def _book_fault(self, fault: Fault) -> Account:
        account = Account(quarantined=1)
        if fault.time is None:
            self._untimed += 1
        else:
            start, _ = window_of(from_micros(fault.time), self._model.window)
            self._delta(fault.version or NO_VERSION, start).account += account
        return account

    def _fold_window(
        self, place: Place, state: PartitionState, start: int, version: str, batch: Batch, rows: Flags, late: Flags
    ) -> Account:
        delta = self._delta(version, from_micros(start))
        counted = rows & ~late
        in_time = int(counted.sum())
        if self._model.dedupe and batch.ids is not None and in_time:
            counted = self._first_seen(place, state, start, batch.ids, counted)
        n = int(counted.sum())
        account = Account(counted=n, late=int(rows.sum()) - in_time, duplicate=in_time - n)
        delta.account += account
        if n:
            if delta.profile is None:
                delta.profile = Profile.empty(self._grid_of(version), sample_rows=self._model.sample_rows)
            delta.profile.fold(batch if n == len(batch) else batch.take(counted), topic_seed=state.seed)
        return account

    def _first_seen(self, place: Place, state: PartitionState, start: int, ids: Hashes, rows: Flags) -> Flags:
        at = np.flatnonzero(rows)
        new = at[state.seen.setdefault(start, IdSet()).add_new(ids[at])]
        if len(new):
            self._ids.setdefault((place, from_micros(start)), []).append(ids[new])
        flags = np.zeros(len(rows), dtype=np.bool_)
        flags[new] = True
        return flags

    def _forget_sealed(self, state: PartitionState) -> None:
        if state.max_time is None:
            return
        step = self._model.window + self._model.allowed_lateness
        for start in [s for s in state.seen if from_micros(s) + step <= from_micros(state.max_time)]:
            del state.seen[start]


def _groups(batch: Batch, starts: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Iterator[tuple[int, str, Flags]]:
    """The rows of each window and version, in the order of windows, then of versions."""
    for start in np.unique(starts):
        in_window = starts == start
        if batch.versions is None:
            yield int(start), NO_VERSION, in_window
        else:
            yield from ((int(start), version, rows) for version, rows in _by_version(batch.versions, in_window))


def _by_version(versions: CategoricalValues, in_window: Flags) -> Iterator[tuple[str, Flags]]:
    for code in np.unique(versions.codes[in_window]):
        name = versions.dictionary[code] if code >= 0 else "unknown"
        yield name, in_window & (versions.codes == code)
