"""Judging: windows that take no more rows, and what they came to."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from monitor.core.audit import AuditEntry
from monitor.core.gaps import Gap
from monitor.core.incidents import Incident, IncidentEvent
from monitor.core.profile import Profile
from monitor.core.reference import Reference
from monitor.core.results import Account, Result, WindowKey
from monitor.core.retraining import Retraining, RetrainingChange, RetrainingState
from monitor.core.rules import Allowance

MESSAGE_ID_DIGITS = 32
RETRAINING = "retraining"
"""The kind of a message that asks a trainer to retrain."""
PICTURE = "picture"
"""The kind of a message that is a picture beside an incident's messages: it may fail, and none of them waits for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """A model's way through time: windows that end at or before ``sealed_until`` take no more rows,
    those at or before ``judged_until`` have their results. None: not begun."""

    sealed_until: datetime | None
    judged_until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredWindow:
    """One window of one version and segment as stored. ``profile`` is None for an empty window, and where it cannot be read.

    ``damage`` says why it cannot. ``incomplete``: some of its rows may have been lost before they could be read.
    """

    key: WindowKey
    account: Account
    profile: Profile | None
    damage: str = ""
    incomplete: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A delivery to be: one message for one receiver. ``dedupe`` makes it unique; it becomes the stable message id."""

    receiver: str
    kind: str
    dedupe: str
    incident: str | None
    body: Mapping[str, object]

    @property
    def id(self) -> str:
        """The stable id, the same at every attempt, in every replica and after every restart."""
        return "msg_" + hashlib.sha256(self.dedupe.encode("utf-8", "surrogatepass")).hexdigest()[:MESSAGE_ID_DIGITS]


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedAfter:
    """What a request to retrain was decided after; where the store holds something else by now, another was quicker.

    ``last`` and ``state``: the model's newest request, None where there was none. ``allowance``: of all models together.
    """

    last: str | None
    state: RetrainingState | None
    allowance: Allowance | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What one window of a model came to, over all its versions and segments: written in one transaction.

    ``opened``: the open incident that it went out from, as it was read. ``given_up``: an earlier request that nobody ended in time;
    ``asked_after`` holds for both. ``at``: wall time, kept with deliveries and the history of requests; None: the judged window's end.
    """

    model: str
    judged_until: datetime
    previous: datetime | None
    results: tuple[Result, ...]
    opened: Incident | None = None
    incident: Incident | None = None
    events: tuple[IncidentEvent, ...] = ()
    retraining: Retraining | None = None
    given_up: RetrainingChange | None = None
    asked_after: AskedAfter | None = None
    messages: tuple[Message, ...] = ()
    at: datetime | None = None


class JudgingStore(Protocol):
    """What the judging of windows needs of the store."""

    def progress(self, model: str) -> Progress: ...

    def next_start(self, model: str, after: datetime | None) -> datetime | None:
        """The start of the earliest window with an account whose start is at or after ``after`` (None: the very first)."""

    def seal(self, model: str, until: datetime, previous: datetime | None) -> bool:
        """Compare-and-set ``sealed_until``; drops the id hashes of sealed windows. False: another replica was first."""

    def windows(self, model: str, start: datetime) -> Sequence[StoredWindow]:
        """Every version and segment of the window that starts then, ordered by key."""

    def gaps(self, model: str, start: datetime, end: datetime) -> Sequence[Gap]:
        """What was lost of a model and may belong to ``[start, end)``, oldest first."""

    def add_empty_window(self, key: WindowKey) -> None:
        """Make an account of zeros, so that silence shows; nothing where the window exists."""

    def last_busy(self, model: str, before: datetime) -> WindowKey | None:
        """The latest window with counted rows that starts before then, any version."""

    def latest_window(self, model: str) -> WindowKey | None:
        """The window with an account that starts last, any version and segment."""

    def open_incident(self, model: str) -> Incident | None:
        """The incident of a model's windows that is not resolved, pending ones included."""

    def recent_results(self, model: str, checks: Sequence[str], windows: int) -> Sequence[Result]:
        """The results of the last judged windows, oldest first."""

    def recent_retrainings(self, model: str, newest: int) -> Sequence[Retraining]:
        """The last requests to retrain a model, the newest first."""

    def asked_between(self, after: datetime, before: datetime) -> Sequence[datetime]:
        """When any model was asked to be retrained, in event time, both ends left out; oldest first."""

    def first_start(self, model: str, version: str) -> datetime | None:
        """The start of a version's first window that is kept."""

    def recent_incidents(self, model: str, newest: int) -> Sequence[Incident]:
        """The last incidents of a model's windows, oldest first."""

    def record(self, judgement: Judgement) -> bool:
        """One transaction, by compare-and-set on ``judged_until``, on the incident and on what a request to retrain was decided after.

        False: another replica was first, or a person changed the incident or a request meanwhile; nothing written.
        """


class JudgementStore(JudgingStore, Protocol):
    """What people's changes and the watch over driftd's own way need besides."""

    def save_incident(
        self, incident: Incident, event: IncidentEvent, messages: Sequence[Message] = (), audit: AuditEntry | None = None, *,
        seen: Incident | None = None, in_force: Sequence[Reference] = (),
    ) -> bool:
        """A person's change, its line of history, what goes out about it and who did it, by compare-and-set on the stored state.

        ``seen``: the incident that the change was made of; None: its state alone counts. ``in_force``: kept references that are active
        from then on. All in one transaction. False: the stored one is no longer in ``event.before``, is not as it was seen, or is gone;
        nothing written.
        """

    def open_conditions(self) -> Sequence[Incident]:
        """Incidents of driftd's own way (``condition`` is set) that are not resolved, oldest first."""

    def open_condition(self, incident: Incident, event: IncidentEvent, messages: Sequence[Message] = ()) -> bool:
        """Write a new one, its line of history and what goes out about it. False: one of that condition and model is open already."""

    def touch_condition(self, id: str, at: datetime) -> None:
        """It still stands: move ``updated_at``, unless it is resolved meanwhile."""

    def failing_receivers(self, receivers: Sequence[str]) -> Mapping[str, str]:
        """Those of ``receivers`` whose last ended delivery was given up, with its error. A picture is no such delivery."""
