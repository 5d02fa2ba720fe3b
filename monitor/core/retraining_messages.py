"""What is told of a request to retrain: to the trainer with all that is known of why, and to people as it goes on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from urllib.parse import quote

import msgspec

from monitor.core.incidents import Incident
from monitor.core.messages import ColumnLine, cut, finite, model_url, to_body
from monitor.core.results import ALL_ROWS, Check, Result, Verdict, latest, only_told
from monitor.core.retraining import Retraining, RetrainingState
from monitor.core.schema import rfc3339
from monitor.core.training_data import TrainingData

MAX_RESULTS = 10
"""Results and columns that a request to retrain carries: keeps it under the 20 kB that Standard Webhooks recommends."""

MAX_SEGMENT = 100
"""Characters of a segment's name beside a result."""

MAX_BODY = 20_000
"""Bytes of a request to retrain, as Standard Webhooks recommends: what is least needed is left out until it is so small."""

RETRAINING_REQUESTED = "driftd.retraining.requested"
RETRAINING_STATUS = "retraining_status"
"""The kind of a message that tells people how a request to retrain goes on; its body is a ``RetrainingNote``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One alerting result behind a request to retrain. The last four are of performance alone, as in ``Result``."""

    window_start: datetime
    window_end: datetime
    check: str
    column: str | None
    metric: str
    value: float | None
    threshold: float | None
    reason: str
    segment: str = ALL_ROWS
    ci_low: float | None = None
    ci_high: float | None = None
    labelled: int | None = None
    estimated: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceLine:
    """The reference that the model's windows are compared with."""

    number: int
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What a request to retrain tells besides itself: all that is known of why.

    ``results``: those of the windows behind it. ``page_url``: where the daemon's pages are; ``api_url``: where a trainer reaches it.
    """

    cause: str = ""
    performance: str = ""
    results: tuple[Result, ...] = ()
    columns: tuple[ColumnLine, ...] = ()
    incident: Incident | None = None
    training: TrainingData | None = None
    reference: ReferenceLine | None = None
    page_url: str | None = None
    api_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrainingRequest:
    """The ``data`` of the retraining webhook; ``id`` is the request's and the same in every delivery of it.

    ``performance``: what is known of it in one sentence; empty where it is not judged. ``metrics``: of performance, the newest results
    of each with their intervals, good ones too. ``callback_url``: where to say how it goes, None where driftd's address is not given.
    """

    id: str
    model: str
    version: str
    reason: str
    cause: str
    incident: str | None
    columns: tuple[str, ...]
    requested_at: datetime
    results: tuple[Evidence, ...]
    url: str | None
    performance: str = ""
    incident_since: datetime | None = None
    incident_summary: str = ""
    column_lines: tuple[ColumnLine, ...] = ()
    metrics: tuple[Evidence, ...] = ()
    training: TrainingData | None = None
    reference: ReferenceLine | None = None
    callback_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrainingNote:
    """What people are told of a request to retrain as it goes on. ``hint``: what they can do about it; empty where nothing."""

    id: str
    model: str
    state: RetrainingState
    sentence: str
    incident: str | None
    at: datetime
    hint: str = ""
    run_url: str | None = None
    new_version: str | None = None
    url: str | None = None


def retraining_dedupe(receiver: str, retraining: Retraining) -> str:
    """What makes a request to retrain unique at one receiver."""
    return f"{receiver}:{retraining.id}"


def retraining_request(retraining: Retraining, case: Case) -> RetrainingRequest:
    """The request with the alerts behind it, the newest first."""
    alerts = sorted((r for r in case.results if r.verdict is Verdict.ALERT), key=lambda r: r.window_end, reverse=True)
    incident = case.incident
    return RetrainingRequest(
        id=retraining.id,
        model=retraining.model,
        version=retraining.version,
        reason=retraining.reason,
        cause=cut(case.cause),
        incident=retraining.incident,
        columns=tuple(map(cut, retraining.columns[:MAX_RESULTS])),
        requested_at=retraining.requested_at,
        results=tuple(map(_evidence, alerts[:MAX_RESULTS])),
        url=model_url(case.page_url, retraining.model),
        performance=cut(case.performance),
        incident_since=None if incident is None else incident.since,
        incident_summary="" if incident is None else cut(incident.summary),
        column_lines=tuple(ColumnLine(column=cut(line.column), sentence=cut(line.sentence)) for line in case.columns[:MAX_RESULTS]),
        metrics=tuple(map(_evidence, _metrics(case.results)[:MAX_RESULTS])),
        training=case.training,
        reference=case.reference,
        callback_url=callback_url(case.api_url, retraining.id),
    )


def callback_url(api_url: str | None, retraining: str) -> str | None:
    """Where a trainer says how it goes, where driftd's address is given."""
    return None if api_url is None else f"{api_url.rstrip('/')}/api/v1/retrainings/{quote(retraining, safe='')}/status"


