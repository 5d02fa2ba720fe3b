"""Intake: Kafka as a log source."""

from monitor.intake.connect import connect_check
from monitor.intake.kafka_source import KafkaSource

__all__ = ["KafkaSource", "connect_check"]
