"""The API's description (OpenAPI 3.1), written from small tables; a test holds it against the routes and real answers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from monitor import __version__
from monitor.core.incidents import IncidentState
from monitor.core.results import ALL_ROWS, Check, Verdict
from monitor.core.retraining import Helped, RetrainingState
from monitor.core.rules import Model, Task
from monitor.web.parts import parts_of
from monitor.web.query import DEFAULT_LIMIT, MAX_LIMIT, MAX_NAME, NAME_PATTERN
from monitor.web.view import Standing

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
WHOLE: Schema = {"type": "integer"}
TIME: Schema = {"type": "string", "format": "date-time"}
TEXTS: Schema = {"type": "array", "items": TEXT}
YES_NO: Schema = {"type": "boolean"}


def _or_null(schema: Schema) -> Schema:
    return schema | {"type": [schema["type"], "null"]}


def _enum(values: type[Check] | type[Verdict] | type[IncidentState] | type[RetrainingState] | type[Standing] | type[Task]) -> Schema:
    return {"type": "string", "enum": [str(value) for value in values]}


def _object(properties: Mapping[str, Schema], text: str) -> Schema:
    """Every property is always there; more may come."""
    return {"type": "object", "description": text, "properties": dict(properties), "required": list(properties)}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _maybe(name: str) -> Schema:
    return {"anyOf": [_ref(name), {"type": "null"}]}


_WINDOW: dict[str, Schema] = {"model": TEXT, "version": TEXT, "segment": TEXT, "window_start": TIME, "window_end": TIME}
_NUMBER: Schema = _or_null({"type": "number"})
_INCIDENT: dict[str, Schema] = {
    "id": TEXT, "model": TEXT, "state": _enum(IncidentState), "severity": _enum(Verdict), "cause": TEXT, "summary": TEXT, "checks": TEXTS,
    "columns": TEXTS, "since": TIME, "updated_at": TIME, "fired_at": _or_null(TIME), "resolved_at": _or_null(TIME),
    "notified_at": _or_null(TIME), "bad_windows": WHOLE, "good_windows": WHOLE, "acknowledged_by": _or_null(TEXT),
    "condition": _or_null(TEXT), "muted": _or_null(TEXT),
}

SCHEMAS: Mapping[str, Schema] = {
    "Result": _object(_WINDOW | {
        "check": _enum(Check), "column": _or_null(TEXT), "metric": TEXT, "value": _NUMBER, "threshold": _NUMBER, "p_value": _NUMBER,
        "verdict": _enum(Verdict), "reason": TEXT, "rows": WHOLE, "revision": WHOLE, "reference": _or_null(TEXT),
        "ci_low": _NUMBER, "ci_high": _NUMBER, "labelled": _or_null(WHOLE), "estimated": _or_null(YES_NO),
        "reference_value": _NUMBER,
    }, "What one check said of one window. `column` is null for the whole model; `reference` is the hash of the profile compared with. "
       "The last five are of performance alone; `reference_value` is what the reference had."),
    "Window": _object(_WINDOW | {
        "received": WHOLE, "counted": WHOLE, "late": WHOLE, "duplicate": WHOLE, "quarantined": WHOLE, "sampled_out": WHOLE,
        "incomplete": YES_NO,
    }, "The account of a window's rows: `received` is the sum of the five that follow it."),
    "LabelAccount": _object({
        "model": TEXT, "received": WHOLE, "matched": WHOLE, "revised": WHOLE, "repeated": WHOLE, "expired": WHOLE, "waiting": WHOLE,
        "unlabelled": WHOLE,
    }, "Where the labels of a model went: `received` is the sum of the five that follow it. `unlabelled`: predictions whose label never "
       "came within `performance.label_delay`."),
    "Incident": _object(_INCIDENT, "One ongoing or past problem of a model. Times are event time."),
    "IncidentEvent": _object({
        "incident": TEXT, "at": TIME, "before": _or_null(TEXT), "after": _enum(IncidentState), "reason": TEXT, "detail": TEXT,
    }, "One line of an incident's history."),
    "IncidentWithHistory": _object(_INCIDENT | {"events": {"type": "array", "items": _ref("IncidentEvent")}}, "One with its history."),
    "Retraining": _object({
        "id": TEXT, "model": TEXT, "version": TEXT, "state": _enum(RetrainingState), "reason": TEXT, "incident": _or_null(TEXT),
        "columns": TEXTS, "requested_at": TIME, "updated_at": _or_null(TIME), "approved_by": _or_null(TEXT), "detail": TEXT,
        "run_url": _or_null(TEXT), "new_version": _or_null(TEXT), "verdict": TEXT,
        "helped": {"type": ["string", "null"], "enum": [*map(str, Helped), None]},
    }, "One request to retrain. `updated_at` is wall clock; `helped` is null until there is enough evidence."),
    "Reference": _object({
        "model": TEXT, "version": TEXT, "number": WHOLE, "kind": TEXT, "hash": TEXT, "active": YES_NO, "rows": WHOLE, "columns": WHOLE,
        "created_at": TIME, "provenance": {"type": "object"},
    }, "A reference profile, without its bins."),
    "Model": _object({
        "name": TEXT, "task": _enum(Task), "window": TEXT, "state": _enum(Standing), "last_window": _maybe("Window"),
        "open_incident": _maybe("Incident"),
        "streams": {"type": "array", "items": _object({"kind": TEXT, "topic": TEXT}, "A topic.")},
        "columns": {"type": "array", "items": _object({"name": TEXT, "kind": TEXT, "role": TEXT}, "A watched column.")},
    }, "A configured model and how it stands."),
    "Error": _object({"error": {
        "type": "object", "properties": {"code": TEXT, "message": TEXT, "hint": TEXT}, "required": ["code", "message"],
    }}, "Why a request was not served."),
}

MODEL = ("model", TEXT, "Only this configured model.")
SINCE = ("since", TIME, "Only windows that start then or later; a date, or RFC 3339.")
LIMIT = ("limit", {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT}, "The newest so many.")
CHECK = ("check", _enum(Check), "Only this check.")
VERDICTS = ("verdict", {"type": "array", "items": _enum(Verdict), "minItems": 1}, "Only these verdicts, by commas: warn,alert.")
SEGMENT = ("segment", TEXT, "Only this segment, `origin=JFK`; `*` for all rows.")
Parameter = tuple[str, Schema, str]


def _read(text: str, answer: Schema, *parameters: Parameter, place: str | None = None) -> Schema:
    queries = [{"name": n, "in": "query", "required": False, "explode": False, "schema": s, "description": d} for n, s, d in parameters]
    return {"get": {"summary": text, "parameters": queries + _place(place), "responses": _responses(answer, 400, 404, 503)}}


def _page(text: str, place: str) -> Schema:
    found = {"200": {"description": "Done.", "content": {"text/html": {"schema": TEXT}}}}
    return {"get": {"summary": text, "parameters": _place(place), "responses": _responses({}, 400, 404, 503) | found}}


def _write(text: str) -> Schema:
    by = {"type": "string", "maxLength": MAX_NAME, "pattern": f"^{NAME_PATTERN}$", "description": "Who asks for it."}
    body = {"type": "object", "properties": {"by": by}}
    return {"post": {
        "summary": text, "security": [{"token": []}], "parameters": _place("id"),
        "requestBody": {"required": False, "content": {"application/json": {"schema": body}}},
        "responses": _responses(_ref("IncidentWithHistory"), 400, 401, 403, 404, 409, 413, 503),
    }}


def _place(name: str | None) -> list[Schema]:
    return [] if name is None else [{"name": name, "in": "path", "required": True, "schema": TEXT}]


def _responses(answer: Schema, *errors: int) -> Schema:
    refused = {str(code): {"description": "Not served.", "content": {"application/json": {"schema": _ref("Error")}}} for code in errors}
    return {"200": {"description": "Done.", "content": {"application/json": {"schema": answer}}}} | refused


def _list_of(noun: str, name: str) -> Schema:
    return _object({noun: {"type": "array", "items": _ref(name)}}, "Oldest first.")


PATHS: Mapping[str, Schema] = {
    "/api/v1/models": _read("Models and how they stand", _list_of("models", "Model")),
    "/api/v1/models/{model}/windows": _read("The windows of a model", _list_of("windows", "Window"), SEGMENT, SINCE, LIMIT, place="model"),
    "/api/v1/models/{model}/labels": _read("Where the labels of a model went", _ref("LabelAccount"), place="model"),
    "/api/v1/results": _read("Results, every revision", _list_of("results", "Result"), MODEL, CHECK, VERDICTS, SEGMENT, SINCE, LIMIT),
    "/api/v1/incidents": _read("Incidents", _list_of("incidents", "Incident"), MODEL, LIMIT),
    "/api/v1/incidents/{id}": _read("An incident with its history", _ref("IncidentWithHistory"), place="id"),
    "/api/v1/incidents/{id}/report": _page("Evidently's page of the window in which it fired, where one is kept", "id"),
    "/api/v1/incidents/{id}/ack": _write("Someone is on it: no more reminders"),
    "/api/v1/incidents/{id}/resolve": _write("Someone says that it is over"),
    "/api/v1/retrainings": _read("Requests to retrain", _list_of("retrainings", "Retraining"), MODEL, LIMIT),
    "/api/v1/retrainings/{id}": _read("One request to retrain", _ref("Retraining"), place="id"),
    "/api/v1/references": _read("Reference profiles", _list_of("references", "Reference"), MODEL),
    "/api/v1/openapi.json": _read("This document", {"type": "object"}),
}


def specification(models: Iterable[Model] = ()) -> Schema:
    """The whole document; ``models``: the configured ones, which are all that can be asked for. None while they are not known."""
    models = tuple(models)
    columns = sorted({column for model in models for column in model.segments})
    chosen = {MODEL[0]: {**MODEL[1], "enum": sorted(model.name for model in models)}, SEGMENT[0]: _segments(columns)} if models else {}
    return {
        "openapi": "3.1.0",
        "info": {"title": "driftd", "version": __version__, "description": "Models in production: windows, results, incidents."},
        "paths": {path: _chosen(operations, chosen) for path, operations in PATHS.items()},
        "components": {"schemas": dict(SCHEMAS), "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
    }


def _segments(columns: Sequence[str]) -> Schema:
    everything = {**TEXT, "enum": [ALL_ROWS]}
    named = {**TEXT, "pattern": f"^({'|'.join(map(re.escape, columns))})="}
    return {"anyOf": [everything, named]} if columns else everything


def _chosen(operations: Schema, chosen: Mapping[str, Schema]) -> Schema:
    """With what is configured in the place of any text, where a query chooses it."""
    if "get" not in operations:
        return operations
    parameters = [{**each, "schema": chosen.get(each["name"], each["schema"])} if each["in"] == "query" else each
                  for each in operations["get"]["parameters"]]
    return {**operations, "get": {**operations["get"], "parameters": parameters}}


async def document(request: Request) -> Response:
    """``/api/v1/openapi.json``."""
    return JSONResponse(specification(parts_of(request).models))
