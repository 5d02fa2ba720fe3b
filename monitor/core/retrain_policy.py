"""The policy of retraining: when a model's own history says that a better one should be trained, and why it is not asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from monitor.core.decay import labelled_share
from monitor.core.incidents import Incident
from monitor.core.results import DECIDED, Check, Result, Verdict, latest, only_told
from monitor.core.retraining import HOLDING, Helped, Retraining, RetrainingState, retraining_id
from monitor.core.rules import Allowance, Approval, Lasting, RetrainingRules
from monitor.core.schema import rfc3339
from monitor.core.signals import only_estimated

VAIN = 2
"""Requests in a row that helped nothing, after which driftd asks no more: what it sees is not what retraining mends."""

LEAST_REMEMBERED = 20
"""Requests of a model that are looked back over, at least: some are cancelled or have no verdict."""


class RetrainingReason(StrEnum):
    """Why retraining is asked for, or not."""

    CHECK_KEEPS_ALERTING = "check keeps alerting"
    MODEL_IS_OLD = "the model is old"
    NO_CHECK_KEEPS_ALERTING = "no check keeps alerting"
    TOO_FEW_LABELS = "too few labels"
    DATA_FAULT = "the cause looks like a data fault"
    REQUEST_IS_OPEN = "an earlier request has not ended"
    COOLING_DOWN = "cooling down"
    NOTHING_NEW_SINCE_LAST_REQUEST = "nothing new since the last request"
    HELPED_NOTHING_TWICE = "the last two retrainings helped nothing"
    BLACKOUT = "blackout hours"
    BUDGET_SPENT = "the model's budget is spent"
    SERVICE_BUDGET_SPENT = "the budget of all models is spent"


ASKED = frozenset({RetrainingReason.CHECK_KEEPS_ALERTING, RetrainingReason.MODEL_IS_OLD})
"""The reasons with which a request is made."""

NOTHING_DUE = frozenset({RetrainingReason.NO_CHECK_KEEPS_ALERTING})
"""The reasons that are no news."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What a decision is made from.

    ``history``: results of the last windows, oldest first, the current window included. ``recent``: the model's last requests of
    whatever state, the newest first. ``now``: the end of the judged window. ``fault``: why it looks like a data fault, empty where it
    does not (``core/data_fault``). ``version`` and ``born``: the version in use and the start of its first window. ``elsewhere``:
    when all models asked, as far as the service's budget reaches.
    """

    model: str
    now: datetime
    history: Sequence[Result] = ()
    recent: Sequence[Retraining] = ()
    incident: Incident | None = None
    fault: str = ""
    version: str = ""
    born: datetime | None = None
    elsewhere: Sequence[datetime] = ()

    @property
    def last(self) -> Retraining | None:
        """The newest request."""
        return self.recent[0] if self.recent else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What was decided, and why. ``retraining`` is set exactly when the reason is one of ``ASKED``.

    ``overdue``: an earlier request that nobody ended in time; it is to be given up whatever else was decided.
    """

    retraining: Retraining | None
    reason: RetrainingReason
    detail: str = ""
    overdue: Retraining | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Due:
    """Why a request would be made: the detail in words, and the alerts behind it."""

    reason: RetrainingReason
    detail: str
    last: datetime
    alerts: tuple[Result, ...] = field(default=())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Window:
    """What one check decided in one window; no alerts where it is fine."""

    end: datetime
    alerts: tuple[Result, ...]


def remembered(rules: RetrainingRules) -> int:
    """How many of a model's last requests a decision needs."""
    return max(LEAST_REMEMBERED, 0 if rules.budget is None else rules.budget.requests)


