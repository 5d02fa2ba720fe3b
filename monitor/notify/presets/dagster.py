"""Dagster: a run of a job by GraphQL. Nothing keeps it from running twice: the id goes along as the tag ``driftd/id``."""

from __future__ import annotations

import json

from monitor.core.template import text_of
from monitor.notify.presets.base import Call, Order, Service, json_call

MUTATION = """\
mutation Retrain($executionParams: ExecutionParams!) {
  launchRun(executionParams: $executionParams) { __typename ... on LaunchRunSuccess { run { runId } } }
}"""
LAUNCHED = "LaunchRunSuccess"
TAGS = ("id", "model", "version", "callback_url")
LONGEST = 100


def _call(order: Order) -> Call:
    """POST /graphql. ``parameters`` is the run's configuration (none, unless configured); what every run should know is in its tags."""
    job = order.trainer
    selector = {"repositoryLocationName": job.location, "repositoryName": job.repository, "jobName": job.job}
    tags = [{"key": f"driftd/{name}", "value": text_of(order.values[name])} for name in TAGS if order.values[name]]
    config = {} if job.parameters is None else order.parameters
    params = {"selector": selector, "runConfigData": config, "executionMetadata": {"tags": tags}}
    headers = {"dagster-cloud-api-token": order.token} if order.token else {}
    return json_call(order.at("graphql"), {"query": MUTATION, "variables": {"executionParams": params}}, headers)


def _refused(body: bytes) -> str:
    """Every answer is a 200: whether a run was launched says its type alone."""
    try:
        kind = json.loads(body)["data"]["launchRun"]["__typename"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return "no answer to launchRun"
    return "" if kind == LAUNCHED else str(kind)[:LONGEST]


SERVICE = Service(call=_call, refused=_refused)
