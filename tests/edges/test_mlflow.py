"""MLflow: a version's reference is read from its run, and the version is tagged; against a server that answers as the REST API says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from monitor.core.retraining import Helped
from monitor.demo.scripted_http import Reply, Request, ScriptedServer, answers
from monitor.errors import Permanent, Retryable
from monitor.notify.mlflow import LONGEST_VALUE, Mlflow
from monitor.pipeline import References
from monitor.pipeline.registry import ASK_AGAIN, RegistryLink
from monitor.settings.registry import MlflowSettings
from monitor.settings.secret import Secret
from tests.core.judged import reference_of
from tests.pipeline.test_bootstrap import PLAIN, announce, data, live, world_of
from tests.pipeline.world import HOUR, World

NOW = datetime(2026, 5, 4, tzinfo=UTC)


@dataclass
class Server(ScriptedServer):
    """What MLflow's docs say of model-versions/get and set-tag, runs/get and mlflow-artifacts."""

    runs: dict[tuple[str, str], str] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    tags: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)
    scheme: str = "mlflow-artifacts:"
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def process(self, request: Request) -> Reply:
        where = urlsplit(request.path)
        query = {name: values[0] for name, values in parse_qs(where.query).items()}
        self.asked.append(where.path)
        match where.path.removeprefix("/api/2.0"):
            case "/mlflow/model-versions/get":
                run = self.runs.get((query["name"], query["version"]))
                return _missing() if run is None else _json({"model_version": {**query, "run_id": run, "source": f"models:/{run}"}})
            case "/mlflow/runs/get":
                return _json({"run": {"info": {"run_id": query["run_id"], "artifact_uri": f"{self.scheme}/7/{query['run_id']}/artifacts"}}})
            case "/mlflow/model-versions/set-tag":
                body = json.loads(request.body)
                self.tags.setdefault((body["name"], body["version"]), {})[body["key"]] = body["value"]
                return _json({})
            case path if path.startswith("/mlflow-artifacts/artifacts/"):
                found = self.files.get(unquote(path.removeprefix("/mlflow-artifacts/artifacts/")))
                return _missing() if found is None else Reply(body=found)
        return Reply(status=404, body=b"<html>")


def _json(body: object, status: int = 200) -> Reply:
    return Reply(status=status, body=json.dumps(body).encode())


def _missing() -> Reply:
    return _json({"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no such thing: bearer hush"}, 404)


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


def mlflow(server: Server, **more: object) -> Mlflow:
    settings = MlflowSettings(url=server.root, timeout=timedelta(seconds=5))
    return Mlflow(settings.model_copy(update=more), lambda: NOW)


def test_a_versions_file_is_found_by_its_run(server: Server) -> None:
    server.runs["fl ights", "3"] = "run7"
    server.files["7/run7/artifacts/driftd/reference.json"] = b"{}"
    assert mlflow(server, token=Secret(text="hush")).reference("fl ights", "3") == "{}"
    assert {request.headers["authorization"] for request in server.requests} == {"Bearer hush"}
    assert [request.method for request in server.requests] == ["GET", "GET", "GET"]


def test_what_is_not_there_is_none_and_no_failure(server: Server) -> None:
    assert mlflow(server).reference("flights", "3") is None
    server.runs["flights", "3"] = "run7"
    assert mlflow(server).reference("flights", "3") is None, "no such file"
    server.scheme = "s3://bucket"
    assert mlflow(server).reference("flights", "3") is None, "the server does not serve it"


def test_a_tag_is_set_and_cut_to_what_servers_take(server: Server) -> None:
    mlflow(server).tag("flights", "3", "driftd.verdict", "x" * 900)
    assert server.tags["flights", "3"] == {"driftd.verdict": "x" * LONGEST_VALUE}


def test_failures_say_mlflows_word_and_nothing_that_may_be_secret(server: Server) -> None:
    server.script(answers(403, json.dumps({"error_code": "PERMISSION_DENIED", "message": "token hush is bad"}).encode()))
    with pytest.raises(Permanent, match="MLflow answered 403: PERMISSION_DENIED") as refused:
        mlflow(server).tag("flights", "3", "a", "b")
    assert "hush" not in str(refused.value)
    server.script(answers(503, b"[]"))
    with pytest.raises(Retryable, match="MLflow answered 503"):
        mlflow(server).tag("flights", "3", "a", "b")
    server.script(answers(200, b"<html>a proxy's page"))
    with pytest.raises(Retryable, match="no JSON object"):
        mlflow(server).reference("flights", "3")
    with pytest.raises(Permanent, match=r"mlflow\.url: "):
        mlflow(server, url="http://mlflow.example.com").reference("flights", "3")


