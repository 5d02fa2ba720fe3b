"""Values that are not of the column's kind."""

from __future__ import annotations

from dataclasses import replace

from monitor.core.finding import Finding, percent
from monitor.core.quality.look import Look, QualityKind, of_rows
from monitor.core.results import Verdict
from monitor.core.schema import Kind

CHANGED = 0.5  # share of the values from which on it is the type that changed, not a few values that are broken
WORDS = {Kind.NUMERIC: "numbers", Kind.BOOLEAN: "true or false", Kind.CATEGORICAL: "texts, numbers or booleans"}


def judge_types(look: Look) -> Finding | None:
    """Wrong types among all rows; from ``CHANGED`` of those that bear something on, the reason says that the type changed."""
    here = look.here
    if not here.total:
        return None
    found = of_rows(look, QualityKind.WRONG_TYPE, "values of a wrong type", here=here.wrong_type, there=look.there.wrong_type)
    bearing = here.total - here.null
    if found.verdict is not Verdict.ALERT or here.wrong_type < CHANGED * bearing:
        return found
    said = f"type changed: {percent(here.wrong_type / bearing)} of the values are not {WORDS[look.kind]}"
    return replace(found, reason=f"{look.name}: {said}, limit {percent(found.threshold or 0.0)}")