def consider(rules: RetrainingRules, seen: Situation) -> Decision:
    """Ask for retraining when a check keeps alerting or the model is old, unless something speaks against it; the first such reason counts.

    Windows in which a check could not decide neither count nor break a row, and only a window that is bad itself asks.
    Pure: the same history gives the same request.
    """
    overdue = next((r for r in seen.recent if r.state in HOLDING and seen.now - r.requested_at >= rules.timeout), None)
    if overdue is not None:
        seen = replace(seen, recent=tuple(_ended(r) if r.id == overdue.id else r for r in seen.recent))
    due, why_not = _due(rules, seen)
    if due is None:
        return Decision(retraining=None, reason=why_not, overdue=overdue)
    held = _held(rules, seen, due)
    if held is not None:
        return replace(held, overdue=overdue)
    return Decision(retraining=_request(rules, seen, due), reason=due.reason, detail=due.detail, overdue=overdue)


def _ended(retraining: Retraining) -> Retraining:
    """As it stands once it is given up; either way it is over."""
    return replace(retraining, state=RetrainingState.FAILED)


def _due(rules: RetrainingRules, seen: Situation) -> tuple[_Due | None, RetrainingReason]:
    """What would be asked for; where nothing is, why."""
    rows = {check: row for check in sorted(rules.when) if (row := _row(seen, check, rules.lasting(check)))}
    if rows:
        detail = "; ".join(_said(check, row, rules.lasting(check)) for check, row in rows.items())
        alerts = tuple(alert for row in rows.values() for window in row for alert in window.alerts)
        last = max(row[-1].end for row in rows.values())
        due = _Due(reason=RetrainingReason.CHECK_KEEPS_ALERTING, detail=detail, last=last, alerts=alerts)
        return due, due.reason
    if (age := _age(rules, seen)) is not None:
        due = _Due(reason=RetrainingReason.MODEL_IS_OLD, detail=age, last=seen.now)
        return due, due.reason
    unlabelled = any(_row(seen, check, _without_quorum(rules.lasting(check))) for check in rules.when)
    return None, RetrainingReason.TOO_FEW_LABELS if unlabelled else RetrainingReason.NO_CHECK_KEEPS_ALERTING


def _held(rules: RetrainingRules, seen: Situation, due: _Due) -> Decision | None:
    """What speaks against it, if anything: the first of these that holds."""
    last, now = seen.last, seen.now
    open_one = next((r for r in seen.recent if r.state in HOLDING), None)
    if rules.veto and seen.fault:
        return _no(RetrainingReason.DATA_FAULT, seen.fault)
    if open_one is not None:
        return _no(RetrainingReason.REQUEST_IS_OPEN, f"{open_one.id} is {open_one.state}")
    if last is not None and now - last.requested_at < rules.cooldown:
        return _no(RetrainingReason.COOLING_DOWN, f"since {rfc3339(last.requested_at)}, {last.id}")
    if last is not None and due.last <= last.requested_at:
        return _no(RetrainingReason.NOTHING_NEW_SINCE_LAST_REQUEST, last.id)
    if _in_vain(seen.recent):
        return _no(RetrainingReason.HELPED_NOTHING_TWICE, "a request by a person that helps begins anew")
    if any(hours.covers(now) for hours in rules.blackout):
        return _no(RetrainingReason.BLACKOUT, rfc3339(now))
    if is_spent(rules.budget, (r.requested_at for r in seen.recent), now):
        return _no(RetrainingReason.BUDGET_SPENT, _allowed(rules.budget))
    if is_spent(rules.service_budget, seen.elsewhere, now):
        return _no(RetrainingReason.SERVICE_BUDGET_SPENT, _allowed(rules.service_budget))
    return None


def _no(reason: RetrainingReason, detail: str) -> Decision:
    return Decision(retraining=None, reason=reason, detail=detail)


def _request(rules: RetrainingRules, seen: Situation, due: _Due) -> Retraining:
    newest = max(due.alerts, key=lambda alert: alert.window_end, default=None)
    return Retraining(
        id=retraining_id(seen.model, seen.now),
        model=seen.model,
        version=seen.version if newest is None else newest.version,
        state=RetrainingState.PROPOSED if rules.approval is Approval.ASK else RetrainingState.REQUESTED,
        reason=due.detail,
        incident=None if seen.incident is None else seen.incident.id,
        columns=tuple(dict.fromkeys(alert.column for alert in due.alerts if alert.column is not None)),
        requested_at=seen.now,
    )


