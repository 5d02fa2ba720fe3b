"""A broker to run against: the one that DRIFTD_TEST_KAFKA names, else Apache Kafka itself, else Docker's, else the mock cluster."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

KAFKA_VERSION = "3.9.1"
POM = Path(__file__).parent / "data" / "kafka" / "pom.xml"
CACHE = Path(os.environ.get("DRIFTD_CACHE", Path.home() / ".cache" / "driftd"))
IMAGE = f"apache/kafka:{KAFKA_VERSION}"
STARTED = "Kafka Server started"
START_SECONDS = 90


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """A broker that answers. ``real``: Apache Kafka, not the mock cluster; ``api_version`` is what kafka-python must be told.

    ``data``: the folder of its logs, where it is a process of ours.
    """

    bootstrap: str
    real: bool
    api_version: str | None = None
    data: Path | None = None
    halt: Callable[[], None] = lambda: None

    def create_topic(self, name: str, partitions: int, **config: str) -> str:
        """Make a topic and wait until the broker knows it; the mock makes its topics, of 4 partitions, at first use."""
        if not self.real:
            Producer({"bootstrap.servers": self.bootstrap}).list_topics(name, timeout=10)
            return name
        admin = AdminClient({"bootstrap.servers": self.bootstrap})
        admin.create_topics([NewTopic(name, num_partitions=partitions, replication_factor=1, config=config)])[name].result(timeout=30)
        return name

    def stop(self) -> None:
        """Stop it, where it is ours; the end of the session does."""
        self.halt()

    def delete_topic(self, name: str) -> None:
        """Delete a topic and wait until the broker has done so."""
        admin = AdminClient({"bootstrap.servers": self.bootstrap})  # kept: its futures die with it
        admin.delete_topics([name])[name].result(timeout=30)


def start_broker() -> AbstractContextManager[Broker]:
    """The best broker that this machine has, until the end of the block."""
    named = os.environ.get("DRIFTD_TEST_KAFKA")
    if named:
        return _given(named)
    if shutil.which("java") and (shutil.which("mvn") or _jars().exists()):
        return apache()
    if os.environ.get("CI") and shutil.which("java"):
        raise RuntimeError("CI runs on Apache Kafka itself: mvn is needed to fetch it")
    if _docker_runs():
        return _docker()
    return _mock()


@contextmanager
def _given(bootstrap: str) -> Iterator[Broker]:
    yield Broker(bootstrap=bootstrap, real=True)


def _jars() -> Path:
    return CACHE / f"kafka-{KAFKA_VERSION}"


def fetch_jars() -> Path:
    """The broker's jars from the cache; from Maven on the first run."""
    jars = _jars()
    if not jars.exists():
        jars.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=jars.parent) as half:
            subprocess.run(
                [
                    "mvn",
                    "-q",
                    "-B",
                    "-f",
                    str(POM),
                    "dependency:copy-dependencies",
                    "-DincludeScope=runtime",
                    f"-DoutputDirectory={half}/lib",
                ],
                check=True,
                timeout=900,
            )
            try:
                Path(half, "lib").rename(jars)
            except OSError:  # another run was quicker
                if not jars.exists():
                    raise
    return jars


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port: int = s.getsockname()[1]
        return port


