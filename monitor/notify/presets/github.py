"""GitHub Actions: a ``repository_dispatch`` event, or the dispatch of one workflow.

Neither has a key that keeps it from running twice: the id goes along, and ``concurrency`` in the workflow can use it.
"""

from __future__ import annotations

from monitor.notify.presets.base import Call, Order, Service, json_call

API = "https://api.github.com"
HEADERS = {"accept": "application/vnd.github+json", "x-github-api-version": "2022-11-28"}


def _repository(order: Order) -> Call:
    """POST /repos/{owner}/{repo}/dispatches; answers 204. The payload has at most ten keys at its top."""
    owner, _, name = (order.trainer.repo or "").partition("/")
    body = {"event_type": order.trainer.event_type, "client_payload": order.parameters}
    return json_call(order.at("repos", owner, name, "dispatches", base=API), body, HEADERS | order.bearer())


def _workflow(order: Order) -> Call:
    """POST /repos/{owner}/{repo}/actions/workflows/{workflow}/dispatches; answers 204. Inputs are texts that the workflow declares."""
    owner, _, name = (order.trainer.repo or "").partition("/")
    url = order.at("repos", owner, name, "actions", "workflows", order.trainer.workflow or "", "dispatches", base=API)
    return json_call(url, {"ref": order.trainer.ref, "inputs": order.texts}, HEADERS | order.bearer())


REPOSITORY = Service(call=_repository)
WORKFLOW = Service(call=_workflow)
