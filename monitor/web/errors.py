"""Answers that are errors: JSON under ``/api``, plain text elsewhere; never a trace, never a secret."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Match, Route

from monitor.errors import Retryable, UsageError
from monitor.log import redact

RETRY_AFTER_SECONDS = "5"
METHOD_NOT_ALLOWED = 405


class Refused(HTTPException):
    """A request that is not served: ``code`` for programs, the message and the hint for people."""

    def __init__(self, status: int, code: str, message: str, *, hint: str | None = None, headers: dict[str, str] | None = None) -> None:
        super().__init__(status, message, headers)
        self.code = code
        self.hint = hint


def bad_query(message: str) -> Refused:
    """400: a value in the query or the body cannot be used."""
    return Refused(400, "bad_query", message)


def not_found(message: str) -> Refused:
    """404: no such thing."""
    return Refused(404, "not_found", message)


def on_http_error(request: Request, error: Exception) -> Response:
    """For Starlette's own errors (unknown path, wrong method) and ``Refused``."""
    assert isinstance(error, HTTPException)  # noqa: S101 - Starlette calls this for nothing else
    code = error.code if isinstance(error, Refused) else {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "refused")
    message = error.detail if isinstance(error, Refused) else f"{error.detail}: {request.method} {_path(request)}"
    hint = error.hint if isinstance(error, Refused) else None
    headers = dict(error.headers or {}) | (_allow(request) if error.status_code == METHOD_NOT_ALLOWED else {})
    return answer(_path(request), error.status_code, code, message, hint=hint, headers=headers)


def _allow(request: Request) -> dict[str, str]:
    """The methods of every route of this path: one reads and another writes, and Starlette names those of the first alone."""
    matching = (route for route in request.app.routes if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE)
    return {"Allow": ", ".join(sorted({method for route in matching for method in route.methods or ()}))}


def on_store_away(request: Request, error: Exception) -> Response:
    """503: the store cannot be read now, or no more (the daemon is about to stop), so nothing can be said; trying again is right."""
    assert isinstance(error, Retryable | UsageError)  # noqa: S101 - registered for these classes only
    return answer(
        _path(request), 503, "store_unavailable", f"the store cannot be read now: {redact(str(error))}",
        headers={"Retry-After": RETRY_AFTER_SECONDS},
    )


def on_disconnect(request: Request, _error: Exception) -> Response:
    """The caller went away in the middle of its body, or took too long for it: nobody reads this answer, and nothing is wrong with us."""
    return answer(_path(request), 408, "timeout", "the body did not come in time")


def _path(request: Request) -> str:
    """The path alone: ``request.url`` raises where the query is no UTF-8."""
    return str(request.scope["path"])


def answer(path: str, status: int, code: str, message: str, *, hint: str | None = None,
           headers: dict[str, str] | None = None) -> Response:
    """An error in the form that fits the path."""
    if not path.startswith("/api"):
        return PlainTextResponse(f"{message}\n" + (f"{hint}\n" if hint else ""), status, headers)
    body = {"code": code, "message": message} | ({"hint": hint} if hint else {})
    return JSONResponse({"error": body}, status, headers)
