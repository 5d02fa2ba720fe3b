from __future__ import annotations

from collections.abc import Iterator

import pytest

from monitor.demo.broker import EmbeddedBroker
from monitor.demo.flights import Flights, load_flights
from tests.kafka_broker import real_kafka

__all__ = ["broker", "flights", "real_kafka"]


@pytest.fixture(scope="session")
def flights() -> Flights:
    return load_flights()


@pytest.fixture(scope="session")
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker() as broker:
        yield broker
