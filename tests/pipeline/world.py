"""A small world for the pipeline: a log and a store that can be made to fail, a clock that is set by hand, messages and models."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from monitor.core.gaps import GapReason, OnLoss
from monitor.core.results import Account
from monitor.core.rules import Model, Stream, StreamKind, Switch, Task
from monitor.core.schema import Column, Kind
from monitor.doubles.log import MemoryLog
from monitor.doubles.store import MemoryStore
from monitor.errors import Retryable
from monitor.metrics import Metrics
from monitor.pipeline import Bootstrap, Judge, Labelling, Pace, Reader, References, Reviser, Routes, Telling
from monitor.pipeline.keptids import MOST_BYTES
from monitor.ports import Checkpoint, Judgement, Mark, SampleTester, Store, StoredReference, TopicPartition

HOUR, MINUTE, SECOND = timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)
START = datetime(2013, 3, 1, tzinfo=UTC)
STAMP = int(datetime(2013, 4, 1, tzinfo=UTC).timestamp() * 1000)
"""Epoch milliseconds at which the broker got every message: later than all of them."""
TOPIC = "flights"
P0, P1, P2 = (TopicPartition(TOPIC, number) for number in range(3))
COLUMNS = (Column(name="delay", kind=Kind.NUMERIC, path="delay"), Column(name="carrier", kind=Kind.CATEGORICAL, path="carrier"))
STREAM = Stream(kind=StreamKind.PREDICTIONS, topic=TOPIC, id="id", time="ts", version="v", columns=COLUMNS)
MODEL = Model(
    name="m", task=Task.BINARY, window=HOUR, allowed_lateness=10 * MINUTE, min_rows=10, dedupe=True, streams=(STREAM,), columns=COLUMNS,
    idle_after=5 * MINUTE,
)  # fmt: skip


class ManualClock:
    """Time stands still until it is moved."""

    def __init__(self) -> None:
        self.wall = datetime(2026, 5, 4, 12, tzinfo=UTC)
        self.ticks = 1000.0

    def now(self) -> datetime:
        return self.wall

    def monotonic(self) -> float:
        return self.ticks

    def advance(self, by: timedelta) -> None:
        self.wall += by
        self.ticks += by.total_seconds()


class Unsteady(MemoryStore):
    """A memory store that is away while ``away``, and that loses its answer to the next checkpoint when ``forgets_to_answer``.

    ``before_record`` runs once, between reading and recording.
    """

    def __init__(self) -> None:
        super().__init__()
        self.away = False
        self.forgets_to_answer = False
        self.references_away = 0
        self.before_record: Callable[[], object] | None = None
        self.checkpoints: list[Checkpoint] = []

    def checkpoint(self, checkpoint: Checkpoint) -> None:
        if self.away:
            raise Retryable("the store is away")
        super().checkpoint(checkpoint)
        self.checkpoints.append(checkpoint)
        if self.forgets_to_answer:
            self.forgets_to_answer = False
            raise Retryable("the connection broke during commit")

    def references(self, model: str | None = None) -> Sequence[StoredReference]:
        if self.references_away:
            self.references_away -= 1
            raise Retryable("the store is away")
        return super().references(model)

    def record(self, judgement: Judgement) -> bool:
        meanwhile, self.before_record = self.before_record, None
        if meanwhile is not None:
            meanwhile()
        return super().record(judgement)


def message(id: object, minutes: float, delay: object = 5, carrier: object = "AA") -> bytes:
    """A prediction so many minutes after START."""
    return json.dumps({"id": id, "ts": (START + minutes * MINUTE).isoformat(), "v": "1", "delay": delay, "carrier": carrier}).encode()


@dataclass
class World:
    """Everything between a log and a store, made anew by ``crash``.

    Its windows are of 2013, which nobody is told of by itself: unless ``ages``, none is too old.
    """

    store: Store = field(default_factory=Unsteady)
    log: MemoryLog = field(default_factory=lambda: MemoryLog({TOPIC: 3}))
    clock: ManualClock = field(default_factory=ManualClock)
    models: Sequence[Model] = (MODEL,)
    max_rows: int = 1_000_000
    routes: Routes = field(default_factory=Routes)
    out_of_range: OnLoss = OnLoss.EARLIEST
    tester: SampleTester | None = None
    id_bytes: int = MOST_BYTES
    ages: bool = False

    def __post_init__(self) -> None:
        if not self.ages:
            self.models = [replace(model, alerts=replace(model.alerts, max_age=Switch.OFF)) for model in self.models]
        self.crash()

    def crash(self) -> None:
        """All that was in memory is gone; a new process takes over."""
        self.metrics = Metrics()
        references = References(self.store, self.clock)
        self.log = self.log.reader()
        self.reader = Reader(
            source=self.log, store=self.store, models=self.models, references=references, clock=self.clock, metrics=self.metrics,
            pace=Pace(every=5 * SECOND, max_rows=self.max_rows, poll_timeout=0.0, out_of_range=self.out_of_range),
        )  # fmt: skip
        self.judge = Judge(
            store=self.store, models=self.models, references=references, clock=self.clock, metrics=self.metrics,
            telling=Telling({model.name: self.routes for model in self.models}), partitions=lambda: self.reader.partitions,
            tester=self.tester, bootstrap=Bootstrap(self.store, references, self.clock),
        )  # fmt: skip
        self.labelling = Labelling(
            store=self.store, models=self.models, clock=self.clock, metrics=self.metrics, partitions=lambda: self.reader.partitions,
            id_bytes=self.id_bytes,
            reviser=Reviser(store=self.store, references=references, clock=self.clock, metrics=self.metrics,
                            telling=Telling({model.name: self.routes for model in self.models})),
        )  # fmt: skip

    def replica(self) -> World:
        """Another process that reads the same messages into the same store, with a log of its own."""
        return replace(self)

    def put(self, partition: TopicPartition, *values: bytes | None) -> None:
        for value in values:
            self.log.append(partition, value, timestamp=STAMP)

    def steps(self, times: int = 2) -> None:
        """The first step takes over, the next one reads."""
        for _ in range(times):
            self.reader.step()

    def read_all(self) -> None:
        """Read to the end, and write; again where another was first."""
        written = False
        while not (written and self.at_end()):
            while not self.at_end():
                self.reader.step()
            self.reader.checkpoint()
            written = True

    def at_end(self) -> bool:
        return bool(self.reader.assigned) and self.reader.at_end(self.log.ends(sorted(self.reader.assigned)))

    def offsets(self) -> dict[int, int]:
        return {p.partition: a.next_offset for p, a in self.store.positions(sorted(self.log.partitions())).items()}

    def marks(self) -> dict[int, Mark]:
        return {mark.partition.partition: mark for mark in self.store.marks("m")}

    def counter(self, name: str) -> float:
        return self.metrics.registry.get_sample_value(name) or 0.0

    def gaps_counted(self) -> float:
        return sum(self.metrics.registry.get_sample_value("driftd_offset_gaps_total", {"reason": why}) or 0.0 for why in GapReason)

    def profile_rows(self) -> int:
        windows = self.store.windows("m", START)
        return sum(window.profile.rows for window in windows if window.profile is not None)

    def account(self, model: str = "m") -> Account:
        return sum((window.account for window in self.store.window_accounts(model=model)), Account())
