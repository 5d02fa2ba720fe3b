"""Looks whether Kafka can be reached and holds the topics, for ``driftd check --connect``."""

from __future__ import annotations

from collections.abc import Sequence

from kafka.errors import KafkaError

from monitor.errors import Permanent, Retryable
from monitor.intake.client import make_consumer, said
from monitor.settings import KafkaSettings


def connect_check(kafka: KafkaSettings, topics: Sequence[str]) -> list[str]:
    """One line per topic. Raises Retryable when Kafka is away, Permanent naming every topic that does not exist."""
    consumer = make_consumer(kafka)
    try:
        there = {topic: consumer.partitions_for_topic(topic) or set() for topic in topics}
    except KafkaError as error:
        raise Retryable(f"Kafka at {', '.join(kafka.bootstrap_servers)} does not answer: {said(error)}") from None
    finally:
        consumer.close(autocommit=False, timeout_ms=3000)
    missing = sorted(topic for topic, partitions in there.items() if not partitions)
    if missing:
        raise Permanent(f"topics that do not exist at {', '.join(kafka.bootstrap_servers)}: {', '.join(missing)}")
    return [f"topic {topic}: {len(partitions)} partitions" for topic, partitions in there.items()]
