"""The log: topics, their partitions, and how they are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from monitor.core.schema import Record
from monitor.errors import DriftdError


@dataclass(frozen=True, slots=True, order=True)
class TopicPartition:
    """A partition of a topic."""

    topic: str
    partition: int


def absent(topics: Sequence[str], where: str) -> str | None:
    """What to tell of topics that do not exist; None where there are none of them."""
    if not topics:
        return None
    names = ", ".join(map(repr, topics))
    return f"topic {names} does not exist {where}" if len(topics) == 1 else f"topics {names} do not exist {where}"


class OutOfRange(DriftdError):
    """The log no longer holds the offsets that were to be read next, by partition.

    ``divergent``: where the log parts from what was read, as far as the broker says so (after an unclean election).
    """

    def __init__(self, offsets: Mapping[TopicPartition, int], divergent: Mapping[TopicPartition, int] | None = None) -> None:
        self.offsets = dict(offsets)
        self.divergent = dict(divergent or {})
        super().__init__("offsets out of range: " + ", ".join(f"{p.topic}/{p.partition} at {o}" for p, o in sorted(self.offsets.items())))


class Damaged(DriftdError):
    """A stretch of a partition that the client cannot unpack (a broken checksum, an unknown codec): reading goes on ``beyond`` it.

    The source has let go of its client: the next poll joins the group again, and the reader takes over from the store.
    """

    def __init__(self, partition: TopicPartition, *, first: int, beyond: int, detail: str) -> None:
        self.partition = partition
        self.first = first
        self.beyond = beyond
        super().__init__(f"{partition.topic}/{partition.partition}: offsets {first} to {beyond - 1} cannot be unpacked: {detail}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Polled:
    """What one poll brought. ``assigned`` is set when the assignment changed: seek before the next poll."""

    records: Mapping[TopicPartition, Sequence[Record]]
    assigned: frozenset[TopicPartition] | None = None


class LogSource(Protocol):
    """The topics. One thread owns it. Records of a partition that was not sought since its assignment are never given."""

    def poll(self, timeout: float) -> Polled:
        """Records since the last poll, at most some bytes of them; seconds. Raises Retryable when the log is away, OutOfRange, Damaged."""

    def seek(self, positions: Mapping[TopicPartition, int | None]) -> None:
        """Read on from these offsets; None means the configured start (earliest or latest)."""

    def position(self, partition: TopicPartition) -> int:
        """The next offset to read of an assigned partition."""

    def begins(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        """The first offsets that are still there, asked of the broker. Raises Retryable when it does not answer."""

    def ends(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        """The end offsets, asked of the broker; none of a topic that is gone. Raises Retryable when it does not answer."""

    def partitions(self) -> frozenset[TopicPartition]:
        """Every partition of the topics that exist, owned or not. Raises Retryable, also where none does."""

    def missing(self) -> str | None:
        """Which topics do not exist, as far as is known by now; None where all do. Their models wait, the others go on."""

    def topic_ids(self) -> Mapping[str, str]:
        """The broker's id of each topic, where it has one: a re-created topic has another."""

    def committed(self, positions: Mapping[TopicPartition, int]) -> None:
        """Tell lag tools how far we are; best effort, never raises for an absent broker."""

    def lag(self) -> Mapping[TopicPartition, int]:
        """Messages between our positions and the high-water marks last seen."""

    def close(self) -> None:
        """Leave the group."""
