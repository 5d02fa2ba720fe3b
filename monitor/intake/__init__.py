"""Intake: Kafka as a log source."""

from monitor.intake.connect import connect_check
from monitor.intake.kafka_source import KafkaSource
from monitor.intake.watchdog import Watchdog

__all__ = ["KafkaSource", "Watchdog", "connect_check"]