def _metrics(results: Iterable[Result]) -> list[Result]:
    """Of performance over all rows, the newest result of each metric and version that has a value; alerts first."""
    newest: dict[tuple[str, str], Result] = {}
    for result in latest(results).values():
        if result.check is Check.PERFORMANCE and result.segment == ALL_ROWS and result.value is not None and not only_told(result):
            known = newest.get((result.version, result.metric))
            newest[result.version, result.metric] = result if known is None else max(known, result, key=lambda r: r.window_end)
    return sorted(newest.values(), key=lambda r: (r.verdict is not Verdict.ALERT, r.metric, r.version))


def retraining_body(request: RetrainingRequest) -> Mapping[str, object]:
    """The request in the frame of Standard Webhooks: ``type``, ``timestamp`` (of the event), ``data``."""
    return {"type": RETRAINING_REQUESTED, "timestamp": rfc3339(request.requested_at), "data": to_body(_fitted(request))}


CUT_FIRST = ("results", "column_lines", "metrics", "columns")
"""Lists that a request too large is shortened by, always the one that takes most."""


def _fitted(request: RetrainingRequest) -> RetrainingRequest:
    """Without the last lines of its longest list, until it is small enough to be taken."""
    while len(msgspec.json.encode(request)) > MAX_BODY:
        sizes = {name: len(msgspec.json.encode(getattr(request, name))) for name in CUT_FIRST if getattr(request, name)}
        if not sizes:
            break
        longest = max(sizes, key=lambda name: sizes[name])
        request = replace(request, **{longest: getattr(request, longest)[:-1]})
    return request


SAID: Mapping[RetrainingState, str] = {
    RetrainingState.PROPOSED: "retraining is proposed",
    RetrainingState.REQUESTED: "retraining is asked for",
    RetrainingState.ACCEPTED: "retraining is accepted",
    RetrainingState.RUNNING: "retraining is running",
    RetrainingState.SUCCEEDED: "retraining succeeded",
    RetrainingState.FAILED: "retraining failed",
    RetrainingState.CANCELLED: "retraining is cancelled",
}


def retraining_note(retraining: Retraining, *, page_url: str | None = None) -> RetrainingNote:
    """What people are told of a request as it stands now."""
    proposed = retraining.state is RetrainingState.PROPOSED
    detail = retraining.detail or (retraining.reason if retraining.state in (RetrainingState.PROPOSED, RetrainingState.REQUESTED) else "")
    version = f"version {retraining.new_version}" if retraining.state is RetrainingState.SUCCEEDED and retraining.new_version else ""
    why = ", ".join(part for part in (version, detail) if part)
    hint = f"driftd retrainings approve CONFIG {retraining.id}, or cancel in the place of approve" if proposed else ""
    return RetrainingNote(
        id=retraining.id,
        model=cut(retraining.model),
        state=retraining.state,
        sentence=cut(f"{retraining.model}: {SAID[retraining.state]}" + (f": {why}" if why else "")),
        incident=retraining.incident,
        at=retraining.updated_at or retraining.requested_at,
        hint=hint,
        run_url=retraining.run_url,
        new_version=retraining.new_version,
        url=model_url(page_url, retraining.model),
    )


def note_dedupe(receiver: str, retraining: Retraining) -> str:
    """What makes a message about a request unique: each state that it comes to is told once."""
    return f"{receiver}:{retraining.id}:{retraining.state}:{rfc3339(retraining.updated_at or retraining.requested_at)}"


def _evidence(result: Result) -> Evidence:
    return Evidence(
        window_start=result.window_start,
        window_end=result.window_end,
        check=result.check,
        column=None if result.column is None else cut(result.column),
        metric=result.metric,
        value=finite(result.value),
        threshold=finite(result.threshold),
        reason=cut(result.reason),
        segment=cut(result.segment, MAX_SEGMENT),
        ci_low=finite(result.ci_low),
        ci_high=finite(result.ci_high),
        labelled=result.labelled,
        estimated=result.estimated,
    )
