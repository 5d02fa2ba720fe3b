from __future__ import annotations

import json
import socket
import threading
from collections import Counter
from datetime import UTC, datetime, timedelta
from time import monotonic

import pytest
from kafka import KafkaConsumer, TopicPartition

from monitor.demo.broker import EmbeddedBroker, create_topics
from monitor.demo.flights import Flights
from monitor.demo.producer import Event, Pace, Publisher, break_upstream, events_of, hours_of
from monitor.demo.scenario import FEATURES, LABELS_TOPIC, PREDICTIONS_TOPIC, Fault
from monitor.demo.trainer import predict, train
from monitor.errors import Retryable

DAY = (datetime(2013, 3, 4, tzinfo=UTC), datetime(2013, 3, 5, tzinfo=UTC))
FAULT = Fault(column="dep_delay", factor=60, start=datetime(2013, 3, 4, 12, tzinfo=UTC), end=datetime(2013, 3, 4, 18, tzinfo=UTC))
AT_ONCE = Pace(days_per_second=None)


@pytest.fixture(scope="module")
def events(flights: Flights) -> list[Event]:
    trained = train(flights.between(datetime(2013, 2, 20, tzinfo=UTC), DAY[0]))
    return events_of(predict(trained.pipeline, flights.between(*DAY)))


def read_all(broker: EmbeddedBroker, topic: str) -> dict[int, list[dict[str, object]]]:
    consumer = KafkaConsumer(bootstrap_servers=broker.bootstrap_servers, api_version=(2, 3), auto_offset_reset="earliest")
    partitions = [TopicPartition(topic, n) for n in sorted(consumer.partitions_for_topic(topic) or ())]
    consumer.assign(partitions)
    left = sum(consumer.end_offsets(partitions).values())
    read: dict[int, list[dict[str, object]]] = {tp.partition: [] for tp in partitions}
    deadline = monotonic() + 20
    while left and monotonic() < deadline:
        for tp, records in consumer.poll(timeout_ms=500).items():
            read[tp.partition] += [json.loads(record.value) for record in records]
            left -= len(records)
    consumer.close()
    assert left == 0
    return read


def test_what_the_broker_holds_is_every_prediction_and_every_label_once(
    broker: EmbeddedBroker, flights: Flights, events: list[Event]
) -> None:
    broker.create([PREDICTIONS_TOPIC, LABELS_TOPIC])
    publisher = Publisher(broker.bootstrap_servers)
    publisher.publish(events, AT_ONCE, threading.Event(), lambda _: None)
    day = flights.between(*DAY)
    predictions, labels = read_all(broker, PREDICTIONS_TOPIC), read_all(broker, LABELS_TOPIC)

    assert Counter(str(m["prediction_id"]) for p in predictions.values() for m in p) == Counter(day["prediction_id"])
    labelled = day.dropna(subset=["arrived_late"])
    sent = {str(m["prediction_id"]): m["arrived_late"] for p in labels.values() for m in p}
    assert sent == dict(zip(labelled["prediction_id"], labelled["arrived_late"], strict=True))
    assert publisher.delivered == {PREDICTIONS_TOPIC: len(day), LABELS_TOPIC: len(labelled)}
    assert all(len(messages) > 50 for messages in predictions.values()), "every partition has its share"
    for messages in [*predictions.values(), *labels.values()]:
        assert [m["ts"] for m in messages] == sorted(str(m["ts"]) for m in messages), "in the order of time"


def test_a_prediction_carries_all_features_and_the_answer_of_the_model(events: list[Event]) -> None:
    first = json.loads(events[0].value)
    assert set(first) == {"prediction_id", "ts", "model_version", "late", "p_late", "features"}
    assert set(first["features"]) == set(FEATURES)
    assert first["late"] in (0, 1)
    assert first["ts"].startswith("2013-03-04T0")


def test_a_label_goes_out_after_its_prediction(events: list[Event]) -> None:
    departed = {event.key: event.at for event in events if event.topic == PREDICTIONS_TOPIC}
    landed = [(event.key, event.at) for event in events if event.topic == LABELS_TOPIC]
    assert landed
    assert all(at > departed[key] for key, at in landed)


def test_the_fault_multiplies_its_column_while_it_lasts_and_nothing_else(flights: Flights) -> None:
    day = flights.between(*DAY)
    broken = break_upstream(day, FAULT)
    within = (day["departed_at"] >= FAULT.start) & (day["departed_at"] < FAULT.end)
    assert 0 < within.sum() < len(day)
    assert (broken.loc[within, "dep_delay"] == day.loc[within, "dep_delay"] * 60).all()
    assert (broken.loc[~within, "dep_delay"] == day.loc[~within, "dep_delay"]).all()
    assert broken.drop(columns="dep_delay").equals(day.drop(columns="dep_delay"))


def test_the_model_sees_the_fault_too(flights: Flights) -> None:
    trained = train(flights.between(datetime(2013, 2, 20, tzinfo=UTC), DAY[0]))
    day = flights.between(FAULT.start, FAULT.end)
    assert predict(trained.pipeline, break_upstream(day, FAULT))["late"].sum() > 1.5 * predict(trained.pipeline, day)["late"].sum()


def test_hours_are_told_in_order_and_hold_every_event(events: list[Event]) -> None:
    told = [(hour, list(batch)) for hour, batch in hours_of(events)]
    assert [hour for hour, _ in told] == sorted({hour for hour, _ in told})
    assert [event for _, batch in told for event in batch] == events
    assert all(hour <= event.at < hour + timedelta(hours=1) for hour, batch in told for event in batch)


def test_a_day_per_second_takes_an_hour_in_a_24th_of_a_second() -> None:
    assert Pace(days_per_second=1).seconds(timedelta(hours=1)) == pytest.approx(1 / 24)
    assert Pace(days_per_second=None).seconds(timedelta(days=9)) == 0


def test_a_stop_ends_publishing_between_two_hours(broker: EmbeddedBroker, events: list[Event]) -> None:
    stop, hours = threading.Event(), []

    def stop_after_the_second(hour: datetime) -> None:
        hours.append(hour)
        if len(hours) == 2:
            stop.set()

    Publisher(broker.bootstrap_servers).publish(events, Pace(days_per_second=10), stop, stop_after_the_second)
    assert len(hours) == 2


def test_a_broker_that_takes_nothing_is_named_with_the_number_of_messages(events: list[Event]) -> None:
    with socket.socket() as nobody_listens:
        nobody_listens.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{nobody_listens.getsockname()[1]}"
        publisher = Publisher(address, delivered_within=0.5)
        with pytest.raises(Retryable, match=f"Kafka at {address} did not take 3 messages: Local: Message timed out"):
            publisher.publish(events[:3], AT_ONCE, threading.Event(), lambda _: None)


def test_topics_that_cannot_be_made_are_named(broker: EmbeddedBroker) -> None:
    with pytest.raises(Retryable, match=r"did not create the topic 'flight\.predictions'"):
        create_topics(broker.bootstrap_servers, [PREDICTIONS_TOPIC], answer_within=0.5)  # the mock cluster has no admin


def test_a_closed_broker_makes_no_topics() -> None:
    broker = EmbeddedBroker()
    broker.close()
    with pytest.raises(Retryable, match="is closed"):
        broker.create(["t"])
