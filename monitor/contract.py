"""The objects that scripts rely on, as plain JSON values: one pure function per noun, for the API and for ``--format jsonl``.

Names are the contract: add, never rename. Times are RFC 3339 UTC; a number that JSON cannot say (NaN, infinity) is null.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import UTC, datetime

from monitor.core.incidents import Incident, IncidentEvent
from monitor.core.reference import source_of
from monitor.core.results import Result
from monitor.core.retraining import Retraining, RetrainingEvent
from monitor.core.schema import rfc3339
from monitor.core.silences import Silence
from monitor.ports import LabelAccount, QuarantineRow, StoredReference, StoredWindow

SAMPLE_CHARACTERS = 500
"""How much of a quarantined message an object shows."""


def result_object(result: Result) -> dict[str, object]:
    """A result: what one check said of one window."""
    return {
        "model": result.model,
        "version": result.version,
        "segment": result.segment,
        "window_start": rfc3339(result.window_start),
        "window_end": rfc3339(result.window_end),
        "check": str(result.check),
        "column": result.column,
        "metric": result.metric,
        "value": _number(result.value),
        "threshold": _number(result.threshold),
        "p_value": _number(result.p_value),
        "verdict": str(result.verdict),
        "reason": result.reason,
        "rows": result.rows,
        "revision": result.revision,
        "reference": result.reference,
        "ci_low": _number(result.ci_low),
        "ci_high": _number(result.ci_high),
        "labelled": result.labelled,
        "estimated": result.estimated,
        "reference_value": _number(result.reference_value),
    }


def window_object(window: StoredWindow) -> dict[str, object]:
    """A window with the account of its rows: ``received`` is the sum of the five that follow it."""
    key, account = window.key, window.account
    return {
        "model": key.model,
        "version": key.version,
        "segment": key.segment,
        "window_start": rfc3339(key.start),
        "window_end": rfc3339(key.end),
        "received": account.received,
        "counted": account.counted,
        "late": account.late,
        "duplicate": account.duplicate,
        "quarantined": account.quarantined,
        "sampled_out": account.sampled_out,
        "incomplete": window.incomplete,
    }


def label_account_object(model: str, account: LabelAccount) -> dict[str, object]:
    """Where the labels of a model went: ``received`` is the sum of the five that follow it; ``unlabelled`` counts predictions."""
    return {
        "model": model,
        "received": account.received,
        "matched": account.matched,
        "revised": account.revised,
        "repeated": account.repeated,
        "expired": account.expired,
        "waiting": account.waiting,
        "unlabelled": account.unlabelled,
    }


def incident_object(incident: Incident) -> dict[str, object]:
    """An incident as it stands; ``since`` is the start of its first bad window."""
    return {
        "id": incident.id,
        "model": incident.model,
        "state": str(incident.state),
        "severity": str(incident.severity),
        "cause": incident.cause,
        "summary": incident.summary,
        "checks": list(incident.checks),
        "columns": list(incident.columns),
        "since": rfc3339(incident.since),
        "updated_at": rfc3339(incident.updated_at),
        "fired_at": _time(incident.fired_at),
        "resolved_at": _time(incident.resolved_at),
        "notified_at": _time(incident.notified_at),
        "bad_windows": incident.bad_windows,
        "good_windows": incident.good_windows,
        "acknowledged_by": incident.acknowledged_by,
        "condition": incident.condition,
        "muted": incident.muted,
    }


def incident_event_object(event: IncidentEvent) -> dict[str, object]:
    """One line of an incident's history."""
    return {
        "incident": event.incident,
        "at": rfc3339(event.at),
        "before": None if event.before is None else str(event.before),
        "after": str(event.after),
        "reason": str(event.reason),
        "detail": event.detail,
    }


def incident_history_object(incident: Incident, events: Iterable[IncidentEvent]) -> dict[str, object]:
    """An incident with its history, oldest line first."""
    return incident_object(incident) | {"events": [incident_event_object(event) for event in events]}


def silence_object(silence: Silence) -> dict[str, object]:
    """What people hear nothing of; null matches all. Times are the wall clock's."""
    return {
        "id": silence.id,
        "model": silence.model,
        "check": silence.check,
        "column": silence.column,
        "incident": silence.incident,
        "starts_at": rfc3339(silence.starts_at),
        "ends_at": rfc3339(silence.ends_at),
        "by": silence.by,
        "reason": silence.reason,
        "ended_by": silence.ended_by,
    }


def retraining_object(retraining: Retraining) -> dict[str, object]:
    """One request to retrain."""
    return {
        "id": retraining.id,
        "model": retraining.model,
        "version": retraining.version,
        "state": str(retraining.state),
        "reason": retraining.reason,
        "incident": retraining.incident,
        "columns": list(retraining.columns),
        "requested_at": rfc3339(retraining.requested_at),
        "updated_at": _time(retraining.updated_at),
        "approved_by": retraining.approved_by,
        "detail": retraining.detail,
        "run_url": retraining.run_url,
        "new_version": retraining.new_version,
        "helped": None if retraining.helped is None else str(retraining.helped),
        "verdict": retraining.verdict,
    }


def retraining_event_object(event: RetrainingEvent) -> dict[str, object]:
    """One line of a request's history; ``by`` is empty where driftd itself did it."""
    return {
        "retraining": event.retraining,
        "at": rfc3339(event.at),
        "before": None if event.before is None else str(event.before),
        "after": str(event.after),
        "by": event.by,
        "detail": event.detail,
    }


def retraining_history_object(retraining: Retraining, events: Iterable[RetrainingEvent]) -> dict[str, object]:
    """A request with its history, oldest line first."""
    return retraining_object(retraining) | {"events": [retraining_event_object(event) for event in events]}


def quarantine_object(row: QuarantineRow) -> dict[str, object]:
    """A message that could not be read; ``sample`` is its beginning, unreadable bytes written as ``\\xff``."""
    entry = row.entry
    return {
        "id": row.id,
        "model": entry.model,
        "stream": entry.stream,
        "topic": entry.partition.topic,
        "partition": entry.partition.partition,
        "offset": entry.offset,
        "reason": str(entry.reason),
        "detail": entry.detail,
        "sample": entry.sample.decode("utf-8", errors="backslashreplace")[:SAMPLE_CHARACTERS],
        "at": rfc3339(entry.at),
    }


def reference_object(reference: StoredReference) -> dict[str, object]:
    """A line of the list of references; ``columns`` is how many it profiles."""
    return {
        "model": reference.model,
        "version": reference.version,
        "number": reference.number,
        "kind": source_of(reference.provenance),
        "hash": reference.hash,
        "active": reference.active,
        "rows": reference.rows,
        "columns": reference.columns,
        "created_at": rfc3339(reference.created_at),
        "provenance": dict(reference.provenance),
    }


def parse_moment(text: str) -> datetime:
    """A time as people write it (``2013-01-31``, ``2013-01-31T06:00:00Z``; no zone means UTC). Raises ValueError."""
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):  # a zone can push year 1 out of the calendar
        raise ValueError(f"{text!r} is no time: expected one like 2013-01-31 or 2013-01-31T06:00:00Z") from None


def _number(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else rfc3339(moment)
