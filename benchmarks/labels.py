"""Predictions that wait for labels: columnar chunks joined in numpy, against one SQL row per prediction.

The chunks go through the store and ``Labelling`` as in the daemon: labels are written by checkpoints, settled, joined and recorded by
``finish``. The rows of the SQL side are written and joined as fast as each database takes them: PostgreSQL by COPY and one UPDATE … FROM,
SQLite by executemany on its row ids. "a core": labels by the CPU time of this process, PostgreSQL's own left out; on a machine that is
busy otherwise this tells more than the wall's. ``--quick``: the smallest size alone; ``BENCH_OPEN_ROWS`` names others, ``BENCH_STORES``
the databases, ``BENCH_SIDES`` one of both sides, ``BENCH_WINDOWS`` how many windows there are.

At least 100,000 joins a second are wanted, however many rows wait; figures are in docs/decisions.md, 37.
"""

from __future__ import annotations

import logging
import os
import resource
import sqlite3
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

import numpy as np
import psycopg
import pytest
import structlog
from sqlalchemy import text

from monitor.clock import SystemClock
from monitor.core.labels.labels import Labels
from monitor.core.labels.predicted import Predicted
from monitor.core.results import Account, WindowKey
from monitor.core.rules import Model, PerformanceRules, Stream, StreamKind, Task
from monitor.core.schema import CategoricalValues, Column, Ints, Kind, Role, to_micros
from monitor.metrics import Metrics
from monitor.pipeline import Labelling
from monitor.ports import Checkpoint, Curve, KeptKey, KeptWindow, NewLabels, WindowDelta
from monitor.storage import Limits, SqlStore, open_store

SIZES = {"SQLite": (100_000, 1_000_000), "PostgreSQL": (100_000, 1_000_000, 10_000_000)}
WINDOWS = int(os.environ.get("BENCH_WINDOWS", "24"))
AT_ONCE = 100_000
"""Rows of a checkpoint, of predictions or labels."""
BLOCKS = {AT_ONCE: 4, 10 * AT_ONCE: 2}
"""Labels of a round (the daemon takes a million where so many have come), and how many rounds of it."""
START, HOUR = datetime(2013, 1, 1, tzinfo=UTC), timedelta(hours=1)
ORIGINS, CARRIERS = ("EWR", "JFK", "LGA"), tuple("abcdefghijklmnop")
PATIENT = Limits(lock=600.0, statement=600.0, answer=630.0)


def binary_rows(rows: int, seed: int) -> Predicted:
    """Predictions of a binary model: hash, class, score, two segment columns."""
    rng = np.random.default_rng(seed)
    scores = rng.beta(2, 5, rows)
    return Predicted(
        ids=rng.integers(0, 2**64, rows, dtype=np.uint64),
        prediction=CategoricalValues(codes=(scores > 0.5).astype(np.int32), dictionary=("0", "1")),
        scores=scores[:, np.newaxis],
        segments={
            "origin": CategoricalValues(codes=rng.integers(0, 3, rows).astype(np.int32), dictionary=ORIGINS),
            "carrier": CategoricalValues(codes=rng.integers(0, 16, rows).astype(np.int32), dictionary=CARRIERS),
        },
    )


def labels_for(rows: Predicted, first: int, labels: int) -> Labels:
    """A block of labels of rows anywhere, in no order; ``first``: its first offset."""
    rng = np.random.default_rng(1_000 + first)
    chosen = rng.permutation(len(rows))[:labels] if len(rows) <= labels else rng.integers(0, len(rows), labels)
    offsets = np.arange(len(chosen)) + first
    values = CategoricalValues(codes=rng.integers(0, 2, len(chosen)).astype(np.int32), dictionary=("0", "1"))
    partitions = np.zeros(len(chosen), dtype=np.int64)
    return Labels(ids=rows.ids[chosen], values=values, times=to_micros(START) + offsets * 1_000, offsets=offsets, partitions=partitions)


