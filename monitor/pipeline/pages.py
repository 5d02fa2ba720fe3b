"""A page about the window in which an incident fired, made beside judging: it may fail, and holds up no verdict and no message."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from monitor.core.incidents import Incident
from monitor.core.results import ALL_ROWS, Verdict
from monitor.core.rules import Model
from monitor.errors import Permanent, Retryable
from monitor.log import Action, logger
from monitor.metrics import Metrics, PageOutcome
from monitor.pipeline.references import References
from monitor.pipeline.standards import Standards
from monitor.ports import Clock, PageMaker, PageShelf, Store, StoredWindow

log = logger(__name__)

MOST_ATTEMPTS = 3
"""Of one incident's page, by one process."""
AGAIN_AFTER = timedelta(minutes=1)


class NothingToShow(Exception):
    """The window has no page, and never will: why, for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tries:
    """Attempts that failed, and when the last one did (monotonic seconds)."""

    count: int = 0
    at: float = 0.0


class IncidentPages:
    """Sees that each of the newest incidents that fired has a page, as many as the shelf keeps. Used by one thread at a time.

    What is missing is told by the store and the shelf alone, so that nothing is lost by a stop or a crash.
    """

    def __init__(self, *, store: Store, models: Sequence[Model], clock: Clock, maker: PageMaker, shelf: PageShelf,
                 metrics: Metrics) -> None:
        self._store = store
        self._models = {model.name: model for model in models}
        self._clock = clock
        self._maker = maker
        self._shelf = shelf
        self._metrics = metrics
        self._tries: dict[str, _Tries] = {}
        self._trouble = ""

    def sweep(self) -> bool:
        """Write one page that is missing; whether one was tried. What fails is told, and tried again a few times.

        Raises Retryable where the store is away, or when told to stop in the middle of it.
        """
        incident = self._found()
        if incident is None:
            return False
        try:
            self._shelf.put(incident.id, self._page(self._models[incident.model], incident))
        except NothingToShow as why:
            self._tries[incident.id] = _Tries(count=MOST_ATTEMPTS)
            self._tell(incident, PageOutcome.EMPTY, str(why))
        except Retryable:
            raise
        except Exception as error:  # a full disk, a dead worker, a fault of ours: the daemon goes on without the page
            self._tries[incident.id] = _Tries(count=self._tries.get(incident.id, _Tries()).count + 1, at=self._clock.monotonic())
            self._tell(incident, PageOutcome.FAILED, str(error) if isinstance(error, Permanent) else f"{type(error).__name__}: {error}")
        else:
            self._tell(incident, PageOutcome.WRITTEN, "")
        return True

    def finish(self, seconds: float) -> None:
        """Write all that are missing, for so long at most."""
        until = self._clock.monotonic() + seconds
        try:
            while self._clock.monotonic() < until and self.sweep():
                pass
        except Retryable as error:
            log.warning("pages of incidents are left to the next start", action=Action.INCIDENT_PAGE, detail=str(error))

    def _found(self) -> Incident | None:
        """What is due; None, and told once, where that cannot be known: a store that others stop for is none of ours to stop for."""
        try:
            found, self._trouble = self._due(), ""
        except Retryable:
            raise
        except Exception as error:
            said = f"{type(error).__name__}: {error}"
            if said != self._trouble:
                log.exception("pages of incidents cannot be looked after", action=Action.INCIDENT_PAGE)
            self._trouble = said
            return None
        return found

    def _due(self) -> Incident | None:
        """The oldest of the newest that has no page and may be tried now."""
        fired = [incident for name in self._models for incident in self._store.incidents(model=name, newest=self._shelf.keep)
                 if incident.fired_at is not None and incident.condition is None]
        newest = sorted(fired, key=_when)[-self._shelf.keep:]
        self._tries = {incident.id: self._tries[incident.id] for incident in newest if incident.id in self._tries}
        there = self._shelf.ids()
        return next((incident for incident in newest if incident.id not in there and self._may_try(incident.id)), None)

    def _may_try(self, id: str) -> bool:
        tries = self._tries.get(id, _Tries())
        rested = not tries.count or self._clock.monotonic() - tries.at >= AGAIN_AFTER.total_seconds()
        return tries.count < MOST_ATTEMPTS and rested

    def _page(self, model: Model, incident: Incident) -> str:
        """Raises NothingToShow, and what the maker raises."""
        if incident.fired_at is None:
            raise NothingToShow("it has not fired")
        windows = self._store.windows(model.name, incident.fired_at - model.window)
        window = self._worst(model, windows)
        standard = Standards(self._store, References(self._store, self._clock), self._clock).of(model, windows)[window.key]
        if standard.reference is None:
            raise NothingToShow(standard.damage or standard.unready or f"version {window.key.version!r} has no reference")
        if window.profile is None or window.profile.grid != standard.reference.grid:
            raise NothingToShow("the window was counted before its reference came: they cannot be compared")
        return self._maker.page(window.key, window.profile, standard.reference, model)

    def _worst(self, model: Model, windows: Sequence[StoredWindow]) -> StoredWindow:
        """All rows of one version: of those that alert, of all where none does, the one with most rows. Raises NothingToShow."""
        shown = [window for window in windows if window.key.segment == ALL_ROWS and window.profile and window.profile.sample.rows]
        if not shown:
            raise NothingToShow("no version of the window keeps a sample of its rows")
        start = shown[0].key.start
        results = self._store.results(model=model.name, since=start, verdicts=[Verdict.ALERT], segment=ALL_ROWS)
        alerting = {result.version for result in results if result.window_start == start}
        return max(shown, key=lambda window: (window.key.version in alerting, window.account.counted, window.key.version))

    def _tell(self, incident: Incident, outcome: PageOutcome, detail: str) -> None:
        self._metrics.incident_pages.labels(str(outcome)).inc()
        say = log.warning if outcome is PageOutcome.FAILED else log.info
        say(f"a page of an incident: {outcome}", action=Action.INCIDENT_PAGE, model=incident.model, incident=incident.id, detail=detail)


def _when(incident: Incident) -> tuple[float, str]:
    return (incident.fired_at.timestamp() if incident.fired_at else 0.0), incident.id
