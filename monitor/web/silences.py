"""The API's silences: what people want to hear nothing of for a while. Writing bears the token."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from enum import StrEnum

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from monitor import contract
from monitor.core.audit import Via
from monitor.core.conditions import Condition
from monitor.core.results import Check
from monitor.core.silences import ANY_MODEL, Silence, new_silence, silence_audit, silence_for
from monitor.errors import UsageError
from monitor.log import Action, logger
from monitor.settings.durations import parse_duration
from monitor.web import query
from monitor.web.auth import authorize
from monitor.web.errors import Refused, bad_query, not_found
from monitor.web.parts import Parts, parts_of

log = logger(__name__)

CHECKS = (*map(str, Check), *map(str, Condition))
WISH = ("by", "for", "until", "reason")
"""What the body of a silence may say; that of one that is of no incident also what it matches."""
MATCHER = ("model", "check", "column")


class Which(StrEnum):
    """Which silences are listed."""

    IN_FORCE = "in_force"
    ALL = "all"


def listed(request: Request) -> Response:
    """``GET /api/v1/silences``: those in force, oldest first."""
    query.only(request, "model", "which", "limit")
    parts, model = parts_of(request), query.model(request)
    which, limit = query.choice(request, "which", Which) or Which.IN_FORCE, query.limit(request)
    found = parts.store.silences(at=parts.now() if which is Which.IN_FORCE else None)
    kept = [each for each in found if model is None or each.model in (ANY_MODEL, model)]
    return JSONResponse({"silences": [contract.silence_object(each) for each in kept[-limit:]]})


async def add(request: Request) -> Response:
    """``POST /api/v1/silences``: hear nothing of a model, or of one check or column of it."""
    parts, said = await _asked(request, *WISH, *MATCHER)
    return await run_in_threadpool(_add, parts, said)


def _add(parts: Parts, said: query.Said) -> Response:
    model, check = said.text("model"), said.text("check")
    if model is None:
        raise bad_query(f'model: expected a configured model, or "{ANY_MODEL}" for all of them')
    if check is not None and check not in CHECKS:
        raise bad_query(f"check: {check!r} is unknown, expected one of {sorted(CHECKS)}")
    if model != ANY_MODEL and parts.model(model) is None:
        raise not_found(f"model {model!r} is not configured, known: {sorted(each.name for each in parts.models)}")
    at = parts.now()
    return _write(parts, lambda: new_silence(model=model, check=check, column=said.text("column"), until=_until(said, at), at=at,
                                             by=said.by, reason=said.text("reason") or ""))


async def of_incident(request: Request) -> Response:
    """``POST /api/v1/incidents/{id}/silence``: hear no more of it, but for its end."""
    parts, said = await _asked(request, *WISH)
    return await run_in_threadpool(_of_incident, parts, request.path_params["id"], said)


def _of_incident(parts: Parts, id: str, said: query.Said) -> Response:
    found, at = parts.store.incident(id), parts.now()
    until = _until(said, at)
    if found is None:
        raise not_found(f"no incident {id[:100]!r}")
    return _write(parts, lambda: silence_for(found, until=until, by=said.by, at=at, reason=said.text("reason") or ""))


async def end(request: Request) -> Response:
    """``DELETE /api/v1/silences/{id}?by=mara``: it ends now."""
    parts = parts_of(request)
    await run_in_threadpool(authorize, request.headers.get("authorization"), parts.token)
    query.only(request, "by")
    return await run_in_threadpool(_end, parts, request.path_params["id"], query.name(request, "by"))


def _end(parts: Parts, id: str, by: str) -> Response:
    found, at = _stored(parts, id), parts.now()
    if found is None:
        raise not_found(f"no silence {id[:100]!r}")
    if not parts.store.end_silence(id, by=by, at=at, audit=silence_audit(found, by=by, at=at, via=Via.API, action="end silence")):
        raise Refused(409, "conflict", f"silence {id} is over already")
    log.info("a silence is over", action=Action.SILENCE_CHANGED, silence=id, model=found.model, by=by)
    return JSONResponse(contract.silence_object(_stored(parts, id) or found))


def _stored(parts: Parts, id: str) -> Silence | None:
    return next((silence for silence in parts.store.silences() if silence.id == id), None)


async def _asked(request: Request, *known: str) -> tuple[Parts, query.Said]:
    parts = parts_of(request)
    await run_in_threadpool(authorize, request.headers.get("authorization"), parts.token)
    query.only(request)
    return parts, await query.said(request, *known)


def _until(said: query.Said, at: datetime) -> datetime:
    lasts, until = said.text("for"), said.text("until")
    if (lasts is None) == (until is None):
        raise bad_query('expected exactly one of for and until, like {"by": "mara", "for": "1h"}')
    try:
        return at + parse_duration(lasts) if lasts is not None else contract.parse_moment(until or "")
    except ValueError as error:
        raise bad_query(f"{'until' if lasts is None else 'for'}: {error}") from None


def _write(parts: Parts, make: Callable[[], Silence]) -> Response:
    try:
        silence = make()
    except UsageError as error:
        raise Refused(409, "conflict", str(error)) from None
    entry = silence_audit(silence, by=silence.by, at=silence.starts_at, via=Via.API, action="silence")
    if not parts.store.add_silence(silence, entry):
        raise Refused(409, "conflict", f"silence {silence.id} is there already")
    log.info("silenced", action=Action.SILENCE_CHANGED, silence=silence.id, model=silence.model, by=silence.by,
             until=silence.ends_at.isoformat())
    return JSONResponse(contract.silence_object(silence))
