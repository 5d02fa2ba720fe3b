"""What only Kafka does: groups, retention, transactions, corruption, absence."""

from __future__ import annotations

import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer
from confluent_kafka import TopicPartition as ConfluentPartition
from kafka import KafkaConsumer
from kafka import TopicPartition as ConsumerPartition

from monitor.core.rules import Stream, StreamKind
from monitor.core.schema import Reason, Record
from monitor.errors import Permanent, Retryable
from monitor.formats import decoder
from monitor.intake import KafkaSource, Watchdog, connect_check
from monitor.intake.client import make_consumer, options, probe
from monitor.ports import OutOfRange, TopicPartition
from monitor.settings import KafkaSettings
from tests.contracts.logs import PARTITIONS, OnKafka, assignment_of, on_kafka, poll_until, read
from tests.kafka_broker import ApacheKafka, Broker, free_port, real_kafka

__all__ = ["real_kafka"]


@pytest.fixture
def log(kafka: Broker) -> Iterator[OnKafka]:
    with on_kafka(kafka) as made:
        yield made


@pytest.fixture
def real_log(real_kafka: Broker) -> Iterator[OnKafka]:
    with on_kafka(real_kafka) as made:
        yield made


def settings(servers: str, **more: object) -> KafkaSettings:
    return KafkaSettings.model_validate({"bootstrap_servers": servers} | more)


def at(log: OnKafka, number: int = 0) -> TopicPartition:
    return TopicPartition(log.topic, number)


# --- groups --------------------------------------------------------------------------------------------------


