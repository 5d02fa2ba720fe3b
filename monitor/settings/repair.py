"""A faulty file with its faulty parts taken out, so that what only shows between parts can be told in the same go."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy

from monitor.settings.document import Finding, Loc

STAND_INS: Mapping[str, object] = {
    "task": "binary",
    "window": "1h",
    "streams": {"predictions": {"topic": "unknown", "time": "unknown"}},
}
"""What a model cannot do without. Checks that look at a faulty section are left out, so these are never judged."""
KAFKA: Mapping[str, object] = {"bootstrap_servers": "unknown"}


def section_of(loc: Loc) -> Loc:
    """The part that is taken out as a whole: ``kafka``, ``models.m.streams``."""
    return loc[:3] if loc and loc[0] == "models" else loc[:1]


def repaired(root: object, findings: Iterable[Finding]) -> object:
    """A copy of the tree without the sections that have findings, with stand-ins for what is needed."""
    if not isinstance(root, dict):
        return root
    tree: dict[str, object] = deepcopy(root)
    broken = {section_of(finding.loc) for finding in findings}
    for section in sorted(broken, key=lambda loc: [str(step) for step in loc]):
        _remove(tree, section)
    if not isinstance(tree.get("kafka"), dict):
        tree["kafka"] = KAFKA
    tree["models"] = _models(tree.get("models"))
    return tree


def _models(models: object) -> dict[str, object]:
    found = models if isinstance(models, dict) else {}
    whole: dict[str, object] = {name: {**STAND_INS, **model} for name, model in found.items() if isinstance(model, dict)}
    return whole or {"unknown": STAND_INS}


def _remove(tree: dict[str, object], section: Loc) -> None:
    node: object = tree
    for step in section[:-1]:
        node = node.get(str(step)) if isinstance(node, dict) else None
    if isinstance(node, dict) and section:
        node.pop(section[-1], None)
