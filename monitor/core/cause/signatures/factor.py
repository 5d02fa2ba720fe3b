"""A factor that no two common units have between them: said with its amount, no reason to lead."""

from __future__ import annotations

from monitor.core.cause.scene import Scene
from monitor.core.cause.signatures.sign import Sign
from monitor.core.cause.signatures.unit_change import amount, evidence_of, transform_of
from monitor.core.drift.transform import Change


def factor(scene: Scene) -> Sign | None:
    """Every value times the same number."""
    found, moved = transform_of(scene)
    if found is None or found.known or found.change is not Change.FACTOR or found.plain <= scene.usual:
        return None
    return Sign(said=f"{moved}, {amount(found)}", evidence=evidence_of(found))