@pytest.mark.kafka
def test_two_sources_of_one_group_share_the_partitions_and_the_one_that_is_left_gets_all(real_log: OnKafka) -> None:
    log = real_log  # the mock cluster refuses a second member
    for number in range(PARTITIONS):
        log.produce(number, b"1", b"2")
    first, second = log.source(), log.source()
    first.seek(dict.fromkeys(assignment_of(first)))
    read(first, 2 * PARTITIONS)
    shares = {first: first.partitions(), second: frozenset[TopicPartition]()}

    def polled(source: KafkaSource) -> None:
        found = source.poll(0.1)
        assert not found.records
        if found.assigned is not None:
            shares[source] = found.assigned

    until = time.monotonic() + 40
    while not (len(shares[first]) == len(shares[second]) == PARTITIONS // 2):
        assert time.monotonic() < until, shares
        polled(first)
        polled(second)
    assert shares[first] | shares[second] == first.partitions()
    assert {first.position(partition) for partition in first.partitions()} == {2}, "what was read before is still known"
    first.seek(dict.fromkeys(first.partitions(), 1))
    assert set(read(first, PARTITIONS // 2)) == {partition.partition for partition in shares[first]}
    second.close()
    assert assignment_of(first) == first.partitions()


@pytest.mark.kafka
def test_what_a_poll_finds_while_the_group_moves_does_not_count_as_read(log: OnKafka) -> None:
    """Else a partition would be said to be read to its end, and windows close without its rows."""
    log.produce(0, b"1", b"2")
    source = log.source()
    source.seek(dict.fromkeys(assignment_of(source)))
    source._rebalances.on_partitions_revoked(())  # as the client's own thread tells it
    until = time.monotonic() + 10
    while source._client is not None and source._client.position(ConsumerPartition(log.topic, 0)) < 2:
        assert time.monotonic() < until
        assert not source.poll(0.1).records
    assert source.position(at(log)) == 0
    source._rebalances.on_partitions_assigned(())
    source.seek(dict.fromkeys(assignment_of(source)))
    assert read(source, 2) == {0: [b"1", b"2"]}


# --- what the log no longer holds, or holds but does not give -------------------------------------------------


@pytest.mark.kafka
@pytest.mark.fault(26)
def test_messages_that_retention_took_are_out_of_range_and_the_start_is_the_first_that_is_left(real_log: OnKafka) -> None:
    real_log.produce(0, b"0", b"1", b"2", b"3")
    gone = ConfluentPartition(real_log.topic, 0, 3)
    admin = real_log.admin()
    admin.delete_records([gone])[gone].result(timeout=30)
    source = real_log.source()
    source.seek(dict.fromkeys(assignment_of(source)) | {at(real_log): 1})
    with pytest.raises(OutOfRange) as caught:
        poll_until(source, lambda: False)
    assert caught.value.offsets == {at(real_log): 1}
    source.seek({at(real_log): None})
    assert source.position(at(real_log)) == 3
    assert read(source, 1) == {0: [b"3"]}


@pytest.mark.kafka
def test_messages_of_an_aborted_transaction_are_not_given_and_the_position_passes_its_markers(real_log: OnKafka) -> None:
    producer = Producer({"bootstrap.servers": real_log.broker.bootstrap, "transactional.id": real_log.topic})
    producer.init_transactions(30)
    for value, kept in ((b"aborted", False), (b"kept", True), (b"aborted too", False)):
        producer.begin_transaction()
        producer.produce(real_log.topic, value, partition=0)
        producer.flush(30)
        producer.commit_transaction(30) if kept else producer.abort_transaction(30)
    source = real_log.source()
    source.seek(dict.fromkeys(assignment_of(source)))
    found: list[bytes] = []
    poll_until(source, lambda: source.position(at(real_log)) == 6, lambda _, value: found.append(value))
    assert found == [b"kept"]
    assert source.ends([at(real_log)]) == {at(real_log): 6}
    assert source.lag()[at(real_log)] == 0


@pytest.mark.kafka
@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
def test_messages_packed_by_every_codec_are_read(log: OnKafka, codec: str) -> None:
    producer = Producer({"bootstrap.servers": log.broker.bootstrap, "compression.type": codec, "linger.ms": 200})
    values = [b"%d " % i + b"the same words over and over, so that packing pays " * 20 for i in range(50)]
    for value in values:
        producer.produce(log.topic, value, partition=1)
    assert producer.flush(30) == 0
    source = log.source()
    source.seek(dict.fromkeys(assignment_of(source)))
    assert read(source, 50) == {1: values}


@pytest.mark.kafka
@pytest.mark.fault(21)
def test_a_message_larger_than_a_fetch_comes_through_and_the_decoder_sets_it_aside(real_kafka: Broker) -> None:
    with on_kafka(real_kafka) as log:
        topic = real_kafka.create_topic(f"{log.topic}-large", 1, **{"max.message.bytes": "8000000"})
        producer = Producer({"bootstrap.servers": real_kafka.bootstrap, "message.max.bytes": 8_000_000})
        producer.produce(topic, b"x" * 5_000_000, partition=0)
        producer.produce(topic, b"{}", partition=0)
        assert producer.flush(30) == 0
        source = log.source(topics=(topic,))
        source.seek(dict.fromkeys(assignment_of(source)))
        records: list[Record] = []
        until = time.monotonic() + 40
        while len(records) < 2:
            assert time.monotonic() < until, records
            records += source.poll(0.2).records.get(TopicPartition(topic, 0), ())
        batch = decoder(Stream(kind=StreamKind.PREDICTIONS, topic=topic)).decode(records)
        assert [(fault.offset, fault.reason, fault.detail) for fault in batch.faults] == [
            (0, Reason.TOO_LARGE, "5,000,000 bytes, at most 1,000,000 are read")
        ]
        assert list(batch.offsets) == [1]


@pytest.mark.kafka
@pytest.mark.fault(27)
def test_a_topic_that_was_made_again_has_another_id(real_log: OnKafka) -> None:
    source = real_log.source()
    source.partitions()
    before = source.topic_ids()[real_log.topic]
    source.close()
    real_log.broker.delete_topic(real_log.topic)
    real_log.broker.create_topic(real_log.topic, PARTITIONS)
    again = real_log.source()
    again.partitions()
    assert again.topic_ids()[real_log.topic] != before


# --- absence -------------------------------------------------------------------------------------------------


@pytest.mark.fault(4)
def test_an_absent_broker_is_named_and_leaves_no_thread_behind() -> None:
    port = free_port()
    source = KafkaSource(settings(f"127.0.0.1:{port}"), ["t"])
    before, sockets = threading.active_count(), open_sockets()
    polls = [lambda: source.poll(0.1)] * 2
    for ask in (*polls, lambda: source.ends([TopicPartition("t", 0)]), source.partitions, source.topic_ids):
        with pytest.raises(Retryable, match=rf"no Kafka broker answers at 127\.0\.0\.1:{port} \(Connection refused\)"):
            ask()
    assert threading.active_count() == before
    assert open_sockets() == sockets
    source.committed({TopicPartition("t", 0): 1})
    assert source.lag() == {}
    source.close()


def open_sockets() -> int:
    """How many sockets this process holds."""
    links = (entry for entry in Path("/proc/self/fd").iterdir() if entry.is_symlink())
    return sum(entry.readlink().name.startswith("socket:") for entry in links)


def test_something_that_takes_connections_and_is_no_broker_is_given_up_without_a_thread_left() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        before, sockets = threading.active_count(), open_sockets()
        with pytest.raises(Retryable, match=rf"Kafka at 127\.0\.0\.1:{port} does not let us in: Kafka"):
            make_consumer(settings(f"127.0.0.1:{port}"))
        assert threading.active_count() == before
        assert open_sockets() == sockets


@pytest.mark.parametrize("server", ["no-such-host.invalid:9092", "[::1]", f"localhost:{1}"])
def test_a_server_that_cannot_be_reached_is_named_as_it_was_written(server: str) -> None:
    with pytest.raises(Retryable, match="no Kafka broker answers at ") as caught:
        probe(settings(server))
    assert server in str(caught.value)


@pytest.mark.kafka
@pytest.mark.slow
def test_reading_goes_on_by_itself_when_the_broker_is_back(real_kafka: Broker) -> None:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        node = ApacheKafka(Path(folder))
        node.start()
        try:
            with on_kafka(Broker(bootstrap=node.bootstrap, real=True)) as log:
                log.produce(0, b"before")
                source = log.source()
                source.seek(dict.fromkeys(assignment_of(source)))
                read(source, 1)
                threads = threading.active_count()
                node.stop()
                open_files = len(list(Path("/proc/self/fd").iterdir())) if sys.platform == "linux" else None
                assert source.poll(0.1).records == {}
                with pytest.raises(Retryable, match=f"Kafka at {node.bootstrap} does not answer"):
                    source.ends([at(log)])
                assert threading.active_count() <= threads
                if open_files is not None:
                    assert len(list(Path("/proc/self/fd").iterdir())) <= open_files
                node.start()
                log.produce(0, b"after")
                assert _read_on(source, log) == b"after"
        finally:
            node.stop()


def _read_on(source: KafkaSource, log: OnKafka) -> bytes | None:
    """The next message, taking over again where the group asks for it."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            polled = source.poll(0.2)
        except Retryable:
            continue
        if polled.assigned is not None:
            source.seek({partition: 1 if partition == at(log) else 0 for partition in polled.assigned})
        for records in polled.records.values():
            value: bytes | None = records[0].value
            return value
    return None


# --- looking before running ----------------------------------------------------------------------------------


@pytest.mark.kafka
def test_the_connection_check_tells_each_topic_and_names_all_that_are_missing(log: OnKafka) -> None:
    assert connect_check(log.settings(), [log.topic]) == [f"topic {log.topic}: {PARTITIONS} partitions"]
    if log.broker.real:  # the mock cluster makes what it is asked for
        with pytest.raises(Permanent, match=r"topics that do not exist at .*: missing\.a, missing\.b"):
            connect_check(log.settings(), ["missing.b", log.topic, "missing.a"])


def test_the_connection_check_of_an_absent_broker_may_be_tried_again() -> None:
    with pytest.raises(Retryable, match="no Kafka broker answers"):
        connect_check(settings(f"127.0.0.1:{free_port()}"), ["t"])


# --- options -------------------------------------------------------------------------------------------------


def test_the_options_whose_defaults_would_hurt_are_set() -> None:
    found = options(settings("a:1,b:2", group_id="g", api_version="2.3"))
    assert found["bootstrap_servers"] == ["a:1", "b:2"]
    assert (found["group_id"], found["api_version"]) == ("g", (2, 3))
    assert (found["enable_auto_commit"], found["auto_offset_reset"], found["allow_auto_create_topics"]) == (False, "none", False)
    assert found["isolation_level"] == "read_committed"
    assert not [name for name in found if "deserializer" in name]


def test_login_and_encryption_are_passed_on(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("hush\n")
    for name in ("ca.pem", "cert.pem", "key.pem"):
        (tmp_path / name).write_text("")
    given = settings(
        "a:1",
        security_protocol="SASL_SSL",
        sasl_mechanism="SCRAM-SHA-512",
        sasl_plain_username="driftd",
        sasl_plain_password_file=str(tmp_path / "password"),
        ssl_cafile=str(tmp_path / "ca.pem"),
        ssl_certfile=str(tmp_path / "cert.pem"),
        ssl_keyfile=str(tmp_path / "key.pem"),
        ssl_password="keep",
    )
    found = options(given)
    assert found["security_protocol"] == "SASL_SSL"
    assert (found["sasl_mechanism"], found["sasl_plain_username"], found["sasl_plain_password"]) == ("SCRAM-SHA-512", "driftd", "hush")
    assert [found[name] for name in ("ssl_cafile", "ssl_certfile", "ssl_keyfile")] == [
        str(tmp_path / name) for name in ("ca.pem", "cert.pem", "key.pem")
    ]
    assert (found["ssl_password"], found["ssl_check_hostname"]) == ("keep", True)
    assert not [name for name in options(settings("a:1")) if name.startswith(("sasl_", "ssl_"))]


def test_every_login_and_encryption_setting_is_an_option_of_the_client_under_its_own_name(tmp_path: Path) -> None:
    named = {name for name in KafkaSettings.model_fields if name.startswith(("sasl_", "ssl_"))}
    found = options(settings("a:1", security_protocol="SASL_SSL", sasl_mechanism="GSSAPI", sasl_kerberos_name="driftd/host@REALM",
                             sasl_kerberos_domain_name="brokers", ssl_ciphers="HIGH", ssl_check_hostname=False))  # fmt: skip
    given = {name: value for name, value in found.items() if name.startswith(("sasl_", "ssl_"))}
    assert set(given) == {name for name in named if not name.endswith("_file")}
    assert set(found) <= set(KafkaConsumer.DEFAULT_CONFIG)
    assert {name: value for name, value in given.items() if value is not None} == {
        "sasl_mechanism": "GSSAPI", "sasl_kerberos_name": "driftd/host@REALM", "sasl_kerberos_service_name": "kafka",
        "sasl_kerberos_domain_name": "brokers", "ssl_ciphers": "HIGH", "ssl_check_hostname": False,
    }  # fmt: skip


# --- the watchdog --------------------------------------------------------------------------------------------


class Time:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_poll_that_does_not_come_back_is_reported_once() -> None:
    clock, reports = Time(), list[float]()
    dog = Watchdog(monotonic=clock, report=reports.append, grace=30)
    with dog.polling(1):
        clock.now = 31.0
        assert not dog.check()
        clock.now = 33.0
        assert dog.check()
        assert dog.check()
    assert reports == [2.0]
    assert not dog.check()
    with dog.polling(1):
        clock.now = 70.0
        assert dog.check()
    assert reports == [2.0, 6.0]


def test_no_poll_is_no_late_poll() -> None:
    clock, reports = Time(), list[float]()
    dog = Watchdog(monotonic=clock, report=reports.append, grace=30)
    clock.now = 1e6
    assert not dog.check()
    assert reports == []


def test_a_heartbeat_has_an_age_that_beats_and_ended_polls_renew() -> None:
    clock = Time()
    dog = Watchdog(monotonic=clock, report=lambda _: None)
    clock.now = 5.0
    assert dog.age() == 5.0
    dog.beat()
    assert dog.age() == 0.0
    with pytest.raises(Retryable):
        _failing_poll(dog, clock)
    assert dog.age() == 0.0


def _failing_poll(dog: Watchdog, clock: Time) -> None:
    with dog.polling(1):
        clock.now = 9.0
        raise Retryable("away")


@pytest.mark.kafka
def test_a_sources_polls_are_watched(log: OnKafka) -> None:
    clock = Time()
    dog = Watchdog(monotonic=clock, report=lambda _: None)
    clock.now = 7.0
    source = KafkaSource(log.settings(), [log.topic], watchdog=dog)
    log.sources.append(source)
    source.poll(0.01)
    assert dog.age() == 0.0
