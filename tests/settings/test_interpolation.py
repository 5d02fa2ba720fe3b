"""Variables of the environment in values."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.settings import load_settings
from monitor.settings.interpolate import interpolate

ENV = {"A": "1", "EMPTY": "", "DOLLAR": "${A}"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("plain $A $ {A}", "plain $A $ {A}"),
        ("${A}-${A}", "1-1"),
        ("${B:-two words: 2}", "two words: 2"),
        ("${B:-}", ""),
        ("${EMPTY}", ""),
        ("${EMPTY:-2}", "2"),
        ("${DOLLAR}", "${A}"),
        ("$${A}", "${A}"),
        ("$$A", "$$A"),
    ],
)
def test_variables_are_replaced_once(text: str, value: str) -> None:
    assert interpolate(text, ENV) == value


def test_a_variable_that_is_not_set_is_named() -> None:
    with pytest.raises(ValueError, match="environment variable B is not set"):
        interpolate("x${B}", ENV)


@pytest.mark.parametrize("text", ["${", "${A", "${}", "${1A}", "${A:1}", "${A-1}", "${a b}"])
def test_what_is_not_well_formed_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="malformed"):
        interpolate(text, ENV)


def test_a_value_is_read_as_its_type_after_it_was_replaced(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(
        "kafka: {bootstrap_servers: '${SERVERS}', max_poll_records: '${N}'}\n"
        "slack: ${NOTHING:-}\n"
        "models: {m: {task: '${TASK:-binary}', window: '${W}', streams: {predictions: {topic: p, time: t}}}}\n"
    )
    settings = load_settings(path, {"SERVERS": "a:1,b:2", "N": "17", "W": "90m"})
    assert (settings.kafka.max_poll_records, settings.models()[0].window.total_seconds()) == (17, 5400.0)
    assert settings.slack is None


def test_the_environment_of_the_process_is_used_where_none_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("kafka: {bootstrap_servers: a:1, group_id: '${DRIFTD_TEST_GROUP}'}\n"
                    "models: {m: {task: binary, window: 1h, streams: {predictions: {topic: p, time: t}}}}\n")
    monkeypatch.setenv("DRIFTD_TEST_GROUP", "from-here")
    assert load_settings(path).kafka.group_id == "from-here"
