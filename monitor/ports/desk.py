"""What people and trainers can do about requests to retrain, whatever way they come by."""

from __future__ import annotations

from typing import Protocol

from monitor.core.audit import Via
from monitor.core.retraining import Report, Retraining


class RetrainingDesk(Protocol):
    """Every verb raises UsageError where the state forbids it, saying what is allowed, and UnknownError for what there is not."""

    def approve(self, id: str, *, by: str, via: Via) -> Retraining: ...
    def cancel(self, id: str, *, by: str, via: Via) -> Retraining: ...

    def request(self, model: str, *, by: str, via: Via, reason: str = "") -> Retraining:
        """A person's wish: it needs no approval, and goes out whatever the policy says."""

    def report(self, id: str, report: Report, *, by: str) -> Retraining:
        """A trainer says how it goes; saying it again changes nothing."""