def _age(rules: RetrainingRules, seen: Situation) -> str | None:
    """That the version is too old, in words. A request for its age counts from the last one: else each cooldown would bring another."""
    if rules.max_age is None or seen.born is None:
        return None
    since = seen.born if seen.last is None else max(seen.born, seen.last.requested_at)
    if seen.now - since < rules.max_age:
        return None
    return f"version {seen.version} has been in use for {(seen.now - seen.born) // timedelta(days=1)} days"


def _in_vain(recent: Sequence[Retraining]) -> bool:
    """Whether the last retrainings of which is known what they did helped nothing."""
    known = [retraining.helped for retraining in recent if retraining.helped is not None][:VAIN]
    return len(known) == VAIN and all(helped is Helped.DID_NOT for helped in known)


def is_spent(allowed: Allowance | None, asked: Iterable[datetime], now: datetime) -> bool:
    """Whether one more request at ``now`` would be one too many within some ``per`` that holds ``now``.

    Other models may be ahead in event time: what they asked for there counts too, or a model that catches up would be over the budget.
    """
    return allowed is not None and sum(abs(now - at) < allowed.per for at in asked) >= allowed.requests




def _allowed(allowed: Allowance | None) -> str:
    return "" if allowed is None else f"{allowed.requests} in {allowed.per // timedelta(hours=1)} hours"


def _row(seen: Situation, check: str, lasting: Lasting) -> list[_Window]:
    """The alerting ones of the last windows in which a check decided something, oldest first; empty where they are too few, or the
    last one is fine."""
    windows: dict[datetime, list[Result]] = {}
    for result in _decided(seen, check, lasting):
        windows.setdefault(result.window_end, []).append(result)
    ends = sorted(windows)[-lasting.within :]
    row = [_Window(end=end, alerts=tuple(r for r in windows[end] if r.verdict is Verdict.ALERT)) for end in ends]
    bad = [window for window in row if window.alerts]
    return bad if len(bad) >= lasting.bad and row[-1].alerts else []


def _decided(seen: Situation, check: str, lasting: Lasting) -> Iterable[Result]:
    """The last revision of every decided result of a check. That an estimate sees no drop decides nothing where labels will come."""
    asked = (r for r in seen.history if r.model == seen.model and r.check == check and not only_told(r))
    decided = (r for r in latest(asked).values() if r.verdict in DECIDED)
    return [r for r in decided if _counts(r, lasting) and (r.verdict is Verdict.ALERT or not only_estimated(r))]


def _counts(result: Result, lasting: Lasting) -> bool:
    """Whether a result of performance is of the evidence that is asked for."""
    if result.check is not Check.PERFORMANCE:
        return True
    if result.estimated:
        return not lasting.realised
    share = labelled_share(result)
    return (result.labelled or 0) >= lasting.min_labelled and (1.0 if share is None else share) >= lasting.min_labelled_share


def _without_quorum(lasting: Lasting) -> Lasting:
    return replace(lasting, min_labelled=0, min_labelled_share=0.0)


def _said(check: str, row: Sequence[_Window], lasting: Lasting) -> str:
    if lasting.bad == lasting.within:
        return f"{check} alerted in {lasting.bad} {'window' if lasting.bad == 1 else 'windows'} in a row"
    return f"{check} alerted in {len(row)} of {lasting.within} windows"


def only(rules: RetrainingRules, checks: Iterable[str]) -> RetrainingRules:
    """The same rules, which look at these checks alone and at no age."""
    when: Mapping[str, int | Lasting] = {check: rules.when[check] for check in checks if check in rules.when}
    return replace(rules, when=when, max_age=None)
