"""The API's writers about retraining: people approve, cancel and ask for it, trainers say how it goes. Each bears a token."""

from __future__ import annotations

from collections.abc import Callable

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from monitor import contract
from monitor.core.audit import Via
from monitor.core.retraining import Retraining
from monitor.errors import UnknownError, UsageError
from monitor.log import Action, logger
from monitor.ports import RetrainingDesk
from monitor.web import body, query
from monitor.web.auth import authorize
from monitor.web.errors import Refused, not_found
from monitor.web.parts import Parts, parts_of

log = logger(__name__)

TRAINER = "trainer"
"""Who reports, unless the report names somebody."""

Wish = Callable[[RetrainingDesk], Retraining]


async def approve(request: Request) -> Response:
    """A proposed request goes out."""
    parts, id, by = await _person(request)
    return await run_in_threadpool(_done, parts, lambda desk: desk.approve(id, by=by, via=Via.API))


async def cancel(request: Request) -> Response:
    """Nobody waits for it any longer."""
    parts, id, by = await _person(request)
    return await run_in_threadpool(_done, parts, lambda desk: desk.cancel(id, by=by, via=Via.API))


async def request(request: Request) -> Response:
    """A person wants a model retrained, whatever the policy says."""
    parts = parts_of(request)
    await run_in_threadpool(authorize, request.headers.get("authorization"), parts.token)
    query.only(request)
    wish = await body.wish(request)
    return await run_in_threadpool(_done, parts, lambda desk: desk.request(wish.model, by=wish.by, via=Via.API, reason=wish.reason))


async def status(request: Request) -> Response:
    """A trainer says how it goes. The token of its model is good for this, and for nothing else."""
    parts, id = parts_of(request), request.path_params["id"]
    await run_in_threadpool(_authorize_report, request.headers.get("authorization"), parts, id)
    query.only(request)
    report, by = await body.report(request)
    return await run_in_threadpool(_done, parts, lambda desk: desk.report(id, report, by=by or TRAINER))


def _authorize_report(header: str | None, parts: Parts, id: str) -> None:
    """Whoever bears no token learns not even which requests there are."""
    found = parts.store.retraining(id)
    own = None if found is None else parts.callbacks.get(found.model)
    authorize(header, parts.token, *([] if own is None else [own]))


async def _person(request: Request) -> tuple[Parts, str, str]:
    parts = parts_of(request)
    await run_in_threadpool(authorize, request.headers.get("authorization"), parts.token)
    query.only(request)
    return parts, request.path_params["id"], await query.person(request)


def _done(parts: Parts, wish: Wish) -> Response:
    if parts.desk is None:
        raise Refused(503, "starting", "the daemon is starting: try again soon")
    try:
        after = wish(parts.desk)
    except UnknownError as error:
        raise not_found(str(error)) from None
    except UsageError as error:
        raise Refused(409, "conflict", str(error)) from None
    log.info("retraining changed", action=Action.RETRAINING_CHANGED, model=after.model, retraining=after.id, state=str(after.state))
    return JSONResponse(contract.retraining_history_object(after, parts.store.retraining_events(after.id)))
