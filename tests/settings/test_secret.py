"""Secrets: read at use, never shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.errors import Retryable
from monitor.settings import Secret, SlackSettings, TrainerSettings, load_settings


def test_a_text_is_read_but_never_shown() -> None:
    secret = Secret(text="hunter2")
    assert secret.read() == "hunter2"
    assert "hunter2" not in f"{secret} {secret!r}"


def test_a_file_is_read_at_each_use_so_that_it_can_be_rotated(tmp_path: Path) -> None:
    file = tmp_path / "token"
    secret = Secret(file=file)
    file.write_text("one\n")
    assert secret.read() == "one"
    file.write_text("two\n")
    assert secret.read() == "two"
    assert "two" not in f"{secret} {secret!r}"
    assert str(file) in str(secret)


@pytest.mark.parametrize(
    ("content", "said"), [(None, "No such file"), (b"", "empty"), (b" \n", "empty"), (b"\xff\xfe", "UnicodeDecodeError")]
)
def test_a_file_that_cannot_be_read_may_be_there_later(tmp_path: Path, content: bytes | None, said: str) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(Retryable, match=said):
        Secret(file=file).read()


@pytest.mark.parametrize("given", [{}, {"text": "a", "file": Path("b")}])
def test_a_secret_has_a_text_or_a_file(given: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="either a text or a file"):
        Secret(**given)  # type: ignore[arg-type]


def test_a_file_beside_the_configuration_is_found_from_anywhere(tmp_path: Path) -> None:
    (tmp_path / "slack.txt").write_text("xoxb-1\n")
    config = tmp_path / "c.yaml"
    config.write_text("kafka: {bootstrap_servers: a:1}\nslack: {token_file: slack.txt, channel: c}\n"
                      "models: {m: {task: binary, window: 1h, streams: {predictions: {topic: p, time: t}}}}\n")
    settings = load_settings(config, {})
    assert settings.slack is not None
    assert settings.slack.token is not None
    assert settings.slack.token.read() == "xoxb-1"
    assert "xoxb-1" not in repr(settings.file)


def test_settings_can_be_made_in_code_too() -> None:
    assert SlackSettings(token=Secret(text="t"), channel="c").channel == "c"


def test_a_webhook_without_secret_cannot_sign() -> None:
    with pytest.raises(ValueError, match="webhook without secret"):
        _ = TrainerSettings(url="https://ci.example/x").signing_secret
