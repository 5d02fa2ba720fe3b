"""All targets by name. A target is one module and one line here."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from tests.fuzz.target import Target

MODULES: Mapping[str, str] = {
    "decoding": "messages",
    "judging": "messages",
    "configurations": "configurations",
    "documents": "documents",
    "requests": "requests",
    "texts": "texts",
    "answers": "answers",
}
"""Imported one by one, as a guided run has to import what it watches itself."""


def target(name: str) -> Target:
    """The target of that name. Raises ValueError naming those that there are."""
    if name not in MODULES:
        raise ValueError(f"unknown target {name!r}, known: {', '.join(sorted(MODULES))}")
    return next(each for each in import_module(f"tests.fuzz.{MODULES[name]}").TARGETS if each.name == name)
