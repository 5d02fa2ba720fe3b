"""The table of routes, and what stands before them."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect
from starlette.routing import Route

from monitor.errors import Retryable, UsageError
from monitor.web import api, changes, openapi, page, probes, retrainings, silences
from monitor.web.errors import on_disconnect, on_http_error, on_store_away
from monitor.web.guards import BodyLimit, HostGuard, RequestCount, SecurityHeaders
from monitor.web.parts import Parts

ROUTES = (
    Route("/", page.overview),
    Route("/models/{model}", page.model),
    Route("/livez", probes.livez),
    Route("/readyz", probes.readyz),
    Route("/metrics", probes.metrics),
    Route("/api/v1/openapi.json", openapi.document),
    Route("/api/v1/models", api.models),
    Route("/api/v1/models/{model}/windows", api.windows),
    Route("/api/v1/models/{model}/labels", api.labels),
    Route("/api/v1/results", api.results),
    Route("/api/v1/incidents", api.incidents),
    Route("/api/v1/incidents/{id}", api.incident),
    Route("/api/v1/incidents/{id}/report", api.report),
    Route("/api/v1/incidents/{id}/ack", changes.ack, methods=["POST"]),
    Route("/api/v1/incidents/{id}/resolve", changes.resolve_incident, methods=["POST"]),
    Route("/api/v1/incidents/{id}/silence", silences.of_incident, methods=["POST"]),
    Route("/api/v1/silences", silences.listed),
    Route("/api/v1/silences", silences.add, methods=["POST"]),
    Route("/api/v1/silences/{id}", silences.end, methods=["DELETE"]),
    Route("/api/v1/retrainings", api.retrainings),
    Route("/api/v1/retrainings", retrainings.request, methods=["POST"]),
    Route("/api/v1/retrainings/{id}", api.retraining),
    Route("/api/v1/retrainings/{id}/approve", retrainings.approve, methods=["POST"]),
    Route("/api/v1/retrainings/{id}/cancel", retrainings.cancel, methods=["POST"]),
    Route("/api/v1/retrainings/{id}/status", retrainings.status, methods=["POST"]),
    Route("/api/v1/references", api.references),
)

HANDLERS = {HTTPException: on_http_error, Retryable: on_store_away, UsageError: on_store_away, ClientDisconnect: on_disconnect}


def build(parts: Parts) -> Starlette:
    """The application over these parts."""
    middleware = [
        Middleware(SecurityHeaders, policy=page.policy()),
        Middleware(RequestCount, metrics=parts.metrics),
        *([Middleware(HostGuard, allowed=parts.hosts)] if parts.hosts is not None else []),
        Middleware(BodyLimit),
    ]
    app = Starlette(routes=ROUTES, middleware=middleware, exception_handlers=HANDLERS)
    app.router.redirect_slashes = False
    app.state.parts = parts
    return app
