"""What happens to topics, partitions and connections under a source and a daemon: nothing is skipped unseen."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka import TopicPartition as ConfluentPartition
from confluent_kafka.admin import NewPartitions

from monitor.errors import Retryable
from monitor.intake import KafkaSource
from monitor.ports import OutOfRange, TopicPartition
from tests.contracts.logs import PARTITIONS, OnKafka, assignment_of, on_kafka, poll_until, read
from tests.daemon.running import Daemon, a_run, adds_up, daemon, encoded, new_topic, row, until
from tests.faults.process import usage
from tests.faults.proxy import proxy
from tests.faults.segments import Segment
from tests.flights_run import Run, produce
from tests.kafka_broker import ApacheKafka, Broker, node, real_kafka

__all__ = ["node", "real_kafka"]

pytestmark = [pytest.mark.kafka, pytest.mark.real_kafka]

MORE = 3
"""Threads and files that may come and go by themselves: the HTTP server's, the store's."""


@pytest.fixture
def log(real_kafka: Broker) -> Iterator[OnKafka]:
    with on_kafka(real_kafka) as made:
        yield made


# --- the broker goes away ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "seconds",
    [pytest.param(5, marks=pytest.mark.fault(2)), pytest.param(60, marks=[pytest.mark.fault(3), pytest.mark.long])],
)
def test_a_broker_that_is_away_for_a_while_costs_no_message_no_restart_no_thread_and_no_file(node, tmp_path, seconds):
    node.start()
    run = a_run(tmp_path, node.bootstrap, new_topic(node.broker(), 3))
    with daemon(run, ready=False) as d:
        produce(run.bootstrap, run.topic, encoded(row(n) for n in range(300)))
        d.until(lambda: d.ready() and d.received() == 300, 60)
        before = usage(d.process.pid)
        node.stop()
        away = time.monotonic()
        d.until(lambda: unready(d, "kafka_unreachable"), 40)
        until(lambda: time.monotonic() - away > seconds, seconds=seconds + 5)
        assert unready(d, "kafka_unreachable")
        assert d.get("/livez")[0] == 200
        meanwhile = usage(d.process.pid)
        node.start()
        back = time.monotonic()
        produce(run.bootstrap, run.topic, encoded(row(n) for n in range(300, 700)))
        d.until(lambda: d.ready() and d.received() == 700, 60)
        assert time.monotonic() - back < 30, "it catches up soon"
        assert all(map(adds_up, d.windows()))
        assert len(d.log("intake.unreachable")) < 10, "told, not drummed"
        for now in (meanwhile, usage(d.process.pid)):
            assert now.threads <= before.threads + MORE
            assert now.files <= before.files + MORE


def unready(d: Daemon, reason: str) -> bool:
    status, said = d.get("/readyz")
    return status == 503 and reason in said


@pytest.mark.long
@pytest.mark.fault(2, 3)
def test_a_network_that_swallows_everything_is_told_as_an_absent_broker_and_not_waited_for(node, tmp_path):
    with proxy("127.0.0.1", node.port) as wire:
        with (node.folder / "server.properties").open("a") as properties:
            properties.write(f"\nadvertised.listeners=PLAINTEXT://127.0.0.1:{wire.port}\n")
        node.start()
        run = a_run(tmp_path, f"127.0.0.1:{wire.port}", new_topic(node.broker()))
        with daemon(run, ready=False) as d:
            produce(run.bootstrap, run.topic, encoded(row(n) for n in range(50)))
            d.until(lambda: d.ready() and d.received() == 50, 60)
            before = usage(d.process.pid)
            wire.drop()
            d.until(lambda: unready(d, "kafka_unreachable"), 60)
            assert d.get("/livez")[0] == 200
            wire.drop(False)
            wire.reset()
            produce(run.bootstrap, run.topic, encoded(row(n) for n in range(50, 90)))
            d.until(lambda: d.ready() and d.received() == 90, 90)
            assert usage(d.process.pid).threads <= before.threads + MORE


@pytest.mark.fault(20)
def test_a_daemon_reads_all_but_a_damaged_batch_and_notes_what_it_lost(real_kafka: Broker, tmp_path: Path) -> None:
    if real_kafka.data is None:
        pytest.skip("needs a broker whose files can be reached")
    run = a_run(tmp_path, real_kafka.bootstrap, new_topic(real_kafka))
    for start in (0, 20, 40):
        produce(run.bootstrap, run.topic, encoded(row(n) for n in range(start, start + 20)))
    segment = Segment(real_kafka.data, run.topic)
    bad = next(batch for batch in segment.batches() if batch.first >= 20)
    segment.flip(bad.at + bad.size - 3)
    lost = bad.beyond - bad.first
    with daemon(run, ready=False) as d:
        d.until(lambda: d.ready() and d.received() == 60 - lost, 60)
        [gap] = d.log("intake.gap")
        assert (gap["first"], gap["beyond"], gap["going_on_at"], gap["reason"]) == (bad.first, bad.beyond, bad.beyond, "damaged")
        produce(run.bootstrap, run.topic, encoded(row(n) for n in range(60, 90)))
        d.until(lambda: d.received() == 90 - lost, 30)
        assert d.stop() < 10
    with daemon(run) as d:  # what was noted is not found once more
        assert d.received() == 90 - lost
        assert not d.log("intake.gap")


HANGING = """
import sys, threading, time
from kafka.errors import CorruptRecordError
from monitor.health import Health
from monitor.intake import KafkaSource, Watchdog
from monitor.ports import TopicPartition
from monitor.settings import KafkaSettings
servers, group, topic = sys.argv[1:]
dog = Watchdog(monotonic=time.monotonic, report=lambda late: print("reported", flush=True), grace=1.0)
source = KafkaSource(KafkaSettings.model_validate({"bootstrap_servers": servers, "group_id": group}), [topic], watchdog=dog)
while (assigned := source.poll(0.2).assigned) is None:
    pass
