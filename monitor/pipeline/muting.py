"""Whether people are told now: the age of a window and the silences in force, looked up where there is something to tell."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

from monitor.core.incidents import CALLING, Incident, Judged, MuteReason, Step
from monitor.core.muting import Hold, by_age, by_silence, mute, mute_condition, told_late, told_of, wish
from monitor.core.silences import About, Silence, silencing
from monitor.ports import Clock


class SilenceStore(Protocol):
    """What muting reads of the store."""

    def silences(self, *, at: datetime | None = None) -> Sequence[Silence]:
        """Those in force at a moment (None: all, also the past), by their start."""


class Muting:
    """Reads silences by the wall clock, and only where people would be told: a backlog of windows asks nothing of the store."""

    def __init__(self, store: SilenceStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._old: set[str] = set()

    @property
    def old(self) -> frozenset[str]:
        """Incidents that are not told so far as their windows were too old, of those that this process has decided about."""
        return frozenset(self._old)

    def window(self, taken: Step, opened: Incident | None, judged: Judged, most_age: timedelta | None) -> Step:
        """What a judged window did, as people are told of it. ``most_age``: of windows that are told; None: any. Raises Retryable."""
        wanted, after = wish(taken, opened), taken.incident
        if wanted is None or after is None or wanted.kind not in CALLING:
            return taken
        told = mute(taken, opened, judged.end, self._hold(after, judged, most_age))
        if told.incident is not None:
            is_old = told.incident.muted == MuteReason.OLD_WINDOW and told.incident.notified_at is None
            (self._old.add if is_old else self._old.discard)(told.incident.id)
        return told

    def condition(self, opened: Step) -> Step:
        """A condition that begins. Raises Retryable."""
        return opened if opened.incident is None else mute_condition(opened, self._silence(opened.incident, _kinds(opened.incident)))

    def late(self, standing: Incident) -> Step | None:
        """A condition that was held back, stands, and is silenced no more; None where it still is. Raises Retryable."""
        silent = self._silence(standing, _kinds(standing)) is not None
        return None if silent else told_late(standing, self._clock.now())

    def _hold(self, incident: Incident, judged: Judged, most_age: timedelta | None) -> Hold | None:
        return by_age(judged.end, self._clock.now(), most_age) or self._silence(incident, told_of(judged))

    def _silence(self, incident: Incident, about: frozenset[About]) -> Hold | None:
        now = self._clock.now()
        found = silencing(self._store.silences(at=now), incident, about, now)
        return None if found is None else by_silence(found)


def _kinds(condition: Incident) -> frozenset[About]:
    return frozenset(About(check=check) for check in condition.checks)
