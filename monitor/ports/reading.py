"""What the commands, the API and the page read; and the store as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from monitor.core.incidents import Incident, IncidentEvent
from monitor.core.results import Check, Result, Verdict
from monitor.core.retraining import Retraining
from monitor.ports.checkpoint import CheckpointStore, Quarantined, StreamCount
from monitor.ports.digests import DigestStore
from monitor.ports.history import HistoryStore
from monitor.ports.judging import JudgementStore, StoredWindow
from monitor.ports.labels import LabelStore
from monitor.ports.outbox import OutboxStore
from monitor.ports.people import PeopleStore
from monitor.ports.references import ReferenceStore
from monitor.ports.retention import RetentionStore


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantineRow:
    """A stored quarantined message."""

    id: int
    entry: Quarantined


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryRow:
    """A delivery as people look at it."""

    id: str
    receiver: str
    kind: str
    incident: str | None
    state: str
    attempts: int
    error: str | None
    created_at: datetime
    sent_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictCount:
    """How many results of one check of one window of a model, over all its versions and segments, came to one verdict."""

    window_start: datetime
    window_end: datetime
    check: Check
    verdict: Verdict
    count: int


class ReadStore(Protocol):
    """What the commands, the API and the page read. Lists are oldest first unless said otherwise."""

    def results(self, *, model: str | None = None, check: str | None = None, since: datetime | None = None,
                verdicts: Sequence[str] | None = None, segment: str | None = None, newest: int | None = None) -> Sequence[Result]:
        """Every revision. ``verdicts``: only these, None for all; ``newest``: the last so many, still oldest first.

        ``segment``: only this one, ``*`` for all rows; None for all of them.
        """

    def verdict_counts(self, model: str, *, windows: int) -> Sequence[VerdictCount]:
        """The last judged windows of a model, oldest first; only the latest revision of each result counts.

        Of segments only what is not well counts: that a small one tells too little says nothing of the model.
        """

    def window_accounts(self, *, model: str | None = None, since: datetime | None = None, segment: str | None = None,
                        newest: int | None = None) -> Sequence[StoredWindow]:
        """Windows without their profiles; ``segment`` as of results."""

    def incidents(self, *, model: str | None = None, newest: int | None = None) -> Sequence[Incident]: ...
    def incident(self, id: str) -> Incident | None: ...
    def incident_events(self, id: str) -> Sequence[IncidentEvent]: ...
    def retrainings(self, *, model: str | None = None) -> Sequence[Retraining]: ...
    def quarantine(self, *, model: str | None = None, limit: int | None = None) -> Sequence[QuarantineRow]: ...
    def stream_counts(self) -> Sequence[StreamCount]: ...
    def deliveries(self, *, state: str | None = None, newest: int | None = None) -> Sequence[DeliveryRow]: ...


class Store(
    CheckpointStore, JudgementStore, LabelStore, HistoryStore, OutboxStore, PeopleStore, DigestStore, ReferenceStore, RetentionStore,
    ReadStore, Protocol,
):
    """The whole store: SQL, or memory in tests. ``ping`` raises Retryable when it cannot be written to."""

    def ping(self) -> None: ...
    def close(self) -> None: ...
