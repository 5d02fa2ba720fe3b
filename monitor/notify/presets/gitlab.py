"""GitLab: a pipeline by a trigger token. Nothing keeps it from running twice: the id goes along as DRIFTD_ID."""

from __future__ import annotations

from monitor.notify.presets.base import Call, Order, Service, json_call

HOST = "https://gitlab.com"


def _call(order: Order) -> Call:
    """POST /api/v4/projects/{id}/trigger/pipeline; answers 201. Variables are texts by name."""
    names = {name if order.trainer.parameters else f"DRIFTD_{name.upper()}": text for name, text in order.texts.items()}
    url = order.at("api", "v4", "projects", order.trainer.project or "", "trigger", "pipeline", base=HOST)
    return json_call(url, {"token": order.token, "ref": order.trainer.ref, "variables": names}, {})


SERVICE = Service(call=_call)
