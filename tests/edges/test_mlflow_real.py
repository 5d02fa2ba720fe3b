"""The same against a real MLflow tracking server: `DRIFTD_TEST_MLFLOW=http://127.0.0.1:5000`, started with `mlflow server`."""

from __future__ import annotations

import os
import uuid
from datetime import UTC, datetime

import httpx
import pytest

from monitor.errors import Permanent
from monitor.notify.mlflow import Mlflow
from monitor.settings.registry import DEFAULT_ARTIFACT, MlflowSettings

SERVER = os.environ.get("DRIFTD_TEST_MLFLOW", "")
pytestmark = pytest.mark.skipif(not SERVER, reason="DRIFTD_TEST_MLFLOW names no server")


def api(method: str, path: str, **asked: object) -> dict[str, object]:
    how = {"params": asked} if method == "GET" else {"json": asked}
    answer = httpx.request(method, f"{SERVER}/api/2.0/mlflow/{path}", timeout=30, **how)  # type: ignore[arg-type]
    answer.raise_for_status()
    found: dict[str, object] = answer.json()
    return found


def registered(text: bytes | None) -> tuple[str, str]:
    """A model with one version, whose run keeps this file."""
    name = f"driftd-{uuid.uuid4().hex[:8]}"
    experiment = api("POST", "experiments/create", name=name)["experiment_id"]
    info = api("POST", "runs/create", experiment_id=experiment)["run"]["info"]  # type: ignore[index]
    if text is not None:
        root = str(info["artifact_uri"]).removeprefix("mlflow-artifacts:").strip("/")
        httpx.put(f"{SERVER}/api/2.0/mlflow-artifacts/artifacts/{root}/{DEFAULT_ARTIFACT}", content=text, timeout=30).raise_for_status()
    api("POST", "registered-models/create", name=name)
    made = api("POST", "model-versions/create", name=name, source=f"{info['artifact_uri']}/model", run_id=info["run_id"])
    return name, str(made["model_version"]["version"])  # type: ignore[index]


def test_a_versions_file_comes_back_and_its_tags_are_there() -> None:
    name, version = registered(b'{"format": 1}')
    here = Mlflow(MlflowSettings(url=SERVER), lambda: datetime.now(UTC))
    assert here.reference(name, version) == '{"format": 1}'
    here.tag(name, version, "driftd.helped", "did not help")
    here.tag(name, version, "driftd.helped", "helped")
    found = api("GET", "model-versions/get", name=name, version=version)["model_version"]
    assert {tag["key"]: tag["value"] for tag in found["tags"]} == {"driftd.helped": "helped"}  # type: ignore[index]


def test_what_is_not_there_is_none() -> None:
    name, version = registered(None)
    here = Mlflow(MlflowSettings(url=SERVER), lambda: datetime.now(UTC))
    assert here.reference(name, version) is None
    assert here.reference(name, "99") is None
    assert here.reference("no such model", "1") is None
    with pytest.raises(Permanent, match="MLflow answered 404: RESOURCE_DOES_NOT_EXIST"):
        here.tag(name, "99", "a", "b")
