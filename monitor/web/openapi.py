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
from monitor.core.retraining import REPORTABLE, URL_PATTERN, Helped, RetrainingState
from monitor.core.rules import Model, Task
from monitor.web.body import MAX_DETAIL, MAX_URL, MAX_VERSION, TEXT_PATTERN
from monitor.web.parts import parts_of
from monitor.web.query import DEFAULT_LIMIT, MAX_LIMIT, MAX_NAME, MAX_TEXT, NAME_PATTERN
from monitor.web.silences import CHECKS, Which
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

_RETRAINING: dict[str, Schema] = {
    "id": TEXT, "model": TEXT, "version": TEXT, "state": _enum(RetrainingState), "reason": TEXT, "incident": _or_null(TEXT),
    "columns": TEXTS, "requested_at": TIME, "updated_at": _or_null(TIME), "approved_by": _or_null(TEXT), "detail": TEXT,
    "run_url": _or_null(TEXT), "new_version": _or_null(TEXT), "helped": {"type": ["string", "null"], "enum": [*map(str, Helped), None]},
    "verdict": TEXT,
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
    "Silence": _object({
        "id": TEXT, "model": TEXT, "check": _or_null(TEXT), "column": _or_null(TEXT), "incident": _or_null(TEXT), "starts_at": TIME,
        "ends_at": TIME, "by": TEXT, "reason": TEXT, "ended_by": _or_null(TEXT),
    }, "What people want to hear nothing of for a while. `model` is `*` for all; null matches all. Times are wall clock."),
    "Retraining": _object(_RETRAINING, "A request to retrain. `updated_at` is wall clock; `helped` is null until evidence is enough."),
    "RetrainingEvent": _object({
        "retraining": TEXT, "at": TIME, "before": _or_null(TEXT), "after": _enum(RetrainingState), "by": TEXT, "detail": TEXT,
    }, "One line of the history of a request to retrain, by the wall clock. `by` is empty where driftd itself did it."),
    "RetrainingWithHistory": _object(_RETRAINING | {"events": {"type": "array", "items": _ref("RetrainingEvent")}}, "With its history."),
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
WHICH = ("which", {"type": "string", "enum": [str(each) for each in Which], "default": str(Which.IN_FORCE)}, "Those in force, or all.")
CHECKED: Schema = {"type": "string", "enum": list(CHECKS)}
SIMPLE_DURATION = r"^[1-9][0-9]{0,3}(s|m|h)$"
"""Of what ``for`` takes (``1d12h``, too), what a description can say that is never too long."""
SEGMENT = ("segment", TEXT, "Only this segment, `origin=JFK`; `*` for all rows.")
Parameter = tuple[str, Schema, str]


def _read(text: str, answer: Schema, *parameters: Parameter, place: str | None = None) -> Schema:
    queries = [{"name": n, "in": "query", "required": False, "explode": False, "schema": s, "description": d} for n, s, d in parameters]
    return {"get": {"summary": text, "parameters": queries + _place(place), "responses": _responses(answer, 400, 404, 503)}}


def _page(text: str, place: str) -> Schema:
    found = {"200": {"description": "Done.", "content": {"text/html": {"schema": TEXT}}}}
    return {"get": {"summary": text, "parameters": _place(place), "responses": _responses({}, 400, 404, 503) | found}}


BY: Schema = {"type": "string", "maxLength": MAX_NAME, "pattern": f"^{NAME_PATTERN}$", "description": "Who asks for it."}
SAID: Schema = {"type": "string", "maxLength": MAX_TEXT, "pattern": f"^{NAME_PATTERN}$"}
PERSON: Schema = {"type": "object", "properties": {"by": BY}}
REFUSALS = (400, 401, 403, 404, 409, 413, 503)


def _named(text: str) -> Schema:
    return {"type": "string", "maxLength": MAX_VERSION, "pattern": f"^{NAME_PATTERN}$", "description": text}


def _limited(longest: int, text: str, pattern: str = TEXT_PATTERN) -> Schema:
    return {"type": ["string", "null"], "maxLength": longest, "pattern": f"^{pattern}$", "description": text}


WISH: Schema = {
    "type": "object", "required": ["model"], "additionalProperties": False, "properties": {
        "model": _named("A configured model."), "by": _or_null(BY), "reason": _limited(MAX_DETAIL, "Why."),
    },
}
_SUCCEEDED, _UNDER_WAY = str(RetrainingState.SUCCEEDED), [str(state) for state in REPORTABLE if state is not RetrainingState.SUCCEEDED]


def _report(state: Schema, version: Schema, *needed: str) -> Schema:
    return {"type": "object", "required": ["state", *needed], "additionalProperties": False, "properties": {
        "state": state, "version": version, "detail": _limited(MAX_DETAIL, "A sentence for people."),
        "run_url": _limited(MAX_URL, "Where the run can be seen.", URL_PATTERN), "by": _or_null(BY),
    }}


REPORT: Schema = {"anyOf": [
    _report({"type": "string", "enum": _UNDER_WAY}, _or_null(_named("What is trained."))),
    _report({"type": "string", "enum": [_SUCCEEDED]}, _named("What was trained."), "version"),
]}


def _write(text: str, answer: str = "IncidentWithHistory", *, body: Schema = PERSON, place: str | None = "id") -> Schema:
    return {"post": {
        "summary": text, "security": [{"token": []}], "parameters": _place(place),
        "requestBody": {"required": body is not PERSON, "content": {"application/json": {"schema": body}}},
        "responses": _responses(_ref(answer), *REFUSALS),
    }}


def _silence(text: str, place: str | None = None, **matcher: Schema) -> Schema:
    """Exactly one of ``for`` and ``until`` says when it ends."""
    ends = {"for": {"type": "string", "maxLength": 20, "pattern": SIMPLE_DURATION}, "until": TIME}
    body = {
        "type": "object", "properties": {"by": BY, "reason": SAID, **ends, **matcher}, "additionalProperties": False,
        "required": ["model"] if matcher else [], "oneOf": [{"required": [name]} for name in ends],
    }
    return {"post": {
        "summary": text, "security": [{"token": []}], "parameters": _place(place),
        "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
        "responses": _responses(_ref("Silence"), *REFUSALS),
    }}


def _end(text: str) -> Schema:
    by = {"name": "by", "in": "query", "required": False, "schema": BY, "description": "Who asks for it."}
    return {"delete": {"summary": text, "security": [{"token": []}], "parameters": [by, *_place("id")],
                       "responses": _responses(_ref("Silence"), *REFUSALS)}}


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
    "/api/v1/incidents/{id}/silence": _silence("Hear no more of it for a while, but for its end", "id"),
    "/api/v1/silences": _read("Silences, those in force or all", _list_of("silences", "Silence"), MODEL, WHICH, LIMIT)
    | _silence("Hear nothing of a model for a while, or of a check or column of it", model=SAID, check=CHECKED, column=SAID),
    "/api/v1/silences/{id}": _end("End a silence now"),
    "/api/v1/retrainings": {
        **_read("Requests to retrain", _list_of("retrainings", "Retraining"), MODEL, LIMIT),
        **_write("Someone wants a model retrained, whatever the policy says", "RetrainingWithHistory", body=WISH, place=None),
    },
    "/api/v1/retrainings/{id}": _read("One request to retrain with its history", _ref("RetrainingWithHistory"), place="id"),
    "/api/v1/retrainings/{id}/approve": _write("Someone lets a proposed request go out", "RetrainingWithHistory"),
    "/api/v1/retrainings/{id}/cancel": _write("Someone takes a request back", "RetrainingWithHistory"),
    "/api/v1/retrainings/{id}/status": _write("A trainer says how it goes", "RetrainingWithHistory", body=REPORT),
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
