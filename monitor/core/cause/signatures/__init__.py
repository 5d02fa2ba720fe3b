"""The signatures of known faults: one file each, and one line here. The first that recognises a column tells the sentence."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from monitor.core.cause.scene import Scene
from monitor.core.cause.signatures.clock import clock
from monitor.core.cause.signatures.factor import factor
from monitor.core.cause.signatures.fill import fill
from monitor.core.cause.signatures.offset import offset
from monitor.core.cause.signatures.recoded import recoded
from monitor.core.cause.signatures.sign import Sign, Signature
from monitor.core.cause.signatures.swapped import swapped
from monitor.core.cause.signatures.unit_change import unit_change
from monitor.core.finding import BROKEN

SIGNATURES: Mapping[str, Signature] = {
    "swapped_columns": swapped,
    "fill": fill,
    "recoded_categories": recoded,
    "clock_shift": clock,
    "unit_change": unit_change,
    "factor": factor,
    "offset": offset,
}
"""By name, the most particular first: a column full of one value is also the reference times almost nothing."""


def recognised(scene: Scene) -> tuple[str, Sign] | None:
    """The signature of what happened to a column, with its name; None where none knows it."""
    for name, signature in SIGNATURES.items():
        try:
            with np.errstate(all="ignore"):
                sign = signature(scene)
        except BROKEN:
            continue  # values beyond arithmetic, or none: no signature, and the sentence can do without
        if sign is not None:
            return name, sign
    return None
