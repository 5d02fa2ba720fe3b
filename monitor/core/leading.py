"""What an incident is about first: a fault of the data explains drift, and drift explains decay."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from monitor.core.results import Check


class Lead(StrEnum):
    """Kinds of trouble, the one that explains the others first."""

    DATA_FAULT = "data fault"
    DRIFT = "drift"
    DECAY = "decay"


KINDS: dict[str, Lead] = {
    Check.QUALITY: Lead.DATA_FAULT,
    Check.VOLUME: Lead.DATA_FAULT,
    Check.DRIFT: Lead.DRIFT,
    Check.PERFORMANCE: Lead.DECAY,
}
"""By check. Rows that do not come are a fault of the data, too."""


def leading(checks: Iterable[str]) -> Lead | None:
    """What leads among checks that alert, e.g. ``Incident.checks``; None where none of them is a check of windows (a condition)."""
    kinds = {KINDS[check] for check in checks if check in KINDS}
    return next((lead for lead in Lead if lead in kinds), None)