def blocks(rows: Predicted) -> Iterator[tuple[int, Predicted]]:
    """What each checkpoint writes, with its window."""
    hour = np.arange(len(rows)) * WINDOWS // len(rows)
    for window in range(WINDOWS):
        mine = np.flatnonzero(hour == window)
        for first in range(0, len(mine), AT_ONCE):
            yield window, rows.take(mine[first : first + AT_ONCE])


class Side(Protocol):
    """One way to keep predictions."""

    def write(self, window: int, rows: Predicted) -> None:
        """One transaction."""

    def settle(self) -> None:
        """What is done once with what was written."""

    def join(self, labels: Labels) -> int:
        """Write labels and join them; how many found a row."""

    def size(self) -> int:
        """Bytes in the database."""


class NoReviser:
    """What labels make of results is measured elsewhere (``benchmarks/performance``)."""

    def revise(self, model: Model, start: datetime, windows: Sequence[KeptWindow]) -> bool:
        """Never asked: no window is judged."""
        raise NotImplementedError

    def curve(self, model: Model, key: KeptKey) -> Curve | None:
        """Never asked: no window is let go of."""
        raise NotImplementedError


MODEL = Model(
    name="m", task=Task.BINARY, window=HOUR, allowed_lateness=HOUR, min_rows=1, dedupe=False,
    performance=PerformanceRules(metrics=("accuracy",), max_drop=0.1, label_delay=timedelta(days=60)),
    columns=(late := Column(name="late", kind=Kind.CATEGORICAL, role=Role.PREDICTION, path="late"),),
    streams=(
        Stream(kind=StreamKind.PREDICTIONS, topic="predictions", id="id", time="ts", version="v", columns=(late,)),
        Stream(kind=StreamKind.LABELS, topic="labels", id="id", time="ts",
               columns=(Column(name="came", kind=Kind.CATEGORICAL, role=Role.LABEL, path="came"),)),
    ),
)  # fmt: skip


class Chunks:
    """Ours: through the store, as the daemon does."""

    def __init__(self, store: SqlStore) -> None:
        self.store = store
        self._labelling = Labelling(store=store, models=(MODEL,), reviser=NoReviser(), clock=SystemClock(), metrics=Metrics(),
                                    partitions=frozenset)

    def write(self, window: int, rows: Predicted) -> None:
        """As a checkpoint."""
        key = WindowKey(model="m", version="1", start=START + window * HOUR, end=START + (window + 1) * HOUR)
        delta = WindowDelta(key=key, account=Account(counted=len(rows)), profile=None, kept=rows)
        self.store.checkpoint(Checkpoint(at=START, windows=(delta,)))

    def settle(self) -> None:
        """All windows."""
        assert self.store.seal("m", START + WINDOWS * HOUR, None)
        self._labelling.finish()
        assert sum(window.rows for window in self.store.settled("m"))

    def join(self, labels: Labels) -> int:
        """Written by checkpoints, joined in one round."""
        before = self.store.label_account("m")
        for first in range(0, len(labels), AT_ONCE):
            some = labels.take(np.arange(first, min(first + AT_ONCE, len(labels))))
            self.store.checkpoint(Checkpoint(at=START, labels=(NewLabels(model="m", labels=some),)))
        number = self.store.join_number("m")
        self._labelling.finish()
        assert self.store.join_number("m") == number + 1
        after = self.store.label_account("m")
        return after.received - after.expired - before.received + before.expired

    def size(self) -> int:
        """Of the tables of predictions and labels alone."""
        query = "SELECT pg_total_relation_size('kept_rows') + pg_total_relation_size('kept_windows')"
        if self.store._db.is_sqlite:
            query = "SELECT sum(pgsize) FROM dbstat WHERE name IN ('kept_rows', 'kept_windows')"
        with self.store._db.read() as connection:
            return int(connection.execute(text(query)).scalar_one())


LATER = "(label_time, label_offset, label_partition) < ({0}.time, {0}.place, {0}.part)"
COLUMNS = "id, version, start, prediction, score, origin, carrier"
TABLE = """CREATE TABLE predictions (id BIGINT PRIMARY KEY, version TEXT, start BIGINT, prediction SMALLINT, score DOUBLE PRECISION,
           origin SMALLINT, carrier SMALLINT, label SMALLINT, label_time BIGINT, label_offset BIGINT, label_partition INTEGER)"""


