"""The API's readers. Lists are oldest first and hold the newest ``limit``; objects are those of ``monitor.contract``."""

from __future__ import annotations

from collections.abc import Iterable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from monitor import contract
from monitor.core.incidents import Incident
from monitor.core.results import ALL_ROWS, Check, Verdict
from monitor.core.rules import Model
from monitor.ports import StoredWindow
from monitor.settings.durations import duration_text
from monitor.web import query
from monitor.web.errors import not_found
from monitor.web.parts import Parts, parts_of
from monitor.web.view import standing

REPORT_POLICY = "; ".join((
    "sandbox allow-scripts", "default-src 'none'", "script-src 'unsafe-inline' 'unsafe-eval'", "style-src 'unsafe-inline'",
    "font-src data:", "img-src data: blob:", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
))


def models(request: Request) -> Response:
    """Every configured model with its standing."""
    query.only(request)
    parts = parts_of(request)
    return _list("models", (_model_object(parts, model) for model in parts.models))


def windows(request: Request) -> Response:
    """The windows of one model with the accounts of their rows."""
    query.only(request, "since", "segment", "limit")
    parts, name = parts_of(request), request.path_params["model"]
    _configured(parts, name)
    rows = parts.store.window_accounts(model=name, since=query.since(request), segment=query.segment(request),
                                                 newest=query.limit(request))
    return _list("windows", map(contract.window_object, rows))


def labels(request: Request) -> Response:
    """Where the labels of one model went."""
    query.only(request)
    parts, name = parts_of(request), request.path_params["model"]
    _configured(parts, name)
    return JSONResponse(contract.label_account_object(name, parts.store.label_account(name)))


def results(request: Request) -> Response:
    """Results, every revision."""
    query.only(request, "model", "check", "verdict", "segment", "since", "limit")
    rows = parts_of(request).store.results(
        model=query.model(request),
        check=query.choice(request, "check", Check),
        verdicts=query.choices(request, "verdict", Verdict),
        segment=query.segment(request),
        since=query.since(request),
        newest=query.limit(request),
    )
    return _list("results", map(contract.result_object, rows))


def incidents(request: Request) -> Response:
    """Incidents, the open and the past."""
    query.only(request, "model", "limit")
    rows = parts_of(request).store.incidents(model=query.model(request), newest=query.limit(request))
    return _list("incidents", map(contract.incident_object, rows))


def incident(request: Request) -> Response:
    """One incident with its history."""
    query.only(request)
    store, id = parts_of(request).store, request.path_params["id"]
    found = store.incident(id)
    if found is None:
        raise not_found(f"no incident {id[:100]!r}")
    return JSONResponse(contract.incident_history_object(found, store.incident_events(id)))


def report(request: Request) -> Response:
    """Evidently's page of the window in which an incident fired. It runs scripts: in a sandbox, without an origin and without a network."""
    query.only(request)
    shelf, id = parts_of(request).shelf, request.path_params["id"]
    found = None if shelf is None else shelf.get(id)
    if found is None:
        raise not_found(f"no report of incident {id[:100]!r}")
    return Response(found, media_type="text/html", headers={"Content-Security-Policy": REPORT_POLICY})


def retrainings(request: Request) -> Response:
    """Requests to retrain."""
    query.only(request, "model", "limit")
    rows = parts_of(request).store.retrainings(model=query.model(request))
    return _list("retrainings", map(contract.retraining_object, rows[-query.limit(request):]))


def retraining(request: Request) -> Response:
    """One request to retrain with its history."""
    query.only(request)
    store, id = parts_of(request).store, request.path_params["id"]
    found = store.retraining(id)
    if found is None:
        raise not_found(f"no retraining {id[:100]!r}")
    return JSONResponse(contract.retraining_history_object(found, store.retraining_events(id)))


def references(request: Request) -> Response:
    """References, the active and the past, without their profiles."""
    query.only(request, "model")
    rows = parts_of(request).store.references(query.model(request))
    return _list("references", map(contract.reference_object, rows))


def _configured(parts: Parts, name: str) -> None:
    """Raises Refused: 404 for a model that is not."""
    if parts.model(name) is None:
        raise not_found(f"no model {name!r} is configured, known: {sorted(model.name for model in parts.models)}")


def _list(noun: str, objects: Iterable[dict[str, object]]) -> Response:
    return JSONResponse({noun: list(objects)})


def _model_object(parts: Parts, model: Model) -> dict[str, object]:
    store = parts.store
    last = store.window_accounts(model=model.name, segment=ALL_ROWS, newest=1)
    open_incident = store.open_incident(model.name)
    stands = standing(open_incident, store.verdict_counts(model.name, windows=1))
    return {
        "name": model.name,
        "task": str(model.task),
        "window": duration_text(model.window),
        "state": str(stands),
        "last_window": _last(last),
        "open_incident": _open(open_incident),
        "streams": [{"kind": str(stream.kind), "topic": stream.topic} for stream in model.streams],
        "columns": [{"name": column.name, "kind": str(column.kind), "role": str(column.role)} for column in model.columns],
    }


def _last(windows: Iterable[StoredWindow]) -> dict[str, object] | None:
    return next((contract.window_object(window) for window in windows), None)


def _open(incident: Incident | None) -> dict[str, object] | None:
    return None if incident is None else contract.incident_object(incident)
