from __future__ import annotations

from datetime import UTC, datetime
from time import process_time

import pytest

from monitor.demo.flights import Flights
from monitor.demo.trainer import Trained, predict, train

JANUARY = (datetime(2013, 1, 2, tzinfo=UTC), datetime(2013, 2, 1, tzinfo=UTC))
FEBRUARY = (datetime(2013, 2, 1, tzinfo=UTC), datetime(2013, 3, 1, tzinfo=UTC))


@pytest.fixture(scope="module")
def trained(flights: Flights) -> Trained:
    return train(flights.between(*JANUARY))


def test_the_model_tells_late_flights_from_the_others_in_a_month_it_has_not_seen(flights: Flights, trained: Trained) -> None:
    from sklearn.metrics import roc_auc_score

    february = predict(trained.pipeline, flights.between(*FEBRUARY)).dropna(subset=["arrived_late"])
    assert roc_auc_score(february["arrived_late"].astype(int), february["p_late"]) > 0.85


def test_the_scores_of_the_reference_promise_no_more_than_the_next_month_keeps(flights: Flights, trained: Trained) -> None:
    from sklearn.metrics import roc_auc_score

    february = predict(trained.pipeline, flights.between(*FEBRUARY)).dropna(subset=["arrived_late"])
    later = roc_auc_score(february["arrived_late"].astype(int), february["p_late"])
    assert abs(trained.roc_auc - later) < 0.03


def test_the_reference_holds_every_flight_with_its_prediction(flights: Flights, trained: Trained) -> None:
    assert len(trained.reference) == len(flights.between(*JANUARY))
    assert trained.reference["p_late"].between(0, 1).all()
    assert ((trained.reference["p_late"] >= 0.5) == (trained.reference["late"] == 1)).all()


def test_training_twice_gives_the_same_scores(flights: Flights, trained: Trained) -> None:
    again = train(flights.between(*JANUARY))
    assert again.reference["p_late"].equals(trained.reference["p_late"])


def test_an_airport_never_seen_in_training_gets_a_score_all_the_same(flights: Flights, trained: Trained) -> None:
    elsewhere = flights.between(*FEBRUARY).head(3).assign(dest="XYZ")
    assert predict(trained.pipeline, elsewhere)["p_late"].between(0, 1).all()


def test_two_months_train_within_ten_seconds_of_one_core(flights: Flights) -> None:
    began = process_time()
    train(flights.between(JANUARY[0], FEBRUARY[1]))
    assert process_time() - began < 20  # CPU seconds of both cores together: ten seconds of the clock
