"""Requests to retrain by the APIs of known services, held against what these publish, and in shapes of people's own."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import graphql
import jsonschema_rs
import pytest
import standardwebhooks
from graphql.execution.values import get_variable_values

from monitor.clock import SystemClock
from monitor.core.messages import ColumnLine
from monitor.core.results import Check, Result, Verdict
from monitor.core.retraining import Retraining, RetrainingState
from monitor.core.retraining_messages import Case, ReferenceLine, retraining_body, retraining_request
from monitor.core.template import text_of
from monitor.demo import scripted_http as http
from monitor.errors import Permanent, Retryable
from monitor.notify import trainer_receiver
from monitor.notify.presets import SERVICES, Order
from monitor.notify.trainer import Trainer, templated
from monitor.notify.webhook import Webhook
from monitor.ports import Delivery
from monitor.settings.secret import Secret
from monitor.settings.trainers import Preset, TrainerSettings
from tests.webhook_server import WebhookReceiver

DATA = Path(__file__).parents[1] / "data" / "presets"
START = datetime(2026, 1, 1, tzinfo=UTC)
KEY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
TOKEN = "hush-token"
ASKED = Retraining(id="ret_0123456789ab", model="flight-delay", version="7", state=RetrainingState.REQUESTED,
                   reason='drift alerted in 2 of 3 "windows"', incident="inc_1", columns=("dep_delay", "µ\n{{ id }}"), requested_at=START)
ALERT = Result(model="flight-delay", version="7", segment="*", window_start=START, window_end=START, check=Check.DRIFT, column="dep_delay",
               metric="psi", value=1.0, threshold=0.2, p_value=None, verdict=Verdict.ALERT, reason="moved", rows=10)
CASE = Case(
    cause="dep_delay: mean 12 → 30", results=(ALERT,), columns=(ColumnLine(column="dep_delay", sentence="dep_delay: mean 12 → 30"),),
    reference=ReferenceLine(number=3, hash="abc"), api_url="https://driftd.example",
)  # fmt: skip
BODY = json.loads(json.dumps(retraining_body(retraining_request(ASKED, CASE))))
"""As the outbox keeps it."""
DATA_OF: Mapping[str, Any] = BODY["data"]
CALLBACK = "https://driftd.example/api/v1/retrainings/ret_0123456789ab/status"
KEYS: Mapping[Preset, dict[str, Any]] = {
    Preset.GITHUB: {"repo": "example/models"},
    Preset.GITHUB_WORKFLOW: {"repo": "example/models", "workflow": "train.yaml", "ref": "v1"},
    Preset.GITLAB: {"project": "group/models"},
    Preset.JENKINS: {"job": "models/train it", "user": "driftd"},
    Preset.AIRFLOW: {"dag_id": "train"},
    Preset.PREFECT: {"deployment_id": "7a3c"},
    Preset.DAGSTER: {"location": "models", "repository": "__repository__", "job": "train"},
    Preset.KUBEFLOW: {"pipeline_id": "p", "pipeline_version_id": "v", "experiment_id": "e"},
    Preset.ARGO_EVENTS: {},
}
PLACES: Mapping[Preset, str] = {
    Preset.GITHUB: "/repos/example/models/dispatches",
    Preset.GITHUB_WORKFLOW: "/repos/example/models/actions/workflows/train.yaml/dispatches",
    Preset.GITLAB: "/api/v4/projects/group%2Fmodels/trigger/pipeline",
    Preset.JENKINS: "/job/models/job/train%20it/buildWithParameters",
    Preset.AIRFLOW: "/api/v2/dags/train/dagRuns",
    Preset.PREFECT: "/deployments/7a3c/create_flow_run",
    Preset.DAGSTER: "/graphql",
    Preset.KUBEFLOW: "/apis/v2beta1/runs",
    Preset.ARGO_EVENTS: "",
}
BEARER = {"authorization": f"Bearer {TOKEN}"}
AUTHENTICATED: Mapping[Preset, Mapping[str, str]] = {
    **dict.fromkeys(Preset, BEARER),
    Preset.GITLAB: {},  # in the body
    Preset.JENKINS: {"authorization": "Basic " + base64.b64encode(f"driftd:{TOKEN}".encode()).decode()},
    Preset.DAGSTER: {"dagster-cloud-api-token": TOKEN},
}


def trainer(preset: Preset | None, url: str | None = "https://ci.example/base/", **keys: Any) -> TrainerSettings:
    return TrainerSettings(preset=preset, url=url, token=Secret(text=TOKEN), **({} if preset is None else KEYS[preset]), **keys)


def call_of(preset: Preset, **keys: Any) -> Any:
    return SERVICES[preset].call(Order(trainer=trainer(preset, **keys), data=DATA_OF, token=TOKEN))


def form(content: bytes) -> dict[str, str]:
    return dict(parse_qsl(content.decode(), keep_blank_values=True))


def parameters_of(preset: Preset, content: bytes) -> Mapping[str, Any]:
    """What the run is handed, wherever the service has it."""
    if preset is Preset.JENKINS:
        return form(content)
    body = json.loads(content)
    return {
        Preset.GITHUB: lambda: body["client_payload"],
        Preset.GITHUB_WORKFLOW: lambda: body["inputs"],
        Preset.GITLAB: lambda: body["variables"],
        Preset.AIRFLOW: lambda: body["conf"],
        Preset.PREFECT: lambda: body["parameters"],
        Preset.DAGSTER: lambda: body["variables"]["executionParams"]["runConfigData"],
        Preset.KUBEFLOW: lambda: body["runtime_config"]["parameters"],
        Preset.ARGO_EVENTS: lambda: body,
    }[preset]()


def delivery(body: Mapping[str, object] = BODY) -> Delivery:
    return Delivery(id="msg_1", receiver="retraining:m", kind="retraining", incident=None, body=body, attempts=0, created_at=START)


@pytest.fixture
def server() -> Iterator[WebhookReceiver]:
    receiver = WebhookReceiver()
    yield receiver
    receiver.close()


# --- what is sent, against what the services publish ---------------------------------------------------------


def test_every_preset_has_its_service() -> None:
    assert set(SERVICES) == set(Preset) == set(KEYS) == set(PLACES)


@pytest.mark.parametrize("preset", sorted({Preset(path.stem) for path in DATA.glob("*.json")}))
@pytest.mark.parametrize("parameters", [None, {"why": "{{ reason }} of {{ model }}", "all": "{{ evidence }}", "n": 3}])
def test_a_body_is_as_the_service_publishes_it(preset: Preset, parameters: dict[str, object] | None) -> None:
    schema = json.loads((DATA / f"{preset}.json").read_text())
    body = json.loads(call_of(preset, parameters=parameters).content)
    jsonschema_rs.validate(schema, body)
    for broken in ({**body, "unheard_of": 1}, {}):
        if broken or schema.get("required"):
            with pytest.raises(jsonschema_rs.ValidationError):
                jsonschema_rs.validate(schema, broken)


def test_dagsters_mutation_and_its_variables_fit_its_schema() -> None:
    schema = graphql.build_schema((DATA / "dagster.graphql").read_text())
    body = json.loads(call_of(Preset.DAGSTER, parameters={"ops": {"train": {"config": {"request": "{{ evidence }}"}}}}).content)
    document = graphql.parse(body["query"])
    assert graphql.validate(schema, document) == []
    [operation] = [node for node in document.definitions if isinstance(node, graphql.OperationDefinitionNode)]
    assert not isinstance(get_variable_values(schema, operation.variable_definitions, body["variables"]), list), "a list of errors"
    params = body["variables"]["executionParams"]
    assert params["runConfigData"]["ops"]["train"]["config"]["request"]["id"] == ASKED.id
    assert {"key": "driftd/id", "value": ASKED.id} in params["executionMetadata"]["tags"]
    wrong = {"executionParams": {**params, "selector": {"jobName": "train"}}}
    assert isinstance(get_variable_values(schema, operation.variable_definitions, wrong), list), "the schema is no rubber stamp"


@pytest.mark.parametrize("preset", Preset)
def test_each_request_goes_to_its_place_with_the_token_where_it_belongs(preset: Preset) -> None:
    call = call_of(preset)
    assert (call.url, call.method) == (f"https://ci.example/base{PLACES[preset]}", "POST")
    expected = "application/x-www-form-urlencoded" if preset is Preset.JENKINS else "application/json"
    assert call.headers["content-type"] == expected
    found = {name: value for name, value in call.headers.items() if TOKEN in value or name == "authorization"}
    assert found == AUTHENTICATED[preset]
    assert (TOKEN.encode() in call.content) == (preset is Preset.GITLAB)


@pytest.mark.parametrize(("preset", "host"), [(Preset.GITHUB, "api.github.com"), (Preset.GITHUB_WORKFLOW, "api.github.com"),
                                              (Preset.GITLAB, "gitlab.com")])
def test_the_public_services_need_no_address(preset: Preset, host: str) -> None:
    url = SERVICES[preset].call(Order(trainer=trainer(preset, url=None), data=DATA_OF, token=TOKEN)).url
    assert (urlsplit(url).scheme, urlsplit(url).hostname) == ("https", host)


@pytest.mark.parametrize("preset", sorted(set(Preset) - {Preset.PREFECT, Preset.DAGSTER}))
def test_the_run_is_handed_the_id_the_call_back_and_all_the_evidence(preset: Preset) -> None:
    found = parameters_of(preset, call_of(preset).content)
    prefix = {"id": "DRIFTD_ID", "callback_url": "DRIFTD_CALLBACK_URL", "evidence": "DRIFTD_EVIDENCE"} if preset is Preset.GITLAB else {}
    assert found[prefix.get("id", "id")] == ASKED.id
    assert found[prefix.get("callback_url", "callback_url")] == CALLBACK
    evidence = found[prefix.get("evidence", "evidence")]
    assert (json.loads(evidence) if isinstance(evidence, str) else evidence) == DATA_OF


@pytest.mark.parametrize("preset", Preset)
def test_parameters_of_ones_own_replace_them(preset: Preset) -> None:
    found = parameters_of(preset, call_of(preset, parameters={"run": "{{ id }}", "of": "{{ columns }}"}).content)
    columns = list(ASKED.columns)
    texts = preset in (Preset.JENKINS, Preset.GITLAB, Preset.GITHUB_WORKFLOW)
    assert found == {"run": ASKED.id, "of": text_of(columns) if texts else columns}


def test_the_id_is_the_key_where_a_service_knows_one() -> None:
    assert json.loads(call_of(Preset.AIRFLOW).content)["dag_run_id"] == ASKED.id
    assert json.loads(call_of(Preset.AIRFLOW).content)["logical_date"] is None
    prefect = json.loads(call_of(Preset.PREFECT).content)
    assert (prefect["idempotency_key"], prefect["parameters"]) == (ASKED.id, {"retraining": DATA_OF})
    assert json.loads(call_of(Preset.KUBEFLOW).content)["display_name"] == ASKED.id


@pytest.mark.parametrize("preset", [Preset.PREFECT, Preset.DAGSTER, Preset.KUBEFLOW, Preset.ARGO_EVENTS])
def test_a_service_without_a_token_is_sent_none(preset: Preset) -> None:
    settings = TrainerSettings(preset=preset, url="https://ci.example", **KEYS[preset])
    call = SERVICES[preset].call(Order(trainer=settings, data=DATA_OF))
    assert set(call.headers) == {"content-type"}


# --- sending -------------------------------------------------------------------------------------------------


def sender(server: WebhookReceiver, preset: Preset | None, **keys: Any) -> Trainer:
    return Trainer(name="retraining:m", trainer=trainer(preset, url=server.root, **keys), clock=SystemClock())


@pytest.mark.parametrize("preset", sorted(set(Preset) - {Preset.DAGSTER}))
def test_a_service_that_takes_it_has_it(server: WebhookReceiver, preset: Preset) -> None:
    assert sender(server, preset).send(delivery()).detail == "answered 202"
    (request,) = server.requests
    assert request.path == (PLACES[preset] or "/")
    assert request.headers["user-agent"].startswith("driftd/")
    assert "webhook-signature" not in request.headers


def test_a_run_that_is_there_already_is_success_where_the_id_is_the_key(server: WebhookReceiver) -> None:
    server.script(http.answers(409, b"{}"), http.answers(409, b"{}"))
    assert sender(server, Preset.AIRFLOW).send(delivery()).detail == "answered 409: it is there already"
    with pytest.raises(Permanent, match="the trainer retraining:m answered 409"):
        sender(server, Preset.GITHUB).send(delivery())


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b'{"data": {"launchRun": {"__typename": "PythonError"}}}', "PythonError"),
        (b'{"errors": [{"message": "x"}], "data": null}', "no answer to launchRun"),
        (b"<html>", "no answer to launchRun"),
        (b"[]", "no answer to launchRun"),
        (b"[" * 100_000, "no answer to launchRun"),
    ],
)
def test_dagster_says_in_the_body_whether_it_launched(server: WebhookReceiver, body: bytes, why: str) -> None:
    server.script(http.answers(200, body))
    with pytest.raises(Permanent, match=f"answered 200, but started nothing: {why}"):
        sender(server, Preset.DAGSTER).send(delivery())
    server.script(http.answers(200, b'{"data": {"launchRun": {"__typename": "LaunchRunSuccess", "run": {"runId": "r"}}}}'))
    assert sender(server, Preset.DAGSTER).send(delivery()).detail == "answered 200"


def test_a_service_in_trouble_is_tried_again_and_no_token_is_told(server: WebhookReceiver) -> None:
    server.script(http.answers(503, b"oops"), http.answers(401, TOKEN.encode()), http.drops_after_work)
    for kind in (Retryable, Permanent, Retryable):
        with pytest.raises(kind) as caught:
            sender(server, Preset.AIRFLOW).send(delivery())
        assert TOKEN not in str(caught.value)
        assert server.root not in str(caught.value)


def test_a_token_file_is_read_at_each_use(server: WebhookReceiver, tmp_path: Path) -> None:
    file = tmp_path / "token"
    settings = TrainerSettings(preset=Preset.AIRFLOW, url=server.root, token=Secret(file=file), dag_id="train")
    made = Trainer(name="t", trainer=settings, clock=SystemClock())
    with pytest.raises(Retryable, match="secret file"):
        made.send(delivery())
    for token in ("one", "two"):
        file.write_text(token + "\n")
        made.send(delivery())
    assert [request.headers["authorization"] for request in server.requests] == ["Bearer one", "Bearer two"]
    file.write_text("three\nfour")
    with pytest.raises(Permanent, match="the token of t is none") as caught:
        made.send(delivery())
    assert "three" not in str(caught.value)
    made.close()


@pytest.mark.parametrize("body", [{}, {"data": 1}, {"data": {}}, {"data": {"id": ""}}])
def test_a_stored_body_that_is_no_request_is_buried(server: WebhookReceiver, body: dict[str, object]) -> None:
    with pytest.raises(Permanent, match="no request to retrain"):
        sender(server, Preset.GITHUB).send(delivery(body))


# --- a shape of people's own ---------------------------------------------------------------------------------


def test_a_template_is_filled_and_signed_where_there_is_a_secret(server: WebhookReceiver) -> None:
    template = {"method": "PUT", "headers": {"Authorization": "Token {{ token }}", "X-Model": "{{ model }}/{{ cause }}"},
                "body": {"run": "{{ id }}", "text": "{{ model }}: {{ reason }}", "all": "{{ evidence }}", "n": [1, None, True]}}
    settings = TrainerSettings(url=server.root, token=Secret(text=TOKEN), secret=Secret(text=KEY), template=template)
    Trainer(name="t", trainer=settings, clock=SystemClock()).send(delivery())
    (request,) = server.requests
    assert request.method == "PUT"
    assert request.headers["authorization"] == f"Token {TOKEN}"
    assert request.headers["x-model"] == "flight-delay/dep_delay: mean 12 ? 30", "a header holds no arrow"
    body = json.loads(request.body)
    assert body == {"run": ASKED.id, "text": f"flight-delay: {ASKED.reason}", "all": DATA_OF, "n": [1, None, True]}
    assert standardwebhooks.Webhook(KEY).verify(request.body, dict(request.headers)) == body


def test_a_template_without_a_body_sends_all_there_is(server: WebhookReceiver) -> None:
    Trainer(name="t", trainer=TrainerSettings(url=server.root, template={}), clock=SystemClock()).send(delivery())
    (request,) = server.requests
    assert json.loads(request.body) == DATA_OF
    assert "webhook-id" not in request.headers


def test_what_the_configuration_refuses_sends_nothing_either() -> None:
    order = Order(trainer=TrainerSettings(url="https://ci.example", template={"headers": {"a": "{{ b }}"}}), data=DATA_OF)
    with pytest.raises(Permanent, match="unknown placeholder"):
        templated(order)
    with pytest.raises(ValueError, match="neither preset nor template"):
        templated(Order(trainer=TrainerSettings(url="https://ci.example"), data=DATA_OF))


def test_a_signed_webhook_needs_its_url() -> None:
    with pytest.raises(ValueError, match="webhook without url"):
        trainer_receiver("t", TrainerSettings(secret=Secret(text="s")), SystemClock())
    made = trainer_receiver("t", TrainerSettings(url="https://ci.example", secret=Secret(text="s")), SystemClock())
    assert isinstance(made, Webhook)
