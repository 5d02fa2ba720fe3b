"""People and trainers over HTTP: approving, cancelling, asking, reporting; who may, and what the page shows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from monitor.clock import SystemClock
from monitor.core.retraining import RetrainingEvent, RetrainingState
from monitor.core.rules import RetrainingRules
from monitor.health import Health
from monitor.metrics import Metrics
from monitor.pipeline import Desk, Routes, Telling
from monitor.settings.secret import Secret
from monitor.settings.service import HttpSettings
from monitor.storage import SqlStore
from monitor.web import WebServer
from monitor.web.body import MAX_DETAIL
from tests.edges.web_site import TOKEN, Site
from tests.edges.web_story import FLIGHTS, MODELS, OPEN_ID, tell

TRAINER = "the trainer's own token"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
ROUTES = Routes(people=("slack",), retraining="retrain", api_url="https://driftd.example")
ID = "ret-1"


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Site]:
    with served(tell(tmp_path)) as made:
        yield made


@pytest.fixture(scope="module")
def reading(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with served(tell(tmp_path_factory.mktemp("web"))) as made:
        yield made


class served:  # noqa: N801 - reads as the verb it is
    """A server with a desk and a trainer's token of its own."""

    def __init__(self, store: SqlStore, *, token: str | None = TOKEN, callback: str | None = TRAINER, desk: bool = True) -> None:
        models = tuple(replace(model, retraining=RetrainingRules()) if model.name == FLIGHTS.name else model for model in MODELS)
        http = HttpSettings(host="127.0.0.1", port=0, token=None if token is None else Secret(text=token))
        callbacks = {} if callback is None else {FLIGHTS.name: Secret(text=callback)}
        health, metrics = Health(), Metrics()
        self._server = WebServer(store=store, health=health, metrics=metrics, http=http, callbacks=callbacks)
        made = Desk(store=store, models=models, telling=Telling({FLIGHTS.name: ROUTES}), clock=SystemClock())
        self._server.show(models, desk=made if desk else None)
        self._server.start()
        self._client = httpx.Client(base_url=f"http://127.0.0.1:{self._server.port}", timeout=10, trust_env=False)
        self._site = Site(server=self._server, store=store, health=health, metrics=metrics, client=self._client)

    def __enter__(self) -> Site:
        return self._site

    def __exit__(self, *_: object) -> None:
        self._client.close()
        self._server.stop()
        self._site.store.close()


def propose(site: Site, **changes: object) -> None:
    stored = site.store.retraining(ID)
    assert stored is not None
    event = RetrainingEvent(retraining=ID, at=NOW, before=stored.state, after=RetrainingState.PROPOSED)
    assert site.store.save_retraining(replace(stored, state=RetrainingState.PROPOSED, **changes), event)  # type: ignore[arg-type]


def report(site: Site, token: str | None = TRAINER, id: str = ID, **body: object) -> httpx.Response:
    return site.post(f"/api/v1/retrainings/{id}/status", token=token, json=body)


def test_a_trainer_reports_its_way_to_a_new_version(here: Site) -> None:
    for body in ({"state": "accepted"}, {"state": "running", "run_url": "https://ci.example/7", "detail": "on June", "by": "ci"},
                 {"state": "running"}, {"state": "succeeded", "version": "8"}, {"state": "succeeded", "version": "8"}):
        answer = report(here, **body)
        assert answer.status_code == 200, answer.text
    found = answer.json()
    assert (found["state"], found["new_version"], found["run_url"]) == ("succeeded", "8", "https://ci.example/7")
    assert [(event["after"], event["by"]) for event in found["events"]] == [
        ("requested", ""), ("accepted", "trainer"), ("running", "ci"), ("succeeded", "trainer"),
    ]
    assert here.get(f"/api/v1/retrainings/{ID}").json() == found
    kinds = [(row.receiver, row.kind, row.incident) for row in here.store.deliveries() if row.kind == "retraining_status"]
    assert kinds == [("slack", "retraining_status", OPEN_ID)] * 3


