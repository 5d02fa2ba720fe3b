"""Retraining: a request to train a better model, and its life from the wish to what came of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from monitor.core.schema import rfc3339
from monitor.core.stable import stable_hex
from monitor.errors import UsageError


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


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrainingChange:
    """A request as it now stands, and its line of history; ``event.before`` is None where it is new."""

    retraining: Retraining
    event: RetrainingEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a trainer says of a request. ``version``: what was trained; needed where it succeeded."""

    state: RetrainingState
    version: str | None = None
    detail: str = ""
    run_url: str | None = None


UNDER_WAY = frozenset({RetrainingState.REQUESTED, RetrainingState.ACCEPTED, RetrainingState.RUNNING})
"""Somebody is at it, as far as is known."""
UNFINISHED = UNDER_WAY | {RetrainingState.PROPOSED}
HOLDING = UNFINISHED - {RetrainingState.REQUESTED}
"""No second one is asked for beside it, until it is given up: a person is to decide, or a trainer has said that it is at it. A trainer that
never says anything holds up nothing: then the cooldown alone counts, and what came of the request is not known."""

_DONE = (RetrainingState.SUCCEEDED, RetrainingState.FAILED)
REPORTED: Mapping[RetrainingState, tuple[RetrainingState, ...]] = {
    RetrainingState.REQUESTED: (RetrainingState.ACCEPTED, RetrainingState.RUNNING, *_DONE),
    RetrainingState.ACCEPTED: (RetrainingState.RUNNING, *_DONE),
    RetrainingState.RUNNING: _DONE,
    RetrainingState.FAILED: (RetrainingState.SUCCEEDED,),  # run again, or late: driftd had given it up
}
"""What a trainer may say next, by the state that a request is in. Any state may be said again."""

URL_PATTERN = r"https?://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?([/?#][!-~]*)?"
"""A web address in ASCII: the page and messages link to it."""

REPORTABLE = (RetrainingState.ACCEPTED, RetrainingState.RUNNING, *_DONE)
"""What a trainer may say at all."""


def approve(retraining: Retraining, *, by: str, at: datetime) -> RetrainingChange:
    """A person lets a proposed request go out. ``at``: wall clock. Raises UsageError where it is not proposed."""
    if retraining.state is not RetrainingState.PROPOSED:
        raise UsageError(f"retraining {retraining.id} is {retraining.state}: only a proposed one can be approved")
    return _changed(replace(retraining, approved_by=by), RetrainingState.REQUESTED, at=at, by=by, detail=f"approved by {by}")


def cancel(retraining: Retraining, *, by: str, at: datetime) -> RetrainingChange:
    """A person takes a request back; a trainer that is at it is not told. Raises UsageError where it has ended."""
    if retraining.state not in UNFINISHED:
        raise UsageError(f"retraining {retraining.id} is {retraining.state}: only one that has not ended can be cancelled")
    return _changed(retraining, RetrainingState.CANCELLED, at=at, by=by, detail=f"cancelled by {by}")


def reported(retraining: Retraining, report: Report, *, by: str, at: datetime) -> RetrainingChange | None:
    """A trainer says how it goes; None where that is known already. Raises UsageError that says what is allowed now."""
    known = report.version in (None, retraining.new_version) or retraining.new_version is None
    if report.state is retraining.state and known:
        return None
    allowed = REPORTED.get(retraining.state, ())
    if report.state not in allowed:
        said = " or ".join(allowed) or "nothing more"
        which = "" if known else f" with version {retraining.new_version}"
        raise UsageError(f"retraining {retraining.id} is {retraining.state}{which}: it cannot become {report.state}; allowed: {said}")
    if report.state is RetrainingState.SUCCEEDED and not report.version:
        raise UsageError(f"retraining {retraining.id}: succeeded needs the version that was trained")
    if report.run_url is not None and not re.fullmatch(URL_PATTERN, report.run_url):
        raise UsageError(f"retraining {retraining.id}: the address of the run is none; expected one like https://ci.example/runs/7")
    named = replace(retraining, run_url=report.run_url or retraining.run_url, new_version=report.version or retraining.new_version)
    return _changed(named, report.state, at=at, by=by, detail=report.detail)


def given_up(retraining: Retraining, *, at: datetime, after: str) -> RetrainingChange:
    """Nobody ended one of ``HOLDING`` in time: a proposal is cancelled, a run counts as failed. ``after``: the time-out in words."""
    if retraining.state is RetrainingState.PROPOSED:
        return _changed(retraining, RetrainingState.CANCELLED, at=at, by="", detail=f"not approved within {after}")
    return _changed(retraining, RetrainingState.FAILED, at=at, by="", detail=f"timed out: no end was reported within {after}")


def begun(retraining: Retraining, *, at: datetime, by: str = "") -> RetrainingEvent:
    """The first line of a request's history. ``at``: wall clock."""
    return RetrainingEvent(retraining=retraining.id, at=at, before=None, after=retraining.state, by=by, detail=retraining.reason)


def retraining_id(model: str, requested_at: datetime, *, by: str = "") -> str:
    """The same request has the same name in every replica and every replay. ``by``: the person whose wish it is."""
    return "ret_" + stable_hex(model, rfc3339(requested_at), *([by] if by else []))


def _changed(retraining: Retraining, after: RetrainingState, *, at: datetime, by: str, detail: str) -> RetrainingChange:
    event = RetrainingEvent(retraining=retraining.id, at=at, before=retraining.state, after=after, by=by, detail=detail)
    return RetrainingChange(retraining=replace(retraining, state=after, updated_at=at, detail=detail), event=event)