def sql_rows(window: int, rows: Predicted) -> list[tuple[object, ...]]:
    """What both databases take as one row each."""
    assert rows.scores is not None
    codes = [values.codes.tolist() for values in (rows.prediction, *rows.segments.values()) if isinstance(values, CategoricalValues)]
    start, scores = to_micros(START + window * HOUR), rows.scores[:, 0].tolist()
    return [(id, "1", start, said, score, *segments)
            for id, said, score, *segments in zip(signed(rows.ids), codes[0], scores, *codes[1:], strict=True)]


def signed(ids: np.ndarray[tuple[int], np.dtype[np.uint64]]) -> list[int]:
    """Hashes as the databases' integers."""
    return list(map(int, ids.view(np.int64).tolist()))


def sql_labels(labels: Labels) -> list[tuple[int, ...]]:
    """Id, class, time, offset, partition."""
    assert isinstance(labels.values, CategoricalValues)
    numbers: Sequence[Ints] = (labels.times, labels.offsets, labels.partitions)
    return list(zip(signed(labels.ids), labels.values.codes.tolist(), *(part.tolist() for part in numbers), strict=True))


@dataclass(slots=True)
class SqliteRows:
    """One row each in a file with the daemon's settings; the id is the row's own number, so there is no second index."""

    connection: sqlite3.Connection

    def write(self, window: int, rows: Predicted) -> None:
        """One transaction."""
        with self.connection:
            places = ", ".join("?" * len(COLUMNS.split(",")))
            self.connection.executemany(f"INSERT OR IGNORE INTO predictions ({COLUMNS}) VALUES ({places})", sql_rows(window, rows))

    def settle(self) -> None:
        """Nothing to do."""

    def join(self, labels: Labels) -> int:
        """One UPDATE for each label."""
        said = [(label, at, place, part, id, at, place, part) for id, label, at, place, part in sql_labels(labels)]
        with self.connection:
            return self.connection.executemany(
                "UPDATE predictions SET label = ?, label_time = ?, label_offset = ?, label_partition = ? WHERE id = ? "
                "AND (label_time IS NULL OR (label_time, label_offset, label_partition) < (?, ?, ?))", said,
            ).rowcount

    def size(self) -> int:
        """Of the file's table."""
        return int(self.connection.execute("SELECT sum(pgsize) FROM dbstat WHERE name = 'predictions'").fetchone()[0])