def test_what_cannot_be_next_is_a_409_that_says_what_can(here: Site) -> None:
    report(here, state="running")
    answer = report(here, state="accepted")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "conflict")
    assert answer.json()["error"]["message"].endswith("cannot become accepted; allowed: succeeded or failed")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "state: expected one of"),
        ({"state": "proposed"}, "state: expected one of ['accepted', 'running', 'succeeded', 'failed']"),
        ({"state": ["running"]}, "state: expected one of"),
        ({"state": "succeeded"}, "version: succeeded needs the version that was trained"),
        ({"state": "succeeded", "version": " "}, "version: expected a name"),
        ({"state": "running", "version": 8}, "version: expected a name"),
        ({"state": "running", "version": "a\nb"}, "version: expected a name"),
        ({"state": "running", "detail": "x" * (MAX_DETAIL + 1)}, "detail: expected a text of at most 1000"),
        ({"state": "running", "detail": "a\x00b"}, "detail: expected a text"),
        ({"state": "running", "run_url": "javascript:alert(1)"}, "run_url: expected an address"),
        ({"state": "running", "run_url": "https://[x"}, "run_url: expected an address"),
        ({"state": "running", "run_url": "https://a b"}, "run_url: expected an address"),
        ({"state": "running", "by": ""}, "by: expected a name"),
        ({"state": "running", "stat": "x"}, "unknown key 'stat'"),
        (["running"], "the body is no JSON object"),
    ],
)
def test_a_report_that_cannot_be_understood_is_a_400(reading: Site, body: object, said: str) -> None:
    answer = reading.post(f"/api/v1/retrainings/{ID}/status", token=TRAINER, json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_query")
    assert answer.json()["error"]["message"].startswith(said)
    assert reading.post(f"/api/v1/retrainings/{ID}/status", token=TRAINER, content=b"[" * 60_000).status_code == 400


@pytest.mark.fault(48)
def test_the_trainers_token_is_good_for_reports_of_its_model_and_nothing_else(here: Site) -> None:
    assert report(here, state="accepted").status_code == 200
    assert report(here, token=TOKEN, state="running").status_code == 200
    for token in (None, "wrong", TRAINER + "x"):
        assert report(here, token=token, state="running").status_code == 401
    assert report(here, id="ret-nobody-knows", state="running").status_code == 401, "it learns not even what there is"
    assert report(here, token=TOKEN, id="ret-x", state="running").status_code == 404
    for path in (f"retrainings/{ID}/cancel", f"retrainings/{ID}/approve", "retrainings", f"incidents/{OPEN_ID}/resolve"):
        assert here.post(f"/api/v1/{path}", token=TRAINER, json={"model": FLIGHTS.name}).status_code == 401


def test_a_trainers_token_alone_leaves_all_else_switched_off(tmp_path: Path) -> None:
    with served(tell(tmp_path), token=None) as here:
        assert report(here, state="accepted").status_code == 200
        assert here.post(f"/api/v1/retrainings/{ID}/cancel", token=TRAINER).status_code == 403


def test_without_any_token_nobody_reports(tmp_path: Path) -> None:
    with served(tell(tmp_path), token=None, callback=None) as here:
        assert report(here, state="accepted").status_code == 403


def test_while_the_daemon_starts_nothing_is_changed(tmp_path: Path) -> None:
    with served(tell(tmp_path), desk=False) as here:
        answer = report(here, state="accepted")
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "starting")


def test_a_person_approves_and_cancels_and_the_audit_knows_who(here: Site) -> None:
    propose(here)
    answer = here.post(f"/api/v1/retrainings/{ID}/approve", json={"by": "mara"})
    assert (answer.status_code, answer.json()["state"], answer.json()["approved_by"]) == (200, "requested", "mara")
    assert here.post(f"/api/v1/retrainings/{ID}/approve").status_code == 409
    assert here.post(f"/api/v1/retrainings/{ID}/cancel", json={"by": "bob"}).json()["state"] == "cancelled"
    assert here.post("/api/v1/retrainings/ret-x/cancel").status_code == 404
    assert [(line.by, str(line.via), line.action) for line in here.store.audit(subject=ID)] == [
        ("mara", "api", "approve"), ("bob", "api", "cancel"),
    ]


def test_a_person_asks_for_retraining(here: Site) -> None:
    assert here.post("/api/v1/retrainings", json={"model": FLIGHTS.name}).status_code == 409, "one has not ended"
    report(here, state="failed")
    answer = here.post("/api/v1/retrainings", json={"model": FLIGHTS.name, "by": "mara", "reason": "new airports"})
    assert (answer.status_code, answer.json()["reason"], answer.json()["approved_by"]) == (200, "new airports", "mara")
    assert here.post("/api/v1/retrainings", json={"model": "nobody"}).status_code == 404
    for body in ({}, {"model": ""}, {"model": 3}, {"modell": "x"}):
        assert here.post("/api/v1/retrainings", json=body).status_code == 400


def test_the_page_shows_what_is_proposed_and_how_to_approve_it(here: Site) -> None:
    propose(here, reason="drift <b>alerted</b>")
    for path in ("/", f"/models/{FLIGHTS.name}"):
        text = here.get(path).text
        assert f"driftd retrainings approve CONFIG {ID}" in text
        assert "drift &lt;b&gt;alerted&lt;/b&gt;" in text
    here.post(f"/api/v1/retrainings/{ID}/approve")
    report(here, state="running", run_url="https://ci.example/?a=1&b=\"2", detail="on June")
    text = here.get("/").text
    assert "retraining is running" in text
    assert 'href="https://ci.example/?a=1&amp;b=&#34;2"' in text
    report(here, state="succeeded", version="8")
    assert "retraining is" not in here.get("/").text


def test_a_request_is_shown_with_its_whole_history(reading: Site) -> None:
    found = reading.get(f"/api/v1/retrainings/{ID}").json()
    assert (found["id"], [event["after"] for event in found["events"]]) == (ID, ["requested"])
