"""One stream of one model: its decoder, its folder, and what they gained since the last checkpoint."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType

import xxhash

from monitor import failpoints
from monitor.core.fold import Folded, Folder, Place
from monitor.core.gaps import Gap, GapReason
from monitor.core.labels.chunks import joined_predicted
from monitor.core.results import Account
from monitor.core.rules import Model, Stream
from monitor.core.schema import Fault, Record, from_micros, to_micros
from monitor.failpoints import Point
from monitor.formats import decoder
from monitor.log import Action, logger
from monitor.pipeline.gaps import GapBook
from monitor.pipeline.references import References
from monitor.ports import CheckpointStore, GapEnd, NewLabels, Quarantined, SeenIds, StreamCount, TopicPartition, WindowDelta

log = logger(__name__)

NO_VERSIONS: Mapping[datetime, Collection[str]] = MappingProxyType({})
MOST_QUARANTINED = 5_000
"""Quarantined messages that are held before they are written: each keeps the beginning of its message."""
CLOCKS_DIFFER = timedelta(hours=1)
"""A message's timestamp may be its producer's own (CreateTime), whose clock may be wrong. One that is further ahead of our clock is not
believed: it would move event time there, and every row that follows would be late."""
MOST_TOLD = 1_000
"""Windows of which it is remembered that something was said."""


class Channel:
    """One stream of one model: how its messages are read, and what they gained since the last checkpoint."""

    def __init__(self, model: Model, stream: Stream, references: References) -> None:
        self.model = model
        self.kind = stream.kind
        self._stream = stream
        self._decoder = decoder(stream)
        self.folder = Folder(model, lambda version: references.grid(model, version), lambda: references.versions(model.name),
                             lambda version: references.own_values(model, version))
        self.gaps = GapBook()
        self._told: defaultdict[Action, set[datetime]] = defaultdict(set)
        self.clear()

    def clear(self, versions: Mapping[datetime, Collection[str]] = NO_VERSIONS) -> None:
        """Forget everything: the store did not take it, or has it. ``versions``: by the start of each open window, those stored for it."""
        self.folder.restart({to_micros(start): names for start, names in versions.items()})
        self._account = Account()
        self._quarantined: list[Quarantined] = []

    def begin(self, store: CheckpointStore) -> None:
        """Forget everything, and know what the store has of windows not yet sealed. Raises Retryable."""
        self.clear(store.open_versions(self.model.name))
        self.gaps.restore(store.open_gaps(self.model.name))

    def assign(self, partition: TopicPartition, high: int | None, store: CheckpointStore) -> None:
        """Begin a partition from its stored state; ``high``: its latest event time, microseconds. Raises Retryable."""
        seen = store.seen_ids(self.model.name, partition) if self.model.dedupe else {}
        self.folder.assign(
            place(partition),
            seed=xxhash.xxh3_64_intdigest(f"{partition.topic}/{partition.partition}".encode()),
            max_time=high,
            seen={to_micros(start): hashes for start, hashes in seen.items()},
        )

    def max_time(self, partition: TopicPartition) -> int | None:
        """The latest event time read from a partition, microseconds."""
        return self.folder.max_time(place(partition))

    def take(self, partition: TopicPartition, records: Sequence[Record], now: datetime) -> None:
        """Decode and fold messages of one partition, in the order of their offsets."""
        batch = self._decoder.decode(records, read_until(now))
        failpoints.at(Point.MID_FOLD)
        if self.gaps.waiting(partition) and len(batch):
            self.gaps.seen(self.model.name, partition, from_micros(int(batch.times[0])))
        self._account += self.folder.fold(place(partition), batch)
        self._quarantined.extend(quarantined(fault, self.model.name, self.kind, partition, now) for fault in batch.faults)

    def lose(self, partition: TopicPartition, reason: GapReason, first: int, beyond: int | None, now: datetime) -> None:
        """Note that messages of a partition can never be read."""
        high = self.folder.max_time(place(partition))
        since = None if high is None else from_micros(high)
        self.gaps.note(Gap(model=self.model.name, topic=partition.topic, partition=partition.partition, reason=reason, first=first,
                           beyond=beyond, since=since, at=now))

    def drain(self) -> Gained:
        """Hand over what was gained."""
        folded = self.folder.drain()
        gaps, gap_ends = self.gaps.drain()
        self._tell(folded)
        gained = Gained(
            crowded=Counter({self.model.name: sum(folded.crowded.values())}),
            unremembered=Counter({self.model.name: sum(folded.unremembered.values())}),
            gaps=gaps,
            gap_ends=gap_ends,
            windows=[WindowDelta(key=key, account=delta.account, profile=delta.profile,
                                 kept=joined_predicted(delta.kept) if delta.kept else None)
                     for key, delta in sorted(folded.windows.items())],
            ids=[SeenIds(model=self.model.name, partition=TopicPartition(*at), window_start=start, hashes=hashes)
                 for (at, start), hashes in folded.ids.items()],
            quarantined=self._quarantined,
            streams=[self._count(folded.untimed)] if self._account.received else [],
        )
        self._account, self._quarantined = Account(), []
        return gained

    @property
    def full(self) -> bool:
        """Whether what was gained is to be written before anything more is read, for it takes much memory."""
        return self.folder.full or len(self._quarantined) >= MOST_QUARANTINED

    def _tell(self, folded: Folded) -> None:
        """Once for each window: that its versions are too many, or that its ids are no longer all remembered."""
        for action, said, rows in (
            (Action.VERSIONS_CROWDED, "a window has more versions than max_versions: the rest is counted together", folded.crowded),
            (Action.DEDUPE_FULL, "more ids than dedupe_ids: doubles among the rows that follow are counted", folded.unremembered),
        ):
            for start in sorted(set(rows) - self._told[action]):
                log.warning(said, action=action, model=self.model.name, window_start=start.isoformat(), rows=rows[start])
            self._told[action] = (self._told[action] | set(rows)) if len(self._told[action]) < MOST_TOLD else set(rows)

    def _count(self, untimed: int) -> StreamCount:
        account = self._account
        return StreamCount(model=self.model.name, stream=self._stream.kind, topic=self._stream.topic, received=account.received,
                           counted=account.counted, late=account.late, duplicate=account.duplicate,
                           quarantined=account.quarantined, untimed=untimed, sampled_out=account.sampled_out)


@dataclass(slots=True, kw_only=True)
class Gained:
    """What channels add to a checkpoint. By model: rows of ``crowded`` versions, and of ids that could not be remembered."""

    windows: list[WindowDelta] = field(default_factory=list)
    ids: list[SeenIds] = field(default_factory=list)
    quarantined: list[Quarantined] = field(default_factory=list)
    streams: list[StreamCount] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    gap_ends: list[GapEnd] = field(default_factory=list)
    labels: list[NewLabels] = field(default_factory=list)
    crowded: Counter[str] = field(default_factory=Counter)
    unremembered: Counter[str] = field(default_factory=Counter)

    def add(self, other: Gained) -> None:
        """Take another channel's gain in."""
        self.windows += other.windows
        self.ids += other.ids
        self.quarantined += other.quarantined
        self.streams += other.streams
        self.gaps += other.gaps
        self.gap_ends += other.gap_ends
        self.labels += other.labels
        self.crowded += other.crowded
        self.unremembered += other.unremembered


def quarantined(fault: Fault, model: str, stream: str, partition: TopicPartition, at: datetime) -> Quarantined:
    """A message that could not be read, as it is kept."""
    return Quarantined(model=model, stream=stream, partition=partition, offset=fault.offset, reason=fault.reason, detail=fault.detail,
                       sample=fault.sample, at=at)


def read_until(now: datetime) -> int:
    """The latest message timestamp that is believed, milliseconds."""
    return int((now + CLOCKS_DIFFER).timestamp() * 1000)


def place(partition: TopicPartition) -> Place:
    """A partition as the core names it."""
    return partition.topic, partition.partition
