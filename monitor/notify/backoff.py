"""When to try a delivery again: a pure function of the delivery and of how often it failed."""

from __future__ import annotations

from datetime import timedelta
from hashlib import blake2b

SCHEDULE = (
    timedelta(seconds=5),
    timedelta(seconds=30),
    timedelta(minutes=2),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
"""The wait after each failure; Standard Webhooks' recommendation with more tries in the first minutes. About 3 days in all."""

JITTER = 0.2
"""A wait is longer by up to this share, so that the deliveries of one outage do not come back all at once."""

LONGEST = timedelta(hours=24)
"""A receiver that asks for more patience than this does not get it."""


def wait(delivery_id: str, failures: int, retry_after: float | None = None) -> timedelta | None:
    """How long to wait after the ``failures``-th failure (from 1); None: give up.

    Never shorter than ``retry_after`` seconds, up to ``LONGEST``. The same delivery and failure give the same wait.
    """
    if failures < 1:
        raise ValueError(f"failures is {failures}, expected at least 1")
    if failures > len(SCHEDULE):
        return None
    base = SCHEDULE[failures - 1]
    if retry_after is not None:
        base = max(base, min(timedelta(seconds=min(retry_after, LONGEST.total_seconds())), LONGEST))
    return base * (1 + JITTER * fraction(delivery_id, failures))


def fraction(delivery_id: str, failures: int) -> float:
    """Within [0, 1), evenly spread over deliveries."""
    digest = blake2b(f"{delivery_id}:{failures}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) / 2**64
