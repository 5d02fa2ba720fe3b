"""Gaps: stretches of a partition that were lost before they could be read, and the windows that miss their rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class GapReason(StrEnum):
    """Why messages could not be read."""

    RETENTION = "retention"  # the log had dropped them
    TRUNCATED = "truncated"  # the log was cut short, e.g. by an unclean election
    DAMAGED = "damaged"  # a batch with a wrong checksum, or of an unknown codec
    RECREATED = "recreated"  # the topic was deleted and made again: how many messages went with it nobody knows
    NOT_CONFIGURED = "not_configured"  # others read on while the model was not in the configuration: from where on nobody knows


class OnLoss(StrEnum):
    """Where to go on when the log no longer holds the next offset: with what it still holds, at its end, or not at all."""

    EARLIEST = "earliest"
    LATEST = "latest"
    FAIL = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hole:
    """What is missing where the log does not hold the next offset. ``beyond``: the first offset that is read again, None where
    nobody knows how much was lost; ``on``: where to go on, None: nowhere."""

    reason: GapReason
    beyond: int | None
    on: int | None


def hole_of(wanted: int, begin: int, end: int, policy: OnLoss, divergent: int | None = None) -> Hole | None:
    """What is lost of a partition that holds offsets ``begin`` to ``end`` − 1 when ``wanted`` was to be read next.

    A log that was cut short lost what had been read as well: what follows ``divergent`` is new, or, where the broker does not
    know where that is, what comes next at its end. None where nothing is: it is there by now, and a new leader had not caught up.
    """
    if begin <= wanted <= end and divergent is None:
        return None
    if wanted > end or divergent is not None:
        on = {OnLoss.EARLIEST: end if divergent is None else divergent, OnLoss.LATEST: end, OnLoss.FAIL: None}[policy]
        return Hole(reason=GapReason.TRUNCATED, beyond=None, on=on)
    on = {OnLoss.EARLIEST: begin, OnLoss.LATEST: end, OnLoss.FAIL: None}[policy]
    return Hole(reason=GapReason.RETENTION, beyond=on, on=on)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Offsets ``first`` to ``beyond`` − 1 of a partition, missing for one model. ``beyond`` is None where nobody knows it.

    ``since`` and ``until``: the event times between which the lost rows lie: the latest seen in the partition before them
    (None: there was none) and the first seen after them (None: nothing has come yet). ``at``: wall time.
    """

    model: str
    topic: str
    partition: int
    reason: GapReason
    first: int
    beyond: int | None
    since: datetime | None
    until: datetime | None = None
    at: datetime

    @property
    def messages(self) -> int | None:
        """How many at most: compacted records and transaction markers have offsets too. None: unknown."""
        return None if self.beyond is None else self.beyond - self.first

    def touches(self, start: datetime, end: datetime) -> bool:
        """Whether the window ``[start, end)`` may miss rows of it.

        The first row after it may be older than the last one before it. Where none has come yet, nothing lost is later than ``at``.
        """
        until = self.at if self.until is None else self.until
        since = None if self.since is None else min(self.since, until)
        return (since is None or since < end) and max(until, self.since or until) >= start


def lost(gaps: Iterable[Gap]) -> int | None:
    """Messages missing in all, at most; None where only gaps of unknown size are known."""
    known = [gap.messages for gap in gaps if gap.messages is not None]
    return sum(known) if known else None


def told(gaps: Iterable[Gap]) -> str:
    """``at most 1,204 messages of flights/2 (retention)``, one after the other."""
    return "; ".join(_told(gap) for gap in gaps)


def _told(gap: Gap) -> str:
    if gap.reason is GapReason.NOT_CONFIGURED:
        return f"an unknown number of messages of {gap.topic}/{gap.partition} (the model was not in the configuration)"
    size = "an unknown number of messages" if gap.messages is None else f"at most {gap.messages:,} messages"
    return f"{size} of {gap.topic}/{gap.partition} ({gap.reason})"
