from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from monitor.errors import Retryable
from monitor.web.app import ROUTES
from monitor.web.openapi import PATHS, SCHEMAS
from tests.edges.web_site import TOKEN, Site, site
from tests.edges.web_story import DAYS, FLIGHTS, OPEN_ID, PAST_ID

RESULT = [
    "model",
    "version",
    "segment",
    "window_start",
    "window_end",
    "check",
    "column",
    "metric",
    "value",
    "threshold",
    "p_value",
    "verdict",
    "reason",
    "rows",
    "revision",
    "reference",
    "ci_low",
    "ci_high",
    "labelled",
    "estimated",
    "reference_value",
]
WINDOW = [
    "model",
    "version",
    "segment",
    "window_start",
    "window_end",
    "received",
    "counted",
    "late",
    "duplicate",
    "quarantined",
    "sampled_out",
    "incomplete",
]


@pytest.fixture(scope="module")
def reading(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """For tests that change nothing."""
    with site(tmp_path_factory.mktemp("web")) as made:
        yield made


@pytest.fixture
def writing(tmp_path: Path) -> Iterator[Site]:
    with site(tmp_path) as made:
        yield made


def test_a_result_has_exactly_the_names_of_the_contract(reading: Site) -> None:
    rows = reading.get("/api/v1/results").json()["results"]
    assert {tuple(row) for row in rows} == {tuple(RESULT)}
    assert rows[0]["window_start"] == "2013-03-01T00:00:00Z"


def test_results_are_filtered_by_model_check_verdict_and_time(reading: Site) -> None:
    rows = reading.get("/api/v1/results", model="flight-delay", check="drift", verdict="alert,warn", since="2013-05-01").json()["results"]
    assert [(row["window_start"][:10], row["column"], row["verdict"]) for row in rows] == [
        (f"2013-05-{day:02d}", column, verdict) for day in (6, 7, 8) for column, verdict in (("dep_delay", "alert"), ("late", "warn"))
    ]


def test_a_limit_keeps_the_newest_rows_oldest_first(reading: Site) -> None:
    starts = [row["window_start"] for row in reading.get("/api/v1/models/flight-delay/windows", limit=3).json()["windows"]]
    assert starts == ["2013-05-07T00:00:00Z", "2013-05-08T00:00:00Z", "2013-05-09T00:00:00Z"]


def test_the_accounts_of_windows_add_up(reading: Site) -> None:
    rows = reading.get("/api/v1/models/flight-delay/windows").json()["windows"]
    assert len(rows) == DAYS
    assert {tuple(row) for row in rows} == {tuple(WINDOW)}
    assert all(row["received"] == sum(row[part] for part in WINDOW[6:]) for row in rows)
    assert sum(row["quarantined"] for row in rows) == 10


def test_models_say_how_they_stand(reading: Site) -> None:
    rows = reading.get("/api/v1/models").json()["models"]
    assert [(row["name"], row["state"], row["window"]) for row in rows] == [
        ("flight-delay", "firing", "1d"),
        ("fare-price", "ok", "1d"),
        ("bag-loss", "waiting", "1d"),
    ]
    assert rows[0]["open_incident"]["id"] == OPEN_ID
    assert rows[0]["last_window"]["window_start"] == "2013-05-09T00:00:00Z"
    assert rows[2]["last_window"] is None


def test_an_incident_comes_with_its_history(reading: Site) -> None:
    found = reading.get(f"/api/v1/incidents/{OPEN_ID}").json()
    assert found["state"] == "firing"
    assert [(event["before"], event["after"], event["reason"]) for event in found["events"]] == [(None, "firing", "open_after reached")]
    assert [row["id"] for row in reading.get("/api/v1/incidents").json()["incidents"]] == [PAST_ID, OPEN_ID]


def test_retrainings_and_references_are_listed(reading: Site) -> None:
    assert [row["id"] for row in reading.get("/api/v1/retrainings").json()["retrainings"]] == ["ret-1"]
    assert reading.get("/api/v1/retrainings/ret-1").json()["columns"] == ["dep_delay"]
    assert [(row["number"], row["active"]) for row in reading.get("/api/v1/references", model="flight-delay").json()["references"]] == [
        (1, True)
    ]


@pytest.mark.parametrize(
    ("path", "query", "said"),
    [
        ("/api/v1/results", {"since": "yesterday"}, "since: 'yesterday' is no time: expected one like 2013-01-31"),
        ("/api/v1/results", {"limit": "0"}, "limit: '0' is not a whole number from 1 to 10000"),
        ("/api/v1/results", {"limit": "٣"}, "limit: '٣' is not a whole number"),
        ("/api/v1/results", {"limit": "9" * 5000}, "is not a whole number"),
        ("/api/v1/results", {"check": "vibes"}, "check: 'vibes' is unknown, expected one of ['drift', 'performance', 'quality', 'volume']"),
        ("/api/v1/results", {"verdict": "alert,bad"}, "verdict: 'bad' is unknown"),
        ("/api/v1/results", {"model": "flight"}, "model: 'flight' is not configured, known: ['bag-loss', 'fare-price', 'flight-delay']"),
        ("/api/v1/results", {"modle": "x"}, "unknown parameter 'modle', known here: ['check', 'limit', 'model', 'segment', 'since', "),
        ("/api/v1/models/flight-delay/labels", {"limit": "3"}, "unknown parameter 'limit', known here: []"),
        ("/api/v1/results", {"segment": "orgin=JFK"}, "segment: 'orgin=JFK' is unknown, expected one of ['*'"),
    ],
)
def test_a_bad_query_is_refused_with_what_was_expected(reading: Site, path: str, query: dict[str, str], said: str) -> None:
    answer = reading.get(path, **query)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "bad_query"
    assert said in answer.json()["error"]["message"]


@pytest.mark.parametrize("path", ["/api/v1/nothing", "/api", "/api/v1/incidents/x", "/api/v1/retrainings/x", "/api/v1/models/x/windows",
                                  "/api/v1/models/x/labels"])  # fmt: skip
def test_an_unknown_path_or_thing_is_a_json_404(reading: Site, path: str) -> None:
    answer = reading.get(path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


def test_a_wrong_method_is_a_json_405(reading: Site) -> None:
    assert reading.client.delete("/api/v1/results").json()["error"]["code"] == "method_not_allowed"
    answer = reading.client.delete("/api/v1/retrainings")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, POST"), "those of all its routes"


def test_every_api_route_is_in_the_specification_and_no_other(reading: Site) -> None:
    spec = reading.get("/api/v1/openapi.json").json()
    routes: dict[str, set[str]] = {}
    for route in ROUTES:
        if route.path.startswith("/api"):
            routes.setdefault(route.path, set()).update({m.lower() for m in route.methods or ()} - {"head"})
    assert {path: set(verbs) for path, verbs in spec["paths"].items()} == routes
    assert set(PATHS) == set(routes)


@pytest.mark.parametrize(
    ("path", "noun", "schema"),
    [
        ("/api/v1/models", "models", "Model"),
        ("/api/v1/models/flight-delay/windows", "windows", "Window"),
        ("/api/v1/results", "results", "Result"),
        ("/api/v1/incidents", "incidents", "Incident"),
        ("/api/v1/silences", "silences", "Silence"),
        ("/api/v1/retrainings", "retrainings", "Retraining"),
        ("/api/v1/references", "references", "Reference"),
    ],
)
def test_real_answers_are_what_the_specification_says(reading: Site, path: str, noun: str, schema: str) -> None:
    rows = reading.get(path).json()[noun]
    assert rows
    for row in rows:
        conforms(row, SCHEMAS[schema], schema)


def conforms(value: object, schema: dict[str, object], place: str) -> None:
    """As much of JSON Schema as the specification uses."""
    if "$ref" in schema:
        conforms(value, SCHEMAS[str(schema["$ref"]).rsplit("/", 1)[1]], place)
        return
    if "anyOf" in schema:
        if value is not None:
            conforms(value, schema["anyOf"][0], place)  # type: ignore[index]
        return
    kinds = {"string": str, "integer": int, "number": (int, float), "boolean": bool, "array": list, "object": dict, "null": type(None)}
    named = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
    assert any(isinstance(value, kinds[kind]) for kind in named), f"{place}: {value!r} is none of {named}"  # type: ignore[arg-type, union-attr]
    assert value in schema.get("enum", [value]), place  # type: ignore[operator]
    if isinstance(value, list):
        for each in value:
            conforms(each, schema["items"], f"{place}[]")  # type: ignore[arg-type]
    if isinstance(value, dict) and "properties" in schema:
        assert set(value) == set(schema["properties"]) == set(schema["required"]), place  # type: ignore[call-overload]
        for name, each in value.items():
            conforms(each, schema["properties"][name], f"{place}.{name}")  # type: ignore[index]


def test_acknowledging_writes_the_state_the_person_and_a_line_of_history(writing: Site) -> None:
    answer = writing.post(f"/api/v1/incidents/{OPEN_ID}/ack", json={"by": "mara"})
    assert answer.status_code == 200, answer.text
    assert (answer.json()["state"], answer.json()["acknowledged_by"]) == ("acknowledged", "mara")
    stored = writing.get(f"/api/v1/incidents/{OPEN_ID}").json()
    assert stored == answer.json()
    assert stored["events"][-1]["reason"] == "acknowledged by a person"


def test_resolving_closes_the_incident_and_needs_no_body(writing: Site) -> None:
    assert writing.post(f"/api/v1/incidents/{OPEN_ID}/resolve").json()["state"] == "resolved"
    assert writing.store.open_incident(FLIGHTS.name) is None


def test_a_change_that_the_state_forbids_is_a_409_that_says_the_state(writing: Site) -> None:
    answer = writing.post(f"/api/v1/incidents/{PAST_ID}/ack")
    assert answer.status_code == 409
    assert "is resolved" in answer.json()["error"]["message"]
    assert writing.post("/api/v1/incidents/none/ack").status_code == 404


def test_acknowledging_and_resolving_are_written_into_the_audit(writing: Site) -> None:
    writing.post(f"/api/v1/incidents/{OPEN_ID}/ack", json={"by": "mara"})
    writing.post(f"/api/v1/incidents/{OPEN_ID}/ack", json={"by": "bob"})
    writing.post(f"/api/v1/incidents/{OPEN_ID}/resolve")
    done = [(entry.by, str(entry.via), entry.action, entry.model) for entry in writing.store.audit(subject=OPEN_ID)]
    assert done == [("mara", "api", "acknowledge", FLIGHTS.name), ("api", "api", "resolve", FLIGHTS.name)]


@pytest.mark.parametrize("token", [None, "wrong", "x", TOKEN + "x", TOKEN[:-1]])
def test_a_change_without_the_right_token_is_a_401_and_changes_nothing(reading: Site, token: str | None) -> None:
    answer = reading.post(f"/api/v1/incidents/{OPEN_ID}/ack", token=token)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert reading.get(f"/api/v1/incidents/{OPEN_ID}").json()["state"] == "firing"


def test_without_a_configured_token_changes_are_a_403_with_a_hint(tmp_path: Path) -> None:
    with site(tmp_path, token=None) as made:
        answer = made.post(f"/api/v1/incidents/{OPEN_ID}/resolve", token="anything")
    assert answer.status_code == 403
    assert "token_file" in answer.json()["error"]["hint"]


@pytest.mark.parametrize(
    "body", [b"{", b"[1]", b'{"by": 3}', b'{"by": ""}', b'{"by": "' + b"x" * 81 + b'"}', b'{"by": "a\\nb"}', b"[" * 60000]
)
def test_a_body_that_names_no_person_is_a_400(reading: Site, body: bytes) -> None:
    answer = reading.post(f"/api/v1/incidents/{OPEN_ID}/ack", content=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_query")


def test_a_body_over_64_kilobytes_is_refused_announced_or_not(reading: Site) -> None:
    large = b"x" * (64 * 1024 + 1)
    assert reading.post(f"/api/v1/incidents/{OPEN_ID}/ack", content=large).status_code == 413
    assert reading.post(f"/api/v1/incidents/{OPEN_ID}/ack", content=iter([large])).status_code == 413


def test_while_the_store_is_away_reading_is_a_503_that_asks_to_try_again(tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    with site(folder) as made:
        assert "driftd_store_up 1.0" in made.get("/metrics").text
        made.store.close()  # its pool is emptied: the next read has to open the file again
        shutil.rmtree(folder)
        for path in ("/api/v1/results", "/api/v1/models", "/api/v1/incidents/x"):
            answer = made.get(path)
            assert (answer.status_code, answer.json()["error"]["code"]) == (503, "store_unavailable")
        assert made.get("/").status_code == 503
        assert made.get("/livez").status_code == 200
        assert "driftd_store_up 0.0" in made.get("/metrics").text


def test_a_store_error_names_no_secret() -> None:
    from starlette.requests import Request

    from monitor.web.errors import on_store_away

    request = Request({"type": "http", "method": "GET", "path": "/api/v1/results", "headers": [], "query_string": b"", "server": ("x", 1)})
    answer = on_store_away(request, Retryable("cannot reach postgresql://driftd:hunter2@db/driftd"))
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "5"
    assert b"hunter2" not in answer.body
