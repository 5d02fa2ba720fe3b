"""What people and trainers say, as the store keeps it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from monitor.core.audit import AuditEntry
from monitor.core.retraining import Retraining, RetrainingEvent
from monitor.core.silences import Silence
from monitor.ports.judging import Message


class PeopleStore(Protocol):
    """Silences, the audit, and the life of requests to retrain. An audit entry is written in the transaction of what it tells of."""

    def silences(self, *, at: datetime | None = None) -> Sequence[Silence]:
        """Those in force at a moment (None: all, also the past), by their start."""

    def add_silence(self, silence: Silence, audit: AuditEntry) -> bool:
        """False: it is there already; nothing written."""

    def end_silence(self, id: str, *, by: str, at: datetime, audit: AuditEntry) -> bool:
        """It ends now. False: there is none, or it has ended; nothing written."""

    def audit(self, *, subject: str | None = None, newest: int | None = None) -> Sequence[AuditEntry]:
        """What people did, oldest first; the last ``newest``."""

    def add_audit(self, entry: AuditEntry) -> None: ...

    def retraining(self, id: str) -> Retraining | None: ...

    def retraining_events(self, id: str) -> Sequence[RetrainingEvent]:
        """The history of one request, in the order in which it was written."""

    def add_retraining(self, retraining: Retraining, event: RetrainingEvent, messages: Sequence[Message] = (),
                       audit: AuditEntry | None = None) -> bool:
        """A request that no window made. False: one of that id is there already, or one of its model has not ended; nothing written."""

    def save_retraining(self, retraining: Retraining, event: RetrainingEvent, messages: Sequence[Message] = (),
                        audit: AuditEntry | None = None) -> bool:
        """A change of a request, its line of history and what goes out about it, one transaction, by compare-and-set on the stored state.

        A request that is over goes out no more where its trainer was away so far.
        False: the stored request is no longer in ``event.before`` (or is gone), or has its verdict, which nothing follows; nothing written.
        """
