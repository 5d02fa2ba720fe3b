"""Airflow 3: a run of a DAG. The request's id is the run's id: a 409 says that it is there already, which is success."""

from __future__ import annotations

from monitor.notify.presets.base import Call, Order, Service, json_call

LONGEST_NOTE = 1000


def _call(order: Order) -> Call:
    """POST /api/v2/dags/{dag_id}/dagRuns; further keys are refused. ``logical_date`` must be given, and may be null."""
    note = f"driftd: {order.data.get('model')}: {order.data.get('reason')}"[:LONGEST_NOTE]
    body = {"dag_run_id": order.id, "logical_date": None, "conf": order.parameters, "note": note}
    return json_call(order.at("api", "v2", "dags", order.trainer.dag_id or "", "dagRuns"), body, order.bearer())


SERVICE = Service(call=_call, known=frozenset({409}))
