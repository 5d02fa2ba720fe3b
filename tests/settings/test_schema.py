"""The JSON schema and the page of keys are what the code says."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import typer
from ruamel.yaml import YAML
from typer.testing import CliRunner

from monitor.cli.schema import command
from monitor.errors import UsageError
from monitor.settings.schema import reference_text, schema_text

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "config" / "example.yaml"
SCHEMA: dict[str, Any] = json.loads(schema_text())

app = typer.Typer()
app.command()(command)


def test_the_schema_in_the_repository_is_current() -> None:
    assert (ROOT / "config" / "driftd.schema.json").read_text(encoding="utf-8") == schema_text(), "run: make schema"


def test_the_page_of_keys_is_current() -> None:
    assert reference_text() in (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8"), "put `driftd schema --markdown` there"


def test_every_key_has_a_sentence() -> None:
    lines = reference_text().splitlines()[2:]
    assert len(lines) > 100
    assert [line for line in lines if line.split(" | ")[3].strip(" |") == ""] == []


def test_every_key_of_the_schema_stands_in_the_example() -> None:
    example = EXAMPLE.read_text(encoding="utf-8")
    names = set(re.findall(r"`(?:[\w]+\.|NAME\.)*(\w+)`", "\n".join(line.split(" | ")[0] for line in reference_text().splitlines())))
    assert names >= {"store", "max_poll_records", "cooldown"}
    assert sorted(name for name in names if not re.search(rf"\b{name}:", example)) == []


def resolved(node: dict[str, Any]) -> list[dict[str, Any]]:
    """The plain alternatives of a schema."""
    if "$ref" in node:
        return resolved(SCHEMA["$defs"][node["$ref"].rpartition("/")[2]])
    return [leaf for choice in node["anyOf"] for leaf in resolved(choice)] if "anyOf" in node else [node]


def faults(value: object, node: dict[str, Any], at: str = "") -> list[str]:
    """What of the value none of the alternatives allows: as much of JSON schema as ours uses."""
    found = [_faults(value, leaf, at) for leaf in resolved(node)]
    return min(found, key=len)


def _faults(value: object, leaf: dict[str, Any], at: str) -> list[str]:
    types = {"object": dict, "array": list, "string": str, "integer": int, "number": (int, float), "boolean": bool, "null": type(None)}
    names = leaf.get("type", [])
    names = [names] if isinstance(names, str) else names
    if names and not any(isinstance(value, types[name]) and (name == "boolean" or not isinstance(value, bool)) for name in names):
        return [f"{at}: {value!r} is no {names}"]
    if ("enum" in leaf and value not in leaf["enum"]) or ("const" in leaf and value != leaf["const"]):
        return [f"{at}: {value!r} is not one of {leaf}"]
    if isinstance(value, str) and "pattern" in leaf and not re.search(leaf["pattern"], value):
        return [f"{at}: {value!r} does not match {leaf['pattern']}"]
    if isinstance(value, list):
        return [fault for i, item in enumerate(value) for fault in faults(item, leaf["items"], f"{at}[{i}]")]
    if isinstance(value, dict):
        return _object_faults(value, leaf, at)
    return []


def _object_faults(value: dict[str, object], leaf: dict[str, Any], at: str) -> list[str]:
    found = [f"{at}.{name}: missing" for name in leaf.get("required", []) if name not in value]
    for name, item in value.items():
        inner = leaf.get("properties", {}).get(name, leaf.get("additionalProperties"))
        found += faults(item, inner, f"{at}.{name}") if isinstance(inner, dict) else [f"{at}.{name}: unknown"]
    return found


def plain(path: Path) -> dict[str, Any]:
    value: dict[str, Any] = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    return value


def test_the_schema_allows_the_example() -> None:
    assert faults(plain(EXAMPLE), SCHEMA) == []


@pytest.mark.parametrize("name", ["unknown_keys", "missing_keys", "bad_values", "wrong_shapes", "no_models"])
def test_the_schema_finds_what_an_editor_should_underline(name: str) -> None:
    document = plain(ROOT / "tests" / "data" / "settings" / f"{name}.yaml")
    if name == "no_models":
        assert SCHEMA["properties"]["models"]["minProperties"] == 1
    else:
        assert len(faults(document, SCHEMA)) >= 5


def test_the_command_writes_the_schema_to_stdout_or_to_a_file(tmp_path: Path) -> None:
    assert CliRunner().invoke(app, []).stdout == schema_text()
    assert CliRunner().invoke(app, ["--markdown"]).stdout == reference_text()
    CliRunner().invoke(app, ["-o", str(tmp_path / "s.json")])
    assert (tmp_path / "s.json").read_text(encoding="utf-8") == schema_text()


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["-o", str(tmp_path / "none" / "s.json")])
    assert isinstance(result.exception, UsageError)
    assert "No such file or directory" in str(result.exception)
