"""An offset: every value moved by the same amount."""

from __future__ import annotations

from monitor.core.cause.scene import Scene
from monitor.core.cause.signatures.sign import Sign
from monitor.core.cause.signatures.unit_change import amount, evidence_of, transform_of
from monitor.core.drift.transform import Change


def offset(scene: Scene) -> Sign | None:
    """Said with its amount, no reason to lead: a busy day moves many values a little, too."""
    found, moved = transform_of(scene)
    if found is None or found.known or found.change is not Change.OFFSET or found.plain <= scene.usual:
        return None
    return Sign(said=f"{moved}, {amount(found)}", evidence=evidence_of(found))