source.seek(dict.fromkeys(assigned, 0))
try:
    while True:
        source._client.poll(timeout_ms=200)  # behind our back: nobody lets go of the client
except CorruptRecordError:
    threading.Thread(target=source.poll, args=(0.1,), daemon=True).start()
while not dog.check():
    time.sleep(0.1)
print("overdue", dog.age() > 1.0, flush=True)
"""


@pytest.mark.fault(20, 42)
def test_a_poll_that_hangs_is_noticed_by_the_watchdog(log: OnKafka) -> None:
    if log.broker.data is None:
        pytest.skip("needs a broker whose files can be reached")
    log.produce(0, b"to be spoilt")
    segment = Segment(log.broker.data, log.topic)
    segment.flip(segment.batches()[0].size - 3)
    command = [sys.executable, "-W", "ignore", "-c", HANGING, log.broker.bootstrap, log.group, log.topic]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # its thread spins until it is killed
        try:
            assert process.stdout is not None
            assert [process.stdout.readline(), process.stdout.readline()] == ["reported\n", "overdue True\n"]
        finally:
            process.kill()


# --- partitions and topics come and go -----------------------------------------------------------------------


@pytest.mark.long
@pytest.mark.fault(25)
def test_a_partition_that_is_added_while_we_run_is_read_from_its_first_message_even_with_start_latest(log: OnKafka) -> None:
    log.produce(0, b"old")
    source = log.source(from_end=True)
    source.seek(dict.fromkeys(assignment_of(source)))
    admin = log.admin()  # kept: its futures die with it
    admin.create_partitions([NewPartitions(log.topic, PARTITIONS + 1)])[log.topic].result(timeout=30)
    until(lambda: produced(log, PARTITIONS), seconds=10)
    new = TopicPartition(log.topic, PARTITIONS)
    assigned: frozenset[TopicPartition] = frozenset()
    deadline = time.monotonic() + 60  # the client looks every 30 s
    while new not in assigned:
        assert time.monotonic() < deadline
        assigned = source.poll(0.5).assigned or assigned
    source.seek({partition: None if partition == new else source.position(partition) for partition in assigned})
    assert read(source, 1) == {PARTITIONS: [b"new"]}


def produced(log: OnKafka, partition: int) -> bool:
    log.produce(partition, b"new")
    return True


@pytest.mark.fault(25)
def test_a_topic_that_is_made_while_we_run_is_read_from_its_first_message_even_with_start_latest(log: OnKafka) -> None:
    later = f"{log.topic}-later"
    source = log.source(from_end=True, topics=(log.topic, later))
    assignment_of(source)
    log.broker.create_topic(later, 1)
    OnKafka.produce(later_of(log, later), 0, b"first")
    new = TopicPartition(later, 0)
    assigned: frozenset[TopicPartition] = frozenset()
    deadline = time.monotonic() + 60
    while new not in assigned:
        assert time.monotonic() < deadline
        assigned = source.poll(0.5).assigned or assigned
    source.seek(dict.fromkeys(assigned))
    assert read(source, 1) == {0: [b"first"]}


def later_of(log: OnKafka, topic: str) -> OnKafka:
    """The same broker, another topic, already made."""
    other = object.__new__(OnKafka)
    other.broker, other.topic, other.group, other.sources = log.broker, topic, log.group, log.sources
    return other


@pytest.mark.fault(27)
def test_a_topic_that_is_made_again_while_we_run_and_while_we_are_away_is_read_from_its_start(real_kafka: Broker, tmp_path: Path) -> None:
    run = a_run(tmp_path, real_kafka.bootstrap, new_topic(real_kafka, 2))
    with daemon(run, ready=False) as d:
        produce(run.bootstrap, run.topic, encoded(row(n) for n in range(50)))
        d.until(lambda: d.ready() and d.received() == 50, 60)
        again(real_kafka, run, range(50, 80))
        d.until(lambda: d.ready() and d.received() == 80, 90)
        assert d.log("topic.recreated")
        assert d.stop() < 10
    again(real_kafka, run, range(80, 100))
    with daemon(run, ready=False) as d:
        d.until(lambda: d.ready() and d.received() == 100, 60)
        assert d.log("topic.recreated")
        assert all(map(adds_up, d.windows()))


@pytest.mark.fault(27)
def test_a_topic_that_is_deleted_holds_up_its_own_model_alone(real_kafka: Broker, tmp_path: Path) -> None:
    run = a_run(tmp_path, real_kafka.bootstrap, new_topic(real_kafka, 2))
    other = new_topic(real_kafka, 1)
    config = json.loads(run.config.read_text())
    [model] = config["models"].values()
    config["models"]["other"] = model | {"streams": {"predictions": model["streams"]["predictions"] | {"topic": other}}}
    run.config.write_text(json.dumps(config))
    with daemon(run, ready=False) as d:
        produce(run.bootstrap, run.topic, encoded(row(n) for n in range(50)))
        d.until(lambda: d.ready() and d.received() == 50, 60)
        real_kafka.delete_topic(other)
        produce(run.bootstrap, run.topic, encoded(row(n) for n in range(50, 80)))
        d.until(lambda: d.received() == 80, 60)
        d.until(lambda: unready(d, f"topic '{other}' does not exist"), 60)
        produce(run.bootstrap, run.topic, encoded(row(n) for n in range(80, 90)))
        d.until(lambda: d.received() == 90, 60)
        assert d.stop() < 10
    with daemon(run, ready=False) as d:
        produce(run.bootstrap, run.topic, encoded(row(n) for n in range(90, 100)))
        d.until(lambda: d.received() == 100, 60)
        assert unready(d, f"topic '{other}' does not exist")
        real_kafka.create_topic(other, 1)
        d.until(d.ready, 60)


@pytest.mark.fault(27)
def test_until_idle_reads_the_topics_that_are_there_and_fails_for_the_one_that_is_not(real_kafka: Broker, tmp_path: Path) -> None:
    run = a_run(tmp_path, real_kafka.bootstrap, new_topic(real_kafka, 1))
    config = json.loads(run.config.read_text())
    [model] = config["models"].values()
    config["models"]["other"] = model | {"streams": {"predictions": model["streams"]["predictions"] | {"topic": "not.there"}}}
    run.config.write_text(json.dumps(config))
    produce(run.bootstrap, run.topic, encoded(row(n) for n in range(50)))
    with daemon(run, "--until-idle", ready=False) as d:
        assert d.ended(60) == 1
        assert d.text().splitlines()[-1] == f"driftd: not all was read: topic 'not.there' does not exist at {run.bootstrap}"
    assert sum(window["received"] for window in run.rows("windows", str(run.config))) == 50


def again(kafka: Broker, run: Run, numbers: range) -> None:
    """Delete the topic, make it again, and produce there."""
    kafka.delete_topic(run.topic)
    until(lambda: made(kafka, run.topic), seconds=20)
    produce(run.bootstrap, run.topic, encoded(row(n) for n in numbers))


def made(kafka: Broker, topic: str) -> bool:
    try:
        kafka.create_topic(topic, 2)
    except KafkaException as error:  # the broker deletes in the background
        if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise
        return False
    return True


# --- the log is cut short ------------------------------------------------------------------------------------


@pytest.mark.fault(28)
@pytest.mark.parametrize("written_over", [False, True])
def test_a_log_that_lost_its_end_is_out_of_range_and_where_it_parts_from_what_was_read_is_told(
    node: ApacheKafka, written_over: bool
) -> None:
    node.start()
    with on_kafka(node.broker()) as log:
        for number in range(10):
            log.produce(0, b"old %d" % number)
        at = TopicPartition(log.topic, 0)
        source = log.source()
        source.seek(dict.fromkeys(assignment_of(source), 0))
        read(source, 10)
        node.terminate()
        assert log.broker.data is not None
        segment = Segment(log.broker.data, log.topic)
        segment.cut(segment.batches()[6].at)
        node.start()
        if written_over:
            log.produce(0, *(b"new %d" % number for number in range(6, 14)))
        with pytest.raises(OutOfRange) as caught:
            until_told(source, {at: 10})
        assert caught.value.offsets == {at: 10}
        assert caught.value.divergent == {at: 6} or not (written_over or caught.value.divergent)
        source.seek({at: 6})
        if not written_over:
            log.produce(0, b"new 6")
        assert read(source, 1)[0][0] == b"new 6"


def until_told(source: KafkaSource, positions: dict[TopicPartition, int]) -> None:
    """Poll over the broker's absence and what the group does meanwhile, until the source says what is wrong."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            polled = source.poll(0.2)
            source.lag()
        except Retryable:
            continue
        if polled.assigned is not None:
            source.seek({partition: positions.get(partition, 0) for partition in polled.assigned})


@pytest.mark.fault(26)
def test_what_retention_took_under_a_running_source_is_out_of_range_at_the_offset_that_was_wanted(log: OnKafka) -> None:
    log.produce(0, *(b"%d" % n for n in range(8)))
    source = log.source()
    at = TopicPartition(log.topic, 0)
    source.seek(dict.fromkeys(assignment_of(source), 0) | {at: 2})
    gone = ConfluentPartition(log.topic, 0, 5)
    admin = log.admin()  # kept: its futures die with it
    admin.delete_records([gone])[gone].result(timeout=30)
    source.seek({at: 2})
    with pytest.raises(OutOfRange) as caught:
        poll_until(source, lambda: False)
    assert (caught.value.offsets, caught.value.divergent) == ({at: 2}, {})
    assert (source.begins([at]), source.ends([at])) == ({at: 5}, {at: 8})
