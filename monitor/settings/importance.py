"""How much each column matters to the model: a file of weights, as training libraries write their feature importances."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Annotated

from pydantic import Field, PlainValidator, WithJsonSchema
from pydantic_core.core_schema import ValidationInfo

from monitor.settings.block import Block, path_of
from monitor.settings.durations import shown

MAX_BYTES = 5_000_000
MAX_DIGITS = 60  # characters of one number
WAYS = (".csv", ".json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Importance:
    """The weights of ``path`` by column, none below zero, their mean 1: what training libraries call importance has any scale."""

    path: Path
    weights: Mapping[str, float] = field(default_factory=dict)


def read_importance(path: Path) -> Importance:
    """From a csv of two columns (name, number; a heading may stand above) or a JSON object. Raises ValueError in a person's words."""
    if path.suffix.lower() not in WAYS:
        raise ValueError(f"{shown(path.name)} is neither csv nor json; expected a file that ends in {' or '.join(WAYS)}")
    text = _text(path)
    found: dict[str, float] = {}
    for name, number in _json(text, path) if path.suffix.lower() == ".json" else _csv(text, path):
        if name in found:
            raise ValueError(f"{path.name}: {shown(name)} stands there twice; expected every column once")
        found[name] = max(number, 0.0)  # a permutation importance below zero is noise around none
    mean = math.fsum(found.values()) / max(len(found), 1)
    if not 0 < mean < math.inf:
        raise ValueError(f"{path.name}: no number above zero; expected a weight by column")
    return Importance(path=path, weights=MappingProxyType({name: number / mean for name, number in found.items()}))


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise ValueError(f"{path.name}: larger than {MAX_BYTES} bytes")
        return data.decode("utf-8-sig")
    except OSError as error:
        raise ValueError(f"{path.name} cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path.name}: not UTF-8") from None


def _csv(text: str, path: Path) -> Iterator[tuple[str, float]]:
    try:
        rows = [(number, row) for number, row in enumerate(csv.reader(text.splitlines(), strict=True), start=1) if any(row)]
    except csv.Error as error:
        raise ValueError(f"{path.name}: not csv: {error}") from None
    for i, (line, row) in enumerate(rows):
        if len(row) != 2:
            raise ValueError(f"{path.name} line {line}: {len(row)} fields; expected a column's name and a number")
        number = _number(row[1])
        if number is None and i == 0:
            continue  # the heading
        if number is None:
            raise ValueError(f"{path.name} line {line}: {shown(row[1])} is not a number")
        yield row[0].strip(), number


def _json(text: str, path: Path) -> Iterable[tuple[str, float]]:
    try:
        found = json.loads(text, object_pairs_hook=list, parse_int=str, parse_float=str, parse_constant=str)
    except (ValueError, RecursionError):
        raise ValueError(f"{path.name}: not JSON") from None
    if not isinstance(found, list) or not all(isinstance(pair, tuple) for pair in found):
        raise ValueError(f"{path.name}: expected a JSON object of numbers by column")
    for name, value in found:
        number = _number(value) if isinstance(value, str) else None
        if number is None:
            raise ValueError(f"{path.name}: {shown(name)} has no number; expected a JSON object of numbers by column")
        yield name, number


def _number(text: str) -> float | None:
    try:
        number = float(text) if len(text) <= MAX_DIGITS else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _file(value: object, info: ValidationInfo) -> Importance:
    return value if isinstance(value, Importance) else read_importance(path_of(value, info))


ImportanceFile = Annotated[Importance, PlainValidator(_file), WithJsonSchema({"type": "string", "minLength": 1})]


class ImportanceSettings(Block):
    """How much each column matters to the model; left out: all alike. Causes are ranked by it."""

    file: ImportanceFile = Field(description="csv (name, number) or json ({name: number}), read at start; a column's own weight wins.")