def test_a_reference_that_does_not_end_is_none(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitor.notify.mlflow.LARGEST", 100)
    server.runs["flights", "3"] = "run7"
    server.files["7/run7/artifacts/driftd/reference.json"] = b"x" * 101
    with pytest.raises(Permanent, match="cut off, or longer than 100 bytes"):
        mlflow(server).reference("flights", "3")


# --- beside judging ------------------------------------------------------------------------------------------


def link_of(world: World, server: Server) -> RegistryLink:
    return RegistryLink(store=world.store, models=world.models, names={"m": "flights"}, registry=mlflow(server),
                        references=References(world.store, world.clock, keep=timedelta(0)), clock=world.clock)


def listening(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the log tells of the registry's trouble."""
    told: list[str] = []
    monkeypatch.setattr("monitor.pipeline.registry.log.warning", lambda _said, *, detail, **_more: told.append(detail))
    return told


def upload(server: Server, version: str, window: timedelta = HOUR) -> None:
    built = replace(reference_of([data(-n) for n in range(1, 30)]), window=window, provenance={"file": "may.parquet"})
    server.runs["flights", version] = f"run{version}"
    server.files[f"7/run{version}/artifacts/driftd/reference.json"] = built.to_json().encode()


def test_a_version_that_appears_brings_its_reference_and_is_tagged(server: Server) -> None:
    world = world_of(replace(PLAIN, bootstrap=None))
    link = link_of(world, server)
    live(world, range(2), {"1": 0.0, "2": 0.0})
    assert link.sweep() > 0
    assert [r.version for r in world.store.references("m")] == ["1"], "it is not uploaded yet"
    asked = len(server.asked)
    link.sweep()
    assert len(server.asked) == asked, "nothing is new"
    upload(server, "2")
    world.clock.advance(timedelta(seconds=ASK_AGAIN))
    link.sweep()
    stored = world.store.active_reference("m", "2")
    assert stored is not None
    assert (stored.model, stored.provenance["registry"], stored.provenance["file"]) == ("m", "flights/2", "may.parquet")
    world.clock.advance(timedelta(seconds=60))
    live(world, range(2, 5), {"1": 0.0, "2": 30.0})
    announce(world.store)
    done = world.store.retrainings()[0]
    world.store._data.retrainings["ret_1"] = replace(done, helped=Helped.HELPED, verdict="retraining helped: roc_auc +0.021")  # type: ignore[attr-defined]
    link.sweep()
    assert server.tags["flights", "2"] == {
        "driftd.last_window": "2013-03-01T04:00:00Z", "driftd.state": "alert", "driftd.helped": "helped",
        "driftd.verdict": "retraining helped: roc_auc +0.021",
    }
    assert server.tags["flights", "1"]["driftd.state"] == "ok"
    assert "driftd.helped" not in server.tags["flights", "1"]


@pytest.mark.fault(47)
def test_a_registry_that_fails_is_told_once_and_holds_up_nothing(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    world = world_of(replace(PLAIN, bootstrap=None))
    live(world, range(3), {"2": 0.0})
    server.script(*[answers(500) for _ in range(4)])
    link, told = link_of(world, server), listening(monkeypatch)
    assert link.sweep() == 0
    world.clock.advance(timedelta(seconds=ASK_AGAIN))
    assert link.sweep() == 0
    assert told == ["Retryable: MLflow answered 500"]
    assert link.sweep() > 0, "and goes on where it can"


@pytest.mark.parametrize("broken", ["window", "text", "bytes"])
def test_a_reference_that_cannot_be_used_is_none(server: Server, broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    world = world_of(replace(PLAIN, bootstrap=None))
    live(world, range(2), {"2": 0.0})
    upload(server, "2", window=2 * HOUR if broken == "window" else HOUR)
    if broken != "window":
        server.files["7/run2/artifacts/driftd/reference.json"] = b"{}" if broken == "text" else b"\xff"
    told = listening(monkeypatch)
    link_of(world, server).sweep()
    assert [r.version for r in world.store.references("m")] == ["1"]
    kinds = {"window": "Permanent", "text": "DecodeError", "bytes": "UnicodeDecodeError"}
    assert [why.partition(":")[0] for why in told] == [kinds[broken]]


def test_a_model_that_is_not_in_the_registry_is_left_alone(server: Server, tmp_path: Path) -> None:
    world = world_of(replace(PLAIN, bootstrap=None))
    live(world, range(2), {"2": 0.0})
    RegistryLink(store=world.store, models=world.models, names={}, registry=mlflow(server),
                 references=References(world.store, world.clock), clock=world.clock).sweep()
    assert server.requests == []
