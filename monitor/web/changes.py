"""The API's writers: a person acknowledges or resolves an incident. Each bears the token."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from monitor import contract
from monitor.core.audit import AuditEntry, Via
from monitor.core.incidents import Incident, Step, acknowledge, resolve
from monitor.errors import UsageError
from monitor.log import Action, logger
from monitor.web import query
from monitor.web.auth import authorize
from monitor.web.errors import Refused, not_found
from monitor.web.parts import Parts, parts_of

log = logger(__name__)


class Change(Protocol):
    """A person's change of an incident; raises UsageError where its state forbids it."""

    def __call__(self, incident: Incident, *, by: str, at: datetime) -> Step:
        """The incident after it, its line of history, and whether people are told."""


async def ack(request: Request) -> Response:
    """Someone is on it: no more reminders until it is resolved."""
    return await _change(request, acknowledge, "acknowledge")


async def resolve_incident(request: Request) -> Response:
    """Someone says that it is over; the next bad window opens a new one."""
    return await _change(request, resolve, "resolve")


async def _change(request: Request, change: Change, action: str) -> Response:
    parts = parts_of(request)
    await run_in_threadpool(authorize, request.headers.get("authorization"), parts.token)
    query.only(request)
    by = await query.person(request)
    return await run_in_threadpool(_apply, parts, request.path_params["id"], by, change, action)


def _apply(parts: Parts, id: str, by: str, change: Change, action: str) -> Response:
    found = parts.store.incident(id)
    if found is None:
        raise not_found(f"no incident {id[:100]!r}")
    entry = AuditEntry(at=parts.now(), by=by, via=Via.API, action=action, model=found.model, subject=id)
    try:
        step = change(found, by=by, at=entry.at)
    except UsageError as error:
        raise _conflict(str(error)) from None
    after = _save(parts, found, step, entry)
    log.info("incident changed by a person", action=Action.INCIDENT_CHANGED, incident=id, model=after.model, state=str(after.state), by=by)
    return JSONResponse(contract.incident_history_object(after, parts.store.incident_events(id)))


def _save(parts: Parts, seen: Incident, step: Step, entry: AuditEntry) -> Incident:
    """Write it with what people are told and who did it; nothing where a judged window or another person was quicker."""
    after, (event,) = step.incident, step.events
    if after is None or not parts.store.save_incident(after, event, parts.tell(step), entry, seen=seen):
        raise _conflict("the incident has changed meanwhile: look again")
    return after


def _conflict(message: str) -> Refused:
    return Refused(409, "conflict", message)
