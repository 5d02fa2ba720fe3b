"""Memory between poll and checkpoint: huge messages, tiny ones, and a store that is away while the topic fills."""

from __future__ import annotations

import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
from confluent_kafka import Producer

from tests.daemon.running import a_run, adds_up, daemon, encoded, new_topic, row, until
from tests.faults.process import MEGABYTE, Peak, usage
from tests.flights_run import Run, produce
from tests.kafka_broker import Broker, real_kafka

__all__ = ["real_kafka"]

pytestmark = [pytest.mark.kafka, pytest.mark.real_kafka]

COPIES = 9
"""How often kafka-python holds a message of this size: in the answer, the batch, its copy and the message; as much again of the next one,
which comes in meanwhile; and one to go round. Seen: 4 to 6, on a busy machine 8."""
FLOOD = 200_000


@pytest.mark.fault(21)
@pytest.mark.parametrize("size", [10_000_000, pytest.param(100_000_000, marks=pytest.mark.long)])
def test_a_huge_message_is_set_aside_with_its_reason_while_reading_goes_on_in_bounded_memory(
    real_kafka: Broker, tmp_path: Path, size: int
) -> None:
    topic = new_topic(real_kafka, 1, **{"max.message.bytes": "104000000"})
    run = a_run(tmp_path, real_kafka.bootstrap, topic)
    with daemon(run, ready=False) as d:
        produce(run.bootstrap, topic, encoded(row(n) for n in range(50)))
        d.until(lambda: d.ready() and d.received() == 50, 60)
        before = usage(d.process.pid).memory
        with Peak(d.process.pid) as peak:
            big = Producer({"bootstrap.servers": run.bootstrap, "message.max.bytes": 200_000_000, "message.timeout.ms": 120_000})
            for _ in range(3):
                big.produce(topic, b'{"pad": "' + b"x" * size + b'"}')
                assert big.flush(120) == 0
            produce(run.bootstrap, topic, encoded(row(n) for n in range(50, 80)))
            d.until(lambda: d.received() == 80, 120)
        left = usage(d.process.pid).memory
        assert d.get("/livez")[0] == 200
        assert d.stop() < 10
    quarantined = run.rows("quarantine", "list", str(run.config))
    assert [entry["reason"] for entry in quarantined] == ["too_large"] * 3
    assert all(len(str(entry)) < 5_000 for entry in quarantined), "a sample of it is kept, not all"
    print(f"{size:,} bytes: {before / MEGABYTE:.0f} MB before, {peak.memory / MEGABYTE:.0f} MB at most, {left / MEGABYTE:.0f} MB after")
    assert peak.memory - before < COPIES * size + 60 * MEGABYTE


@pytest.mark.fault(21)
@pytest.mark.long
def test_a_million_tiny_messages_are_counted_in_bounded_memory(real_kafka: Broker, tmp_path: Path) -> None:
    run = a_run(tmp_path, real_kafka.bootstrap, new_topic(real_kafka, 4), model={"dedupe": False})
    stamps = ((n, 1_362_096_000 + n // 100) for n in range(1_000_000))
    produce(run.bootstrap, run.topic, [(str(n), b'{"prediction_id":"%d","ts":%d}' % (n, at)) for n, at in stamps])
    with daemon(run, ready=False) as d:
        d.until(lambda: d.ready() and d.received() > 0, 60)
        with Peak(d.process.pid) as peak:
            began = time.monotonic()
            d.until(lambda: d.received() == 1_000_000, 240)
        print(f"a million in {time.monotonic() - began:.0f} s, {peak.memory / MEGABYTE:.0f} MB at most")
        assert all(map(adds_up, d.windows()))
        assert peak.memory < 400 * MEGABYTE


@pytest.mark.fault(9, 21)
@pytest.mark.long
@pytest.mark.parametrize("seconds", [15, 75])
def test_a_store_that_is_locked_stops_the_reading_and_nothing_gathers(real_kafka: Broker, tmp_path: Path, seconds: int) -> None:
    run = a_run(tmp_path, real_kafka.bootstrap, new_topic(real_kafka, 2))
    with daemon(run, ready=False) as d:
        produce(run.bootstrap, run.topic, encoded(row(n) for n in range(10_000)))
        d.until(lambda: d.ready() and d.received() == 10_000, 60)
        before = usage(d.process.pid).memory
        flood = threading.Thread(target=flooded, args=(run,))
        with Peak(d.process.pid) as peak:
            locked(tmp_path / "driftd.db", seconds, flood, lambda: d.until(lambda: "store_unavailable" in d.get("/readyz")[1], 30))
        flood.join()
        print(f"locked for {seconds} s: {before / MEGABYTE:.0f} MB before, {peak.memory / MEGABYTE:.0f} MB at most")
        assert peak.memory - before < 80 * MEGABYTE
        d.until(lambda: d.ready() and d.received() == 10_000 + FLOOD, 120)
        assert all(map(adds_up, d.windows()))
        assert len(d.log("intake.assigned")) == (1 if seconds < 60 else 2), "the group keeps us for a minute, and takes us again later"
        assert not d.log("checkpoint.fenced")


def locked(path: Path, seconds: float, meanwhile: threading.Thread, shown: object) -> None:
    """Hold the database's lock for so long, while something else goes on."""
    with closing(sqlite3.connect(path, isolation_level=None, timeout=30)) as other:
        other.execute("begin immediate")
        began = time.monotonic()
        meanwhile.start()
        assert callable(shown)
        shown()
        until(lambda: time.monotonic() - began > seconds, seconds=seconds + 5)
        other.execute("rollback")


def flooded(run: Run) -> None:
    produce(run.bootstrap, run.topic, encoded(row(n) for n in range(10_000, 10_000 + FLOOD)))
