"""What a trainer is told of the data: the range that it may use, and what of it to leave out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from monitor.core.data_fault import FAULTY
from monitor.core.incidents import Incident

MOST_SPANS = 20
"""Spans that a request names, the newest: with more of them data is better looked at by a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Event time in which data was faulty, and of which incident that is known."""

    start: datetime
    end: datetime
    incident: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingData:
    """Rows of ``[start, end)`` (event time), without those of ``leave_out``. ``start`` is None where no window is kept.

    ``end`` is as far as labels can have come. ``changed_at``: since when the model's world is another, as far as is known.
    """

    start: datetime | None
    end: datetime
    changed_at: datetime | None
    leave_out: tuple[Span, ...] = ()


def training_data(*, now: datetime, label_delay: timedelta, first: datetime | None, changed_at: datetime | None,
                  incidents: Iterable[Incident]) -> TrainingData:
    """A suggestion. ``first``: the start of the first window that is kept; ``incidents``: the model's, in any order."""
    end = now - label_delay
    start = None if first is None else min(first, end)
    faulty = (incident for incident in incidents if set(incident.checks) & FAULTY)
    spans = sorted((_span(incident) for incident in faulty if incident.since < now), key=lambda span: (span.start, span.incident))
    return TrainingData(start=start, end=end, changed_at=changed_at, leave_out=tuple(spans[-MOST_SPANS:]))


def _span(incident: Incident) -> Span:
    """Of an incident that is over, the good windows after its last bad one are within: they ended it, and are few."""
    why = " and ".join(check for check in incident.checks if check in FAULTY)
    return Span(start=incident.since, end=incident.resolved_at or incident.updated_at, incident=incident.id, why=why)
