"""Letting go of history that is older than anybody wants to look at."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class RetentionStore(Protocol):
    """Each verb deletes at most ``most`` of its noun in one short transaction, the oldest first, and says how many those were."""

    def prune_windows(self, model: str, before: datetime, most: int) -> int:
        """Judged windows that ended at or before then and wait for no labels, with their results, tallies and label curves.

        Counts distinct starts. ``before`` is to be earlier than what is judged.
        """

    def prune_incidents(self, model: str | None, before: datetime, most: int) -> int:
        """Incidents of a model's windows that were over before then (event time), with their history.

        None: those of driftd's own way (wall clock).
        """

    def prune_messages(self, before: datetime, most: int) -> int:
        """Deliveries that were sent or given up before then (wall clock), but for those of incidents that are not over."""
