"""The demo's trainer: what it learns from, what it says, and that only a signed request makes it work."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from monitor.demo.config import Addresses, Folder, write_config, write_secrets
from monitor.demo.flights import Flights
from monitor.demo.prepare import Script
from monitor.demo.producer import with_new_version
from monitor.demo.retrainer import ONCE, Order, Retrainer
from monitor.demo.scenario import LABELS_TOPIC, MODEL_VERSION, NEW_VERSION
from monitor.demo.scripted_http import Reply, Request, ScriptedServer
from monitor.demo.trainer import predict, train
from monitor.demo.webhook_server import WebhookCall
from monitor.errors import Permanent
from monitor.settings import load_settings
from monitor.storage import open_store

JANUARY, MARCH = datetime(2013, 1, 2, tzinfo=UTC), datetime(2013, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)


class Api(ScriptedServer):
    """driftd's API as far as a trainer calls it."""

    def __init__(self) -> None:
        self.reports: list[dict[str, str]] = []
        self.tokens: set[str] = set()
        super().__init__()

    def process(self, request: Request) -> Reply:
        self.reports.append(json.loads(request.body))
        self.tokens.add(request.headers.get("authorization", ""))
        return Reply(status=200)


@dataclass
class Workshop:
    api: Api
    folder: Folder
    flights: pd.DataFrame
    said: list[str] = field(default_factory=list)

    def trainer(self) -> Retrainer:
        return Retrainer(self.folder, self.flights, self.said.append)

    def call(self, *, signed: bool = True, **changes: object) -> WebhookCall:
        training = {"start": "2013-01-02T00:00:00Z", "end": "2013-01-22T00:00:00Z",
                    "leave_out": [{"start": "2013-01-05T00:00:00Z", "end": "2013-01-08T00:00:00Z", "incident": "inc_1", "why": "quality"}]}
        data = {"id": "ret_1", "training": training, "callback_url": f"{self.api.root}/api/v1/retrainings/ret_1/status", **changes}
        return WebhookCall(id="msg_1", timestamp="0", signed=signed, body=json.dumps({"type": "driftd.retraining.requested", "data": data}))


@pytest.fixture
def workshop(tmp_path: Path, flights: Flights) -> Iterator[Workshop]:
    folder, api = Folder(root=tmp_path), Api()
    write_secrets(folder)
    write_config(folder, Addresses(bootstrap_servers="127.0.0.1:1", port=8766, slack_api="http://127.0.0.1:9/api/",
                                   retrain_url="http://127.0.0.1:9/hooks/retrain"))
    yield Workshop(api=api, folder=folder, flights=flights.between(JANUARY, datetime(2013, 1, 29, tzinfo=UTC)))
    api.close()


def test_it_trains_on_the_range_that_is_suggested_and_reports_every_step(workshop: Workshop) -> None:
    trainer = workshop.trainer()
    trainer.take(workshop.call())
    assert trainer.done.wait(60)
    assert [report["state"] for report in workshop.api.reports] == ["accepted", "running", "succeeded"], workshop.said
    assert workshop.api.reports[-1]["version"] == NEW_VERSION
    assert workshop.api.tokens == {f"Bearer {workshop.folder.callback_token.read_text()}"}
    learned = pd.read_parquet(workshop.folder.new_reference)
    within = (workshop.flights["departed_at"] >= datetime(2013, 1, 5, tzinfo=UTC)) & (
        workshop.flights["departed_at"] < datetime(2013, 1, 8, tzinfo=UTC))
    early = workshop.flights["departed_at"] < datetime(2013, 1, 22, tzinfo=UTC)
    assert len(learned) == int((early & ~within).sum())
    assert set(learned["model_version"]) == {NEW_VERSION}
    store = open_store(load_settings(workshop.folder.config).store)
    assert [(r.version, r.active) for r in store.references()] == [(NEW_VERSION, True)], "before anybody is told of the version"
    store.close()
    assert "without 5 January to 7 January" in workshop.said[0]
    trainer.take(workshop.call())
    trainer.close(20)
    assert (workshop.api.reports[-1]["state"], workshop.api.reports[-1]["detail"]) == ("failed", ONCE)


def test_what_nobody_signed_is_no_request(workshop: Workshop) -> None:
    trainer = workshop.trainer()
    trainer.take(workshop.call(signed=False))
    trainer.close(1)
    assert not trainer.done.is_set()
    assert workshop.api.requests == []


@pytest.mark.parametrize("broken", [{"training": None}, {"training": {"end": "2013-01-22", "leave_out": []}}, {"training": {}}])
def test_a_request_that_cannot_be_understood_holds_up_nothing(workshop: Workshop, broken: dict[str, object]) -> None:
    trainer = workshop.trainer()
    trainer.take(workshop.call(**broken))
    assert trainer.done.wait(10)
    assert trainer.pipeline is None
    assert workshop.said[0].startswith("The trainer failed: Permanent: the request to retrain cannot be understood")


def test_an_order_says_in_words_what_it_comes_to() -> None:
    order = Order(id="r", until=MARCH, leave_out=(), callback_url="http://x")
    assert order.words == "flights up to 1 March"
    with pytest.raises(Permanent, match="KeyError"):
        Order.of({})


# --- both versions beside each other -------------------------------------------------------------------------


def test_from_the_switch_on_every_second_flight_is_told_by_the_new_version(flights: Flights) -> None:
    some = flights.between(JANUARY, JANUARY + 6 * DAY)
    old, new = train(some), train(some.iloc[::2].reset_index(drop=True), NEW_VERSION)
    predicted, switch = predict(old.pipeline, some), JANUARY + 3 * DAY
    script = Script(predicted=predicted, switch=switch, within=len(some), labelled=0, kept=some)
    both = with_new_version(predicted, new.pipeline, switch)
    assert both["prediction_id"].tolist() == predicted["prediction_id"].tolist()
    late = both["departed_at"] >= switch
    assert set(both[~late]["model_version"]) == {MODEL_VERSION}
    assert (both[late]["model_version"] == NEW_VERSION).mean() == pytest.approx(0.5, abs=0.04)
    kept = both["model_version"] == MODEL_VERSION
    assert (both[kept]["p_late"].to_numpy() == predicted[kept]["p_late"].to_numpy()).all()

    before, after = script.before(), script.after(new.pipeline)
    assert all(event.at < switch for event in before)
    assert all(event.at >= switch for event in after)
    sent = [json.loads(event.value) for event in (*before, *after) if event.topic != LABELS_TOPIC]
    assert sorted(row["prediction_id"] for row in sent) == sorted(some["prediction_id"]), "every flight once"
    assert {row["model_version"] for row in sent} == {MODEL_VERSION, NEW_VERSION}
    labels = [event.key for event in (*before, *after) if event.topic == LABELS_TOPIC]
    assert len(labels) == len(set(labels)) == int(some["arrived_late"].notna().sum())
    alone = [json.loads(event.value) for event in script.after() if event.topic != LABELS_TOPIC]
    assert {row["model_version"] for row in alone} == {MODEL_VERSION}
