"""How long a database may keep us waiting: no wait is endless."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Seconds. A loop's heartbeat may be a minute old, so that each of these is well below it."""

    busy: float = 5.0
    """SQLite: for another writer of the file."""
    lock: float = 10.0
    """PostgreSQL: for another session's lock."""
    statement: float = 30.0
    """PostgreSQL: for one statement, as the server measures it."""
    answer: float = 35.0
    """PostgreSQL: for an answer, as we measure it: a server that stands still keeps no time."""
    pool: float = 10.0
    """For a connection, while other threads have them all."""


LIMITS = Limits()
MIGRATING = Limits(lock=600.0, statement=600.0, answer=630.0)
"""At the start, where no loop waits: a big table takes its time, and replicas wait for the one that migrates."""
