"""The stream of labels of one model: what was read of it since the last checkpoint. Labels belong to no window until they are joined."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np

from monitor import failpoints
from monitor.core.gaps import GapReason
from monitor.core.labels.chunks import joined_labels
from monitor.core.labels.keep import sampled
from monitor.core.labels.labels import Labels
from monitor.core.labels.spelling import alike
from monitor.core.results import Account
from monitor.core.rules import Model, Stream
from monitor.core.schema import Batch, Record
from monitor.failpoints import Point
from monitor.formats import decoder
from monitor.pipeline.channel import MOST_QUARANTINED, Gained, quarantined, read_until
from monitor.ports import CheckpointStore, NewLabels, Quarantined, StreamCount, TopicPartition


class LabelChannel:
    """As ``Channel``, for labels."""

    def __init__(self, model: Model, stream: Stream) -> None:
        self.model = model
        self.kind = stream.kind
        self._stream = stream
        self._decoder = decoder(stream)
        self._share = model.performance.label_sample if model.performance else 1.0
        self._high: dict[TopicPartition, int | None] = {}
        self._reset()

    def _reset(self) -> None:
        self._labels: list[Labels] = []
        self._quarantined: list[Quarantined] = []
        self._account = Account()
        self._untimed = 0

    def begin(self, store: CheckpointStore) -> None:  # noqa: ARG002 - labels that are stored need not be known
        """Forget everything."""
        self._high = {}
        self._reset()

    def assign(self, partition: TopicPartition, high: int | None, store: CheckpointStore) -> None:  # noqa: ARG002 - as above
        """Begin a partition from its stored state; ``high``: its latest event time, microseconds."""
        self._high[partition] = high

    def max_time(self, partition: TopicPartition) -> int | None:
        """The latest event time read from a partition, microseconds."""
        return self._high[partition]

    def take(self, partition: TopicPartition, records: Sequence[Record], now: datetime) -> None:
        """Decode messages of one partition, in the order of their offsets."""
        batch = self._decoder.decode(records, read_until(now))
        failpoints.at(Point.MID_FOLD)
        self._quarantined.extend(quarantined(fault, self.model.name, self.kind, partition, now) for fault in batch.faults)
        self._untimed += sum(fault.time is None for fault in batch.faults)
        labels = self._kept(batch, partition)
        if len(batch):
            self._high[partition] = max(int(batch.times.max()), self._high[partition] or 0)
        if len(labels):
            self._labels.append(labels)
        self._account += Account(counted=len(labels), quarantined=len(batch.faults), sampled_out=len(batch) - len(labels))

    def _kept(self, batch: Batch, partition: TopicPartition) -> Labels:
        if batch.ids is None:
            raise ValueError(f"the labels of {self.model.name} map no id")  # settings see to it
        values = alike(batch.columns[self._stream.columns[0].name], self.model.task)
        labels = Labels(ids=batch.ids, values=values, times=batch.times, offsets=batch.offsets,
                        partitions=np.full(len(batch), partition.partition, dtype=np.int64))
        return labels if self._share >= 1 else labels.take(sampled(labels.ids, self._share))

    def lose(self, partition: TopicPartition, reason: GapReason, first: int, beyond: int | None, now: datetime) -> None:
        """Labels that can never be read make no window incomplete: they show in the share that is labelled."""

    def drain(self) -> Gained:
        """Hand over what was gained."""
        gained = Gained(
            labels=[NewLabels(model=self.model.name, labels=joined_labels(self._labels))] if self._labels else [],
            quarantined=self._quarantined,
            streams=[self._count()] if self._account.received else [],
        )
        self._reset()
        return gained

    def _count(self) -> StreamCount:
        account = self._account
        return StreamCount(model=self.model.name, stream=self.kind, topic=self._stream.topic, received=account.received,
                           counted=account.counted, late=0, duplicate=0, quarantined=account.quarantined, untimed=self._untimed,
                           sampled_out=account.sampled_out)

    @property
    def full(self) -> bool:
        """Whether what was gained is to be written before anything more is read."""
        return len(self._quarantined) >= MOST_QUARANTINED
