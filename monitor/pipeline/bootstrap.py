"""The reference of a version that came without one: its own first windows, once there are enough good ones."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta

from monitor.core.recipes import Disturbance, past_of
from monitor.core.reference import ANY_VERSION, Reference, Source, source_of
from monitor.core.results import ALL_ROWS, OTHER_VERSIONS
from monitor.core.retraining import Retraining, RetrainingState
from monitor.core.rules import Model, Switch
from monitor.core.schema import rfc3339
from monitor.errors import UsageError
from monitor.log import Action, logger
from monitor.pipeline.from_windows import references_from_windows, starts_within
from monitor.pipeline.references import References
from monitor.ports import Clock, Store, StoredWindow

log = logger(__name__)

USUAL = 7
"""Windows that a version which a retraining announced is learned from, where nothing is configured: a week of days."""
REACH = 8
"""So many times the windows asked for are looked back over: with fewer good ones among them nothing usual is to be seen."""
LABELS_WITHIN = 3
"""Windows after the labels of the first ones are in: so long it is looked for them."""


class Bootstrap:
    """Called before a window is judged: a replica that comes later, or again after a crash, finds the same reference or makes it."""

    def __init__(self, store: Store, references: References, clock: Clock) -> None:
        self._store = store
        self._references = references
        self._clock = clock

    def due(self, model: Model, windows: Sequence[StoredWindow]) -> list[Reference]:
        """Give every version among the windows of one start its reference, where it has none and enough of its windows are good."""
        if model.merges or model.bootstrap is Switch.OFF or not windows:
            return []
        start = windows[0].key.start
        own = sorted({w.key.version for w in windows if w.key.segment == ALL_ROWS and w.key.version != OTHER_VERSIONS})
        made = [self._made(model, version, start) for version in own]
        return [reference for reference in made if reference is not None]

    def _made(self, model: Model, version: str, start: datetime) -> Reference | None:
        active = self._references.versions(model.name)
        if version in active:
            return self._with_labels(model, version, start)
        announced = self._announced(model, version)
        wanted = _wanted(model, announced=bool(announced), elsewhere=bool(active) and ANY_VERSION not in active)
        return None if wanted is None else self._first(model, version, start, wanted, announced)

    def _first(self, model: Model, version: str, start: datetime, wanted: int, announced: Sequence[Retraining]) -> Reference | None:
        begin = start - REACH * wanted * model.window
        found = self._store.candidates(model.name, starts_within(model, begin, start), segment=ALL_ROWS)
        mine = sorted(c.key.start for c in found if c.key.version == version and c.rows >= max(model.min_rows, 1) and not c.incomplete)
        disturbed = self._disturbed(model, mine, start, announced)
        good = [at for at in mine if at not in disturbed]
        if len(good) < wanted:
            return None
        without = disturbed | {at for at in mine if at not in good}
        return self._added(model, version, (good[0], good[wanted - 1] + model.window), without, labelled=False)

    def _added(self, model: Model, version: str, span: tuple[datetime, datetime], without: Collection[datetime], *,
               labelled: bool) -> Reference | None:
        known, (start, end) = self._newest(model), span
        try:
            built = references_from_windows(
                self._store, model, version, start, end, source=Source.BOOTSTRAPPED, without=without,
                labelled=labelled, known=None if known is None else known.performance,
            )
        except UsageError as error:  # they are on another grid, or damaged: there will be others
            log.info("a version has no reference yet", action=Action.REFERENCE_ADDED, model=model.name, version=version, detail=str(error))
            return None
        kept = self._store.add_reference(built, activate=True, at=self._clock.now())
        self._references.forget(model.name)
        log.warning("a version got a reference of its first windows", action=Action.REFERENCE_ADDED, model=model.name, version=version,
                    reference=kept.number, since=rfc3339(start), until=rfc3339(end), labelled=kept.performance is not None)
        return kept

    def _with_labels(self, model: Model, version: str, start: datetime) -> Reference | None:
        """The same windows again, once their labels are in: then the reference knows how well the version does."""
        if not model.awaits_labels:
            return None
        has = self._references.of(model.name, version)
        if has is None or has.performance is not None or source_of(has.provenance) != Source.BOOTSTRAPPED:
            return None
        begin, end = _times(has)
        in_since = start - (end + model.label_delay)
        if not timedelta() <= in_since < LABELS_WITHIN * model.window:
            return None
        starts = starts_within(model, begin, end)
        found = self._store.candidates(model.name, starts, segment=ALL_ROWS)
        mine = [c.key.start for c in found if c.key.version == version and c.rows]
        left_out = self._disturbed(model, mine, start, self._announced(model, version))
        built = self._added(model, version, (begin, end), left_out, labelled=True)
        return built if built is not None and built.hash != has.hash else None

    def _announced(self, model: Model, version: str) -> list[Retraining]:
        """The requests to retrain that this version came of."""
        if model.retraining is None:
            return []
        done = (r for r in self._store.retrainings(model=model.name) if r.state is RetrainingState.SUCCEEDED)
        return [r for r in done if r.new_version == version]

    def _disturbed(self, model: Model, starts: Iterable[datetime], at: datetime, announced: Sequence[Retraining]) -> set[datetime]:
        """Starts within incidents. The one that a version was trained to end is about the version before it."""
        asked = {found.since for r in announced if r.incident and (found := self._store.incident(r.incident)) is not None}
        others: list[Disturbance] = [d for d in self._store.disturbances(model.name, at) if d.since not in asked]
        past = past_of(others, at)
        return {
            start for start in starts
            if (past.begins is not None and start < past.begins)
            or any(since < start + model.window and (until is None or start < until) for since, until in past.spans)
        }

    def _newest(self, model: Model) -> Reference | None:
        """The reference whose classes the new one keeps."""
        active = self._references.versions(model.name)
        return self._references.of(model.name, active[-1]) if active else None


def _wanted(model: Model, *, announced: bool, elsewhere: bool) -> int | None:
    """How many windows are learned from; None: nothing is. ``elsewhere``: all that is active is for other versions."""
    if isinstance(model.bootstrap, int):
        return model.bootstrap if announced or elsewhere else None
    return USUAL if announced else None


def _times(reference: Reference) -> tuple[datetime, datetime]:
    first, last = (datetime.fromisoformat(str(text)) for text in list(reference.provenance["time_range"]))  # type: ignore[call-overload]
    return first, last
