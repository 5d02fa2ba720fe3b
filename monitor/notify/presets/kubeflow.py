"""Kubeflow Pipelines 2: a run of a pipeline. Nothing keeps it from running twice: the id is the run's name."""

from __future__ import annotations

from monitor.notify.presets.base import Call, Order, Service, json_call


def _call(order: Order) -> Call:
    """POST {url}/apis/v2beta1/runs; the url ends with /pipeline behind Kubeflow's gateway. Parameters are those of the pipeline."""
    run = order.trainer
    body: dict[str, object] = {
        "display_name": order.id,
        "description": f"driftd: {order.data.get('model')}",
        "pipeline_version_reference": {"pipeline_id": run.pipeline_id, "pipeline_version_id": run.pipeline_version_id},
        "runtime_config": {"parameters": order.parameters},
    }
    if run.experiment_id is not None:
        body["experiment_id"] = run.experiment_id
    return json_call(order.at("apis", "v2beta1", "runs"), body, order.bearer())


SERVICE = Service(call=_call)
