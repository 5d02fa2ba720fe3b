"""What each window is compared with: a stored reference, a merge of stored windows, or the stable version's window of the same time."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from monitor.core.finding import BROKEN
from monitor.core.merged import GRID_ROWS, canary_reference, learned_reference, sampled_reference
from monitor.core.profile import Grid
from monitor.core.recipes import Candidate, Choice, Past, choose, least, past_of, slots
from monitor.core.reference import ANY_VERSION, Reference, Source, source_of
from monitor.core.results import ALL_ROWS, OTHER_VERSIONS, WindowKey
from monitor.core.rules import Model, Recipe, Rolling
from monitor.core.schema import Role, rfc3339
from monitor.log import Action, logger
from monitor.pipeline.kept_windows import of_version, profiles_of, segments_of
from monitor.pipeline.references import References
from monitor.ports import Clock, HistoryStore, StoredReference, StoredWindow

log = logger(__name__)

GRID_WINDOWS = 200
"""A grid is fitted to the samples of the last so many windows at most."""
MOST_KEPT_COLUMNS = 10_000
"""Columns of merged references kept in memory, 2 to 8 kB each: 200 references of 50 columns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standard:
    """What a window is judged by. ``damage`` and ``unready`` say why there is no reference, where more is known than that."""

    reference: Reference | None = None
    unready: str = ""
    damage: str = ""


class StandardStore(HistoryStore, Protocol):
    """What is read of the store, and where a fitted grid is kept."""

    def references(self, model: str | None = None) -> Sequence[StoredReference]:
        """The list, by model and number."""

    def add_reference(self, reference: Reference, *, activate: bool, at: datetime) -> Reference:
        """Number and keep it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """What one judged window of a model may learn from: read once for all its versions. ``candidates`` are of all rows."""

    recipe: Recipe
    past: Past
    starts: tuple[datetime, ...]
    candidates: Sequence[Candidate]
    grid: Grid


MergedKey = tuple[str, str | None, str, tuple[str, ...], tuple[datetime, ...]]
"""Model, version (None: all), grid, segment columns and windows: what a merged reference is made of."""


class Standards:
    """Finds what windows are judged by. Nothing but the store's contents and the window decides it, so every replica finds the same."""

    def __init__(self, store: StandardStore, references: References, clock: Clock) -> None:
        self._store = store
        self._references = references
        self._clock = clock
        self._merged: OrderedDict[MergedKey, Reference] = OrderedDict()

    def of(self, model: Model, windows: Sequence[StoredWindow]) -> Mapping[WindowKey, Standard]:
        """What each version and segment of one window is compared with; ``windows`` are all of them. Segments are parts of a version's."""
        shelf = self._shelf(model, windows[0].key.start) if windows else None
        versions = dict.fromkeys(window.key.version for window in windows)
        found = {version: self._one(model, version, windows, shelf) for version in versions}
        return {window.key: found[window.key.version] for window in windows}

    def fit(self, model: Model, start: datetime) -> Reference | None:
        """Fit a grid to the row samples of the windows up to the sealed one that starts then, where the model merges and has none.

        Called before that window is judged: a replica that comes later, or again after a crash, finds the same grid or makes it.
        """
        if not model.merges or not model.sample_rows or self._has_grid(model):
            return None
        starts = [start - back * model.window for back in range(GRID_WINDOWS)]
        blank = Grid.blank(model.columns)
        enough = _until_enough(self._store.candidates(model.name, starts, segment=ALL_ROWS), blank)
        if not enough or any(stored.active for stored in self._store.references(model.name)):
            return None
        found = self._store.windows_at(model.name, enough, segment=ALL_ROWS, version=None)
        sampled = [(w.key.start, w.profile) for w in found if w.profile is not None and w.profile.grid == blank]
        fitted = sampled_reference(sampled, model.columns, model=model.name, window=model.window)
        if fitted is None:
            return None
        kept = self._store.add_reference(fitted, activate=True, at=self._clock.now())
        self._references.forget(model.name)
        log.info("a grid was fitted to row samples: windows from now on can be compared", action=Action.REFERENCE_ADDED,
                 model=model.name, reference=kept.number, rows=fitted.profile.rows, windows=len(enough))
        return kept

    def _has_grid(self, model: Model) -> bool:
        return bool(self._references.versions(model.name))

    def _shelf(self, model: Model, start: datetime) -> Shelf | None:
        if model.recipe is None or not self._has_grid(model):
            return None
        past = past_of(self._store.disturbances(model.name, start), start)
        starts = slots(model.recipe, start, model.window, past)
        return Shelf(recipe=model.recipe, past=past, starts=starts, grid=self._references.grid(model, ANY_VERSION),
                     candidates=self._store.candidates(model.name, starts, segment=ALL_ROWS))

    def _one(self, model: Model, version: str, windows: Sequence[StoredWindow], shelf: Shelf | None) -> Standard:
        if model.merges and not self._has_grid(model):
            return Standard(unready=_no_grid(model))
        if model.stable and version != model.stable:
            return _canary(model, version, windows)
        if shelf is None:
            return self._stored(model, version)
        try:
            return self._learned(model, version, shelf)
        except BROKEN as error:  # this version's trouble alone
            return Standard(damage=f"its reference cannot be merged: {error}")

    # --- merged from the past --------------------------------------------------------------------------------

    def _learned(self, model: Model, own: str, shelf: Shelf) -> Standard:
        """From the version's own windows; from those of all versions while it has too few; until then from a stored reference.

        Where a person called a change expected, stored references are of the time before it, and are not gone back to.
        """
        needed, choices = least(shelf.recipe, model.window), []
        for version in (own, None):
            choice = choose(shelf.starts, of_version(shelf.candidates, version), shelf.grid.hash, model.min_rows)
            if len(choice.starts) >= needed:
                reference, choice = self._merge(model, version, shelf, choice)
                if reference is not None:
                    return Standard(reference=reference)
            choices.append(choice)
        if shelf.past.begins is None:
            stored = self._stored(model, own)
            if stored.reference is not None or stored.damage:
                return stored
        fullest = max(choices, key=lambda choice: len(choice.starts))
        since = "" if shelf.past.begins is None else f", since {rfc3339(shelf.past.begins)}, which a person called expected"
        return Standard(unready=fullest.told(shelf.recipe, model.window) + since)

    def _merge(self, model: Model, version: str | None, shelf: Shelf, choice: Choice) -> tuple[Reference | None, Choice]:
        """The reference, from memory where it was merged before; None where too many of the windows turn out to be damaged."""
        key = (model.name, version, shelf.grid.hash, model.segments, choice.starts)
        known = self._merged.get(key)
        if known is not None:
            self._merged.move_to_end(key)
            return known, choice
        profiles, choice = profiles_of(self._store, model, version, ALL_ROWS, choice)
        if len(profiles) < least(shelf.recipe, model.window):
            return None, choice
        left_out = {str(why): count for why, count in sorted(choice.left_out.items())}
        reference = learned_reference(
            shelf.recipe, profiles, model=model.name, version=version or ANY_VERSION, window=model.window, notes={"left_out": left_out},
            names=[column.name for column in model.columns if column.role is not Role.LABEL],
            segments=segments_of(self._store, model, version, shelf.grid.hash, choice, least(shelf.recipe, model.window)),
        )  # fmt: skip
        if isinstance(shelf.recipe, Rolling):  # the others are of one window each
            self._keep(key, reference)
        return reference, choice

    def _keep(self, key: MergedKey, reference: Reference) -> None:
        self._merged[key] = reference
        kept = sum(map(_columns, self._merged.values()))
        while kept > MOST_KEPT_COLUMNS and len(self._merged) > 1:
            kept -= _columns(self._merged.popitem(last=False)[1])

    # --- stored ----------------------------------------------------------------------------------------------

    def _stored(self, model: Model, version: str) -> Standard:
        """The active reference of a version, else of "*". One that was made of row samples gives the grid alone."""
        damage = self._references.damage(model.name, version)
        reference = self._references.of(model.name, version)
        if reference is not None and source_of(reference.provenance) == Source.SAMPLES:
            rows = reference.profile.rows
            return Standard(unready=f"reference {reference.number} gives the grid only: it was fitted to {rows:,} sampled rows")
        return Standard(reference=reference, damage=damage)