@dataclass(slots=True)
class PostgresRows:
    """One row each, by COPY."""

    connection: psycopg.Connection[tuple[int]]

    def write(self, window: int, rows: Predicted) -> None:
        """One transaction."""
        with self.connection.transaction(), self.connection.cursor().copy(f"COPY predictions ({COLUMNS}) FROM STDIN") as copy:
            for row in sql_rows(window, rows):
                copy.write_row(row)

    def settle(self) -> None:
        """What the server would do by itself, sooner or later."""
        self.connection.execute("ANALYZE predictions")

    def join(self, labels: Labels) -> int:
        """All of them by one UPDATE; of several of one id the latest."""
        with self.connection.transaction():
            self.connection.execute(
                "CREATE TEMP TABLE came (id BIGINT, label SMALLINT, time BIGINT, place BIGINT, part INTEGER) ON COMMIT DROP"
            )
            with self.connection.cursor().copy("COPY came FROM STDIN") as copy:
                for row in sql_labels(labels):
                    copy.write_row(row)
            return self.connection.execute(
                "UPDATE predictions SET label = l.label, label_time = l.time, label_offset = l.place, label_partition = l.part "
                "FROM (SELECT DISTINCT ON (id) * FROM came ORDER BY id, time DESC, place DESC, part DESC) AS l "
                f"WHERE predictions.id = l.id AND (label_time IS NULL OR {LATER.format('l')})"
            ).rowcount

    def size(self) -> int:
        """With its index."""
        row = self.connection.execute("SELECT pg_total_relation_size('predictions')").fetchone()
        assert row is not None
        return row[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Rows a second written, bytes a row before there were labels; by the labels of a round, joins a second of the first and the
    last of them, and of all by CPU."""

    written: float
    size: float
    joined: Mapping[int, tuple[float, float, float]]


def measured(side: Side, rows: Predicted) -> Measured:
    """Wall time: the database's is part of it."""
    began = time.monotonic()
    for window, block in blocks(rows):
        side.write(window, block)
    side.settle()
    written, size, first = time.monotonic() - began, side.size(), 0
    joined: dict[int, tuple[float, float, float]] = {}
    for most, rounds in BLOCKS.items():
        if most > len(rows):
            continue
        speeds, cpu, all_labels = [], 0.0, 0
        for _ in range(rounds):
            labels = labels_for(rows, first, most)
            first += most
            began, busy = time.monotonic(), time.process_time()
            found = side.join(labels)
            speeds.append(len(labels) / (time.monotonic() - began))
            cpu, all_labels = cpu + time.process_time() - busy, all_labels + len(labels)
            assert found > 0.9 * len(labels), f"{found} of {len(labels)} labels found their prediction"
        joined[most] = speeds[0], speeds[-1], all_labels / cpu
    return Measured(written=len(rows) / written, size=size / len(rows), joined=joined)


def sqlite_sides(folder: Path, stack: ExitStack) -> Iterator[tuple[str, Side]]:
    """Each in a file of its own."""
    yield "chunks", Chunks(stack.enter_context(closing(open_store(f"sqlite:///{folder}/{uuid.uuid4().hex}.db"))))
    connection = stack.enter_context(closing(sqlite3.connect(folder / f"{uuid.uuid4().hex}.db")))
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(TABLE.replace("BIGINT PRIMARY KEY", "INTEGER PRIMARY KEY"))
    yield "rows", SqliteRows(connection)


def postgres_sides(stack: ExitStack) -> Iterator[tuple[str, Side]]:
    """Each in a database of its own, on one server."""
    from tests import postgres

    server = postgres.PostgresServer(postgres._server(stack))
    stack.callback(server.drop_databases)
    yield "chunks", Chunks(stack.enter_context(closing(open_store(server.create_database(), limits=PATIENT))))
    connection = stack.enter_context(closing(psycopg.connect(server.create_database().replace("+psycopg", ""), autocommit=True)))
    connection.execute(TABLE)
    yield "rows", PostgresRows(connection)


def main() -> None:
    """Print the table."""
    given = os.environ.get("BENCH_OPEN_ROWS")
    wanted = [int(word) for word in given.split(",")] if given else None
    stores = os.environ.get("BENCH_STORES", ",".join(SIZES)).split(",")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    print(f"binary model, {WINDOWS} windows, {AT_ONCE:,} rows a checkpoint, labels of any windows")
    heads = f"{'rows/s written':>15}{'bytes a row':>12}{'labels a round':>15}{'joins/s: first':>15}{'last':>9}{'a core':>11}{'peak MB':>9}"
    print(" " * 34 + heads)
    for store in stores:
        for rows in (SIZES[store][:1] if "--quick" in sys.argv else wanted or SIZES[store]):
            compare(store, rows)


def compare(store: str, rows: int) -> None:
    """One line for each side."""
    predictions = binary_rows(rows, seed=rows)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="driftd-bench-")))
        try:
            for name, side in sqlite_sides(folder, stack) if store == "SQLite" else postgres_sides(stack):
                if name not in os.environ.get("BENCH_SIDES", "chunks,rows").split(","):
                    continue
                found = measured(side, predictions)
                peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # kB on Linux
                for labels, (first, last, core) in found.joined.items():
                    print(f"{store:11} {rows:>12,} {name:9}{found.written:15,.0f}{found.size:12.1f}{labels:15,}{first:15,.0f}{last:9,.0f}"
                          f"{core:11,.0f}{peak:9,.0f}", flush=True)
        except pytest.skip.Exception as reason:
            print(reason)


if __name__ == "__main__":
    main()
