"""Prefect 3: a flow run of a deployment. The request's id is its ``idempotency_key``: the same run is returned to a second call."""

from __future__ import annotations

from monitor.notify.presets.base import Call, Order, Service, json_call


def _call(order: Order) -> Call:
    """POST {api}/deployments/{id}/create_flow_run; answers 201. Parameters must be those of the flow: ``retraining``, unless configured."""
    parameters = {"retraining": order.data} if order.trainer.parameters is None else order.parameters
    body = {"name": order.id, "idempotency_key": order.id, "parameters": parameters, "tags": ["driftd"]}
    return json_call(order.at("deployments", order.trainer.deployment_id or "", "create_flow_run"), body, order.bearer())


SERVICE = Service(call=_call)
