"""Where a new version's reference comes from, and the registry, as they are written."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.core.rules import Switch
from monitor.errors import SettingsError
from monitor.settings.registry import DEFAULT_ARTIFACT
from tests.settings.test_settings import loaded, model_text

MLFLOW = "mlflow: {url: https://mlflow.example.com}\n"


def bootstrap(tmp_path: Path, said: str) -> object:
    (model,) = loaded(tmp_path, model_text(f"    reference: {{bootstrap: {said}}}\n")).models()
    return model.bootstrap


@pytest.mark.parametrize(("said", "meant"), [
    ("7 windows", 7), ("3", 3), ("500 windows", 500), ("off", Switch.OFF), ("'off'", Switch.OFF), ("auto", None),
])
def test_how_many_windows_a_version_is_learned_from(tmp_path: Path, said: str, meant: object) -> None:
    assert bootstrap(tmp_path, said) == meant


def test_left_out_a_retraining_announces_what_is_learned(tmp_path: Path) -> None:
    (model,) = loaded(tmp_path, model_text("")).models()
    assert model.bootstrap is None


@pytest.mark.parametrize("said", ["2 windows", "501 windows", "7 days", "on", "[7]"])
def test_what_is_no_number_of_windows_is_refused(tmp_path: Path, said: str) -> None:
    with pytest.raises(SettingsError, match=r"expected auto, off, or from 3 to 500 windows, e\.g\. 7 windows"):
        bootstrap(tmp_path, said)


def test_a_model_has_a_name_in_the_registry(tmp_path: Path) -> None:
    settings = loaded(tmp_path, MLFLOW + model_text("    registry: {name: flights}\n"))
    assert settings.mlflow is not None
    assert settings.mlflow.artifact == DEFAULT_ARTIFACT
    assert list(settings.registered().values()) == ["flights"]
    assert settings.secrets() == loaded(tmp_path, model_text("")).secrets(), "a server without a token has no secret"
    assert loaded(tmp_path, model_text("")).registered() == {}


def test_the_servers_token_is_a_secret(tmp_path: Path) -> None:
    settings = loaded(tmp_path, "mlflow: {url: https://mlflow.example.com, token: hush}\n" + model_text(""))
    assert "mlflow.token" in dict(settings.secrets())
    assert "hush" not in repr(settings.mlflow)


@pytest.mark.parametrize(("top", "of_model", "said"), [
    ("", "    registry: {name: flights}\n", r"needs to know where the registry is; expected mlflow: \{url: …\} at the top"),
    ("mlflow: {url: http://mlflow.example.com}\n", "", "can be read on the way; expected https"),
    ("mlflow: {url: https://169.254.169.254}\n", "", "169.254"),
    ("mlflow: {url: https://m.example, artifact: ../x.json}\n", "", "expected a path within the run's artifacts"),
    ("mlflow: {url: https://m.example, token: a, token_file: b}\n", "", "given beside token; expected only one of them"),
])
def test_what_cannot_be_meant_is_told(tmp_path: Path, top: str, of_model: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        loaded(tmp_path, top + model_text(of_model))