class ApacheKafka:
    """One KRaft node whose data outlives a stop, so that tests can restart it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port, controller = free_port(), free_port()
        self.bootstrap = f"127.0.0.1:{self.port}"
        self._classpath = f"{fetch_jars()}/*"
        self._process: subprocess.Popen[str] | None = None
        self._properties = folder / "server.properties"
        self._properties.write_text(
            "\n".join(
                [
                    "process.roles=broker,controller",
                    "node.id=1",
                    f"controller.quorum.voters=1@127.0.0.1:{controller}",
                    f"listeners=PLAINTEXT://{self.bootstrap},CONTROLLER://127.0.0.1:{controller}",
                    f"advertised.listeners=PLAINTEXT://{self.bootstrap}",
                    "controller.listener.names=CONTROLLER",
                    "listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
                    f"log.dirs={folder}/data",
                    "offsets.topic.replication.factor=1",
                    "offsets.topic.num.partitions=4",
                    "transaction.state.log.replication.factor=1",
                    "transaction.state.log.min.isr=1",
                    "transaction.state.log.num.partitions=4",
                    "group.initial.rebalance.delay.ms=0",
                    "auto.create.topics.enable=false",
                    "log.retention.hours=-1",
                    "group.min.session.timeout.ms=1000",
                ]
            )
        )
        (folder / "log4j.properties").write_text(
            "log4j.rootLogger=INFO, out\nlog4j.appender.out=org.apache.log4j.ConsoleAppender\n"
            "log4j.appender.out.layout=org.apache.log4j.PatternLayout\nlog4j.appender.out.layout.ConversionPattern=%d %p %m (%c)%n\n"
        )
        self._java("kafka.tools.StorageTool", "format", "-t", "MkU3OEVBNTcwNTJENDM2Qk", "-c", str(self._properties))

    def _command(self, *args: str) -> list[str]:
        return ["java", "-Xmx512m", f"-Dlog4j.configuration=file:{self.folder}/log4j.properties", "-cp", self._classpath, *args]

    def _java(self, *args: str) -> None:
        done = subprocess.run(self._command(*args), capture_output=True, text=True, timeout=120, check=False)
        if done.returncode:
            raise RuntimeError(f"{args[0]} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")

    def start(self) -> None:
        """Start, and return once it says that it serves."""
        self._process = subprocess.Popen(
            self._command("kafka.Kafka", str(self._properties)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        ready = threading.Event()
        said: list[str] = []
        threading.Thread(target=self._listen, args=(self._process, ready.set, said), daemon=True).start()
        if not ready.wait(START_SECONDS) or self._process.poll() is not None:
            self.stop()
            raise RuntimeError("Apache Kafka did not start:\n" + "".join(said[-40:]))
        AdminClient({"bootstrap.servers": self.bootstrap}).list_topics(timeout=START_SECONDS)

    def _listen(self, process: subprocess.Popen[str], ready: Callable[[], None], said: list[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            said.append(line)
            if STARTED in line:
                ready()
        process.stdout.close()
        ready()

    def stop(self) -> None:
        """Stop it as a machine would lose power."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def terminate(self) -> None:
        """Stop it as it should be stopped: the next start trusts its files, and does not mend them."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(START_SECONDS)
            self._process = None

    def broker(self) -> Broker:
        """As tests see it."""
        return Broker(bootstrap=self.bootstrap, real=True, data=self.folder / "data", halt=self.stop)


@contextmanager
def apache() -> Iterator[Broker]:
    """Apache Kafka in KRaft mode, from Maven's jars."""
    with tempfile.TemporaryDirectory(prefix="driftd-kafka-", ignore_cleanup_errors=True) as folder:
        node = ApacheKafka(Path(folder))
        node.start()
        try:
            yield node.broker()
        finally:
            node.stop()


def _docker_runs() -> bool:
    docker = shutil.which("docker")
    return docker is not None and subprocess.run([docker, "info"], capture_output=True, timeout=30, check=False).returncode == 0


@contextmanager
def _docker() -> Iterator[Broker]:
    port, name = free_port(), f"driftd-test-{uuid.uuid4().hex[:8]}"
    settings = {
        "KAFKA_PROCESS_ROLES": "broker,controller",
        "KAFKA_NODE_ID": "1",
        "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
        "KAFKA_LISTENERS": "PLAINTEXT://:9092,CONTROLLER://:9093",
        "KAFKA_ADVERTISED_LISTENERS": f"PLAINTEXT://127.0.0.1:{port}",
        "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
        "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
        "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
        "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
    }
    flags = [part for key, value in settings.items() for part in ("-e", f"{key}={value}")]
    subprocess.run(["docker", "run", "-d", "--rm", "--name", name, "-p", f"{port}:9092", *flags, IMAGE], check=True, capture_output=True)
    try:
        AdminClient({"bootstrap.servers": f"127.0.0.1:{port}"}).list_topics(timeout=START_SECONDS)
        yield Broker(bootstrap=f"127.0.0.1:{port}", real=True)
    finally:
        subprocess.run(["docker", "rm", "-f", name], check=False, capture_output=True)


@contextmanager
def _mock() -> Iterator[Broker]:
    cluster = Producer({"bootstrap.servers": "unused", "test.mock.num.brokers": 1})
    broker = next(iter(cluster.list_topics(timeout=10).brokers.values()))
    yield Broker(bootstrap=f"{broker.host}:{broker.port}", real=False, api_version="2.3")
    del cluster


@pytest.fixture(scope="session")
def kafka(pytestconfig: pytest.Config) -> Iterator[Broker]:
    """A broker for the session."""
    with start_broker() as broker:
        if not broker.real:
            reporter = pytestconfig.pluginmanager.getplugin("terminalreporter")
            if reporter is not None:
                reporter.write_line(
                    "no java with mvn, no Docker: the mock cluster stands in, and tests that need Apache Kafka are left out", yellow=True
                )
        yield broker


@pytest.fixture
def node(tmp_path: Path) -> Iterator[ApacheKafka]:
    """A broker of the test's own that has not been started, to be stopped and started at will."""
    if not (shutil.which("java") and (shutil.which("mvn") or _jars().exists())):
        pytest.skip("needs a broker that it may stop: install java and maven")
    folder = tmp_path / "kafka"
    folder.mkdir()
    made = ApacheKafka(folder)
    with (folder / "server.properties").open("a") as properties:  # or a killed broker may not register again for 9 seconds
        properties.write("\nbroker.session.timeout.ms=1000\nbroker.heartbeat.interval.ms=200\n")
    yield made
    made.stop()


@pytest.fixture
def real_kafka(kafka: Broker) -> Broker:
    """The broker, where it is Apache Kafka itself."""
    if not kafka.real:
        pytest.skip("needs Apache Kafka itself: install java and maven, or set DRIFTD_TEST_KAFKA")
    return kafka
