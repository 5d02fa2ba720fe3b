"""Publishes flights in fast motion: the prediction when the flight departs, the label with the report of its day."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from monitor.core.schema import rfc3339
from monitor.demo.broker import new_producer
from monitor.demo.scenario import FEATURES, LABELS_TOPIC, NEW_VERSION, PREDICTIONS_TOPIC, Fault
from monitor.demo.trainer import predict
from monitor.errors import Retryable

if TYPE_CHECKING:
    import pandas as pd
    from confluent_kafka import KafkaError, Message, Producer

HOUR = timedelta(hours=1)
REPORTED_AFTER = timedelta(hours=36)
"""From the beginning of a day (UTC) until what became of its flights is reported."""
FLUSH_WITHIN = 60.0
"""Seconds that the broker may take for what is still under way at the end."""

DELIVERED_WITHIN = 30.0
"""Seconds that the broker may take for one message."""


class Event(NamedTuple):
    """One message and the moment at which it goes out, in the time of the flights."""

    at: datetime
    topic: str
    key: bytes
    value: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """``days_per_second`` of the flights' time; None is as fast as the broker takes it."""

    days_per_second: float | None

    def seconds(self, way: timedelta) -> float:
        """How long that stretch of the flights' time takes."""
        return way / timedelta(days=1) / self.days_per_second if self.days_per_second else 0.0


def break_upstream(flights: pd.DataFrame, fault: Fault) -> pd.DataFrame:
    """The flights as a broken pipeline hands them to the model: one column in the wrong unit while the fault lasts."""
    broken = (flights["departed_at"] >= fault.start) & (flights["departed_at"] < fault.end)
    return flights.assign(**{fault.column: flights[fault.column].where(~broken, flights[fault.column] * fault.factor)})


def events_of(predicted: pd.DataFrame) -> list[Event]:
    """Every prediction at its departure, every label with the report of that day, in the order of time (ties: predictions first)."""
    rows = predicted.to_dict("records")
    labels = sorted((row for row in rows if row["arrived_late"] in (0, 1)), key=lambda row: row["arrived_at"])
    return sorted([_prediction(row) for row in rows] + [_label(row) for row in labels], key=lambda event: event.at)


def with_new_version(predicted: pd.DataFrame, pipeline: Any, switch: datetime) -> pd.DataFrame:
    """From ``switch`` on every second flight, by its id, as the new version tells it: both versions run beside each other."""
    import pandas as pd

    new = (predicted["departed_at"] >= switch) & predicted["prediction_id"].map(_is_second)
    told = predict(pipeline, predicted[new], NEW_VERSION)
    return pd.concat([predicted[~new], told]).sort_values(["departed_at", "prediction_id"], ignore_index=True)


def _is_second(id: str) -> bool:
    return zlib.crc32(id.encode()) % 2 == 1


def _prediction(row: dict[Any, Any]) -> Event:
    message = {
        "prediction_id": row["prediction_id"],
        "ts": rfc3339(row["departed_at"].to_pydatetime()),
        "model_version": row["model_version"],
        "late": row["late"],
        "p_late": row["p_late"],
        "features": {name: row[name] for name in FEATURES},
    }
    return Event(row["departed_at"].to_pydatetime(), PREDICTIONS_TOPIC, row["prediction_id"].encode(), msgspec.json.encode(message))


def _reported(departed_at: datetime) -> datetime:
    """When the flights of a day are reported: at noon of the day after. So a day's labels come together, however fast the time goes."""
    return departed_at.replace(hour=0, minute=0, second=0, microsecond=0) + REPORTED_AFTER


def _label(row: dict[Any, Any]) -> Event:
    arrived_at = row["arrived_at"].to_pydatetime()
    message = {"prediction_id": row["prediction_id"], "ts": rfc3339(arrived_at), "arrived_late": int(row["arrived_late"])}
    out = max(arrived_at, _reported(row["departed_at"].to_pydatetime()))
    return Event(out, LABELS_TOPIC, row["prediction_id"].encode(), msgspec.json.encode(message))


class Publisher:
    """Sends events to Kafka, keyed by prediction id, and counts what the broker took."""

    def __init__(self, bootstrap_servers: str, delivered_within: float = DELIVERED_WITHIN) -> None:
        self.bootstrap_servers = bootstrap_servers
        self.delivered = dict.fromkeys((PREDICTIONS_TOPIC, LABELS_TOPIC), 0)
        self._refused: list[str] = []
        self._producer: Producer = new_producer(
            bootstrap_servers, {"linger.ms": 20, "enable.idempotence": "true", "message.timeout.ms": round(delivered_within * 1000)}
        )

    def publish(self, events: Sequence[Event], pace: Pace, stop: threading.Event, at_hour: Callable[[datetime], None]) -> None:
        """Send all events, an hour of theirs at a time; ``at_hour`` is told each hour that has gone out.

        Returns early when ``stop`` is set. Raises Retryable when the broker did not take a message.
        """
        began = monotonic()
        for hour, batch in hours_of(events):
            if stop.wait(max(0.0, began + pace.seconds(hour - events[0].at) - monotonic())):
                break
            for event in batch:
                self._send(event)
            self._producer.poll(0)
            at_hour(hour)
        self._flush()

    def _send(self, event: Event) -> None:
        while True:
            try:
                return self._producer.produce(event.topic, key=event.key, value=event.value, on_delivery=self._on_delivery)
            except BufferError:  # librdkafka's queue is full: wait for the broker to take some
                self._producer.poll(0.1)

    def _on_delivery(self, error: KafkaError | None, message: Message) -> None:
        if error is None:
            self.delivered[message.topic() or ""] += 1
        else:
            self._refused.append(error.str())

    def _flush(self) -> None:
        left = self._producer.flush(FLUSH_WITHIN)
        if left or self._refused:
            why = self._refused[0] if self._refused else f"no answer within {FLUSH_WITHIN:.0f} s"
            raise Retryable(f"Kafka at {self.bootstrap_servers} did not take {left + len(self._refused)} messages: {why}")


def hours_of(events: Sequence[Event]) -> Iterator[tuple[datetime, Iterator[Event]]]:
    """The events by the hour in which they happen."""
    return groupby(events, key=lambda event: event.at.replace(minute=0, second=0, microsecond=0))
