"""The JSON schema of the configuration, for editors: names, types, defaults and a sentence on every key."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from monitor.settings.block import Block
from monitor.settings.durations import DURATION_PATTERN, duration_text
from monitor.settings.file import FileSettings
from monitor.settings.sizes import SIZE_PATTERN

DIALECT = "https://json-schema.org/draft/2020-12/schema"
VARIABLE = {"type": "string", "pattern": r"\$\{[A-Za-z_][A-Za-z0-9_]*(:-[^}]*)?\}"}
"""Any value may come from the environment, so that numbers and switches may be such a text too."""
COLUMNS = ("Key", "Value", "Default", "Meaning")
NOT_TEXT = ("integer", "number", "boolean")


class _Generator(GenerateJsonSchema):
    """Writes durations as people do; the defaults of a block stand with its keys."""

    def encode_default(self, dft: Any) -> Any:
        if isinstance(dft, Block):
            return {}
        return duration_text(dft) if isinstance(dft, timedelta) else super().encode_default(dft)


def schema_text() -> str:
    """The schema as indented JSON with a line end."""
    schema = _friendly(FileSettings.model_json_schema(schema_generator=_Generator))
    schema["$schema"] = DIALECT
    schema["title"] = "driftd"
    schema["patternProperties"] = {"^x-": {"description": "Your own: a place for YAML anchors."}}
    return json.dumps(schema, indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def _friendly(node: Any) -> Any:
    """Without the titles that pydantic makes of the names, and with variables allowed wherever a value stands."""
    if isinstance(node, list):
        return [_friendly(item) for item in node]
    if not isinstance(node, dict):
        return node
    node = {key: _friendly(value) for key, value in node.items() if not (key == "title" and isinstance(value, str))}
    if node.get("type") in NOT_TEXT or (isinstance(node.get("enum"), list) and "type" in node) or "pattern" in node:
        return _or_variable(node)
    return node


def _or_variable(node: dict[str, Any]) -> dict[str, Any]:
    if node.get("type") == "string" and "enum" not in node and "pattern" not in node:
        return node
    outer: dict[str, Any] = {key: node.pop(key) for key in ("description", "default") if key in node}
    return {**outer, "anyOf": [node, VARIABLE]}


def reference_text() -> str:
    """Every key as a line of a Markdown table, in the order of the file."""
    schema = FileSettings.model_json_schema(schema_generator=_Generator)
    lines = [f"| {' | '.join(COLUMNS)} |", f"|{' --- |' * len(COLUMNS)}", *_lines(schema, schema["$defs"], "")]
    return "\n".join(lines) + "\n"


def _lines(node: dict[str, Any], defs: dict[str, Any], prefix: str) -> Iterator[str]:
    for name, written in node["properties"].items():
        value = _value(written, defs)
        inner = _block(value, defs)
        needed = "**needed**" if name in node.get("required", ()) else _default(written)
        meaning = written.get("description") or value.get("description", "")
        cells = (f"`{prefix}{name}`", _kind(value, defs), needed, meaning)
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
        if inner:
            yield from _lines(inner, defs, f"{prefix}{name}{_inside(value)}.")


def _value(node: dict[str, Any], defs: dict[str, Any]) -> dict[str, Any]:
    """The schema behind references and behind ``or nothing``."""
    while True:
        choices = [choice for choice in node.get("anyOf", ()) if choice.get("type") != "null"]
        if "$ref" in node:
            node = defs[node["$ref"].rpartition("/")[2]]
        elif len(choices) == 1:
            node = choices[0]
        else:
            return node


def _block(value: dict[str, Any], defs: dict[str, Any]) -> dict[str, Any] | None:
    """The block of settings inside a value: itself, the values of a mapping, or the items of a list."""
    if "properties" in value:
        return value
    for choice in (*value.get("anyOf", ()), value.get("additionalProperties"), value.get("items")):
        if isinstance(choice, dict) and (inner := _block(_value(choice, defs), defs)):
            return inner
    return None


def _inside(value: dict[str, Any]) -> str:
    return ".NAME" if isinstance(value.get("additionalProperties"), dict) else ""


def _default(written: dict[str, Any]) -> str:
    default = written.get("default")
    if default in (None, [], {}) or isinstance(default, dict):
        return ""
    return f"`{json.dumps(default, ensure_ascii=False)}`" if not isinstance(default, str) else f"`{default}`"


def _kind(value: dict[str, Any], defs: dict[str, Any]) -> str:
    choices = [_kind(_value(choice, defs), defs) for choice in value.get("anyOf", ()) if choice.get("type") != "null"]
    if choices:
        return " or ".join(dict.fromkeys(choices))
    if "enum" in value:
        return ", ".join(f"`{name}`" for name in value["enum"])
    if "const" in value:
        return f"`{value['const']}`"
    if value.get("pattern") == DURATION_PATTERN:
        return "duration"
    if value.get("pattern") == SIZE_PATTERN:
        return "size"
    names = {"object": "mapping", "array": "list", "string": "text", "integer": "whole number", "boolean": "`true`, `false`"}
    kinds = value["type"] if isinstance(value["type"], list) else [value["type"]]
    return " or ".join(str(names.get(kind, kind)) for kind in kinds)
