"""Silences: a person wants to hear nothing of something for a while."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from monitor.core.schema import rfc3339
from monitor.core.stable import stable_hex


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """From ``starts_at`` until ``ends_at`` (wall clock) nobody is told of what it matches. ``model``: ``*`` for all of them.

    ``check`` and ``column``: None matches all. ``incident``: only this one; None: any. Ended early, ``ends_at`` is moved and
    ``ended_by`` is set.
    """

    id: str
    model: str
    check: str | None = None
    column: str | None = None
    incident: str | None = None
    starts_at: datetime
    ends_at: datetime
    by: str
    reason: str = ""
    ended_by: str | None = None

    def in_force(self, now: datetime) -> bool:
        """Whether it holds at this moment."""
        return self.starts_at <= now < self.ends_at


def silence_id(model: str, by: str, at: datetime) -> str:
    """The same wish said twice at one moment is one silence."""
    return "sil_" + stable_hex(model, by, rfc3339(at))
