"""Unit change: every value times a factor that two common units have between them, or moved by one (kelvin)."""

from __future__ import annotations

from monitor.core.cause.scene import Scene
from monitor.core.cause.sentence import numbers
from monitor.core.cause.signatures.sign import Sign
from monitor.core.drift.base import side_of
from monitor.core.drift.transform import Change, Transform, recognise
from monitor.core.finding import number


def unit_change(scene: Scene) -> Sign | None:
    """Of every row. Not for columns whose values are all alike, nor, for a factor under 5, within what the windows differ by."""
    found, moved = transform_of(scene)
    if found is None or not found.known or (not found.is_large and found.plain <= scene.usual):
        return None
    unit = f"unit change: {found.units}" if found.units else "unit change"
    return Sign(said=f"{moved}, {amount(found)} ({unit})", evidence=evidence_of(found), share=1.0)


def transform_of(scene: Scene) -> tuple[Transform | None, str]:
    """The factor or offset of a numeric column, and how its numbers moved."""
    pair = scene.numbers
    if pair is None:
        return None, ""
    here, there = pair
    return recognise(side_of(there), side_of(here)), numbers(here, there) or ""


def amount(found: Transform) -> str:
    """``about ×60``, ``about ÷60``, ``every value about −3``."""
    if found.change is Change.OFFSET:
        return f"every value about {'+' if found.amount > 0 else '−'}{number(abs(found.amount))}"
    return f"about ×{number(found.amount)}" if found.amount >= 1 else f"about ÷{number(1 / found.amount)}"


def evidence_of(found: Transform) -> str:
    """How much of the difference goes when the change is taken back."""
    return f"D {number(found.plain)} as it is, {number(found.distance)} once that is taken back"