def _canary(model: Model, version: str, windows: Sequence[StoredWindow]) -> Standard:
    """The stable version's window of the same time: the rhythm of the day and what the world does are in both."""
    if version == OTHER_VERSIONS:
        return Standard()
    stable = {window.key.segment: window for window in windows if window.key.version == model.stable}
    whole = stable.get(ALL_ROWS)
    if whole is not None and whole.damage:
        return Standard(damage=f"the window of the stable version {model.stable!r}: {whole.damage}")
    rows, needed = 0 if whole is None or whole.profile is None else whole.profile.rows, max(model.min_rows, 1)
    if whole is None or whole.profile is None or rows < needed:
        return Standard(unready=f"the stable version {model.stable!r} has {rows:,} rows in this window, fewer than min_rows {needed:,}")
    grid, parts = whole.profile.grid, {name: window.profile for name, window in stable.items() if name != ALL_ROWS}
    segments = {name: part for name, part in parts.items() if part is not None and part.rows >= needed and part.grid == grid}
    return Standard(reference=canary_reference(whole.profile, model=model.name, version=model.stable, start=whole.key.start,
                                               window=model.window, segments=segments))


def _columns(reference: Reference) -> int:
    """How many columns' profiles a reference holds."""
    return len(reference.profile.columns) * (1 + sum(map(len, reference.segments.values())))


def _until_enough(candidates: Sequence[Candidate], blank: Grid) -> list[datetime]:
    """The starts of the latest windows whose samples may hold ``GRID_ROWS`` together; empty where all do not."""
    rows: dict[datetime, int] = {}
    for candidate in candidates:
        if candidate.grid == blank.hash:
            start = candidate.key.start
            rows[start] = rows.get(start, 0) + min(candidate.rows, GRID_ROWS)
    total, taken = 0, []
    for start in sorted(rows, reverse=True):
        total += rows[start]
        taken.append(start)
        if total >= GRID_ROWS:
            return sorted(taken)
    return []


def _no_grid(model: Model) -> str:
    if not model.sample_rows:
        return "no grid yet: sample_rows is 0, so none can be fitted; build a reference from a file"
    return f"no grid yet: it is fitted once {GRID_ROWS:,} rows were sampled from at most {GRID_WINDOWS} windows"
