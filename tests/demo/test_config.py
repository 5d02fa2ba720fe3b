from __future__ import annotations

import stat
from pathlib import Path

import pytest

from monitor.core.rules import Budget
from monitor.core.schema import Role
from monitor.demo.config import SLACK_URL_VARIABLE, Addresses, Folder, real_slack, write_config, write_secrets
from monitor.demo.scenario import FEATURES, LABELS_TOPIC, METRICS, MODEL, PREDICTIONS_TOPIC
from monitor.settings import load_settings

HERE = Addresses(
    bootstrap_servers="127.0.0.1:19092", port=8766, slack_api="http://127.0.0.1:9999/api/", retrain_url="http://127.0.0.1:9998/hooks/retrain"
)
REAL_SLACK = Addresses(bootstrap_servers="127.0.0.1:19092", port=8766, slack_api=None, retrain_url="http://127.0.0.1:9998/hooks/retrain")


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    folder = Folder(root=tmp_path)
    write_secrets(folder)
    return folder


def test_driftd_takes_the_demos_configuration(folder: Folder) -> None:
    write_config(folder, HERE)
    settings = load_settings(folder.config)
    (model,) = settings.models()
    assert model.name == MODEL
    assert {column.name for column in model.columns if column.role is Role.FEATURE} == set(FEATURES)
    roles = {column.name: column.role for column in model.columns}
    assert (roles["late"], roles["p_late"]) == (Role.PREDICTION, Role.SCORE)
    assert model.drift.budget == Budget()
    assert model.performance is not None
    assert model.performance.metrics == METRICS
    assert LABELS_TOPIC in {stream.topic for stream in model.streams}
    assert model.alerts.open_after == 2
    assert PREDICTIONS_TOPIC in {stream.topic for stream in model.streams}
    assert settings.http.port == 8766


def test_real_slack_is_told_when_its_url_is_in_the_environment(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SLACK_URL_VARIABLE, "https://hooks.slack.example/services/T/B/secret")
    assert real_slack()
    write_config(folder, REAL_SLACK)
    assert "hooks.slack.example" not in folder.config.read_text()
    load_settings(folder.config)


def test_without_the_variable_slack_is_the_local_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SLACK_URL_VARIABLE, raising=False)
    assert not real_slack()


def test_secrets_are_for_their_owner_alone_and_new_each_time(folder: Folder, tmp_path: Path) -> None:
    for path in (folder.webhook_secret, folder.slack_token):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    before = folder.webhook_secret.read_text()
    assert before.startswith("whsec_")
    assert write_secrets(folder) != before
