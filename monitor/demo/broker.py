"""A Kafka-speaking broker without Java or Docker: librdkafka's mock cluster, out of the confluent-kafka wheel.

It keeps its topics in memory, gives each four partitions, and ends with the object that holds it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor.errors import Retryable, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from confluent_kafka import Producer

API_VERSION = "2.3"
"""kafka-python cannot negotiate with the mock cluster: it has to be told which Kafka to expect."""

PARTITIONS = 4
ANSWER_WITHIN = 10.0
"""Seconds that the broker may take to answer a question about its topics."""

ERRORS_ONLY = 3
"""librdkafka's log level: syslog's `error`."""


class EmbeddedBroker:
    """One broker on a free port of this machine, until ``close``."""

    def __init__(self) -> None:
        self._cluster: Producer | None = new_producer("unused:1", {"test.mock.num.brokers": 1})
        broker = next(iter(self._cluster.list_topics(timeout=ANSWER_WITHIN).brokers.values()))
        self.bootstrap_servers = f"{broker.host}:{broker.port}"

    def create(self, topics: Sequence[str]) -> None:
        """Make the topics. The mock cluster makes a topic when somebody asks for it."""
        if self._cluster is None:
            raise Retryable(f"the broker at {self.bootstrap_servers} is closed")
        for topic in topics:
            self._cluster.list_topics(topic, timeout=ANSWER_WITHIN)

    def close(self) -> None:
        """End the cluster and forget its topics."""
        self._cluster = None

    def __enter__(self) -> EmbeddedBroker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def new_producer(bootstrap_servers: str, more: dict[str, str | int] | None = None) -> Producer:
    """A librdkafka producer that says nothing but errors. Raises UsageError when confluent-kafka is not installed."""
    try:
        from confluent_kafka import Producer
    except ImportError as missing:
        raise UsageError(f"the demo needs the package 'confluent-kafka': pip install 'driftd[demo]' ({missing})") from missing
    return Producer({"bootstrap.servers": bootstrap_servers, "log_level": ERRORS_ONLY, **(more or {})})


def create_topics(bootstrap_servers: str, topics: Sequence[str], answer_within: float = ANSWER_WITHIN) -> None:
    """Make the topics that a real Kafka does not have yet, with four partitions each. Raises Retryable."""
    from confluent_kafka import KafkaError, KafkaException
    from confluent_kafka.admin import AdminClient
    from confluent_kafka.cimpl import NewTopic

    admin = AdminClient({"bootstrap.servers": bootstrap_servers, "log_level": ERRORS_ONLY})
    asked = admin.create_topics([NewTopic(topic, num_partitions=PARTITIONS) for topic in topics], request_timeout=answer_within)
    for topic, answer in asked.items():
        try:
            answer.result(timeout=answer_within * 2)
        except KafkaException as refused:
            if refused.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise Retryable(f"Kafka at {bootstrap_servers} did not create the topic {topic!r}: {refused.args[0].str()}") from refused
