"""Retraining: when a model's own history says that a better one should be trained."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import takewhile

from monitor.core.incidents import Incident
from monitor.core.results import DECIDED, Result, Verdict, latest, only_told
from monitor.core.rules import RetrainingRules
from monitor.core.schema import rfc3339
from monitor.core.signals import only_estimated
from monitor.core.stable import stable_hex


class RetrainingState(StrEnum):
    """The life of a request to retrain. ``proposed``: a person is to approve it before it goes out."""

    PROPOSED = "proposed"
    REQUESTED = "requested"
    ACCEPTED = "accepted"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Helped(StrEnum):
    """Whether a new version does better than the old one did."""

    HELPED = "helped"
    DID_NOT = "did not help"


@dataclass(frozen=True, slots=True, kw_only=True)
class Retraining:
    """One request to retrain; ``id`` is stable, ``requested_at`` the end of the judged window that asked for it (event time).

    ``updated_at`` (wall clock), ``detail`` and ``run_url`` are of the last change of its state. ``new_version``: what came of it.
    ``helped`` and ``verdict``, in one sentence: whether that is better; None until there is enough evidence.
    """

    id: str
    model: str
    version: str
    state: RetrainingState
    reason: str
    incident: str | None
    columns: tuple[str, ...]
    requested_at: datetime
    updated_at: datetime | None = None
    approved_by: str | None = None
    detail: str = ""
    run_url: str | None = None
    new_version: str | None = None
    helped: Helped | None = None
    verdict: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrainingEvent:
    """One line of a request's history. ``at``: wall clock. ``by``: a person, or the trainer; empty where driftd itself did it."""

    retraining: str
    at: datetime
    before: RetrainingState | None
    after: RetrainingState
    by: str = ""
    detail: str = ""


class RetrainingReason(StrEnum):
    """Why retraining is asked for, or not."""

    CHECK_KEEPS_ALERTING = "check keeps alerting"
    NO_CHECK_KEEPS_ALERTING = "no check keeps alerting"
    COOLING_DOWN = "cooling down"
    NOTHING_NEW_SINCE_LAST_REQUEST = "nothing new since the last request"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What was decided, and why. ``retraining`` is set exactly when the reason is ``CHECK_KEEPS_ALERTING``."""

    retraining: Retraining | None
    reason: RetrainingReason
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Window:
    """The alerts of one check in one window; none where it is fine."""

    end: datetime
    alerts: tuple[Result, ...]


def decide(
    rules: RetrainingRules, model: str, history: Sequence[Result], incident: Incident | None, last: Retraining | None, now: datetime
) -> Retraining | None:
    """The request that ``consider`` comes to, if any."""
    return consider(rules, model, history, incident, last, now).retraining


def consider(
    rules: RetrainingRules, model: str, history: Sequence[Result], incident: Incident | None, last: Retraining | None, now: datetime
) -> Decision:
    """Ask for retraining when a check of ``rules.when`` alerts in its number of judged windows in a row.

    ``history``: results of the last windows, oldest first, the current window included; windows in which a check could
    not decide neither count nor break the row. ``last``: the model's last request, of whatever state. ``now``: the end
    of the judged window; the cooldown runs in event time. Pure: the same history gives the same request.
    """
    if last is not None and now - last.requested_at < rules.cooldown:
        return Decision(retraining=None, reason=RetrainingReason.COOLING_DOWN, detail=f"since {rfc3339(last.requested_at)}, {last.id}")
    rows = {check: _row(history, model, check) for check in sorted(rules.when)}
    due = {check: row[-rules.when[check] :] for check, row in rows.items() if row and len(row) >= rules.when[check]}
    if not due:
        return Decision(retraining=None, reason=RetrainingReason.NO_CHECK_KEEPS_ALERTING)
    fresh = {check: row for check, row in due.items() if last is None or row[-1].end > last.requested_at}
    if not fresh:
        return Decision(retraining=None, reason=RetrainingReason.NOTHING_NEW_SINCE_LAST_REQUEST)
    detail = "; ".join(f"{check} alerted in {len(row)} {'window' if len(row) == 1 else 'windows'} in a row" for check, row in fresh.items())
    alerts = [alert for row in fresh.values() for window in row for alert in window.alerts]
    request = Retraining(
        id=retraining_id(model, now),
        model=model,
        version=max(alerts, key=lambda alert: alert.window_end).version,
        state=RetrainingState.REQUESTED,
        reason=detail,
        incident=None if incident is None else incident.id,
        columns=tuple(dict.fromkeys(alert.column for alert in alerts if alert.column is not None)),
        requested_at=now,
    )
    return Decision(retraining=request, reason=RetrainingReason.CHECK_KEEPS_ALERTING, detail=detail)


def retraining_id(model: str, requested_at: datetime) -> str:
    """The same request has the same name in every replica and every replay."""
    return "ret_" + stable_hex(model, rfc3339(requested_at))


def _row(history: Iterable[Result], model: str, check: str) -> list[_Window]:
    """The unbroken row of alerting windows at the end of a check's history, oldest first."""
    windows: dict[datetime, list[Result]] = {}
    for result in _latest(history, model, check):
        windows.setdefault(result.window_end, []).append(result)
    newest_first = (
        _Window(end=end, alerts=tuple(r for r in windows[end] if r.verdict is Verdict.ALERT)) for end in sorted(windows, reverse=True)
    )
    return list(takewhile(lambda window: window.alerts, newest_first))[::-1]


def _latest(history: Iterable[Result], model: str, check: str) -> Iterable[Result]:
    """The last revision of every decided result of a check. That an estimate sees no drop decides nothing where labels will come."""
    asked = (result for result in history if result.model == model and result.check == check and not only_told(result))
    decided = (result for result in latest(asked).values() if result.verdict in DECIDED)
    return [result for result in decided if result.verdict is Verdict.ALERT or not only_estimated(result)]
