"""The references that the pipeline works with, looked up once in a while instead of at every row."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from monitor.core.fold import NO_SEGMENTS
from monitor.core.profile import Grid
from monitor.core.reference import ANY_VERSION, Reference
from monitor.core.rules import Model
from monitor.core.segments import OwnValues, own_values
from monitor.errors import DecodeError
from monitor.log import Action, logger
from monitor.ports import Clock, ReferenceStore

log = logger(__name__)


@dataclass(slots=True, kw_only=True)
class Known:
    """What was found in the store for one model at one moment (monotonic seconds). ``damage``: by version, why it cannot be read."""

    at: float
    versions: tuple[str, ...]
    newest: str | None
    references: dict[str, Reference | None] = field(default_factory=dict)
    damage: dict[str, str] = field(default_factory=dict)
    own: dict[str, OwnValues] = field(default_factory=dict)


class References:
    """Which reference, and so which grid, belongs to a version: its own, else that of ``*``. Safe to share by threads."""

    def __init__(self, store: ReferenceStore, clock: Clock, *, keep: timedelta = timedelta(seconds=10)) -> None:
        self._store = store
        self._clock = clock
        self._keep = keep.total_seconds()
        self._known: dict[str, Known] = {}
        self._lock = threading.Lock()

    def of(self, model: str, version: str) -> Reference | None:
        """The active reference to judge a version by, or None."""
        with self._lock:
            known = self._refreshed(model)
            return self._load(model, version, known) or self._load(model, ANY_VERSION, known)

    def damage(self, model: str, version: str) -> str:
        """Why the active reference of a version cannot be read; empty where it can, or where there is none."""
        with self._lock:
            known = self._refreshed(model)
            if self._load(model, version, known) is not None:
                return ""
            return known.damage.get(version) or known.damage.get(ANY_VERSION, "")

    def versions(self, model: str) -> tuple[str, ...]:
        """The versions that have an active reference, sorted."""
        with self._lock:
            return self._refreshed(model).versions

    def forget(self, model: str) -> None:
        """Look anew at the next question: the store has another reference."""
        with self._lock:
            self._known.pop(model, None)

    def grid(self, model: Model, version: str) -> Grid:
        """The grid to count a version's rows on; a version without reference uses the newest one's, so that its rows still show.

        Where windows are compared with windows, all versions are counted on one grid: that of the stable version, else of "*".
        """
        version = _counted_as(model, version)
        reference = self.of(model.name, version)
        if reference is None:
            with self._lock:
                known = self._refreshed(model.name)
                reference = self._load(model.name, known.newest, known) if known.newest is not None else None
        return Grid.blank(model.columns) if reference is None else reference.grid

    def own_values(self, model: Model, version: str) -> OwnValues:
        """The values of a version that have segments of their own; none of a version without a reference, which is not judged."""
        version = _counted_as(model, version)
        reference = self.of(model.name, version) if model.segments else None
        if reference is None:
            return NO_SEGMENTS
        with self._lock:
            known = self._refreshed(model.name).own
            if version not in known:
                known[version] = own_values(reference, model)
            return known[version]

    def _refreshed(self, model: str) -> Known:
        known = self._known.get(model)
        if known is None or self._clock.monotonic() - known.at > self._keep:
            active = [r for r in self._store.references(model) if r.active]
            newest = max(active, key=lambda r: r.number, default=None)
            versions = tuple(sorted(r.version for r in active))
            kept = {} if known is None else _still(known.references, {r.version: r.hash for r in active})
            known = Known(at=self._clock.monotonic(), versions=versions, newest=newest.version if newest else None, references=kept)
            self._known[model] = known
        return known

    def _load(self, model: str, version: str, known: Known) -> Reference | None:
        if version not in known.versions:
            return None
        if version not in known.references:
            known.references[version] = self._read(model, version, known)
        return known.references[version]

    def _read(self, model: str, version: str, known: Known) -> Reference | None:
        """A stored document that was tampered with is no reference: its model is told so, and no other is touched."""
        try:
            return self._store.active_reference(model, version)
        except DecodeError as error:
            known.damage[version] = f"its reference cannot be read: {error}"
            log.error("a reference cannot be read", action=Action.REFERENCE_DAMAGED, model=model, version=version, detail=str(error))
            return None


def _counted_as(model: Model, version: str) -> str:
    """The version whose reference gives the grid and the segments."""
    return (model.stable or ANY_VERSION) if model.merges else version


def _still(loaded: Mapping[str, Reference | None], active: Mapping[str, str]) -> dict[str, Reference | None]:
    """Of the loaded references those that are still active, by their hash: a document with many segments takes long to read."""
    return {version: found for version, found in loaded.items() if found is not None and active.get(version) == found.hash}
