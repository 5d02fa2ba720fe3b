"""The checkpoint: all that one transaction of the reader writes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

from monitor.core.gaps import Gap
from monitor.core.labels.labels import Labels
from monitor.core.labels.predicted import Predicted
from monitor.core.profile import Profile
from monitor.core.results import ALL_ROWS, Account, WindowKey
from monitor.core.rules import StreamKind
from monitor.core.schema import Hashes, Reason, rfc3339
from monitor.errors import UsageError
from monitor.ports.log import TopicPartition


@dataclass(frozen=True, slots=True, kw_only=True)
class Advance:
    """A partition's way from ``expected`` (None: never stored) to ``next_offset``: written by compare-and-set.

    ``at``: of a stored one, the wall time of the checkpoint that wrote it.
    """

    partition: TopicPartition
    expected: int | None
    next_offset: int
    topic_id: str | None = None
    at: datetime | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """How far event time has come in a partition for a model.

    ``max_time``: latest event time seen (None: no row yet). ``seen_at``: wall time of the last record, or
    since when one that never had any has been watched.
    ``caught_up``: at the end of the partition at wall time ``at``; an old claim is worth nothing, its owner may be gone.
    ``read_until``: the latest wall time at which all that was in the partition had been read; it stays true (None: not known).
    """

    model: str
    partition: TopicPartition
    max_time: datetime | None
    seen_at: datetime | None
    caught_up: bool
    at: datetime
    read_until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowDelta:
    """What a checkpoint adds to one window. ``profile`` is None where only the account changes (late rows, faults).

    ``kept``: the predictions that wait for labels, of all rows of a version alone.
    """

    key: WindowKey
    account: Account
    profile: Profile | None
    kept: Predicted | None = None

    def check_end(self, stored: datetime) -> None:
        """Raises UsageError where the stored window that starts then has another end: a daemon with other settings writes there too."""
        if stored != self.key.end:
            start, end = rfc3339(self.key.start), rfc3339(self.key.end)
            raise UsageError(f"{self.key.model}: the stored window that starts at {start} ends at {rfc3339(stored)}, ours at {end}: "
                             "another driftd with another `window` writes to this store")

    def as_late(self) -> WindowDelta:
        """What it counted came too late."""
        account = replace(self.account, counted=0, late=self.account.late + self.account.counted)
        return replace(self, account=account, profile=None, kept=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenIds:
    """64-bit hashes of the ids newly counted in one window from one partition."""

    model: str
    partition: TopicPartition
    window_start: datetime
    hashes: Hashes


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """A message that could not be read; ``sample`` is its beginning."""

    model: str
    stream: str
    partition: TopicPartition
    offset: int
    reason: Reason
    detail: str
    sample: bytes
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamCount:
    """What a stream received since the last checkpoint. ``untimed``: quarantined with no readable time, so in no window."""

    model: str
    stream: str
    topic: str
    received: int
    counted: int
    late: int
    duplicate: int
    quarantined: int
    untimed: int
    sampled_out: int

    def as_late(self, rows: int) -> StreamCount:
        """The same with so many counted rows found to be late."""
        return replace(self, counted=self.counted - rows, late=self.late + rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class GapEnd:
    """The first event time seen after the open gaps of a partition: it closes them."""

    model: str
    partition: TopicPartition
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NewLabels:
    """Labels of a model that were read since the last checkpoint."""

    model: str
    labels: Labels


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """All that one transaction writes: everything or nothing."""

    at: datetime
    advances: tuple[Advance, ...] = ()
    marks: tuple[Mark, ...] = ()
    windows: tuple[WindowDelta, ...] = ()
    ids: tuple[SeenIds, ...] = ()
    quarantined: tuple[Quarantined, ...] = ()
    streams: tuple[StreamCount, ...] = ()
    gaps: tuple[Gap, ...] = ()
    gap_ends: tuple[GapEnd, ...] = ()
    labels: tuple[NewLabels, ...] = ()

    def booked(self, sealed: Mapping[str, datetime | None]) -> Checkpoint:
        """The same where some windows take no more rows (by model, until when): what they counted is late, and has no profile."""
        windows = tuple(delta.as_late() if _is_sealed(delta.key, sealed) else delta for delta in self.windows)
        moved: dict[str, int] = {}
        for before, after in zip(self.windows, windows, strict=True):
            if before.key.segment != ALL_ROWS:
                continue  # its rows are among those of all rows
            moved[before.key.model] = moved.get(before.key.model, 0) + before.account.counted - after.account.counted
        streams = tuple(count.as_late(moved.get(count.model, 0)) if count.counted and count.stream == StreamKind.PREDICTIONS else count
                        for count in self.streams)
        return replace(self, windows=windows, streams=streams)


def _is_sealed(key: WindowKey, sealed: Mapping[str, datetime | None]) -> bool:
    until = sealed.get(key.model)
    return until is not None and key.end <= until


class CheckpointStore(Protocol):
    """What the intake needs of the store."""

    def positions(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, Advance]:
        """The stored offset of each partition that has one."""

    def marks(self, model: str) -> Sequence[Mark]:
        """Every partition's mark of a model."""

    def seen_ids(self, model: str, partition: TopicPartition) -> Mapping[datetime, Hashes]:
        """By window start, the id hashes of windows not yet sealed."""

    def open_versions(self, model: str) -> Mapping[datetime, Collection[str]]:
        """By start, the versions that windows not yet sealed have."""

    def open_gaps(self, model: str) -> Sequence[Gap]:
        """Gaps of a model after which no row has come yet."""

    def checkpoint(self, checkpoint: Checkpoint) -> None:
        """One transaction. Rows of a window already sealed are booked as late instead, and their profile is dropped.

        Raises Fenced when a stored offset is not the expected one, Retryable when the database is away or busy.
        """
