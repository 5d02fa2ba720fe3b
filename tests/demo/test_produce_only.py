from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient

from monitor.demo.broker import PARTITIONS, create_topics
from monitor.demo.producer import Pace
from monitor.demo.run import produce_only
from monitor.demo.scenario import FEATURES, LABELS_TOPIC, PREDICTIONS_TOPIC
from tests.kafka_broker import Broker

IN_ALL_WEEKS = 72_184
AT_ONCE = Pace(days_per_second=None)


def messages_of(broker: Broker, topic: str) -> list[int]:
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "count"})
    ends = [consumer.get_watermark_offsets(TopicPartition(topic, n), timeout=10) for n in range(PARTITIONS)]
    consumer.close()
    return [high - low for low, high in ends]


@pytest.mark.kafka
@pytest.mark.real_kafka
def test_the_flights_go_to_a_kafka_of_ones_own_and_the_reference_to_the_folder(real_kafka: Broker, tmp_path: Path) -> None:
    create_topics(real_kafka.bootstrap, [PREDICTIONS_TOPIC])  # one is there already: that is no mistake
    assert produce_only(real_kafka.bootstrap, tmp_path / "new", AT_ONCE) == 0
    sent = messages_of(real_kafka, PREDICTIONS_TOPIC)
    assert IN_ALL_WEEKS < sum(sent) < IN_ALL_WEEKS + 300  # and the hours after it
    assert min(sent) > IN_ALL_WEEKS / PARTITIONS * 0.9
    assert sum(messages_of(real_kafka, LABELS_TOPIC)) > 71_000
    reference = pd.read_parquet(tmp_path / "new" / "reference.parquet")
    assert len(reference) == 49_324  # the flights of 2 January to 28 February that departed
    assert {"ts", "late", "p_late", "arrived_late", "model_version", *FEATURES} <= set(reference.columns)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["reference.parquet"]
    admin = AdminClient({"bootstrap.servers": real_kafka.bootstrap})
    for deleted in admin.delete_topics([PREDICTIONS_TOPIC, LABELS_TOPIC]).values():
        deleted.result(timeout=30)  # a Kafka that outlives the tests may be in use: see DRIFTD_TEST_KAFKA
